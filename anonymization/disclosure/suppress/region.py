"""A region: some cells and all relations between them, as one linear programme that is solved again and again.

Each cell has two columns, how far it rises and how far it falls; standing still satisfies everything. A move of one
cell by an amount starts from there with the dual simplex method, so that its work grows with the move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anonymization.disclosure.suppress.bounds import Ground
from anonymization.disclosure.suppress.bounds_kernels import local_matrix, narrowed
from anonymization.disclosure.suppress.programmes import Programme, Solver
from anonymization.disclosure.system import Floats, Integers, Relations, components

WHOLE = 1e-5
"""How far the solver's answer may be from a whole number; the rounded move is checked exactly."""
ATTEMPTS = 4
"""Prices that are tried before an integer programme is."""
IDLE = 1e-3
"""What a unit of the move of a cell costs that nobody asked for, where cells are raised together."""
FEW_NODES = 100
"""Nodes of an integer programme over the cells that moved under any of these prices."""


@dataclass(frozen=True)
class Move:
    """Another table with the same published figures.

    Attributes:
        cells: what it changes, in order.
        by: by how much.
    """

    cells: Integers
    by: Integers


class Region:
    """Cells that may move, while all others stand still.

    Attributes:
        cells: the cells, in order; those that cannot move without others are left out.
    """

    def __init__(self, ground: Ground, cells: Integers, deadline: float | None) -> None:
        """Make the programme of some cells."""
        net = ground.net
        self._place = np.full(len(ground.cost), -1, dtype=np.int64)
        rows = _rows(ground, cells)
        low, high = net.down[cells], net.up[cells]
        narrowed(net, cells, rows, low, high, self._place)
        movable = (low != 0) | (high != 0)
        self.cells = cells[movable]
        self._down, self._up = low[movable], high[movable]
        self._rows, start, column, weight = local_matrix(net, self.cells, rows, self._place)
        self._place[self.cells] = np.arange(len(self.cells))
        self._net = net
        self._matrix = sparse.csr_array((weight, column, start), shape=(len(self._rows), len(self.cells)))
        self._both = sparse.csr_array(sparse.hstack([self._matrix, -self._matrix], format="csr"))
        self._most = np.concatenate([self._up, -self._down])
        self._cost = np.ones(2 * len(self.cells))
        self._solver = Solver(deadline)
        self._solver.load(self._programme(self._cost, self._most))
        self.integer_programmes = 0

    def holds(self, cell: int) -> bool:
        """Return whether a cell is in the region."""
        return bool(self._place[cell] >= 0)

    def move(
        self, cell: int, amount: float, price: Floats, barred: Integers, *, thorough: bool
    ) -> tuple[Move, float] | None:
        """Return a cheap move, and what it costs; None where none was found.

        Args:
            cell: it rises by `amount` or more, or falls, where that is negative.
            amount: whole number, not 0.
            price: of moving each cell by 1.
            barred: cells that stand still.
            thorough: whether to search on when linear programmes give fractions only; then None means that there is
                none in this region.
        """
        at, size = int(self._place[cell]), len(self.cells)
        column, back = (at, size + at) if amount > 0 else (size + at, at)
        if at < 0 or self._most[column] < abs(amount):
            return None
        still = self._place[barred]
        still = np.concatenate([[back], still[still >= 0], size + still[still >= 0]])
        cost = np.tile(price[self.cells], 2)
        low, high = np.zeros(2 * size), self._most.copy()
        low[column] = abs(amount)
        high[still] = 0.0
        changed = np.append(still, column)
        self._solver.bounds(changed, low[changed], high[changed])
        try:
            found = self._found(cost, low, high, thorough=thorough)
        finally:
            self._solver.bounds(changed, np.zeros(len(changed)), self._most[changed])
        if found is None:
            return None
        moved = np.flatnonzero(found)
        return Move(self.cells[moved], found[moved].astype(np.int64)), float(price[self.cells] @ np.abs(found))

    def together(self, cells: Integers, amount: Floats, weight: Floats, barred: Integers) -> list[Move]:
        """Return moves that share no relation, and together raise some cells as far as they go.

        Args:
            cells: which are to rise.
            amount: by how much each, and no further.
            weight: what a unit of each is worth; a unit of any other cell's move costs little.
            barred: cells that stand still, unless they are to rise.
        """
        size, at, still = len(self.cells), self._place[cells], self._place[barred]
        here = at >= 0
        here[here] = self._most[at[here]] > 0
        at, amount, weight = at[here], amount[here], weight[here]
        still = np.setdiff1d(still[still >= 0], at)
        cost, high = np.full(2 * size, IDLE), self._most.copy()
        cost[at] = -weight
        high[at] = np.minimum(amount, high[at])
        high[np.concatenate([size + at, still, size + still])] = 0.0
        changed = np.flatnonzero(high != self._most)
        self._solver.bounds(changed, np.zeros(len(changed)), high[changed])
        self._reprice(cost)
        try:
            x = self._solver.again()
        finally:
            self._solver.bounds(changed, np.zeros(len(changed)), self._most[changed])
        return [] if x is None else self._apart(x[:size] - x[size:])

    def _apart(self, move: Floats) -> list[Move]:
        """The parts of a move that share no relation, as far as they are of whole numbers and hold exactly."""
        moved = np.flatnonzero(np.abs(move) > WHOLE)
        part, (row_low, row_high), whole = self._matrix[:, moved], self._bounds(), np.rint(move[moved])
        label = components(Relations(part, row_low, row_high))
        wrong = (np.abs(move[moved] - whole) > WHOLE) | (whole > self._up[moved]) | (whole < self._down[moved])
        change = part @ whole
        row, column = sparse.coo_array(part).coords
        wrong[column[(change[row] < row_low[row]) | (change[row] > row_high[row])]] = True
        holding = np.setdiff1d(label, label[wrong])
        return [Move(self.cells[moved[label == n]], whole[label == n].astype(np.int64)) for n in holding]

    def _found(self, cost: Floats, low: Floats, high: Floats, *, thorough: bool) -> Floats | None:
        """Return a cheap move within bounds: other prices may give a whole-numbered corner."""
        moved = np.zeros(len(cost), dtype=np.bool_)
        for attempt in range(ATTEMPTS):
            self._reprice(cost * _shaken(len(cost), attempt))
            x = self._solver.again()
            if x is None:
                return None
            move = self._checked(x, low, high)
            if move is not None:
                return move
            moved |= x > WHOLE
        few = moved | np.roll(moved, len(self.cells)) | (low > 0)
        move = self._whole(cost, low, np.where(few, high, low), FEW_NODES)
        return self._whole(cost, low, high, None) if move is None and thorough else move

    def _whole(self, cost: Floats, low: Floats, high: Floats, nodes: int | None) -> Floats | None:
        self.integer_programmes += 1
        programme = Programme(cost, low, high, self._both, *self._bounds())
        everywhere = np.ones(len(cost), dtype=np.bool_)
        solution = self._solver.apart().minimum(programme, integer=everywhere, nodes=nodes)
        return None if solution is None else self._checked(solution.x, low, high)

    def _checked(self, x: Floats, low: Floats, high: Floats) -> Floats | None:
        """Return the move of each cell; None where it is not whole, or where the rounded one does not hold exactly."""
        whole = np.rint(x)
        if np.any(np.abs(x - whole) > WHOLE) or np.any((whole < low) | (whole > high)):
            return None
        move = whole[: len(self.cells)] - whole[len(self.cells) :]
        change = self._matrix @ move
        row_low, row_high = self._bounds()
        return None if np.any((change < row_low) | (change > row_high)) else move

    def _bounds(self) -> tuple[Floats, Floats]:
        return self._net.low[self._rows], self._net.high[self._rows]

    def _programme(self, cost: Floats, most: Floats) -> Programme:
        return Programme(cost, np.zeros(len(cost)), most, self._both, *self._bounds())

    def _reprice(self, cost: Floats) -> None:
        changed = np.flatnonzero(cost != self._cost)
        self._solver.costs(changed, cost[changed])
        self._cost = cost


def _rows(ground: Ground, cells: Integers) -> Integers:
    """Return all relations of some cells."""
    net = ground.net
    length = net.cell_start[cells + 1] - net.cell_start[cells]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return np.unique(net.cell_row[np.repeat(net.cell_start[cells], length) + within])


def _shaken(number: int, attempt: int) -> Floats:
    """Return factors near 1, others at each attempt."""
    if attempt == 0:
        return np.ones(number)
    half = np.random.default_rng(attempt).uniform(1, 1 + attempt / 2, number // 2)
    return np.concatenate([half, half])
