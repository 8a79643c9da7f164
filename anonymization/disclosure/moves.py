"""Moves: another table with the same published figures, which shows that a cell may be as large as it needs to be.

A move changes hidden cells only, by whole numbers, and keeps every relation and every bound. As long as the cells of a
move stay hidden, whatever else is hidden or published, a reader cannot tell the moved table from the true one. So a
move that raises a cell to its reach, and one that together with it makes its interval as wide as needed, prove the
cell's need for ever: they are its witness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from anonymization.disclosure.ground import Ground
from anonymization.disclosure.ground_kernels import local_matrix, narrowed, surroundings
from anonymization.disclosure.programmes import Programme, Solver
from anonymization.disclosure.system import Booleans, Floats, Integers

WHOLE = 1e-5
"""How far the solver's answer may be from a whole number; the rounded move is checked exactly."""


ATTEMPTS = 4
"""Prices that are tried before an integer programme is."""


@dataclass(frozen=True)
class Demand:
    """What a witness must show.

    Attributes:
        cell: of this cell.
        rise: that it may be larger by this.
        width: and that two of its possible values are this far apart.
    """

    cell: int
    rise: float
    width: float


@dataclass(frozen=True)
class Search:
    """How far a move is looked for: `most` cells, and of each relation `each` that are not hidden yet."""

    each: int
    most: int
    nodes: int | None


@dataclass(frozen=True)
class _Part:
    """One move to find: cells, bounds of their moves, and their relations among themselves."""

    cells: Integers
    low: Floats
    high: Floats
    rows: Integers
    matrix: sparse.csr_array


class Mover:
    """Finds cheap moves.

    Attributes:
        ground: relations and bounds.
        solver: for the programmes.
    """

    def __init__(self, ground: Ground, solver: Solver) -> None:
        self.ground, self.solver = ground, solver
        self._place = np.full(len(ground.cost), -1, dtype=np.int64)
        self.programmes = 0
        self.integer_programmes = 0

    def find(
        self, demand: Demand, hidden: Booleans, usable: Booleans, price: Floats, search: Search
    ) -> Integers | None:
        """Return the cells of a cheap witness, in order; None where there is none within the search's reach.

        Args:
            demand: what is to be shown.
            hidden: which cells are hidden already.
            usable: which cells may move.
            price: of moving a cell by 1.
            search: how far to look.
        """
        if demand.rise <= 0 and demand.width <= 0:
            return np.zeros(0, dtype=np.int64)
        if not usable[demand.cell]:
            return None
        cells, rows = surroundings(self.ground.net, demand.cell, hidden, usable, search.each, search.most)
        parts = [self._part(cells, rows, demand.rise if demand.rise > 0 else -np.inf, np.inf)]
        if demand.rise < demand.width:
            parts.append(self._part(cells, rows, -np.inf, 0.0))
        if any(part is None for part in parts):
            return None
        return self._solved(demand, [part for part in parts if part is not None], price, search.nodes)

    def _part(self, cells: Integers, rows: Integers, least: float, most: float) -> _Part | None:
        """Return the cells that can move at all while the first of them moves by `least` to `most`."""
        net = self.ground.net
        low, high = net.down[cells], net.up[cells]
        low[0], high[0] = max(low[0], least), min(high[0], most)
        if low[0] > high[0] or not narrowed(net, cells, rows, low, high, self._place):
            return None
        keep = (low != 0) | (high != 0)
        keep[0] = True
        cells = cells[keep]
        rows, start, column, weight = local_matrix(net, cells, rows, self._place)
        matrix = sparse.csr_array((weight, column, start), shape=(len(rows), len(cells)))
        return _Part(cells, low[keep], high[keep], rows, matrix)

    def _solved(self, demand: Demand, parts: list[_Part], price: Floats, nodes: int | None) -> Integers | None:
        """Return the cells of a cheap whole-numbered witness: other prices may give a whole-numbered corner."""
        programme = self._programme(demand, parts, price)
        for attempt in range(ATTEMPTS):
            self.programmes += 1
            solution = self.solver.minimum(
                replace(programme, cost=programme.cost * _shaken(len(programme.cost), attempt))
            )
            if solution is None:
                return None
            if np.all(np.abs(solution.x - np.rint(solution.x)) < WHOLE):
                return self._checked(demand, parts, np.rint(solution.x))
        if nodes == 0:
            return None
        self.integer_programmes += 1
        everywhere = np.ones(len(programme.cost), dtype=np.bool_)
        solution = self.solver.minimum(programme, integer=everywhere, nodes=nodes)
        return None if solution is None else self._checked(demand, parts, np.rint(solution.x))

    def _programme(self, demand: Demand, parts: list[_Part], price: Floats) -> Programme:
        """Return the programme of the parts: first the rises of all cells, then their falls, part by part."""
        net = self.ground.net
        matrices, costs, lows, highs = [], [], [], []
        for part in parts:
            matrices.append(sparse.hstack([part.matrix, -part.matrix], format="csr"))
            costs += [price[part.cells]] * 2
            lows += [np.maximum(part.low, 0), np.maximum(-part.high, 0)]
            highs += [np.maximum(part.high, 0), np.maximum(-part.low, 0)]
        row_low, row_high = (np.concatenate([bound[p.rows] for p in parts]) for bound in (net.low, net.high))
        matrix = matrices[0]
        if len(parts) > 1:
            matrix = sparse.block_diag(matrices, format="csr")
            first, second = len(parts[0].cells), len(parts[1].cells)
            at = np.array([0, first, 2 * first, 2 * first + second])
            apart = sparse.csr_array(([1.0, -1.0, -1.0, 1.0], at, [0, 4]), shape=(1, matrix.shape[1]))
            matrix = sparse.vstack([matrix, apart], format="csr")
            row_low, row_high = np.append(row_low, demand.width), np.append(row_high, np.inf)
        return Programme(np.concatenate(costs), np.concatenate(lows), np.concatenate(highs), matrix, row_low, row_high)

    def _checked(self, demand: Demand, parts: list[_Part], x: Floats) -> Integers | None:
        """Return the cells of the moves; None where a rounded move does not hold exactly."""
        net, at, moved, interval = self.ground.net, 0, [], [0.0]
        for part in parts:
            number = len(part.cells)
            move = x[at : at + number] - x[at + number : at + 2 * number]
            at += 2 * number
            change = part.matrix @ move
            if np.any((change < net.low[part.rows]) | (change > net.high[part.rows])):
                return None
            if np.any((move < net.down[part.cells]) | (move > net.up[part.cells])):
                return None
            moved.append(part.cells[move != 0])
            interval.append(float(move[0]))
        if max(interval) < demand.rise or max(interval) - min(interval) < demand.width:
            return None
        return np.unique(np.concatenate(moved))


def _shaken(number: int, attempt: int) -> Floats:
    """Return factors near 1, others at each attempt."""
    if attempt == 0:
        return np.ones(number)
    return np.random.default_rng(attempt).uniform(1, 1 + attempt / 2, number)
