"""What the dossier tells of a candidate, collected once: of the policy, the package, the gate and what is out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from anonymization.deidentify.taken import Taken, totals
from anonymization.errors import GateRefusal
from anonymization.policy.allowed import check_release
from anonymization.policy.decide import Clause
from anonymization.policy.model import PolicyDocument, Recipient
from anonymization.policy.releases import Release
from anonymization.release.candidate import Candidate, load_candidate
from anonymization.release.gate.attacks import FINDINGS
from anonymization.release.gate.hidden import proposal
from anonymization.release.gate.verdict import require_open
from anonymization.release.inputs import inputs_again, plan_release
from anonymization.release.package import Package, read_package
from anonymization.release.setting import Setting
from anonymization.tables.audit.findings import Finding
from anonymization.tables.model import CONFIDENTIAL
from anonymization.tables.plan import Plan
from anonymization.tables.utility import FOR_MONTHS, Utility, noted

MOST = 0.5
"""Where less than this of a measure's cells, or of the figures of its finest ones, is published, most is withheld."""
UNSAFE = "cells unsafe by themselves"
"""The name of that figure in a request."""


@dataclass(frozen=True)
class Facts:
    """What is told of a candidate.

    Attributes:
        purpose: its words.
        clauses: that allow it, for every source.
        joined: the sources of links among those that it reads.
        verdict: of the gate, where it is open; else null.
        closed: why it is not.
        findings: what its attacks found, the narrowest interval first.
        kept: what is left of each measure.
        taken: by source what was read.
        zones: of the sources that it reads.
    """

    candidate: Candidate
    plan: Plan
    package: Package
    release: Release
    recipient: Recipient
    purpose: str
    clauses: tuple[Clause, ...]
    joined: tuple[str, ...]
    verdict: Mapping[str, Any] | None
    closed: str
    findings: tuple[Finding, ...]
    kept: tuple[Utility, ...]
    taken: Mapping[str, tuple[Taken, ...]]
    zones: tuple[str, ...]

    @property
    def zone(self) -> ZoneInfo:
        """That of the sources where they are of one; else UTC."""
        return ZoneInfo(self.zones[0] if len(self.zones) == 1 else "UTC")

    @property
    def read(self) -> Mapping[str, tuple[int, ...]]:
        """By source: files, rows read, accepted, quarantined, dropped."""
        return {source: totals(taken) for source, taken in self.taken.items()}

    @cached_property
    def hidden(self) -> int:
        """Figures that the package lists as confidential."""
        statuses = (table.frame[f"{m.name}_status"] for table in self.package.tables for m in table.measures)
        return sum(int((status == CONFIDENTIAL).sum()) for status in statuses)

    @property
    def why_hidden(self) -> str:
        """How many figures are hidden, and for what, as far as the build has counted; empty where none is listed."""
        if not self.hidden:
            return ""
        figures = self.candidate.request.figures
        counted = (
            (figures.get(UNSAFE, 0), "unsafe by themselves"),
            (figures.get("cells confidential because of earlier releases alone", 0), "hidden for what is out already"),
            (figures.get(FOR_MONTHS, 0), "of these, lest two months tell of few"),
        )
        told = ", ".join(f"{number:,} {why}" for number, why in counted if number) or "none unsafe by itself"
        return f"{self.hidden:,} figures are hidden. Of the cells: {told}; any others for the sake of these."

    @property
    def withheld(self) -> tuple[Utility, ...]:
        """The measures of which most is withheld."""
        return tuple(one for one in self.kept if one.cells[1] and min(_share(one.cells), one.share) < MOST)

    @property
    def warning(self) -> str:
        """That most of an open release is withheld, and what would show better levels; empty where it is not."""
        if self.verdict is None or not self.withheld:
            return ""
        told = "; ".join(
            f"of {one.measure} {one.cells[0]:,} of {one.cells[1]:,} cells and {one.share:.1%} of the finest figures"
            for one in self.withheld
        )
        helps = proposal(self.plan)
        return f"The gate is open, but most of this release is withheld; what leaves is {told}. What may help: {helps}."


def _purpose(policy: PolicyDocument, name: str) -> str:
    """The words of a purpose, by the last version that states it."""
    return next(one.purposes[name].text for one in reversed(policy.ever) if name in one.purposes)


def _findings(candidate: Candidate) -> tuple[Finding, ...]:
    """What the attacks of the last gate found; nothing where there was none, or its file is no more."""
    try:
        rows = json.loads((candidate.evidence / FINDINGS).read_text(encoding="utf-8"))
        found = [Finding(**{**row, "derived_from": tuple(row["derived_from"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return ()
    return tuple(sorted(found, key=lambda one: (one.high < 0, one.high - one.low)))


def _share(counts: tuple[int, int]) -> float:
    return counts[0] / counts[1] if counts[1] else 1.0


def collect(setting: Setting, identity: str) -> Facts:
    """Return what is told of a candidate.

    Raises:
        InputError: no such candidate.
        IntegrityError: the candidate is not what was built.
    """
    candidate = load_candidate(setting.home, setting.ledger, identity)
    asked, policies = candidate.request, setting.policies
    plan, _ = plan_release(policies, asked.release, asked.period, expected=asked.expected_persons)
    release = policies.release(asked.release)
    verdict: Mapping[str, Any] | None = None
    closed = ""
    try:
        verdict, _ = require_open(setting.ledger, candidate)
    except GateRefusal as error:
        closed = str(error)
    return Facts(
        candidate=candidate,
        plan=plan,
        package=read_package(candidate.package),
        release=release,
        recipient=policies.recipients[asked.recipient],
        purpose=_purpose(policies.policy, asked.purpose),
        clauses=check_release(release, policies.policy, policies.sources, policies.links, policies.recipients),
        joined=tuple(link.source for link in policies.links if link.source in asked.sources),
        verdict=verdict,
        closed=closed,
        findings=_findings(candidate),
        kept=tuple(noted(asked.utility)),
        taken=inputs_again(setting.home, policies, asked.inputs, plan.period).taken,
        zones=tuple(sorted({policies.sources[source].zone for source in asked.sources})),
    )
