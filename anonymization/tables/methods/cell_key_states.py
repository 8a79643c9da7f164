"""Spans of two states: what noisy figures before and after tell together of a hidden one.

The same persons bring the same noise, so that of a figure that stays as it is everybody knows that nobody came or went.
What is shown twice so is one unknown, with a span from each sum that it is in before and after: together they may be
narrower than either state's. A hidden number of few persons, and a change by few, stays within three numbers or more.
"""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from anonymization.disclosure.attack.attack import attack
from anonymization.disclosure.attack.needs import one_each
from anonymization.disclosure.suppress.feasible import feasible_point
from anonymization.disclosure.system import Booleans, Floats, Needs, System
from anonymization.errors import GateRefusal
from anonymization.tables.audit.audit import SECONDS
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import WIDTH
from anonymization.tables.audit.system_of import Linked
from anonymization.tables.audit.two_states import BOTH, Changed, States, sides


def pinned_between(
    published: Linked, truth: Linked, names: Collection[str], changed: Changed, *, seconds: float = SECONDS
) -> tuple[Finding, ...]:
    """Return the hidden numbers of few persons, and the changes by few, that two states together pin.

    Args:
        published: what is out of both states, and the candidate, with their noise.
        truth: the same cells, with the candidate's true figures.
        names: the issues of the candidate's state, itself among them.
        changed: since the other state.
        seconds: how long it may take.

    Raises:
        GateRefusal: figures contradict each other, or the time is over.
    """
    cells, least = published.cells, published.minimum.astype(np.float64)
    now, before = sides(published, names)
    true_now = np.where(np.isnan(changed.apart), np.nan, sides(truth, names)[0].value)
    others = {sheet.issue for sheet in published.sheets} - set(names)
    known = (true_now - changed.apart, true_now, changed.apart)
    shown = [_shown(published, issues) for issues in (others, names)]
    seen = States(before, now, added=False).system()
    low, high, unsafe = seen.low.copy(), seen.high.copy(), []
    for state, linked in enumerate((before, now)):
        hidden = linked.listed & ~shown[state] & ~np.isnan(known[state]) & linked.persons
        few = hidden & (known[state] < least)
        at = state * cells
        high[at : at + cells][few] = least[few] - 1
        low[at : at + cells][hidden & ~few] = least[hidden & ~few]
        unsafe.append(at + np.flatnonzero(few & (known[state] > 0)))
    alike = shown[0] & shown[1] & (before.low == now.low) & (before.high == now.high) & (changed.persons == 0)
    low[BOTH * cells :][alike] = high[BOTH * cells :][alike] = 0
    by_few = published.persons & (changed.persons > 0) & (changed.persons < least)
    cell = np.concatenate([*unsafe, BOTH * cells + np.flatnonzero(by_few)])
    width = np.minimum(WIDTH, least[cell % cells] - 2)
    needs = one_each(Needs(cell, np.full(len(cell), -np.inf), width))
    system = System(seen.relations, low, high)
    point = feasible_point(_with(system, np.concatenate(known)))
    found = attack(system, needs, point=point, deadline=time.monotonic() + seconds)
    why = ("two versions, all of whose noisy figures were solved together",)
    return tuple(
        Finding(*published.name(one.cell % cells), int(one.low), int(one.high) if np.isfinite(one.high) else -1, why)
        for one in found
    )


def _shown(linked: Linked, names: Collection[str]) -> Booleans:
    shown = np.zeros(linked.cells, dtype=bool)
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue in names:
            shown[places[sheet.shown]] = True
    return shown


def _with(system: System, figures: Floats) -> System:
    told = ~np.isnan(figures)
    if (told & ((figures < system.low) | (figures > system.high))).any():
        raise GateRefusal("who changed, as it was counted, contradicts what is published")
    low, high = np.where(told, figures, system.low), np.where(told, figures, system.high)
    return System(system.relations, low, high)
