"""Giving back: cells that need not be hidden are published, the costliest first."""

from __future__ import annotations

import numpy as np

from anonymization.disclosure.moves import Search
from anonymization.disclosure.system import Booleans
from anonymization.disclosure.witnesses import Witnesses

AMONG_HIDDEN = (Search(0, 80, 50), Search(0, 400, 50))


def give_back(witnesses: Witnesses, usable: Booleans, searches: tuple[Search, ...] = AMONG_HIDDEN) -> int:
    """Publish every cell that all needs can do without, the costliest first; return how many were given back.

    A cell can be published when every witness that moves it has a replacement among the other hidden cells.
    """
    ground = witnesses.ground
    given = release_unused(witnesses)
    candidates = np.flatnonzero(witnesses.hidden & ~ground.fixed)
    for cell in candidates[np.lexsort((-candidates, -ground.cost[candidates]))].tolist():
        if witnesses.hidden[cell] and (witnesses.uses[cell] == 0 or _rerouted(witnesses, cell, usable, searches)):
            witnesses.hidden[cell] = False
            given += 1
    return given + release_unused(witnesses)


def release_unused(witnesses: Witnesses) -> int:
    """Publish what no witness moves."""
    unused = witnesses.hidden & ~witnesses.ground.fixed & (witnesses.uses == 0)
    witnesses.hidden[unused] = False
    return int(unused.sum())


def _rerouted(witnesses: Witnesses, cell: int, usable: Booleans, searches: tuple[Search, ...]) -> bool:
    """Replace all witnesses that move a cell by others that do not; tell whether that was possible."""
    allowed = usable.copy()
    allowed[cell] = False
    price = witnesses.price()
    found = []
    for witness in witnesses.users(cell):
        need = witnesses.need_of(witness)
        common = witnesses.in_all(need, without=witness)
        barred = allowed
        if common is None:
            common = np.flatnonzero(witnesses.others(need))
        if len(common):
            barred = allowed.copy()
            barred[common] = False
        cells = witnesses.find(need, barred, price, searches)
        if cells is None:
            return False
        found.append((witness, need, cells))
    for witness, need, cells in found:
        witnesses.remove(witness)
        witnesses.add(need, cells)
    return True
