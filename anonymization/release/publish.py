"""Publish: the only step that crosses to the public zone; atomic, and verified by itself.

Stage, sync, rename, sync the folder, commit the ledger. A folder that a crash left between rename and commit
is no release: the next run of the same candidate adopts it, with the same bytes, once all of it was checked. Nothing
else that lies there is ever replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anonymization.errors import (
    AlreadyOut,
    ClockRefusal,
    DecisionRefusal,
    InputError,
    IntegrityError,
    Refusal,
    StaleCandidate,
)
from anonymization.files import PRIVATE, PRIVATE_FOLDER, copy_folder, private_folder, sync
from anonymization.home import Home
from anonymization.keys import public_text, publisher_key
from anonymization.release.budget import require_left, spend
from anonymization.release.candidate import Candidate, load_candidate
from anonymization.release.claims import claim_of, require_one_method
from anonymization.release.decision import DecisionSource, SignedDecision, SignedFile, check_approval
from anonymization.release.delivered import require_known, version_folder
from anonymization.release.envelope import read_envelope, seal, write_envelope
from anonymization.release.gate.verdict import require_open
from anonymization.release.ledger.ledger import Entry, EntryKind, Ledger, Publication, Transaction, now
from anonymization.release.manifest import check_manifest
from anonymization.release.pinned import Known, last_known, made_by_demo
from anonymization.release.rewritten import read_any, rewritten_by
from anonymization.release.sharing import About, sharing

DEMO = "DEMO: made by `noren demo` with people who do not exist"
Step = Callable[[str], None]
"""Called before each step; tests make it fail."""


@dataclass(frozen=True)
class Published:
    """A version that was published."""

    publication: Publication
    folder: Path


def publish(  # noqa: PLR0913 - what the verb knows, each by its name
    home: Home,
    ledger: Ledger,
    identity: str,
    *,
    officers: Mapping[str, str],
    policy_digest: str,
    stocks: AbstractSet[str],
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
        policy_digest: digest of the policy folder as it is now, or of what the release may depend on in it
            (`Policies.digest_of`): who edits another release makes no candidate stale.
        stocks: sources of which what is out of a neighbouring month concerns a candidate (`Policies.stocks`).
        demo: whether the home is a demo's; the envelope says so.
        source: where the decision comes from; by default the signed file in the evidence.
        step: for tests.

    Raises:
        Refusal: the gate is closed, the decision does not hold, the candidate is stale, or its content is out.
    """
    try:
        return _publish(home, ledger, identity, officers, policy_digest, stocks, demo=demo, source=source, step=step)
    except ClockRefusal:  # nothing can be recorded either
        raise
    except Refusal as error:
        with ledger.transaction() as transaction:  # whoever tried: the ledger has the attempt
            transaction.append(EntryKind.REFUSED, identity, {"refusal": type(error).__name__})
        raise


def _publish(  # noqa: PLR0913 - as above
    home: Home,
    ledger: Ledger,
    identity: str,
    officers: Mapping[str, str],
    policy_digest: str,
    stocks: AbstractSet[str],
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
        earlier = transaction.versions(request.release, request.period)
        for publication in earlier:
            if publication.digest == request.digest:
                raise AlreadyOut(f"this content is out already, as {publication}")
        check_approval(transaction, candidate, signed, officers)
        known = last_known(home, transaction)
        _check_known(known, candidate, signed, officers, demo=made_by_demo(transaction))
        _check_fresh(transaction, candidate, gate, policy_digest, stocks)
        require_one_method(claim_of(request), transaction)
        require_left(transaction, request.sources, request.privacy)
        publication = Publication(
            identity, request.release, request.period, max((p.version for p in earlier), default=0) + 1, request.digest
        )
        folder = version_folder(home, publication)
        require_known(home, transaction, but=folder)
        step("adopt")
        decision = _told(signed, officers)
        if not _adopted(home, folder, publication, decision, transaction.heads()):
            says = {"ledger_head": transaction.head(), "policy": known.told(), "mark": DEMO if demo else ""}
            stage = home.releases / "_tmp" / candidate.id
            try:
                _stage(home, stage, says, candidate, publication, decision, verdict, step=step)
            except OSError:  # a full disk does not get fuller
                shutil.rmtree(stage, ignore_errors=True)
                raise
            step("rename")
            private_folder(folder.parent)
            stage.rename(folder)
            sync(folder.parent)
        step("ledger")
        envelope = read_envelope(folder).sha256
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


def _check_known(
    known: Known, candidate: Candidate, signed: SignedDecision, officers: Mapping[str, str], *, demo: bool
) -> None:
    """Refuse what was built or decided under a policy folder that was replaced since, wherever its copy lies."""
    request, name = candidate.request, signed.decision.officer
    if not request.built_under(known.folder.digest, known.folder.digest_of(request.release)):
        raise StaleCandidate("the policy folder that the ledger knows changed since the build; build again")
    enrolled = known.folder.officers.get(name, {})
    if not demo and enrolled.get("public_key", officers[name] if "airflow_user" in enrolled else "") != officers[name]:
        raise DecisionRefusal(f"the ledger does not know {name!r} as an officer with this key")


def _check_fresh(
    transaction: Transaction, candidate: Candidate, gate: Entry, policy_digest: str, stocks: AbstractSet[str]
) -> None:
    """Refuse a candidate after whose gate something relevant came."""
    if not candidate.request.built_under(policy_digest):
        raise StaleCandidate("the policy folder changed since the build; build again")
    for entry in transaction.entries(kind=EntryKind.CHOICE)[-1:]:  # by number: one may come while a release is gated
        if entry.payload["last_sequence"] > candidate.request.choices.get("last", 0):
            raise StaleCandidate(f"a person's choice (ledger entry {entry.seq}) came after the build; build again")
    out = [e for e in transaction.entries() if e.kind in (EntryKind.PUBLICATION, EntryKind.WITHDRAWAL)]
    request = candidate.request
    changed = {one.before for one in rewritten_by(transaction, after=gate.seq)}
    if any(read_any(texts, changed) for texts in request.inputs.values()):
        raise StaleCandidate("a person's request has changed logs that it was built of, after the gate; build again")
    about = About(frozenset(request.sources), request.first_day, request.past_day)
    besides = about.beside(stocks)
    beside = [entry for entry in out if any(one.shares(About.of(entry.payload)) for one in besides)]
    for entry in (*sharing(out, [about]), *beside):
        if entry.seq > gate.seq:
            what = f"{entry.payload['release']} {entry.payload['period']} v{entry.payload['version']}"
            raise StaleCandidate(
                f"the {entry.kind.value} of {what}, which shares persons, came after the gate; build again"
            )


def _adopted(
    home: Home, folder: Path, publication: Publication, decision: Mapping[str, Any], heads: AbstractSet[str]
) -> bool:
    """Whether a crash left exactly this publication, whole, where it belongs.

    Raises:
        IntegrityError: something else lies there; it is never replaced, for it may have been delivered.
    """
    if not folder.exists():
        return False
    try:
        if (fault := _another(home, folder, publication, decision, heads)) is None:
            return True
    except IntegrityError as error:
        fault = str(error)
    raise IntegrityError(
        f"{folder.relative_to(home.root).as_posix()} lies there, the ledger does not know it, and it is not replaced:"
        f" {fault}. Put back the ledger that knows it; if it never left the house, move it out of releases/"
    )


def _another(
    home: Home, folder: Path, publication: Publication, decision: Mapping[str, Any], heads: AbstractSet[str]
) -> str | None:
    """Why a folder is not exactly this publication.

    Raises:
        IntegrityError: it is damaged.
    """
    envelope = read_envelope(folder)
    envelope.require_sealed(check_manifest(folder / "package"), public_text(publisher_key(home).public_key()))
    if {name: envelope.says.get(name) for name in asdict(publication)} != asdict(publication):
        return "its envelope is another candidate's"
    if envelope.says["decision"] != decision:
        return "its envelope has another decision"
    return None if envelope.says["ledger_head"] in heads else "its envelope names a head that the ledger does not have"


def _stage(
    home: Home,
    stage: Path,
    says: Mapping[str, Any],
    candidate: Candidate,
    publication: Publication,
    decision: Mapping[str, Any],
    verdict: Mapping[str, Any],
    *,
    step: Step,
) -> None:
    """Make all of a release ready in a folder of its own, which is renamed in one step."""
    shutil.rmtree(stage, ignore_errors=True)
    step("copy")
    copy_folder(candidate.package, stage / "package")
    step("check")
    _check_copy(stage / "package", publication.digest)
    (stage / "envelope").mkdir(mode=PRIVATE_FOLDER)
    key = publisher_key(home)
    envelope = {
        **asdict(publication),
        "requested_by": candidate.request.requester,
        "recipient": candidate.request.recipient,
        "purpose": candidate.request.purpose,
        "policy_digest": candidate.request.policy_digest,
        "published_at": now(),
        **says,
        "decision": decision,
        "gate": {
            "checked_at": verdict["checked_at"],
            "open": verdict["open"],
            "suites_digest": verdict["suites_digest"],
            "checks": _check_names(verdict),
        },
        "publisher_public_key": public_text(key.public_key()),
    }
    step("envelope")
    envelope_sha256 = write_envelope(stage, envelope)
    step("signature")
    seal(stage, publication.digest, envelope_sha256, key)
    step("sync")
    for path in sorted(stage.rglob("*")):
        path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE)
        sync(path)
    sync(stage)


def _check_copy(package: Path, digest: str) -> None:
    """Check that what was copied is what was approved: the candidate may have been exchanged since it was checked."""
    try:
        copied = check_manifest(package)
    except IntegrityError as error:
        raise IntegrityError(f"the copy to be published is not what was approved: {error}") from None
    if copied != digest:
        raise IntegrityError("the copy to be published is not what was approved: it is another package")


def _told(signed: SignedDecision, officers: Mapping[str, str]) -> dict[str, Any]:
    """What an envelope says of a decision: what was signed, and signature and key, by which a recipient checks it."""
    decision = signed.decision
    return {**decision.told(), "signature": signed.signature, "public_key": officers[decision.officer]}


def _check_names(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdict without anything but names and outcomes."""
    return [{"suite": suite["name"], "outcome": suite["outcome"]} for suite in verdict["suites"]]


def find_publication(transaction: Transaction, release: str, version: int, period: str | None = None) -> Publication:
    """Return a published version.

    Raises:
        IntegrityError: no such version.
        InputError: there are several, of different periods.
    """
    of_release = [p for p in transaction.publications() if p.release == release]
    found = [p for p in of_release if p.version == version and period in (None, p.period)]
    if len(found) == 1:
        return found[0]
    if found:
        periods = ", ".join(p.period for p in found)
        raise InputError(f"{release} v{version} was published for several periods; say which by --period: {periods}")
    known = ", ".join(map(str, of_release)) or "none"
    raise IntegrityError(f"{release}{f' {period}' if period else ''} v{version} is not published; there are: {known}")
