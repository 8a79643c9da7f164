"""Neighbouring months: what a candidate and what is out of the month before or after tell of the few who changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from anonymization.disclosure.attack.attack import attack
from anonymization.disclosure.proof import Proof, holding, unshown
from anonymization.policy.protection import Suppression
from anonymization.release.gate.attacks import with_true_figures
from anonymization.release.package import Package
from anonymization.tables.audit.audit import SECONDS
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import figures_of, seen_by_readers
from anonymization.tables.audit.neighbours import Beside, Neighbour
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import of_one_state
from anonymization.tables.audit.system_of import link, with_truth
from anonymization.tables.methods.suppression import rules_of
from anonymization.tables.methods.suppression_neighbours import Months
from anonymization.tables.plan import Plan


def neighbouring(
    plan: Plan,
    package: Package,
    issue: Issue,
    recounted: pd.DataFrame,
    earlier: Sequence[Issue],
    found: Sequence[Neighbour],
    proof: Proof | None = None,
) -> tuple[Finding, ...]:
    """Return what a candidate tells beside what is out of neighbouring months, of stocks that it counts exactly.

    Args:
        plan: of the candidate.
        package: of the candidate, read back.
        issue: the candidate as its recipients have it, and what it was built of.
        recounted: true figures, by the recount.
        earlier: releases that share persons and are out.
        found: what is out of the months beside; see `neighbours`.
        proof: moves from the true figures; what they prove is not looked for.

    Raises:
        GateRefusal: figures contradict each other, or the attack did not come to an end.
    """
    if not found or not isinstance(plan.release.protection, Suppression):
        return ()
    deadline = time.monotonic() + SECONDS
    beside = of_one_state(issue, earlier)
    published = link([issue, *beside])
    true = tuple(with_true_figures(table, recounted) for table in package.tables)
    truth = with_truth(issue, true, beside)[1] if not plan.withheld else published
    known = replace(issue, tables=true, standing=()) if not plan.withheld else issue
    months = Months.of(published, known, beside, found, rules_of(plan))
    hidden = np.isnan(published.value)
    told = [finding for month, _, concealed in months.each(hidden) for finding in _told(month, concealed)]
    needs = months.needs()
    needs = needs.take(hidden[needs.cell])
    if told or not len(needs.cell):
        return tuple(told)
    seen, value = seen_by_readers(published), figures_of(truth)
    if proof is not None:
        needs = unshown(needs, value, holding(seen, value, proof))
    names = ", ".join(month.neighbour.names for month, _ in months.besides)
    why = (f"hidden beside {names}, which shows it: too few joined, left or moved, and it is not uncertain enough",)
    return tuple(
        Finding(*published.name(one.cell), int(one.low), -1 if np.isinf(one.high) else int(one.high), why)
        for one in attack(seen, needs, point=value, deadline=deadline)
    )


def _told(month: Beside, hidden: np.ndarray) -> Iterator[Finding]:
    """What both months show."""
    told = month.told(hidden)
    beside = month.neighbour.names
    known = "fewer persons than the minimum joined, left or moved"
    if month.neighbour.changed is None:
        known = "who joined, left or moved is not noted; `noren intake` does it, while the raw logs are kept"
    for cell in told.cells:
        yield Finding(*month.linked.name(int(cell)), 1, -1, (f"shown beside {beside}: {known}",))
    for row in told.rows:
        release, table, measure, text = month.linked.name(int(month.of_row(int(row))[0]))
        why = (f"shown beside {beside}, less what both show of its parts: {known}",)
        yield Finding(release, table, measure, f"rest of {text}", 1, -1, why)
