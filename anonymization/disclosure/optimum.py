"""The cheapest pattern, proven: a cutting-plane method for small components.

A binary unknown for each cell that may be hidden; minimize the cost; every way in which a reader could bound an unsafe
cell too narrowly becomes a cut that all protecting patterns satisfy. The reader's programme (how far can the cell rise,
when each cell moves as far as it is hidden?) gives the cut by its duals: M. Fischetti, J. J. Salazar, "Models and
algorithms for optimizing cell suppression in tabular data with linear constraints", JASA 95 (2000) 916-928. Where its
linear programme sees a fractional table but no whole-numbered one exists, at least one cell more must be hidden than
the largest failing pattern around it: that is a cut, too. So the optimum is one over whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anonymization.disclosure.ground import Ground
from anonymization.disclosure.moves import Demand, Search
from anonymization.disclosure.programmes import Programme, Solver
from anonymization.disclosure.system import Booleans, Floats, Integers
from anonymization.disclosure.witnesses import Witnesses

WHOLE_COMPONENT = Search(10**9, 10**9, None)
ROUNDS = 200
"""Rounds after which the best pattern so far is kept, unproven."""
NODES = 2_000
"""Nodes of one master programme."""
MARGIN = 1e-4
SHADE = 1e-3
"""How open a published cell is while cuts are searched: cuts then name few of them."""


@dataclass(frozen=True)
class Component:
    """Cells that relations connect.

    Attributes:
        cells: the cells that may move, in order.
        rows: their relations.
        matrix: of these relations and cells.
        needs: the needs among them.
    """

    cells: Integers
    rows: Integers
    matrix: sparse.csr_array
    needs: Integers


@dataclass(frozen=True)
class _Case:
    """A need, and an insider who knows a cell (none: -1)."""

    need: int
    demand: Demand
    insider: int


class _Master:
    """The binary programme with the cuts so far."""

    def __init__(self, ground: Ground, component: Component) -> None:
        cells = component.cells
        self.fixed = ground.fixed[cells]
        self.cost = np.where(self.fixed, 0.0, ground.cost[cells] + 1 / (2 * len(cells) + 2))
        self._rows: list[tuple[Integers, Floats, float]] = []

    def add(self, weight: Floats, least: float) -> None:
        """Add the cut `weight @ hidden >= least`."""
        at = np.flatnonzero(weight)
        self._rows.append((at, weight[at], least))

    def solved(self, solver: Solver, *, integer: bool) -> tuple[Floats, float, bool] | None:
        """Return the cheapest hidden shares, the bound of the cost, and whether it is proven."""
        start = np.concatenate([[0], np.cumsum([len(at) for at, _, _ in self._rows])]).astype(np.int64)
        column = np.concatenate([at for at, _, _ in self._rows] or [np.zeros(0, dtype=np.int64)])
        weight = np.concatenate([w for _, w, _ in self._rows] or [np.zeros(0)])
        matrix = sparse.csr_array((weight, column, start), shape=(len(self._rows), len(self.cost)))
        least = np.array([r for _, _, r in self._rows])
        programme = Programme(
            self.cost, self.fixed.astype(float), np.ones(len(self.cost)), matrix, least, np.full(len(least), np.inf)
        )
        kind = np.ones(len(self.cost), dtype=np.bool_) if integer else None
        solution = solver.minimum(programme, integer=kind, nodes=NODES if integer else None)
        return None if solution is None else (solution.x, solution.bound, solution.proven)


class Optimum:
    """The search for the cheapest pattern of one component."""

    def __init__(self, witnesses: Witnesses, component: Component, solver: Solver) -> None:
        self.ground, self.mover, self.solver = witnesses.ground, witnesses.mover, solver
        self.witnesses = witnesses
        self.component = component
        self.master = _Master(self.ground, component)
        self.cases = [
            _Case(need, witnesses.demands[need], insider)
            for need in component.needs.tolist()
            for insider in (-1, *component.cells[witnesses.others(need)[component.cells]].tolist())
        ]
        self.pool: list[list[Integers]] = [[] for _ in self.cases]
        self.rounds = 0

    def bridges(self) -> None:
        """Add what is evident: a hidden cell is not alone in a relation, not even for an insider."""
        matrix, rows = self.component.matrix, self.component.rows
        net = self.ground.net
        place = {int(c): i for i, c in enumerate(self.component.cells)}
        exact = (net.low[rows] == 0) & (net.high[rows] == 0)
        known = {(c.demand.cell, c.insider) for c in self.cases if c.insider >= 0}
        need_cells = {c.demand.cell: max(c.demand.rise, c.demand.width) > 0 for c in self.cases}
        for row in np.flatnonzero(exact):
            at = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
            for one in at:
                weight = np.zeros(len(self.component.cells))
                weight[at] = 1.0
                cell = int(self.component.cells[one])
                if need_cells.get(cell):
                    weight[one] = 0.0
                    self.master.add(weight, 1.0)
                    for other in at:
                        if (cell, int(self.component.cells[other])) in known:
                            less = weight.copy()
                            less[other] = 0.0
                            self.master.add(less, 1.0)
                elif not self.master.fixed[one]:
                    weight[one] = -1.0
                    self.master.add(weight, 0.0)
        del place

    def cut(self, case: _Case, share: Floats) -> bool:
        """Add a cut that these shares violate, if the reader's programme gives one."""
        demand = case.demand
        found = []
        if demand.rise > 0:
            found.append((self._side(case, share, 1.0), demand.rise))
        if demand.width > max(demand.rise, 0):
            up, down = found[0][0] if found else self._side(case, share, 1.0), self._side(case, share, -1.0)
            found.append((up + down, demand.width))
        added = False
        for weight, least in found:
            constant = weight[-1]
            rest = least - constant
            if rest <= MARGIN:
                continue
            coefficient = np.minimum(weight[:-1], rest) / rest
            coefficient[coefficient < 1e-7] = 0.0  # noqa: PLR2004 - rounding
            if coefficient @ share < 1 - MARGIN:
                self.master.add(coefficient, 1.0)
                added = True
        return added

    def _side(self, case: _Case, share: Floats, sign: float) -> Floats:
        """Return by how much each hidden cell lets the case's cell move at most, by the duals; a constant last."""
        component, net = self.component, self.ground.net
        cells, rows = component.cells, component.rows
        amount = max(case.demand.rise, case.demand.width)
        down, up = net.down[cells], net.up[cells]
        still = cells == case.insider
        down, up = np.where(still, 0.0, down), np.where(still, 0.0, up)
        part = np.maximum(share, SHADE)
        full = part > 1 - MARGIN
        low = np.where(full, down, np.maximum(down, -amount) * part)
        high = np.where(full, up, np.minimum(up, amount) * part)
        cost = np.where(cells == case.demand.cell, -sign, 0.0)
        at = int(np.flatnonzero(cells == case.demand.cell)[0])
        low[at], high[at] = max(low[at], -amount), min(high[at], amount)
        row_low, row_high = net.low[rows], net.high[rows]
        solution = self.solver.minimum(Programme(cost, low, high, component.matrix, row_low, row_high))
        if solution is None:
            raise AssertionError("standing still is a move")
        dual = np.where(np.abs(solution.duals) < 1e-9, 0.0, solution.duals)  # noqa: PLR2004
        reduced = cost - component.matrix.T @ dual
        reduced[np.abs(reduced) < 1e-7] = 0.0  # noqa: PLR2004
        real_down, real_up = down.copy(), up.copy()
        real_down[at], real_up[at] = low[at], high[at]
        weight = np.where(reduced > 0, reduced * -np.where(reduced > 0, real_down, 0), 0.0)
        weight += np.where(reduced < 0, -reduced * np.where(reduced < 0, real_up, 0), 0.0)
        constant = float(
            np.sum(np.where(dual > 0, -dual * np.where(dual > 0, row_low, 0), 0.0))
            + np.sum(np.where(dual < 0, -dual * np.where(dual < 0, row_high, 0), 0.0))
        )
        return np.append(weight, constant)

    def shown(self, number: int, case: _Case, hidden: Booleans) -> bool:
        """Return whether a whole-numbered witness exists among hidden cells."""
        if any(hidden[cells].all() for cells in self.pool[number]):
            return True
        usable = hidden & ~self.ground.closed
        if case.insider >= 0:
            usable = usable.copy()
            usable[case.insider] = False
        price = np.where(self.ground.fixed, 0.01, self.ground.cost)
        cells = self.mover.find(case.demand, hidden, usable, price, WHOLE_COMPONENT)
        if cells is None:
            return False
        self.pool[number].append(cells)
        return True

    def relax(self) -> None:
        """Cut fractional answers, until none is cut."""
        for _ in range(60):
            answer = self.master.solved(self.solver, integer=False)
            if answer is None:
                return
            added = sum(self.cut(case, answer[0]) for case in self.cases)
            self.lp = answer[1]
            if not added:
                return

    def run(self) -> tuple[Booleans, bool] | None:
        """Return the cheapest pattern of the component, and whether that is proven."""
        self.bridges()
        self.relax()
        cells = self.component.cells
        for self.rounds in range(ROUNDS):
            answer = self.master.solved(self.solver, integer=True)
            if answer is None or not answer[2]:
                return None
            share = np.rint(answer[0])
            hidden = self.ground.fixed.copy()
            hidden[cells] = share > 0
            failing = [(n, c) for n, c in enumerate(self.cases) if not self.shown(n, c, hidden)]
            if not failing:
                return hidden, True
            added = sum(self.cut(case, share) for _, case in failing)
            if not added:
                self.extend(*failing[0], hidden)
        return None

    def extend(self, number: int, case: _Case, hidden: Booleans) -> None:
        """Add: at least one more cell than the largest failing pattern around this one must be hidden."""
        largest = hidden.copy()
        cells = self.component.cells[~hidden[self.component.cells]]
        for cell in cells[np.lexsort((cells, self.ground.cost[cells]))].tolist():
            largest[cell] = True
            if self.shown(number, case, largest):
                largest[cell] = False
        self.master.add((~largest[self.component.cells]).astype(float), 1.0)
