"""Cuts: inequalities between hidden cells that every protecting pattern satisfies.

How far can a cell rise, when each cell moves as far as it is hidden? The duals of this programme bound the rise by a
weighted sum of what is hidden; a pattern that protects the cell must bring this sum to the rise that is needed.
Source: M. Fischetti, J. J. Salazar, "Models and algorithms for optimizing cell suppression in tabular data with linear
constraints", JASA 95 (2000) 916-928; weights are cut at what is needed, as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anonymization.disclosure.suppress.bounds import Ground
from anonymization.disclosure.suppress.moves import Demand
from anonymization.disclosure.suppress.programmes import Programme, Solver
from anonymization.disclosure.system import Booleans, Floats, Integers

MARGIN = 1e-4
"""By how much a cut must be violated, of 1."""
SHADE = 1e-3
"""How far a published cell may move while cuts are looked for, as a share: cuts then name few of them."""
NOTHING = 1e-7


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
class Case:
    """A need, as a reader or an insider sees it.

    Attributes:
        need: its number.
        demand: what is needed.
        insider: the cell that the reader knows; -1 for all readers.
    """

    need: int
    demand: Demand
    insider: int


@dataclass(frozen=True)
class Cut:
    """`weight @ hidden >= least`, over the cells `at` of a component."""

    at: Integers
    weight: Floats
    least: float


class Prober:
    """Finds the cuts that some shares of hiding violate.

    The programme is loaded once; a cell's rise and fall are two columns, all of which may be 0.
    """

    def __init__(self, ground: Ground, component: Component, deadline: float | None) -> None:
        net, cells, rows = ground.net, component.cells, component.rows
        self._cells, self._size = cells, len(cells)
        self._matrix, self._transposed = component.matrix, sparse.csr_array(component.matrix.T)
        self._row_low, self._row_high = net.low[rows], net.high[rows]
        self._down, self._up = -net.down[cells], net.up[cells]
        self._fixed = ground.fixed[cells]
        both = sparse.csr_array(sparse.hstack([self._matrix, -self._matrix], format="csr"))
        empty = np.zeros(2 * self._size)
        self._solver = Solver(deadline)
        self._solver.load(Programme(empty, empty, empty, both, self._row_low, self._row_high))
        self._columns = np.arange(2 * self._size)
        self._share = np.zeros(self._size)

    def look(self, share: Floats) -> None:
        """Look for cuts that these shares violate from now on."""
        self._share = share

    def cuts(self, case: Case) -> Iterator[Cut]:
        """Yield the cuts of a case that the shares violate."""
        demand = case.demand
        amount = demand.most
        up = self._side(case, amount, 1)
        if demand.rise > 0:
            yield from self._violated(up, demand.rise)
        if demand.fall <= 0 and demand.width <= demand.rise:
            return
        down = self._side(case, amount, -1)
        if demand.fall > 0:
            yield from self._violated(down, demand.fall)
        if demand.width > demand.rise + demand.fall:
            yield from self._violated(up + down, demand.width)

    def _violated(self, weight: Floats, needed: float) -> Iterator[Cut]:
        """Yield the cut that says that the weights of what is hidden make up what is needed."""
        rest = needed - weight[-1] - weight[:-1][self._fixed].sum()
        if not rest > MARGIN:
            return
        part = np.where(self._fixed, 0.0, np.minimum(weight[:-1], rest) / rest)
        part[part < NOTHING] = 0.0
        if part @ self._share < 1 - MARGIN:
            at = np.flatnonzero(part)
            yield Cut(at, part[at], 1.0)

    def _side(self, case: Case, amount: float, sign: int) -> Floats:
        """Return how much of a rise (sign 1) or fall (-1) each hidden cell allows at most; what is allowed anyway last.

        The move is looked at up to `amount` only.
        """
        at = int(np.searchsorted(self._cells, case.demand.cell))
        up, down = self._up.copy(), self._down.copy()
        up[at], down[at] = (min(up[at], amount), 0.0) if sign > 0 else (0.0, min(down[at], amount))
        if case.insider >= 0:
            other = int(np.searchsorted(self._cells, case.insider))
            up[other] = down[other] = 0.0
        share = np.maximum(self._share, SHADE)
        full = share > 1 - MARGIN
        part = [np.where(full, most, np.minimum(most, amount) * share) for most in (up, down)]
        cost = np.zeros(2 * self._size)
        cost[at if sign > 0 else self._size + at] = -1.0
        self._solver.bounds(self._columns, np.zeros(2 * self._size), np.concatenate(part))
        self._solver.costs(self._columns, cost)
        dual = self._solver.duals()
        return self._allowed(dual, at, sign, (up, down))

    def _allowed(self, dual: Floats, at: int, sign: int, most: tuple[Floats, Floats]) -> Floats:
        """Return what duals of the relations say, whatever duals they are: weak duality."""
        up, down = most
        dual = np.where(np.abs(dual) < NOTHING, 0.0, dual)
        dual = np.where((dual > 0) & np.isinf(self._row_low), 0.0, dual)
        dual = np.where((dual < 0) & np.isinf(self._row_high), 0.0, dual)
        reduced = -(self._transposed @ dual)
        reduced[at] -= sign
        reduced[np.abs(reduced) < NOTHING] = 0.0
        weight = np.zeros(self._size + 1)
        rising, falling = np.flatnonzero(reduced < 0), np.flatnonzero(reduced > 0)
        weight[rising] = -reduced[rising] * up[rising]
        weight[falling] = reduced[falling] * down[falling]
        held = np.flatnonzero(dual > 0), np.flatnonzero(dual < 0)
        weight[-1] = -(dual[held[0]] @ self._row_low[held[0]]) - (dual[held[1]] @ self._row_high[held[1]])
        return np.where(np.isnan(weight), np.inf, weight)


def bridges(ground: Ground, component: Component, demands: dict[int, Demand]) -> Iterator[Cut]:
    """Yield what is evident: a hidden cell is not alone in an equation, and hiding one for nothing costs something.

    Args:
        ground: relations and bounds.
        component: its cells.
        demands: by cell.
    """
    matrix = component.matrix
    exact = (ground.net.low[component.rows] == 0) & (ground.net.high[component.rows] == 0)
    for row in np.flatnonzero(exact).tolist():
        at = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].astype(np.int64)
        for one in range(len(at)):
            cell = int(component.cells[at[one]])
            if cell in demands and demands[cell].most > 0:
                yield Cut(np.delete(at, one), np.ones(len(at) - 1), 1.0)
            elif not ground.fixed[cell]:
                yield Cut(at, np.where(np.arange(len(at)) == one, -1.0, 1.0), 0.0)


def more_than(hidden: Booleans) -> Cut:
    """Return the cut that says that more is hidden than a failing pattern of a component."""
    at = np.flatnonzero(~hidden)
    return Cut(at, np.ones(len(at)), 1.0)
