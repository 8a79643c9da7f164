"""Candidates: a package that waits for its gate, its decision and its publication."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anonymization.errors import InputError, IntegrityError
from anonymization.files import canonical, private_folder, sync, write_private
from anonymization.home import Home
from anonymization.policy.protection import Method
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.manifest import check_manifest
from anonymization.tables.audit.standing import Standing, as_text, from_text

NEEDS = "needs.jsonl"
IDENTITY = re.compile(r"[1-9]\d*-[0-9a-f]{16}")


@dataclass(frozen=True)
class Request:
    """What was requested: `evidence/request.json`; nothing of a person is in it.

    Attributes:
        first_day, past_day: the period, in days since 1970-01-01.
        inputs: source to what was read of its log files: the digest of each, and the days left out (`Inputs.read`).
        states: source to the number of the state that was read.
        figures: counts that the officer may want: persons hidden, links in conflict, and the like.
        method, parameters, populations, outside: how whom it counts is protected (see `claims.claim`).
        utility: what of each measure is published (see `tables.utility`): inside only.
        expected_persons: how many the home expected in a period, by which the levels were chosen, if it did.
        declared: the digest of what the release may depend on in the policy folder (`Policies.digest_of`).
        needs_sha256: the digest of `evidence/needs.jsonl`, if there is one.
        choices: which opt-outs were kept (`Inputs.considered`), and how many rows and persons they left out, as it may
            be told (`LeftOut.told`); `state` is equal where the same persons were left out.
        gaps: by source the days whose logs are missing, and how much of each is there.
        barred: by source what the policy's versions do not allow to be used: the `days`, `why` not, and how many `rows`
            and `persons` there were, as it may be told.
        privacy: what differential privacy spends, and of what budget (see `budget.price`); else empty.
    """

    number: int
    candidate: str
    release: str
    period: str
    first_day: int
    past_day: int
    sources: list[str]
    recipient: str
    purpose: str
    requester: str
    digest: str
    policy_digest: str
    engine: str
    inputs: Mapping[str, list[str]]
    figures: Mapping[str, int]
    seconds: float
    method: str = Method.SUPPRESSION.value
    parameters: str = ""
    populations: list[Mapping[str, Any]] = field(default_factory=list)
    outside: bool = True
    privacy: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    needs_sha256: str = ""
    states: Mapping[str, int] = field(default_factory=dict)
    expected_persons: int | None = None
    utility: list[Mapping[str, Any]] = field(default_factory=list)
    declared: str = ""
    gaps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    barred: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def levels(self) -> str:
        """What the levels were chosen by, in words."""
        if self.expected_persons is None:
            return "every code stands, since the home expects no number of persons (noren init --expect)"
        return f"those for {self.expected_persons:,} persons expected"

    def built_under(self, *digests: str) -> bool:
        """Whether one of these is the build's: of a policy folder, or of what the release may depend on in it."""
        return not {self.policy_digest, self.declared}.isdisjoint({*digests} - {""})


@dataclass(frozen=True)
class Candidate:
    """A candidate whose files were checked against its ledger entry."""

    request: Request
    folder: Path

    @property
    def id(self) -> str:
        """`<request>-<digest>`."""
        return self.request.candidate

    @property
    def package(self) -> Path:
        """What would leave."""
        return self.folder / "package"

    @property
    def evidence(self) -> Path:
        """What stays inside."""
        return self.folder / "evidence"


def new_stage(home: Home) -> Path:
    """Return a new, empty folder in which a package is written."""
    stage = home.candidates / "_tmp" / secrets.token_hex(8)
    private_folder(stage / "package")
    private_folder(stage / "evidence")
    return stage


def write_standing(stage: Path, needs: Sequence[Standing]) -> str:
    """Write what the figures of a staged package need; return the file's digest, for `Request.needs_sha256`."""
    text = as_text(needs)
    write_private(stage / "evidence" / NEEDS, text)
    return _sha256(text)


def read_standing(candidate: Candidate) -> tuple[Standing, ...]:
    """Return what a candidate's figures need.

    Raises:
        IntegrityError: the file is not what the request says.
    """
    if not candidate.request.needs_sha256:
        return ()
    try:
        text = (candidate.evidence / NEEDS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    if _sha256(text) != candidate.request.needs_sha256:
        raise IntegrityError(f"candidate {candidate.id}: evidence/{NEEDS} is not what was built")
    return from_text(text)


def store_candidate(home: Home, ledger: Ledger, stage: Path, known: Mapping[str, object]) -> Candidate:
    """Give a staged package a request number, record it, and move it to its place.

    Args:
        home: the home.
        ledger: its ledger.
        stage: the staged folder.
        known: the fields of `Request` beside number and candidate.
    """
    digest = check_manifest(stage / "package")
    with ledger.transaction() as transaction:
        number, identity = transaction.next_request(digest)
        request = Request(number=number, candidate=identity, **known)  # type: ignore[arg-type]
        text = canonical(asdict(request))
        write_private(stage / "evidence" / "request.json", text + "\n")
        recorded = {"request_sha256": _sha256(text), "digest": digest, "release": request.release}
        transaction.append(EntryKind.REQUEST, identity, recorded | {"expected_persons": request.expected_persons})
        folder = home.candidates / identity
        if folder.exists():
            discard_unknown(folder)
        stage.rename(folder)
        sync(folder.parent)
    return Candidate(request, folder)


def discard_unknown(folder: Path) -> None:
    """Remove what a build has left that was killed before the ledger had its candidate.

    Raises:
        IntegrityError: it was gated once: a ledger knew it, and is not the one that is there.
    """
    if any((folder / "evidence" / name).exists() for name in ("verdict.json", "decision.json")):
        raise IntegrityError(
            f"candidates/{folder.name} was gated, and the ledger does not know it: put back the ledger that does"
        )
    discard(folder)


def load_candidate(home: Home, ledger: Ledger, identity: str) -> Candidate:
    """Return a candidate, after checking its package and request against the ledger.

    Raises:
        InputError: no such candidate.
        IntegrityError: a file was changed since the build.
    """
    folder = home.candidates / identity
    if IDENTITY.fullmatch(identity) is None or not folder.is_dir():
        known = sorted(p.name for p in home.candidates.glob("[0-9]*-*"))
        raise InputError(f"no candidate {identity!r}; there are: {', '.join(known) or 'none'}")
    with ledger.transaction() as transaction:
        entries = transaction.entries(kind=EntryKind.REQUEST, subject=identity)
    try:
        text = (folder / "evidence" / "request.json").read_text(encoding="utf-8").rstrip("\n")
        request = Request(**json.loads(text))
    except (OSError, ValueError, TypeError):
        raise IntegrityError(f"candidate {identity}: evidence/request.json is missing or unreadable") from None
    if not entries or entries[-1].payload["request_sha256"] != _sha256(text):
        raise IntegrityError(f"candidate {identity}: evidence/request.json is not what the ledger recorded")
    if check_manifest(folder / "package") != entries[-1].payload["digest"]:
        raise IntegrityError(f"candidate {identity}: the package is not what was built")
    return Candidate(request, folder)


def discard(stage: Path) -> None:
    """Remove a staged folder."""
    shutil.rmtree(stage, ignore_errors=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
