"""Giving back: what was hidden for one need at a time is published again where the needs together can do without."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from anonymization.disclosure.moves import Search
from anonymization.disclosure.system import Booleans, Integers
from anonymization.disclosure.witnesses import Witnesses


def give_back(witnesses: Witnesses, usable: Booleans, searches: tuple[Search, ...]) -> float:
    """Publish every cell that is not worth hiding, the costliest first; return the cost saved.

    A cell is published when all witnesses that move it can be replaced by others that cost less than it together.
    """
    before = witnesses.cost()
    ground = witnesses.ground
    candidates = np.flatnonzero(witnesses.hidden & ~ground.fixed)
    for cell in candidates[np.lexsort((-candidates, -ground.cost[candidates]))].tolist():
        if witnesses.hidden[cell]:
            allowed = usable.copy()
            allowed[cell] = False
            rerouted(
                witnesses,
                {witnesses.need_of(w) for w in witnesses.users(cell)},
                witnesses.users(cell),
                allowed,
                searches,
            )
    return before - witnesses.cost()


def reroute(witnesses: Witnesses, order: Iterable[int], usable: Booleans, searches: tuple[Search, ...]) -> float:
    """Find the witnesses of each need anew, now that all others are known; return the cost saved."""
    before = witnesses.cost()
    for need in order:
        rerouted(witnesses, {need}, witnesses.of_need(need), usable, searches)
    return before - witnesses.cost()


def rerouted(
    witnesses: Witnesses, needs: set[int], old: list[int], usable: Booleans, searches: tuple[Search, ...]
) -> bool:
    """Replace some witnesses of some needs; tell whether that was possible and costs less, else nothing changes."""
    before = witnesses.cost()
    removed = [witnesses.remove(witness) for witness in old]
    mark = witnesses.mark
    for need in sorted(needs):
        if not witnesses.establish(need, usable, searches) or witnesses.cost() >= before:
            break
    else:
        return True
    for witness in witnesses.since(mark):
        witnesses.remove(witness)
    for need, cells in removed:
        witnesses.add(need, cells)
    return False
