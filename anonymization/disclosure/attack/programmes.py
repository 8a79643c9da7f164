"""Programmes of the attack: the greatest and the least figure that a cell can have, and short moves to a point."""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np
from scipy import sparse

from anonymization.disclosure.solver import STATUS, Highs, Options
from anonymization.disclosure.system import Floats, Integers, Relations
from anonymization.errors import AuditUnfinished

OPTIONS: Options = {"mip_abs_gap": 0.9}
"""Objectives are whole numbers: a gap below one proves the optimum."""
DUAL, PRIMAL = 1, 4
"""HiGHS's codes of the simplex methods: from nothing; from the last optimum, after another objective."""
IDLE = 1e-3
"""What a unit of a step costs that nobody asked for."""


@dataclass(frozen=True)
class Programme:
    """Maximize `cost @ x` over `low <= x <= high` and the relations."""

    relations: Relations
    low: Floats
    high: Floats
    cost: Floats


def capped(programme: Programme, cells: Integers, caps: Floats, *, up: bool) -> Programme:
    """Return a programme that maximizes `sum(min(x, cap))` of some cells, or minimizes `sum(max(x, cap))`.

    Each of these cells is split in two columns, within its cap and beyond it, of which only one earns; the second
    columns come after all cells (`merged` puts them together).
    """
    low, high = programme.low.copy(), programme.high.copy()
    edge = np.clip(caps, low[cells], high[cells])
    cost = np.zeros(len(low))
    cost[cells] = 1.0 if up else -1.0
    over_low, over_high = (0 * edge, high[cells] - edge) if up else (low[cells] - edge, 0 * edge)
    (high if up else low)[cells] = edge
    matrix = programme.relations.matrix
    wide = sparse.csr_array(sparse.hstack([matrix, matrix[:, cells]], format="csr"))
    relations = Relations(wide, programme.relations.low, programme.relations.high)
    columns = (np.concatenate(pair) for pair in ((low, over_low), (high, over_high), (cost, 0 * edge)))
    return Programme(relations, *columns)


def merged(point: Floats, cells: Integers) -> Floats:
    """Return the point of all cells from that of a capped programme."""
    whole = point[: len(point) - len(cells)].copy()
    whole[cells] += point[len(whole) :]
    return whole


def several_steps(
    programme: Programme, point: Floats, cells: Integers, targets: Floats, weight: Floats, *, up: bool
) -> Programme:
    """Return a programme for a move from a point that takes some cells to their targets, as far as they go.

    Its columns are those of `steps`. A unit towards a target earns its weight, and none beyond; a unit of any other
    step costs little.
    """
    size, relations, high = len(point), *_from(programme, point)
    cost = np.full(2 * size, -IDLE)
    there, back = (cells, size + cells) if up else (size + cells, cells)
    high[there] = np.clip(np.abs(targets - point[cells]), 0, high[there])
    high[back] = 0.0
    cost[there] = weight
    return Programme(relations, np.zeros(2 * size), high, cost)


def steps(programme: Programme, point: Floats, cell: int, goal: float) -> Programme:
    """Return a programme for the shortest move from a point that takes a cell to a goal.

    Its columns are the steps up of all cells, then the steps down; their sum is as small as can be. A move that is
    short changes few figures, and seldom by fractions.
    """
    relations, most = _from(programme, point)
    least = np.zeros(2 * len(point))
    least[cell] = max(goal - point[cell], 0.0)
    least[len(point) + cell] = max(point[cell] - goal, 0.0)
    most[len(point) + cell if goal > point[cell] else cell] = 0.0  # else a step there and back would be the shortest
    return Programme(relations, least, most, np.full(2 * len(point), -1.0))


def _from(programme: Programme, point: Floats) -> tuple[Relations, Floats]:
    """The relations of steps from a point, up and down, and how far each may go."""
    matrix, given = programme.relations.matrix, programme.relations.matrix @ point
    both = sparse.csr_array(sparse.hstack([matrix, -matrix], format="csr"))
    relations = Relations(both, programme.relations.low - given, programme.relations.high - given)
    return relations, np.concatenate([programme.high - point, point - programme.low])


@dataclass(frozen=True)
class Optimum:
    """What the solver found.

    Attributes:
        feasible: whether there is any point at all; if not, the rest means nothing.
        value: the maximum; infinite if there is none.
        point: where it is reached; any feasible values where it is infinite.
        multiplier: dual value of each relation; of a linear programme only.
        margin: reduced cost of each cell; of a linear programme only.
    """

    feasible: bool
    value: float
    point: Floats
    multiplier: Floats
    margin: Floats


def time_left(deadline: float | None) -> float:
    """Return the seconds until the deadline.

    Raises:
        AuditUnfinished: it has passed.
    """
    if deadline is None:
        return float("inf")
    left = deadline - time.monotonic()
    if left <= 0:
        raise AuditUnfinished("the attack did not finish in its time: what it would have found is not known")
    return left


class Solver:
    """One HiGHS model at a time; after `load`, other objectives start from the last optimum."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._highs = Highs("what the attack would have found is not known", OPTIONS)
        self._columns = 0

    def load(self, programme: Programme, *, whole: bool = False, presolve: bool = False) -> None:
        """Replace the model."""
        columns = sparse.csc_array(programme.relations.matrix)
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = columns.shape
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = programme.cost, programme.low, programme.high
        lp.row_lower_, lp.row_upper_ = programme.relations.low, programme.relations.high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = columns.indptr, columns.indices
        lp.a_matrix_.value_ = columns.data.astype(np.float64)
        lp.sense_ = highspy.ObjSense.kMaximize
        if whole:
            lp.integrality_ = [highspy.HighsVarType.kInteger] * columns.shape[1]
        self._highs.done(self._highs.model.passModel(lp))
        self._highs.set("presolve", "on" if whole or presolve else "off")
        self._highs.set("simplex_strategy", DUAL)
        self._columns = columns.shape[1]

    def again(self, cost: Floats) -> Optimum:
        """Return the maximum of another objective over the loaded model."""
        columns = np.arange(self._columns, dtype=np.int32)
        self._highs.done(self._highs.model.changeColsCost(self._columns, columns, cost))
        self._highs.set("presolve", "off")
        self._highs.set("simplex_strategy", PRIMAL)
        return self.run()

    def solve(self, programme: Programme, *, whole: bool = False, presolve: bool = False) -> Optimum:
        """Return the maximum of a programme."""
        self.load(programme, whole=whole, presolve=presolve)
        return self.run()

    def run(self) -> Optimum:
        """Return the maximum over the loaded model."""
        status = self._highs.run(time_left(self._deadline))
        if status == STATUS.kUnboundedOrInfeasible:  # presolve does not tell them apart
            self._highs.set("presolve", "off")
            status = self._highs.run(time_left(self._deadline))
        if status == STATUS.kTimeLimit:
            raise AuditUnfinished("the attack did not finish in its time: what it would have found is not known")
        if status not in (STATUS.kOptimal, STATUS.kUnbounded, STATUS.kInfeasible):
            raise self._highs.ended(status)
        return self._read(status)

    def _read(self, status: highspy.HighsModelStatus) -> Optimum:
        solution = self._highs.model.getSolution()
        best = status == STATUS.kOptimal
        return Optimum(
            feasible=status != STATUS.kInfeasible,
            value=float(self._highs.model.getInfo().objective_function_value) if best else float("inf"),
            point=np.array(solution.col_value),
            multiplier=np.array(solution.row_dual),
            margin=np.array(solution.col_dual),
        )
