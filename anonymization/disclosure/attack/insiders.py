"""Insiders: a contributor who is alone in a cell knows its figure, and what follows from it; or in more cells than one.

Each pair of an insider and a need is proven, but not one by one. A move from a point in which every insider's cell has
its true figure changes few cells; what it shows of a need, it shows before every insider whose cell it leaves alone.
So a need is tried with all insiders' cells held; then freely, and once more with those held that the first move
touched: two moves that touch no insider together prove it before all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anonymization.disclosure.attack.blocks import Block
from anonymization.disclosure.attack.needs import met
from anonymization.disclosure.attack.neighbourhood import Neighbourhood
from anonymization.disclosure.attack.points import NEAR, Search, satisfies
from anonymization.disclosure.attack.programmes import Programme, Solver, steps, time_left
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System

SIZES = (40, 200, 1000)
"""Cells of the surroundings in which a move is looked for, before all."""
INSIDER = 20.0
"""What it costs to move an insider's cell by one, where other cells cost 1."""


class Insiders:
    """The insiders of one block, and what is still possible for the other cells as they know it."""

    def __init__(
        self,
        block: Block,
        insiders: Integers,
        whose: Integers,
        value: Integers,
        needs: Needs,
        deadline: float | None,
    ) -> None:
        """Args as of `insiders_attack`, for one block."""
        self._block = block
        self._own = np.searchsorted(block.cell, insiders)
        self._persons, self._whose = np.unique(whose, return_inverse=True)
        self._needs = needs
        self._places = np.searchsorted(block.cell, needs.cell)
        self._deadline = deadline
        self._solver = Solver(deadline)
        self._near = Neighbourhood(block.system.relations)
        self._start = self._start_from(value)
        shape = (len(needs.cell), len(self._persons))
        self._least = np.broadcast_to(self._start[self._places][:, None], shape).copy()
        self._most = self._least.copy()
        self._number = np.full(block.system.cells, -1, dtype=np.int64)
        self._number[self._own] = self._whose
        self._need_of = np.full(block.system.cells, -1, dtype=np.int64)
        self._need_of[self._places] = np.arange(len(self._places))

    def failing(self) -> Iterator[tuple[int, Booleans]]:
        """Yield each insider with the needs that no move proves for him, if there are any."""
        if not len(self._places):
            return
        for need in range(len(self._places)):
            time_left(self._deadline)
            self._prove(need)
        for number, person in enumerate(self._persons.tolist()):
            held = met(self._needs, self._least[:, number], self._most[:, number])
            fails = ~held & (self._number[self._places] != number)
            if fails.any():
                yield person, fails

    def _start_from(self, value: Integers) -> Floats:
        """A point of the block in which the insiders' cells have their true figures."""
        system, figures = self._block.system, value[self._block.cell].astype(np.float64)
        if satisfies(system, figures):
            return figures
        low, high = system.low.copy(), system.high.copy()
        low[self._own] = high[self._own] = figures[self._own]
        return Search(System(system.relations, low, high), self._deadline).point()

    def _prove(self, need: int) -> None:
        """Look for moves that prove a need before all insiders."""
        self._show(need, np.zeros(0, dtype=np.int64))
        open_ = self._unproven(need)
        if not len(open_):
            return
        if len(open_) < len(self._persons):
            self._show(need, self._own[np.isin(self._whose, open_)])
        for number in self._unproven(need):
            self._show(need, self._own[self._whose == number])

    def _unproven(self, need: int) -> Integers:
        """The insiders before whom a need is not proven."""
        most, least = self._most[need], self._least[need]
        held = (most >= self._needs.reach[need]) & (most - least >= self._needs.width[need])
        return np.flatnonzero(~held & (np.arange(len(self._persons)) != self._number[self._places[need]]))

    def _show(self, need: int, held: Integers) -> None:
        """Look for a move that proves a need by itself, else for one up and one down; some cells are left alone."""
        reach, width = float(self._needs.reach[need]), float(self._needs.width[need])
        at = float(self._start[self._places[need]])
        enough = max(reach, at + width)
        if self._moved(need, enough, held):
            return
        if at >= reach or (reach < enough and self._moved(need, reach, held)):
            self._moved(need, max(at, reach) - width, held)

    def _moved(self, need: int, target: float, held: Integers) -> bool:
        """Look for a move that takes a need's cell to a target; tell whether there is one. It touches few insiders."""
        system, place = self._block.system, int(self._places[need])
        if not system.low[place] <= target <= system.high[place]:
            return False
        for size in (*SIZES, system.cells):
            free = self._near.cells_near(np.array([place]), min(size, system.cells))
            free = free[~np.isin(free, held) | (free == place)]
            part = self._near.restricted(self._near.rows_of(free), free, self._start)
            inner = Programme(part, system.low[free], system.high[free], np.zeros(len(free)))
            programme = steps(inner, self._start[free], int(np.searchsorted(free, place)), target)
            price = np.where(self._number[free] >= 0, INSIDER, 1.0)
            programme.cost[:] = -np.concatenate([price, price])
            found = self._solver.solve(programme)
            if found.feasible:
                move = found.point[: len(free)] - found.point[len(free) :]
                if self._shown(free, self._start[free] + move):
                    return True
                found = self._solver.solve(programme, whole=True)
                move = found.point[: len(free)] - found.point[len(free) :]
                if found.feasible and self._shown(free, self._start[free] + move):
                    return True
            if len(free) + len(held) >= system.cells:
                return False
        return False

    def _shown(self, free: Integers, figures: Floats) -> bool:
        """Count a point for every insider whose cell it leaves alone, if it is one of whole numbers."""
        whole = np.rint(figures)
        if np.abs(whole - figures).max(initial=0.0) > NEAR:
            return False
        point = self._start.copy()
        point[free] = whole
        if not satisfies(self._block.system, point):
            return False
        moved = free[whole != self._start[free]]
        before = np.ones(len(self._persons), dtype=np.bool_)
        touched = self._number[moved]
        before[touched[touched >= 0]] = False
        shown = self._need_of[moved]
        for need in shown[shown >= 0]:
            figure = point[self._places[need]]
            self._least[need, before] = np.minimum(self._least[need, before], figure)
            self._most[need, before] = np.maximum(self._most[need, before], figure)
        return True
