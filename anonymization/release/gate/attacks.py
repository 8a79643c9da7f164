"""The gate's attacks on a candidate: alone, together with everything that is out, and from inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from anonymization.disclosure.proof import Proof
from anonymization.errors import GateRefusal
from anonymization.release.package import Package
from anonymization.tables.audit.audit import Inside, audit
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.method import method_of
from anonymization.tables.model import CONFIDENTIAL, FREE, SafeTable, Table
from anonymization.tables.plan import Plan

FINDINGS = "findings.json"
"""In the evidence: what the attacks found."""
COLUMNS = ["release", "table", "measure", "cell", "low", "high", "derived_from"]


@dataclass
class Attacked:
    """What the attacks found; what did not come to an end closes the gate as well.

    Attributes:
        alone: by the candidate alone.
        together: by the candidate and earlier releases, beyond that.
        inside: unsafe cells without the interval that they need.
        unsettled: attacks that could not be brought to an end, and why.
    """

    alone: tuple[Finding, ...] = ()
    together: tuple[Finding, ...] = ()
    inside: tuple[Finding, ...] = ()
    unsettled: list[str] = field(default_factory=list)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings."""
        return (*self.alone, *self.together, *self.inside)


def attack_candidate(
    plan: Plan,
    package: Package,
    issue: Issue,
    recounted: pd.DataFrame,
    earlier: Sequence[Issue],
    proof: Proof | None = None,
) -> Attacked:
    """Attack a candidate by everything that is known outside, then by what only the house knows.

    Whoever knows the candidate alone knows less than whoever knows what is out beside it: he is asked for where that
    one finds anything, to tell what follows from the candidate alone.

    Args:
        plan: of the candidate.
        package: of the candidate, read back.
        issue: what it tells of its period, and what it was built of.
        recounted: true figures, by the recount.
        earlier: releases that share persons and are out.
        proof: moves from the true figures, by the build; what holds of them is not looked for.
    """
    attacked = Attacked()
    method = method_of(plan.method)
    hidden = not plan.withheld and not method.drawn
    true = tuple(with_true_figures(table, recounted) for table in package.tables) if hidden else ()
    inside = Inside(issue.name, true, proof) if hidden and proof is not None else None
    try:
        found = audit([issue, *earlier], inside=inside)
        attacked.alone = audit([issue]) if found and earlier else found
        attacked.together = tuple(finding for finding in found if finding not in set(attacked.alone))
        if hidden:
            attacked.inside = method.attack(issue, true, plan, plan.release.protection, earlier, proof)
    except GateRefusal as error:  # contradictory or endless: closed, and the other checks tell more
        attacked.unsettled.append(str(error))
    return attacked


def system_of(issue: Issue, earlier: Iterable[Issue]) -> dict[str, Any]:
    """Return against what a candidate was attacked, for the verdict: what is out beside it, and how much is open.

    Args:
        issue: the candidate.
        earlier: what is out and shares persons, and of months beside what is of the same stock.

    Returns:
        `earlier`, the names of these; `shown` and `unknowns`, figures of all of them that are published and hidden.
    """
    together = {one.name: one for one in (*earlier, issue)}
    shown, unknowns = (sum(_with_status(one, status) for one in together.values()) for status in (FREE, CONFIDENTIAL))
    return {"earlier": sorted(set(together) - {issue.name}), "shown": shown, "unknowns": unknowns}


def _with_status(issue: Issue, status: str) -> int:
    tables = (table for table in issue.tables if isinstance(table, SafeTable))
    return sum(int((table.frame[f"{m.name}_status"] == status).sum()) for table in tables for m in table.measures)


def as_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as a frame: one row each."""
    return pd.DataFrame([vars(finding) for finding in findings], columns=COLUMNS)


def with_true_figures(table: SafeTable, recounted: pd.DataFrame) -> Table:
    """Return a published table with the figures of the recount: 0 where that has nobody."""
    frame, largest, for_threshold = table.frame[table.keys].copy(), {}, {}
    mine = recounted[recounted["table"] == table.name]
    wanted = pd.MultiIndex.from_frame(frame.astype(object))
    for measure in table.measures:
        rows = mine[mine["measure"] == measure.name]
        counts = rows.set_index(pd.MultiIndex.from_frame(rows[table.keys].astype(object)))
        frame[measure.name] = counts["recounted"].reindex(wanted).fillna(0).to_numpy(dtype=np.int64)
        if measure.how.persons and (counts["for_threshold"] != counts["recounted"]).any():
            persons = counts["for_threshold"].reindex(wanted).fillna(0)
            for_threshold[measure.name] = persons.to_numpy(dtype=np.int64)
        if "first" in counts and counts["first"].notna().any():
            largest[measure.name] = (
                counts[["first", "second"]].reindex(wanted).fillna(0).astype("int64").reset_index(drop=True)
            )
    return Table(
        table.name,
        table.title,
        table.dimensions,
        table.measures,
        frame,
        days=table.days,
        largest=largest,
        for_threshold=for_threshold,
    )
