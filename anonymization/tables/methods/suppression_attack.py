"""The attack from inside: every unsafe cell keeps the interval that it needs, also before its only person.

Who knows the true figures knows which cells are unsafe, by the threshold and by the largest contributions,
and what each needs. Nothing of the protector's own is taken over: the true tables are a recount.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from anonymization.disclosure.attack.attack import Exposure, attack, insiders_attack
from anonymization.disclosure.attack.needs import one_each
from anonymization.disclosure.proof import Proof, holding, unproven_by
from anonymization.disclosure.suppress.rays import unproven
from anonymization.disclosure.system import Needs
from anonymization.errors import GateRefusal
from anonymization.tables.audit.audit import SECONDS, finding_of
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import both, figures_of, seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.standing_needs import standing_needs
from anonymization.tables.audit.states import of_one_state
from anonymization.tables.audit.system_of import Linked, with_truth
from anonymization.tables.methods.unsafe import Rules, unsafe_cells
from anonymization.tables.model import Table

MOST = 100
"""Findings of insiders that are told: an unprotected release has one for each pair of them."""


def unmet_needs(
    issue: Issue,
    true: Sequence[Table],
    rules: Rules,
    earlier: Sequence[Issue] = (),
    *,
    proof: Proof | None = None,
    seconds: float = SECONDS,
) -> tuple[Finding, ...]:
    """Return the unsafe cells of an issue, and those of earlier ones, whose interval is narrower than they need.

    First before every reader; only where nothing is found there, before the only person of another cell, and then the
    first `MOST` of what such persons learn: nothing found is an empty tuple in any case.

    Args:
        issue: as it is published.
        true: its tables with true figures, row by row.
        rules: what makes a cell unsafe.
        earlier: releases that share persons and are out.
        proof: moves from the true figures; what they prove is not looked for.
        seconds: how long it may take.

    Raises:
        GateRefusal: an unsafe cell is published, figures contradict each other, or the time is over.
    """
    deadline = time.monotonic() + seconds
    published, truth = with_truth(issue, true, of_one_state(issue, earlier))
    value = figures_of(truth)
    unsafe = unsafe_cells(truth, true, rules, value)
    _require_hidden(published, unsafe.cells)
    seen = seen_by_readers(published)
    who = np.where(unsafe.contributor >= 0, unsafe.contributor, -1 - np.arange(len(value)))
    needs = one_each(both(unsafe.needs, standing_needs(published)))
    needs = unproven(seen, needs, unsafe.insiders, who, value)
    if proof is not None:
        needs = unproven_by(needs, value, holding(seen, value, proof), unsafe.insiders, who)
    exposed = attack(seen, needs, deadline=deadline, point=value)
    if exposed := _avoidable(published, exposed, needs, issue.name, deadline):
        return tuple(finding_of(published, exposure) for exposure in exposed)
    told = insiders_attack(seen, needs, unsafe.insiders, value, deadline=deadline)
    others = ((insider, exposure) for insider, exposure in told if who[insider] != who[exposure.cell])
    return tuple(_told_to(published, insider, exposure) for insider, exposure in islice(others, MOST))


def _avoidable(
    published: Linked, found: tuple[Exposure, ...], needs: Needs, name: str, deadline: float
) -> tuple[Exposure, ...]:
    """What was found, but for minima that no pattern could have made less: everybody knows them at any rate."""
    of = {int(cell): n for n, cell in enumerate(needs.cell)}
    low_alone = [
        of[e.cell] for e in found if e.high >= needs.reach[of[e.cell]] and e.high - e.low >= needs.width[of[e.cell]]
    ]
    if not low_alone:
        return found
    out = np.zeros(published.cells, dtype=bool)
    for sheet, places in zip(published.sheets, published.places, strict=True):
        nobody = sheet.value == 0
        out[places[~np.isnan(sheet.value) if sheet.issue != name else nobody]] = True
    nothing_shown = seen_by_readers(replace(published, value=np.where(out, published.value, np.nan)))
    minima = needs.take(np.array(low_alone))
    minima = Needs(minima.cell, 0 * minima.reach, 0 * minima.width, minima.floor)
    evident = {exposure.cell for exposure in attack(nothing_shown, minima, deadline=deadline)}
    return tuple(exposure for exposure in found if exposure.cell not in evident)


def _require_hidden(published: Linked, cells: np.ndarray) -> None:
    shown = cells[~np.isnan(published.value[cells])]
    if len(shown):
        where = "{}, {}.{}, {}".format(*published.name(int(shown[0])))
        raise GateRefusal(f"{len(shown)} unsafe cells are published, the first {where}")


def _told_to(published: Linked, insider: int, exposure: Exposure) -> Finding:
    finding = finding_of(published, exposure)
    _, table, measure, cell = published.name(insider)
    who = f"the only person of {table}.{measure}, {cell}"
    return replace(finding, derived_from=(*finding.derived_from, who))
