"""Verify a release directory: from what is in it, and against the ledger where that is at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymization.errors import InputError, IntegrityError
from anonymization.files import canonical
from anonymization.home import Home
from anonymization.keys import public_text, publisher_key, signature_holds
from anonymization.release.envelope import Envelope, read_envelope
from anonymization.release.ledger.ledger import Entry, EntryKind, Ledger, Transaction
from anonymization.release.package import read_package
from anonymization.release.pinned import known_policies, made_by_demo
from anonymization.release.setting import demo_officers
from anonymization.release.withdraw import WITHDRAWAL

APPROVED = "approved"
BESIDE = ("signature", "public_key")
"""What stands in an envelope's decision beside what the officer signed."""


@dataclass(frozen=True)
class Verified:
    """What was checked, in words, and what the envelope says."""

    checks: tuple[str, ...]
    envelope: dict[str, Any]
    withdrawn: bool


def verify(folder: Path, home: Home | None) -> Verified:
    """Check a release directory.

    Args:
        folder: holds `package/` and `envelope/`.
        home: the publisher's home, for the ledger and the publisher's key; without it the key in the
            envelope is taken, and the result says so.

    Raises:
        InputError: the folder is no release.
        IntegrityError: what does not hold.
    """
    if not (folder / "package").is_dir() or not (folder / "envelope").is_dir():
        raise InputError(f"{folder} is no release directory: it holds no package/ and envelope/")
    package = read_package(folder / "package")
    read = read_envelope(folder)
    envelope = dict(read.says)
    key = public_text(publisher_key(home).public_key()) if home is not None else envelope["publisher_public_key"]
    read.require_sealed(package.digest, key)
    checks = [
        f"package: every file is as its manifest says (digest {package.digest[:16]}...)",
        f"tables: {len(package.tables)} read back, CSV and Parquet equal, schema as described",
        "signature: the publisher's" if home is not None else "signature: holds for the key in the envelope",
        _check_decision(read, package.digest, at_hand=home is not None),
    ]
    withdrawn = (folder / "envelope" / WITHDRAWAL).exists()
    if home is not None:
        withdrawn = _check_ledger(home, read) or withdrawn
        checks.append("ledger: the publication, its policy and its decision are recorded, and the chain holds")
    checks += [
        f"NOTE: on {time} this home's policy was changed with the master key, without an officer's signature"
        for time in (envelope.get("policy") or {}).get("without_an_officer", ())
    ]
    return Verified(tuple(checks), envelope, withdrawn)


def _check_decision(envelope: Envelope, digest: str, *, at_hand: bool) -> str:
    """Check that an officer approved exactly this package; return what was checked, in words.

    Raises:
        IntegrityError: what does not hold.
    """
    decision, published_at = dict(envelope.says["decision"]), str(envelope.says["published_at"])
    officer, signature, key = (decision.pop(name, None) for name in ("officer", "signature", "public_key"))
    told = f"decision: {decision['outcome']} by {officer}"
    if decision["outcome"] != APPROVED:
        raise IntegrityError(f"the decision is no approval: {decision['outcome']} by {officer}")
    bound = (decision.get("package_digest"), decision.get("candidate"), decision.get("policy_digest"))
    if bound != (digest, envelope.says["candidate"], envelope.says["policy_digest"]):
        raise IntegrityError("the decision is about another package, or another policy")
    if not str(decision.get("decided_at")) <= published_at <= str(decision.get("expires_at")):
        raise IntegrityError("the decision did not hold when the release was published")
    if key is None and at_hand:
        return f"{told}, as the ledger has it; an envelope of an earlier Noren names no key"
    if key is None:
        raise IntegrityError("the envelope, of an earlier Noren, names no key of the officer: verify it with its home")
    if not signature_holds(str(key), str(signature), canonical({**decision, "officer": officer}).encode()):
        raise IntegrityError(f"the signature of the decision is not {officer!r}'s")
    if "answered_in" in decision:
        return f"{told}, who answered in Airflow; the publisher's signature is its witness"
    return f"{told}; the signature holds for the key {'that was enrolled' if at_hand else 'in the envelope'}"


def _check_enrolled(home: Home, transaction: Transaction, envelope: Envelope, recorded: Sequence[Entry]) -> None:
    """Check policy and officer against what the ledger knew of the policy folder when the release was published."""
    decision = envelope.says["decision"]
    known = known_policies(home, transaction, before=recorded[-1].seq) if recorded else None
    if known is None or "public_key" not in decision:  # published before the ledger knew policies and keys
        return
    digests = {entry.payload["digest"] for entry in transaction.entries(kind=EntryKind.POLICY)}
    if envelope.says["policy_digest"] not in digests:
        raise IntegrityError("the ledger does not know the policy folder that this release was built under")
    enrolled = {**known.folder.officers, **(demo_officers(home) if made_by_demo(transaction) else {})}
    how = enrolled.get(decision["officer"], {})
    witness = public_text(publisher_key(home).public_key()) if "airflow_user" in how else None
    if decision["public_key"] != how.get("public_key", witness):
        raise IntegrityError(f"the decision is signed with another key than {decision['officer']!r} was enrolled with")


def _check_ledger(home: Home, envelope: Envelope) -> bool:
    """Check the ledger's record of a publication and its decision; return whether it was withdrawn."""
    ledger = Ledger.of(home)
    try:
        with ledger.transaction() as transaction:
            transaction.verify_chain()
            heads = transaction.heads()
            recorded = transaction.entries(kind=EntryKind.PUBLICATION, subject=envelope.says["candidate"])
            _check_enrolled(home, transaction, envelope, recorded)
            decisions = transaction.entries(kind=EntryKind.DECISION, subject=envelope.says["candidate"])
            withdrawals = transaction.entries(kind=EntryKind.WITHDRAWAL, subject=envelope.says["candidate"])
    finally:
        ledger.close()
    if envelope.says["ledger_head"] not in heads:
        raise IntegrityError("the ledger no longer holds the head that the envelope names: its tail was cut")
    if not recorded or recorded[-1].payload["envelope_sha256"] != envelope.sha256:
        raise IntegrityError("the ledger has no publication with this envelope")
    signed = {name: value for name, value in envelope.says["decision"].items() if name not in BESIDE}
    digest = hashlib.sha256(canonical(signed).encode()).hexdigest()
    of_it = [entry.payload for entry in decisions if entry.payload["decision_sha256"] == digest]
    key = envelope.says["decision"].get("public_key")
    if not of_it or of_it[-1].get("public_key") != key:
        raise IntegrityError("the ledger has no such decision of that officer's key")
    return bool(withdrawals)
