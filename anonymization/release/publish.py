"""Publish: the only step that crosses to the public zone; atomic, and verified by itself.

Stage, sync, rename, sync the folder, commit the ledger. A folder that a crash left between rename and commit
is no release: the next run of the same candidate adopts it, with the same bytes, or takes its place.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anonymization.errors import AlreadyOut, IntegrityError, Refusal, StaleCandidate
from anonymization.files import PRIVATE, PRIVATE_FOLDER, canonical, indented, private_folder, sync, write_private
from anonymization.home import Home
from anonymization.keys import public_text, publisher_key, sign
from anonymization.release.budget import require_left, spend
from anonymization.release.candidate import Candidate, load_candidate
from anonymization.release.claims import claim_of, require_one_method
from anonymization.release.decision import DecisionSource, SignedDecision, SignedFile, check_approval
from anonymization.release.gate.verdict import require_open
from anonymization.release.ledger.ledger import Entry, EntryKind, Ledger, Publication, Transaction, now

ENVELOPE, SIGNATURE = "envelope.json", "SIGNATURE.json"
Step = Callable[[str], None]
"""Called before each step; tests make it fail."""


@dataclass(frozen=True)
class Published:
    """A version that was published."""

    publication: Publication
    folder: Path


def publish(
    home: Home,
    ledger: Ledger,
    identity: str,
    *,
    officers: Mapping[str, str],
    policy_digest: str,
    demo: bool,
    source: DecisionSource | None = None,
    step: Step = lambda _: None,
) -> Published:
    """Publish an approved candidate as the next version of its release and period.

    Args:
        home: the home.
        ledger: its ledger.
        identity: the candidate's id.
        officers: enrolled officers and their public keys.
        policy_digest: digest of the policy folder as it is now.
        demo: whether the home is a demo's; the envelope says so.
        source: where the decision comes from; by default the signed file in the evidence.
        step: for tests.

    Raises:
        Refusal: the gate is closed, the decision does not hold, the candidate is stale, or its content is out.
    """
    try:
        return _publish(home, ledger, identity, officers, policy_digest, demo=demo, source=source, step=step)
    except Refusal as error:
        with ledger.transaction() as transaction:  # whoever tried: the ledger has the attempt
            transaction.append(EntryKind.REFUSED, identity, {"refusal": type(error).__name__})
        raise


def _publish(
    home: Home,
    ledger: Ledger,
    identity: str,
    officers: Mapping[str, str],
    policy_digest: str,
    *,
    demo: bool,
    source: DecisionSource | None,
    step: Step,
) -> Published:
    candidate = load_candidate(home, ledger, identity)
    verdict, gate = require_open(ledger, candidate)
    signed = (source or SignedFile()).decision_on(candidate)
    request = candidate.request
    with ledger.transaction() as transaction:
        transaction.verify_chain()
        earlier = [p for p in transaction.publications() if (p.release, p.period) == (request.release, request.period)]
        for publication in earlier:
            if publication.digest == request.digest:
                raise AlreadyOut(f"this content is out already, as {_name(publication)}")
        check_approval(transaction, candidate, signed, officers)
        _check_fresh(transaction, candidate, gate, policy_digest)
        require_one_method(claim_of(request), transaction)
        require_left(transaction, request.sources, request.privacy)
        publication = Publication(
            identity, request.release, request.period, max((p.version for p in earlier), default=0) + 1, request.digest
        )
        folder = home.releases / request.release / request.period / f"v{publication.version}"
        step("adopt")
        if not _adopted(folder, candidate, transaction.head()):
            stage = _stage(home, transaction.head(), candidate, publication, signed, verdict, demo=demo, step=step)
            step("rename")
            private_folder(folder.parent)
            if folder.exists():
                shutil.rmtree(folder)
            stage.rename(folder)
            sync(folder.parent)
        step("ledger")
        envelope = hashlib.sha256((folder / "envelope" / ENVELOPE).read_bytes()).hexdigest()
        transaction.publish(publication, signed.digest)
        spend(transaction, identity, request.sources, request.privacy)
        transaction.append(
            EntryKind.PUBLICATION,
            identity,
            {
                **claim_of(request), "privacy": dict(request.privacy), "version": publication.version,
                "digest": request.digest, "envelope_sha256": envelope,
            },
        )  # fmt: skip
        step("commit")
    return Published(publication, folder)


def _name(publication: Publication) -> str:
    return f"{publication.release} {publication.period} v{publication.version}"


def _check_fresh(transaction: Transaction, candidate: Candidate, gate: Entry, policy_digest: str) -> None:
    """Refuse a candidate after whose gate something relevant came."""
    if candidate.request.policy_digest != policy_digest:
        raise StaleCandidate("the policy folder changed since the build; build again")
    for entry in transaction.entries(kind=EntryKind.CHOICE)[-1:]:  # by number: one may come while a release is gated
        if entry.payload["last_sequence"] > candidate.request.choices.get("last", 0):
            raise StaleCandidate(f"a person's choice (ledger entry {entry.seq}) came after the build; build again")
    for entry in transaction.entries(after=gate.seq):
        if entry.kind in (EntryKind.PUBLICATION, EntryKind.WITHDRAWAL) and linked(candidate, entry.payload):
            what = f"{entry.payload['release']} {entry.payload['period']} v{entry.payload['version']}"
            raise StaleCandidate(
                f"the {entry.kind.value} of {what}, which shares persons, came after the gate; build again"
            )


def linked(candidate: Candidate, other: Mapping[str, Any]) -> bool:
    """Whether a published release shares persons with a candidate."""
    request = candidate.request
    return shares_persons(request.sources, request.first_day, request.past_day, other)


def shares_persons(sources: Sequence[str], first_day: int, past_day: int, other: Mapping[str, Any]) -> bool:
    """Whether a published release shares persons with one of these sources and days: a source, and days."""
    return (
        bool(set(sources) & set(other["sources"])) and other["first_day"] < past_day and first_day < other["past_day"]
    )


def _adopted(folder: Path, candidate: Candidate, head: str) -> bool:
    """Whether a crash left exactly this publication, whole, where it belongs."""
    try:
        content = (folder / "envelope" / ENVELOPE).read_bytes()
        envelope = json.loads(content)
        signature = json.loads((folder / "envelope" / SIGNATURE).read_bytes())
    except (OSError, ValueError):
        return False
    whole = signature.get("envelope_sha256") == hashlib.sha256(content).hexdigest()
    return whole and (envelope.get("candidate"), envelope.get("ledger_head")) == (candidate.id, head)


def _stage(
    home: Home,
    head: str,
    candidate: Candidate,
    publication: Publication,
    signed: SignedDecision,
    verdict: Mapping[str, Any],
    *,
    demo: bool,
    step: Step,
) -> Path:
    stage = home.releases / "_tmp" / candidate.id
    shutil.rmtree(stage, ignore_errors=True)
    step("copy")
    shutil.copytree(candidate.package, stage / "package")
    (stage / "envelope").mkdir(mode=PRIVATE_FOLDER)
    key = publisher_key(home)
    envelope = {
        **asdict(publication),
        "requested_by": candidate.request.requester,
        "recipient": candidate.request.recipient,
        "purpose": candidate.request.purpose,
        "policy_digest": candidate.request.policy_digest,
        "published_at": now(),
        "ledger_head": head,
        "decision": {**signed.decision.as_dict(), "signature": signed.signature},
        "gate": {"checked_at": verdict["checked_at"], "open": verdict["open"], "checks": _check_names(verdict)},
        "publisher_public_key": public_text(key.public_key()),
        "mark": "DEMO: made by `noren demo` with people who do not exist" if demo else "",
    }
    text = indented(envelope)
    step("envelope")
    write_private(stage / "envelope" / ENVELOPE, text)
    seal = {"digest": publication.digest, "envelope_sha256": hashlib.sha256(text.encode()).hexdigest()}
    content = {**seal, "algorithm": "Ed25519", "signature": sign(key, canonical(seal).encode())}
    step("signature")
    write_private(stage / "envelope" / SIGNATURE, indented(content))
    step("sync")
    for path in sorted(stage.rglob("*")):
        path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE)
        sync(path)
    sync(stage)
    return stage


def _check_names(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdict without anything but names and outcomes."""
    return [{"suite": suite["name"], "passed": suite["success"]} for suite in verdict["suites"]]


def release_folder(home: Home, transaction: Transaction, release: str, version: int, period: str | None = None) -> Path:
    """Return the folder of a published version.

    Raises:
        IntegrityError: no such version.
    """
    found = [
        p
        for p in transaction.publications()
        if p.release == release and p.version == version and period in (None, p.period)
    ]
    if len(found) != 1:
        known = ", ".join(_name(p) for p in transaction.publications() if p.release == release) or "none"
        raise IntegrityError(f"{release} v{version} names {len(found)} publications; there are: {known}")
    return home.releases / release / found[0].period / f"v{version}"
