"""Bounds narrowed by one relation at a time, again and again: all that can be derived without solving anything.

From `low <= sum(a_k x_k) <= high` follows, for each cell of the row, `a_j x_j <= high - min(sum of the others)` and
`a_j x_j >= low - max(sum of the others)` (activity bounds, Savelsbergh 1994). Cells are whole numbers, so bounds are
rounded inwards. All rows are read at once, round by round; later rounds read only the rows of cells that changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anonymization.disclosure.attack.neighbourhood import entries
from anonymization.disclosure.system import SLACK, Booleans, Floats, Integers, Relations, System, reduced
from anonymization.errors import GateRefusal

ROUNDS = 200
"""Bounds that creep up by one a round stop here; they hold all the same."""
TINY = 1e-9


@dataclass(frozen=True)
class Trail:
    """Which row narrowed which bound, in order of the rounds: an entry a change.

    Attributes:
        cell, upper: the bound that became narrower.
        row: the relation that it followed from.
        turn: the round; what followed in a round rests on bounds of earlier rounds alone.
    """

    cell: Integers
    upper: Booleans
    row: Integers
    turn: Integers


@dataclass(frozen=True)
class Narrowed:
    """A system with narrower bounds, and how they were found."""

    system: System
    trail: Trail


def propagated(system: System) -> System:
    """Return the same relations with the bounds of the cells narrowed to a fixpoint, over whole numbers.

    Every whole solution of the system lies within the bounds. After `ROUNDS` rounds a fixpoint that creeps is cut:
    bounds are then wider than they could be, never narrower than is true.

    Raises:
        GateRefusal: the system has no solution, as bounds of a cell cross.
    """
    part = reduced(system)
    inner = narrowed(part.system).system
    low, high = system.low.copy(), system.high.copy()
    low[part.cell], high[part.cell] = inner.low, inner.high
    return System(system.relations, low, high)


def narrowed(system: System, *, whole: bool = True) -> Narrowed:
    """Return a system with its bounds narrowed, and the trail; see `propagated`.

    Args:
        system: best reduced: known cells cost as much as others.
        whole: cells are whole numbers; else bounds are not rounded.
    """
    matrix = system.relations.matrix
    by_cell = sparse.csc_array(matrix)
    low, high = (np.ceil(system.low - TINY), np.floor(system.high + TINY)) if whole else (system.low, system.high)
    low, high = low.copy(), high.copy()
    _not_crossed(low, high)
    active = np.arange(matrix.shape[0])
    steps: list[tuple[Integers, Booleans, Integers, Integers]] = []
    for turn in range(ROUNDS):
        row, at = entries(matrix.indptr, active)
        if not len(at):
            break
        lower, upper = _implied(system.relations, row, at, low, high, whole=whole)
        column = matrix.indices[at].astype(np.int64)
        down = _improve(high, column, row, upper, np.minimum)
        up = _improve(low, column, row, lower, np.maximum)
        _not_crossed(low, high)
        for (cell, because), is_upper in ((down, True), (up, False)):
            steps.append((cell, np.full(len(cell), is_upper), because, np.full(len(cell), turn)))
        _, touched = entries(by_cell.indptr, np.union1d(down[0], up[0]))
        active = np.unique(by_cell.indices[touched]).astype(np.int64)
    return Narrowed(System(system.relations, low, high), _joined(steps))


def activity(system: System) -> tuple[Floats, Floats]:
    """Return the least and the most that each row can sum to, given the bounds of its cells alone."""
    matrix = system.relations.matrix
    weight, column = matrix.data.astype(np.float64), matrix.indices
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    positive = weight > 0
    least = np.zeros(matrix.shape[0])
    most = np.zeros(matrix.shape[0])
    np.add.at(least, row, weight * np.where(positive, system.low[column], system.high[column]))
    np.add.at(most, row, weight * np.where(positive, system.high[column], system.low[column]))
    return least, most


def _implied(
    relations: Relations, row: Integers, at: Integers, low: Floats, high: Floats, *, whole: bool
) -> tuple[Floats, Floats]:
    """Return the bounds that each entry's row implies for its cell."""
    weight = relations.matrix.data[at].astype(np.float64)
    column = relations.matrix.indices[at]
    positive = weight > 0
    least = weight * np.where(positive, low[column], high[column])
    most = weight * np.where(positive, high[column], low[column])
    start = np.flatnonzero(np.diff(row, prepend=-1))
    group = np.cumsum(np.diff(row, prepend=row[:1]) != 0)
    room_above = (relations.high[row] - _rest(least, start, group, -np.inf)) / weight
    room_below = (relations.low[row] - _rest(most, start, group, np.inf)) / weight
    upper, lower = np.where(positive, room_above, room_below), np.where(positive, room_below, room_above)
    return (np.ceil(lower - TINY), np.floor(upper + TINY)) if whole else (lower, upper)


def _rest(part: Floats, start: Integers, group: Integers, infinite: float) -> Floats:
    """Return, for each entry, the sum of the other entries of its row."""
    open_end = np.isinf(part)
    finite = np.where(open_end, 0.0, part)
    total = np.add.reduceat(finite, start)[group] - finite
    others = np.add.reduceat(open_end.astype(np.int64), start)[group] - open_end
    return np.where(others > 0, infinite, total)


def _improve(bound: Floats, cell: Integers, row: Integers, value: Floats, best: np.ufunc) -> tuple[Integers, Integers]:
    """Narrow bounds in place and return the cells that changed, with a row that each change follows from."""
    shift = -TINY if best is np.minimum else TINY
    better = np.flatnonzero(np.isfinite(value) & (best(bound[cell] + shift, value) == value))
    cell, row, value = cell[better], row[better], value[better]
    best.at(bound, cell, value)
    reached = np.flatnonzero(bound[cell] == value)
    changed, first = np.unique(cell[reached], return_index=True)
    return changed, row[reached[first]]


def _not_crossed(low: Floats, high: Floats) -> None:
    if np.any(low > high + SLACK):
        raise GateRefusal(
            "the published figures contradict each other: no figures for the hidden cells satisfy them all"
        )


def _joined(steps: list[tuple[Integers, Booleans, Integers, Integers]]) -> Trail:
    if not steps:
        none = np.zeros(0, dtype=np.int64)
        return Trail(none, none.astype(np.bool_), none, none)
    return Trail(*(np.concatenate(column) for column in zip(*steps, strict=True)))
