"""Decisions: an enrolled officer, who did not request it, approves or rejects one candidate, once, in time.

A decision binds request number, package digest, verdict digest, policy digest and ledger head. Publication
verifies it again by itself: whatever brought the decision (a `DecisionSource`), only its content counts.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import DecisionRefusal
from anonymization.files import canonical, private_stream, write_synced
from anonymization.keys import public_text, sign, signature_holds
from anonymization.release.candidate import Candidate
from anonymization.release.gate.verdict import require_open, told_verdict, verdict_digest
from anonymization.release.ledger.ledger import EntryKind, Ledger, Transaction

FILE = "decision.json"
VALID = timedelta(hours=72)
INSIDE = ("reason", "salt")
"""Fields that never leave."""
IF_ANY = ("suites_digest", "answered_in")
"""Fields that are left out where they are empty."""


class Outcome(StrEnum):
    """What an officer decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Decision:
    """A decision and what it binds.

    Attributes:
        reason: the officer's words, which stay inside; what is signed, and leaves, is a commitment to them.
        salt: without it nobody can try which words were committed to.
        suites_digest: of the suites that the gate ran (`expectations/load.py`); empty where it has not run.
        answered_in: where an officer who does not sign has answered, such as `airflow:DAG/RUN/TASK`; else empty.
    """

    candidate: str
    request: int
    package_digest: str
    verdict_digest: str
    policy_digest: str
    ledger_head: str
    outcome: Outcome
    officer: str
    reason: str
    decided_at: str
    expires_at: str
    nonce: str
    salt: str
    suites_digest: str = ""
    answered_in: str = ""

    def text(self) -> str:
        """Return what is signed."""
        return canonical(self.told())

    def told(self) -> dict[str, Any]:
        """Return what is signed, and what leaves: all but the officer's words; there is a salted commitment to them."""
        committed = hashlib.sha256(canonical([self.salt, self.reason]).encode()).hexdigest()
        inside = self.as_dict()
        return {name: value for name, value in inside.items() if name not in INSIDE} | {"reason_sha256": committed}

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, for the evidence inside."""
        return {name: value for name, value in asdict(self).items() if name not in IF_ANY or value}


@dataclass(frozen=True)
class SignedDecision:
    """A decision with its officer's signature."""

    decision: Decision
    signature: str

    @property
    def digest(self) -> str:
        """What the ledger knows it by."""
        return hashlib.sha256(self.decision.text().encode()).hexdigest()


class DecisionSource(Protocol):
    """Where the decision on a candidate comes from: a signed file, or one that another system is asked about itself."""

    def decision_on(self, candidate: Candidate) -> SignedDecision:
        """Return the decision, or refuse."""


class SignedFile:
    """Decisions signed by `noren approve`, in the candidate's evidence."""

    def decision_on(self, candidate: Candidate) -> SignedDecision:
        """Return the decision in `evidence/decision.json`.

        Raises:
            DecisionRefusal: there is none, or it is no decision.
        """
        try:
            content = json.loads((candidate.evidence / FILE).read_text(encoding="utf-8"))
            fields = dict(content["decision"])
            fields["outcome"] = Outcome(fields["outcome"])
            return SignedDecision(Decision(**fields), str(content["signature"]))
        except FileNotFoundError:
            raise DecisionRefusal(f"candidate {candidate.id}: no officer has decided on it") from None
        except (OSError, ValueError, KeyError, TypeError):
            raise DecisionRefusal(f"candidate {candidate.id}: evidence/{FILE} is no decision") from None


def decide(
    ledger: Ledger,
    candidate: Candidate,
    *,
    outcome: Outcome,
    officer: str,
    officers: Mapping[str, str],
    key: Ed25519PrivateKey,
    reason: str = "",
) -> SignedDecision:
    """Sign a decision with an officer's key and record it.

    Args:
        ledger: the home's ledger.
        candidate: what is decided on.
        outcome: approved or rejected; a rejection needs a reason.
        officer: the officer's name.
        officers: enrolled officers and their public keys.
        key: the officer's private key.
        reason: why, in the officer's words.

    Raises:
        DecisionRefusal: unknown officer, another's key, the requester, or a rejection without a reason.
        GateRefusal: an approval while the gate is closed.
    """
    _check_officer(candidate, officer, officers)
    if public_text(key.public_key()) != officers[officer]:
        raise DecisionRefusal(f"the key is not the one that {officer!r} is enrolled with")
    if outcome is Outcome.REJECTED and not reason.strip():
        raise DecisionRefusal("a rejection says why: --reason TEXT")
    given = Given(outcome, officer, reason, datetime.now(UTC), secrets.token_hex(16))
    return _recorded(ledger, candidate, given, key)


@dataclass(frozen=True)
class Given:
    """What an officer said, and when; with a nonce, by which equal words at another time are another decision."""

    outcome: Outcome
    officer: str
    reason: str
    at: datetime
    nonce: str
    answered_in: str = ""


def witness(
    ledger: Ledger, candidate: Candidate, given: Given, *, officers: Mapping[str, str], key: Ed25519PrivateKey
) -> SignedDecision:
    """Record what an officer answered elsewhere, signed by whoever asked there; the same answer is recorded once.

    Args:
        ledger: the home's ledger.
        candidate: what is decided on.
        given: the answer, whose origin the caller has checked.
        officers: enrolled officers; the answering one with the public key of `key`.
        key: the publisher's private key.

    Raises:
        DecisionRefusal: unknown officer, the requester, or no word of why.
        GateRefusal: an approval while the gate is closed.
    """
    _check_officer(candidate, given.officer, officers)
    if not given.reason.strip():
        raise DecisionRefusal(f"{given.officer!r} answered without a comment; an answer says why")
    try:
        known = SignedFile().decision_on(candidate)
    except DecisionRefusal:
        known = None
    if known is not None and known.decision.nonce == given.nonce and known.decision.outcome is given.outcome:
        with ledger.transaction() as transaction:
            recorded = transaction.entries(kind=EntryKind.DECISION, subject=candidate.id)
        if recorded and recorded[-1].payload["decision_sha256"] == known.digest:
            return known
    return _recorded(ledger, candidate, given, key)


def _recorded(ledger: Ledger, candidate: Candidate, given: Given, key: Ed25519PrivateKey) -> SignedDecision:
    """Bind what was said to the candidate as it is, sign and record it; what stood in its file stays until then."""
    if given.outcome is Outcome.APPROVED:
        require_open(ledger, candidate)
    verdict, suites = told_verdict(candidate)
    with private_stream(candidate.evidence / FILE) as file, ledger.transaction() as transaction:
        decision = Decision(
            candidate=candidate.id,
            request=candidate.request.number,
            package_digest=candidate.request.digest,
            verdict_digest=verdict,
            policy_digest=candidate.request.policy_digest,
            ledger_head=transaction.head(),
            outcome=given.outcome,
            officer=given.officer,
            reason=given.reason,
            decided_at=given.at.isoformat(timespec="seconds"),
            expires_at=(given.at + VALID).isoformat(timespec="seconds"),
            nonce=given.nonce,
            salt=secrets.token_hex(32),
            suites_digest=suites,
            answered_in=given.answered_in,
        )
        signed = SignedDecision(decision, sign(key, decision.text().encode()))
        content = {"decision": decision.as_dict(), "signature": signed.signature}
        write_synced(file, canonical(content) + "\n")
        transaction.append(
            EntryKind.DECISION,
            candidate.id,
            {
                "decision_sha256": signed.digest,
                "outcome": given.outcome.value,
                "officer": given.officer,
                "public_key": public_text(key.public_key()),
            },
        )
    return signed


def _check_officer(candidate: Candidate, officer: str, officers: Mapping[str, str]) -> None:
    if officer not in officers:
        raise DecisionRefusal(f"unknown officer {officer!r}; enrolled: {', '.join(sorted(officers)) or 'nobody'}")
    if officer == candidate.request.requester:
        raise DecisionRefusal(f"{officer!r} requested the release, and so cannot decide on it")


def check_approval(
    transaction: Transaction, candidate: Candidate, signed: SignedDecision, officers: Mapping[str, str]
) -> None:
    """Check that a decision approves exactly this candidate, now.

    Raises:
        DecisionRefusal: what is wrong with it.
    """
    decision = signed.decision
    _check_officer(candidate, decision.officer, officers)
    if not signature_holds(officers[decision.officer], signed.signature, decision.text().encode()):
        raise DecisionRefusal(f"the signature is not {decision.officer!r}'s over this decision")
    bound = (decision.candidate, decision.request, decision.package_digest, decision.policy_digest)
    request = candidate.request
    if bound != (candidate.id, request.number, request.digest, request.policy_digest):
        raise DecisionRefusal(f"the decision is about {decision.candidate}, another package than {candidate.id}")
    if decision.verdict_digest != verdict_digest(candidate):
        raise DecisionRefusal("the decision was made on another verdict; the gate has run again since")
    recorded = transaction.entries(kind=EntryKind.DECISION, subject=candidate.id)
    if not any(entry.payload["decision_sha256"] == signed.digest for entry in recorded):
        raise DecisionRefusal("the ledger has no such decision")
    if recorded[-1].payload["decision_sha256"] != signed.digest:
        raise DecisionRefusal("the decision was replaced by a later one")
    if decision.outcome is not Outcome.APPROVED:
        raise DecisionRefusal(f"{decision.officer!r} rejected it: {decision.reason}")
    if datetime.fromisoformat(decision.expires_at) < datetime.fromisoformat(transaction.now()):
        raise DecisionRefusal(f"the decision expired at {decision.expires_at}")
    if transaction.decision_used(signed.digest):
        raise DecisionRefusal("the decision was used before; a decision is good for one publication")
