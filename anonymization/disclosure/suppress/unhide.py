"""Giving back: what was hidden for one need at a time is published again where the needs together can do without."""

from __future__ import annotations

import numpy as np

from anonymization.disclosure.suppress.moves import Regions, Witness
from anonymization.disclosure.suppress.witnesses import Witnesses


def give_back(witnesses: Witnesses, regions: Regions, effort: float) -> float:
    """Publish what is not worth hiding; return the effort left.

    A cell is published when all witnesses that move it can be replaced by others that together cost less than it. What
    costs most a witness is tried first, until the effort is spent; nothing changes that does not lower the cost.

    Args:
        witnesses: the pattern.
        regions: where other witnesses are looked for.
        effort: cells of all programmes solved, at most.
    """
    ground = witnesses.ground
    candidates = np.flatnonzero(witnesses.hidden & ~ground.fixed)
    gain = ground.cost[candidates] / np.maximum(witnesses.uses[candidates], 1)
    for cell in candidates[np.lexsort((-candidates, -gain))].tolist():
        if effort <= 0:
            break
        if witnesses.hidden[cell]:
            effort -= _without(witnesses, regions, cell)
    return effort


def _without(witnesses: Witnesses, regions: Regions, cell: int) -> float:
    """Replace the witnesses that move a cell, if that costs less; return the effort."""
    before, mark, effort = witnesses.cost(), witnesses.mark, 0.0
    removed = [witnesses.remove(number) for number in witnesses.users(cell)]
    barred = np.array([cell], dtype=np.int64)
    for need in sorted({need for need, _ in removed}):
        here = witnesses.demands[need].cell
        region = regions.near(here, regions.first(here), witnesses.hidden)
        effort += len(region.cells)
        if not witnesses.establish(need, region, barred=barred) or witnesses.cost() >= before:
            break
    else:
        return effort
    restore(witnesses, mark, removed)
    return effort


def restore(witnesses: Witnesses, mark: int, removed: list[tuple[int, Witness]]) -> None:
    """Put back what was removed, and forget what was found since a mark."""
    for number in witnesses.since(mark):
        witnesses.remove(number)
    for need, witness in removed:
        witnesses.keep(need, witness)
