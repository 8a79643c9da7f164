"""A decision that an officer signs here, with the key that NOREN_OFFICER_KEY names."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import InputError
from anonymization.keys import load_private_key
from anonymization.release.candidate import load_candidate
from anonymization.release.decision import Decision, Outcome, decide
from anonymization.release.setting import Setting, opened

STAYS = "what leaves with the release: your name and signature, and when; your comment stays inside"


def signed_decision(candidate: str, outcome: Outcome, officer: str, reason: str) -> Decision:
    """Sign a decision on a candidate, and record it.

    Raises:
        InputError: no key is named, or the officer answers in Airflow.
        Refusal: the officer may not decide so.
    """
    key = officers_key()
    with opened() as setting:
        if officer in setting.airflow_officers:
            raise InputError(f"{officer!r} answers in Airflow, where the release's run waits for it")
        return decide(
            setting.ledger, load_candidate(setting.home, setting.ledger, candidate), outcome=outcome,
            officer=officer, officers=setting.officers, key=key, reason=reason,
        ).decision  # fmt: skip


def officers_key() -> Ed25519PrivateKey:
    """Return the key that NOREN_OFFICER_KEY names.

    Raises:
        InputError: none is named, or the file holds none.
    """
    path = os.environ.get("NOREN_OFFICER_KEY")
    if path is None:
        raise InputError("set NOREN_OFFICER_KEY to the officer's private key file")
    return load_private_key(Path(path))


def require_a_key(setting: Setting, officer: str) -> None:
    """Refuse an officer who has no key to sign with.

    Raises:
        InputError: the officer answers in Airflow.
    """
    if officer in setting.airflow_officers:
        raise InputError(f"{officer!r} answers in Airflow: an officer with a key has to sign")
