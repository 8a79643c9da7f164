"""The gate's verdict: closed, unless a recorded and unchanged verdict says open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from anonymization.errors import GateRefusal
from anonymization.files import canonical, private_stream, write_synced
from anonymization.release.candidate import Candidate
from anonymization.release.ledger.ledger import Entry, EntryKind, Ledger, now

FILE = "verdict.json"


def record_verdict(
    ledger: Ledger,
    candidate: Candidate,
    *,
    opened: bool,
    suites: list[Any],
    reasons: list[str],
    suites_digest: str,
    attack: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write `evidence/verdict.json` and record its digest in the ledger: the file takes its place once that has it.

    Args:
        ledger: where it is recorded.
        candidate: that was checked.
        opened: whether it may be decided on.
        suites: what was checked, and what became of it.
        reasons: why it is closed.
        suites_digest: of the suites by which it was checked.
        attack: against what it was attacked (see `attacks.system_of`), if it came to that.
    """
    with private_stream(candidate.evidence / FILE) as file, ledger.transaction() as transaction:
        content = {
            "candidate": candidate.id,
            "package_digest": candidate.request.digest,
            "policy_digest": candidate.request.policy_digest,
            "ledger_head": transaction.head(),
            "checked_at": now(),
            "open": opened,
            "reasons": reasons,
            "suites": suites,
            "suites_digest": suites_digest,
            "attack": dict(attack),
        }
        text = canonical(content)
        write_synced(file, text + "\n")
        transaction.append(
            EntryKind.GATE,
            candidate.id,
            {
                "verdict_sha256": _sha256(text),
                "open": opened,
                "digest": candidate.request.digest,
                "suites_digest": suites_digest,
            },
        )


def require_open(ledger: Ledger, candidate: Candidate) -> tuple[Mapping[str, Any], Entry]:
    """Return the verdict and its ledger entry, if it says open.

    Raises:
        GateRefusal: there is no verdict, it was changed by hand, it is another package's, or it says closed.
    """
    with ledger.transaction() as transaction:
        entries = transaction.entries(kind=EntryKind.GATE, subject=candidate.id)
    try:
        text = _text(candidate)
        content = json.loads(text)
    except (OSError, ValueError):
        raise GateRefusal(f"candidate {candidate.id}: no verdict; run `noren gate {candidate.id}`") from None
    if not entries or entries[-1].payload["verdict_sha256"] != _sha256(text):
        raise GateRefusal(f"candidate {candidate.id}: evidence/{FILE} is not the verdict that the gate recorded")
    if content.get("package_digest") != candidate.request.digest:
        raise GateRefusal(f"candidate {candidate.id}: the verdict is another package's")
    if not content.get("suites_digest"):
        raise GateRefusal(f"candidate {candidate.id}: the verdict does not say by which suites; gate it again")
    if content.get("open") is not True:
        raise GateRefusal(f"candidate {candidate.id}: the gate is closed: {'; '.join(content.get('reasons', []))}")
    return content, entries[-1]


def verdict_digest(candidate: Candidate) -> str:
    """Return the SHA-256 of the verdict."""
    return _sha256(_text(candidate))


def told_verdict(candidate: Candidate) -> tuple[str, str]:
    """Return the digests of the verdict and of the suites that it was made by; empty where there is no verdict."""
    try:
        text = _text(candidate)
        return _sha256(text), str(json.loads(text).get("suites_digest", ""))
    except (OSError, ValueError, AttributeError):
        return "", ""


def _text(candidate: Candidate) -> str:
    return (candidate.evidence / FILE).read_text(encoding="utf-8").rstrip("\n")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
