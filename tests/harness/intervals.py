"""Exact feasible intervals of cells: what can be known of them by whoever solves everything that is published."""

from __future__ import annotations

import numpy as np

from anonymization.disclosure.attack.blocks import taken_apart
from anonymization.disclosure.attack.points import Search
from anonymization.disclosure.system import Floats, Integers, System


def intervals(
    system: System, cells: Integers, *, integer: bool = True, deadline: float | None = None
) -> tuple[Floats, Floats]:
    """Return the exact feasible minimum and maximum of each of these cells; infinite where there is none.

    Args:
        system: what a reader knows.
        cells: the cells of interest.
        integer: over whole numbers; else over real ones, which gives intervals at least as wide.
        deadline: of `time.monotonic()`.

    Raises:
        GateRefusal: the published figures contradict each other, or the solver failed.
        AuditUnfinished: the deadline passed.
    """
    parts = taken_apart(system, cells, whole=integer)
    low, high = parts.low.copy(), parts.high.copy()
    wanted = np.zeros(system.cells, dtype=np.bool_)
    wanted[cells] = True
    for block in parts.blocks:
        search = Search(block.system, deadline, whole=integer)
        inside = np.flatnonzero(wanted[block.cell])
        lowest, highest = block.system.low[inside], block.system.high[inside]
        search.try_all(inside, np.where(np.isinf(highest), lowest + 1, highest), 1)
        search.try_all(inside, np.where(np.isinf(lowest), search.most[inside] - 1, lowest), -1)
        for place in inside.tolist():
            low[block.cell[place]] = search.extreme(place, -1)
            high[block.cell[place]] = search.extreme(place, 1)
    return low[cells], high[cells]
