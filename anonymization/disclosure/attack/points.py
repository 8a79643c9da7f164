"""Which figures a cell can have: points of a block are found, verified in whole numbers, and remembered for all cells.

A point proves at once what is possible for every cell. That a figure is impossible is proven by a bound: of a part of
the relations if that is enough, else of all of them, else over whole numbers. Sides are told by a sign: the score of a
figure is itself (1) or its negative (-1), and the larger score is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from anonymization.disclosure.attack.neighbourhood import Neighbourhood
from anonymization.disclosure.attack.programmes import (
    Optimum,
    Programme,
    Solver,
    capped,
    merged,
    several_steps,
    steps,
    time_left,
)
from anonymization.disclosure.system import Floats, Integers, System, components
from anonymization.errors import GateRefusal

NEAR = 1e-6
"""Relative tolerance of the solver."""
WHOLE = 1e-4
BALLS = (40, 200)
"""Cells of the surroundings that are looked at before the whole block."""
ENTRIES = 4
"""Entries of rows, a cell of the surroundings."""
GROUP = 200
"""Cells of the surroundings in which many needs are tried at once."""
TOGETHER = 100
"""From so many needs on all relations are asked at once, before the surroundings of each."""
SHARE, WORTH, IN_VAIN = 0.15, 0.003, 8
"""Which share of them at a time, as all cannot rise at once; what a round must show, and how many may show less."""
RINGS = 3
"""How far around fractions whole numbers are looked for before they are looked for everywhere."""
FAR = (1000,)
"""Cells of the surroundings in which a shortest move is looked for, before all."""
NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Evidence:
    """What a bound follows from: relations of the block, and the cells whose own bounds were used."""

    rows: Integers
    cells: Integers


def satisfies(system: System, figures: Floats) -> bool:
    """Return whether whole figures keep every bound and every relation; nothing is rounded."""
    if np.any(figures < system.low) or np.any(figures > system.high):
        return False
    total = system.relations.matrix @ figures.astype(np.int64)
    return bool(np.all(total >= system.relations.low) and np.all(total <= system.relations.high))


class Search:
    """The possible figures of the cells of one block.

    Attributes:
        system: the block.
        whole: figures are whole numbers.
        least, most: the smallest and largest figure of each cell in any point that was found.
        evidence: what the bound of a cell follows from, by cell and sign.
    """

    def __init__(
        self,
        system: System,
        deadline: float | None,
        *,
        whole: bool = True,
        heard: Callable[[Floats], None] | None = None,
    ) -> None:
        self.system = system
        self.whole = whole
        self.least = np.full(system.cells, np.inf)
        self.most = np.full(system.cells, -np.inf)
        self.evidence: dict[tuple[int, int], Evidence] = {}
        self._near = Neighbourhood(system.relations)
        self._point: Floats | None = None
        self._deadline = deadline
        self._heard = heard
        self._solver = Solver(deadline)
        self._large: Solver | None = None

    def accept(self, point: Floats) -> bool:
        """Remember a point if it is one: bounds and relations are verified in whole numbers."""
        figures = np.rint(point) if self.whole else np.clip(point, self.system.low, self.system.high)
        if self.whole and not (np.abs(figures - point).max(initial=0.0) < WHOLE and satisfies(self.system, figures)):
            return False
        self.least = np.minimum(self.least, figures)
        self.most = np.maximum(self.most, figures)
        self._point = figures
        if self._heard is not None:
            self._heard(figures)
        return True

    def point(self) -> Floats:
        """Return a point: the last that was found.

        Raises:
            GateRefusal: there is none, as the published figures contradict each other.
        """
        return self._first(NONE, np.zeros(0), 1) if self._point is None else self._point

    def try_all(self, cells: Integers, targets: Floats, sign: int) -> None:
        """Look for points in which many of these cells reach their targets; `most` and `least` tell what was reached.

        First over all relations, if there is no point yet or they are many; then around one cell after another.
        """
        if self._point is None:
            self._first(cells, targets, sign)
        self._in_rounds(cells, targets, sign)
        for cell, target in zip(cells.tolist(), (sign * targets).tolist(), strict=True):
            if self._seen(cell, sign) < target:
                time_left(self._deadline)
                free = self._near.cells_near(np.array([cell]), GROUP)
                score = self.most if sign > 0 else -self.least
                tried = np.isin(cells, free) & (score[cells] < sign * targets)
                self._try(free, cells[tried], targets[tried], sign)

    def possible(self, cell: int, target: float, sign: int) -> bool:
        """Return whether the cell can be at least (sign 1) or at most (-1) the target. Exact."""
        return self._best(cell, sign, enough=sign * target, needed=sign * target) >= self._slack(sign * target)

    def extreme(self, cell: int, sign: int) -> float:
        """Return the exact maximum (sign 1) or minimum (-1) of a cell, infinite if there is none."""
        return sign * self._best(cell, sign, enough=np.inf, needed=-np.inf)

    def _best(self, cell: int, sign: int, *, enough: float, needed: float) -> float:
        """Return the largest score of a cell, or any from `enough` on, or any bound below `needed`."""
        bound = self._narrowed(cell, sign, enough, needed)
        goal = min(bound, enough)
        if self.whole and bound >= needed and np.isfinite(goal) and not self._reached(cell, sign, goal):
            bound = self._settled(cell, sign, goal, bound)
        return self._seen(cell, sign) if self._reached(cell, sign, min(bound, enough)) else bound

    def _narrowed(self, cell: int, sign: int, enough: float, needed: float) -> float:
        """Return the first bound that is below `needed`, or that a point reaches; else the best there is."""
        bound = np.inf
        if self._reached(cell, sign, enough):
            return bound
        self.point()
        for bound, size in self._bounds(cell, sign):
            goal = min(bound, enough)
            if bound >= needed and np.isfinite(goal) and not self._reached(cell, sign, goal) and size:
                free = self._near.cells_near(np.array([cell]), size)
                self._try(free, np.array([cell]), np.array([sign * goal]), sign, whole=True)
            if bound < needed or self._reached(cell, sign, goal):
                break
        return bound

    def _settled(self, cell: int, sign: int, goal: float, bound: float) -> float:
        """Return the bound where whole numbers reach the goal; else the largest score, which is exact."""
        for size in (*BALLS[1:], *FAR, self.system.cells):
            if self._shortest_move(cell, sign, goal, size):
                return bound
        return self._over_whole_numbers(cell, sign, goal, bound)

    def _bounds(self, cell: int, sign: int) -> Iterator[tuple[float, int]]:
        """Yield ever better bounds of a cell's score, and in how large surroundings to look for a point."""
        bound = sign * float((self.system.high if sign > 0 else self.system.low)[cell])
        self.evidence[cell, sign] = Evidence(NONE, np.array([cell]))
        yield bound, BALLS[0]
        for size, look in zip(BALLS, (*BALLS[1:], 0), strict=True):
            bound = min(bound, self._partly(cell, sign, size, bound))
            yield bound, look
        yield self._relaxed(cell, sign, bound), BALLS[-1]

    def _partly(self, cell: int, sign: int, size: int, known: float) -> float:
        """Return a bound that follows from the relations around a cell."""
        rows = self._near.rows_near(cell, ENTRIES * size)
        if not len(rows):
            return known
        cells = self._near.cells_of(rows)
        cost = np.where(cells == cell, float(sign), 0.0)
        part = self._near.restricted(rows, cells, None)
        found = self._solver.solve(Programme(part, self.system.low[cells], self.system.high[cells], cost))
        return self._bound(found, cell, sign, known, rows, cells)

    def _relaxed(self, cell: int, sign: int, known: float) -> float:
        """Return the bound that follows from all relations, were figures not whole."""
        if self._large is None:
            self._large = Solver(self._deadline)
            self._large.load(self._programme(np.zeros(self.system.cells)))
        cost = np.zeros(self.system.cells)
        cost[cell] = sign
        found = self._large.again(cost)
        if np.isfinite(found.value):
            self.accept(found.point)
        everything = np.arange(self.system.relations.rows), np.arange(self.system.cells)
        return self._bound(found, cell, sign, known, *everything)

    def _bound(self, found: Optimum, cell: int, sign: int, known: float, rows: Integers, cells: Integers) -> float:
        """Return the better of two bounds, and remember what it follows from."""
        if not found.feasible:
            raise GateRefusal("the published figures contradict each other: no figures satisfy all relations")
        value = found.value
        if self.whole and np.isfinite(value):
            value = float(np.floor(value + NEAR * max(1.0, abs(value))))
        if value < known:
            used = rows[np.abs(found.multiplier) > NEAR], cells[np.abs(found.margin) > NEAR]
            self.evidence[cell, sign] = Evidence(*used)
        return min(value, known)

    def _over_whole_numbers(self, cell: int, sign: int, goal: float, bound: float) -> float:
        """Return the largest score up to the goal; a score below it is exact."""
        programme = self._programme(np.zeros(self.system.cells))
        programme.cost[cell] = sign
        edge = programme.high if sign > 0 else programme.low
        edge[cell] = sign * goal
        found = self._solver.solve(programme, whole=True)
        if not (found.feasible and self.accept(found.point)):
            raise GateRefusal("the solver's answer does not satisfy the relations: nothing follows from it")
        score = sign * float(np.rint(found.point[cell]))
        if score < bound:
            every = np.arange(self.system.relations.rows), np.arange(self.system.cells)
            self.evidence[cell, sign] = Evidence(*every)
        return score

    def _try(self, free: Integers, cells: Integers, targets: Floats, sign: int, *, whole: bool = False) -> None:
        """Look for a point in which some cells reach their targets and only the free ones move."""
        point = self.point()
        rows = self._near.rows_of(free)
        part = self._near.restricted(rows, free, point)
        inner = Programme(part, self.system.low[free], self.system.high[free], np.zeros(len(free)))
        place = np.searchsorted(free, cells)
        programme = capped(inner, place, targets, up=sign > 0)
        found = self._solver.solve(programme)
        if found.feasible and self._moved(point, free, merged(found.point, place)):
            return
        if whole and self.whole and found.feasible and found.value > NEAR + sign * float(point[cells].sum()):
            found = self._solver.solve(programme, whole=True)
            if found.feasible:
                self._moved(point, free, merged(found.point, place))

    def _shortest_move(self, cell: int, sign: int, goal: float, size: int) -> bool:
        """Return whether the move that changes fewest figures by least, or one around it, reaches a goal."""
        point = self.point()
        free = self._near.cells_near(np.array([cell]), size)
        place = int(np.searchsorted(free, cell))
        part = self._near.restricted(self._near.rows_of(free), free, point)
        inner = Programme(part, self.system.low[free], self.system.high[free], np.zeros(len(free)))
        found = self._solver.solve(steps(inner, point[free], place, sign * goal), presolve=True)
        if not found.feasible:
            return False
        move = found.point[: len(free)] - found.point[len(free) :]
        if self._moved(point, free, point[free] + move) and self._seen(cell, sign) >= goal:
            return True
        around = free[np.abs(move) > NEAR]
        for _ in range(RINGS):
            self._try(around, np.array([cell]), np.array([sign * goal]), sign, whole=True)
            if self._seen(cell, sign) >= goal:
                return True
            around = self._near.ring(around)
        return False

    def _moved(self, point: Floats, free: Integers, figures: Floats) -> bool:
        after = point.copy()
        after[free] = figures
        return self.accept(after)

    def _in_rounds(self, cells: Integers, targets: Floats, sign: int) -> None:
        """Look for points in which many of these cells reach their targets, others each time, as long as that helps."""
        rng, in_vain = np.random.default_rng(len(cells)), 0
        left = np.arange(len(cells))
        while len(left) > TOGETHER and in_vain < IN_VAIN:
            time_left(self._deadline)
            tried = left[rng.random(len(left)) < SHARE]
            self._together(cells[tried], targets[tried], sign, rng.uniform(0.5, 1.5, len(tried)))
            score = self.most if sign > 0 else -self.least
            before, left = len(left), left[score[cells[left]] < sign * targets[left]]
            in_vain = 0 if before - len(left) > WORTH * len(cells) else in_vain + 1

    def _together(self, cells: Integers, targets: Floats, sign: int, weight: Floats) -> None:
        """Look for one point of all cells in which as many of some as possible reach their targets."""
        now, size = self.point(), self.system.cells
        programme = several_steps(self._programme(np.zeros(size)), now, cells, targets, weight, up=sign > 0)
        found = self._solver.solve(programme)
        if found.feasible:
            self._accept_parts(now + found.point[:size] - found.point[size:])

    def _accept_parts(self, point: Floats) -> None:
        """Accept a point, but for what is not whole in it: of moves that share no relation each stands for itself."""
        if not self.whole:
            self.accept(point)
            return
        now, whole = self.point(), np.rint(point)
        moved = np.flatnonzero(np.abs(point - now) > NEAR)
        label = components(replace(self.system.relations, matrix=self.system.relations.matrix[:, moved]))
        kept = moved[~np.isin(label, label[np.abs(point - whole)[moved] > NEAR])]
        after = now.copy()
        after[kept] = whole[kept]
        self.accept(after)

    def _first(self, cells: Integers, targets: Floats, sign: int) -> Floats:
        """Return a first point, in which as many of the cells as possible reach their targets."""
        programme = capped(self._programme(np.zeros(self.system.cells)), cells, targets, up=sign > 0)
        found = self._solver.solve(programme, presolve=True)
        if not found.feasible:
            raise GateRefusal("the published figures contradict each other: no figures satisfy all relations")
        point = merged(found.point, cells)
        if not self.accept(point):
            self._mend(point)
        return self.point()

    def _mend(self, point: Floats) -> None:
        """Find a point of whole numbers near one with fractions."""
        whole = np.rint(point)
        free = np.flatnonzero(np.abs(point - whole) > NEAR)
        for _ in range(RINGS):
            if not 0 < len(free) < self.system.cells:
                break
            free = self._near.ring(free)
            part = self._near.restricted(self._near.rows_of(free), free, whole)
            inner = Programme(part, self.system.low[free], self.system.high[free], np.zeros(len(free)))
            found = self._solver.solve(inner, whole=True)
            if found.feasible and self._moved(whole, free, found.point):
                return
        found = self._solver.solve(self._programme(np.zeros(self.system.cells)), whole=True)
        if not found.feasible:
            raise GateRefusal("the published figures contradict each other: no whole numbers satisfy all relations")
        if not self.accept(found.point):
            raise GateRefusal("the solver's answer does not satisfy the relations: nothing follows from it")

    def _programme(self, cost: Floats) -> Programme:
        return Programme(self.system.relations, self.system.low.copy(), self.system.high.copy(), cost)

    def _seen(self, cell: int, sign: int) -> float:
        return float(self.most[cell] if sign > 0 else -self.least[cell])

    def _reached(self, cell: int, sign: int, score: float) -> bool:
        return self._seen(cell, sign) >= self._slack(score)

    def _slack(self, score: float) -> float:
        """Return from which score on another counts as reached: whole numbers need no tolerance."""
        return score if self.whole or not np.isfinite(score) else score - NEAR * max(1.0, abs(score))
