"""Linear and integer programmes, solved by HiGHS in one thread; every status is checked.

The solver is trusted as little as possible: whoever claims that a point exists verifies it in whole numbers
(`points.py`); only that nothing better exists is taken from it, and such an error would close the gate, not open it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np
from highspy._core import _Highs
from scipy import sparse

from anonymization.disclosure.system import Floats, Integers, Relations
from anonymization.errors import AuditUnfinished, GateRefusal

STATUS = highspy.HighsModelStatus
OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.9,
}
"""Objectives are whole numbers: a gap below one proves the optimum."""
DUAL, PRIMAL = 1, 4
"""HiGHS's codes of the simplex methods: from nothing; from the last optimum, after another objective."""


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


def steps(programme: Programme, point: Floats, cell: int, goal: float) -> Programme:
    """Return a programme for the shortest move from a point that takes a cell to a goal.

    Its columns are the steps up of all cells, then the steps down; their sum is as small as can be. A move that is
    short changes few figures, and seldom by fractions.
    """
    up, down = programme.high - point, point - programme.low
    least = np.zeros(2 * len(point))
    least[cell] = max(goal - point[cell], 0.0)
    least[len(point) + cell] = max(point[cell] - goal, 0.0)
    most = np.concatenate([up, down])
    most[len(point) + cell if goal > point[cell] else cell] = 0.0  # else a step there and back would be the shortest
    matrix = programme.relations.matrix
    given = matrix @ point
    both = sparse.csr_array(sparse.hstack([matrix, -matrix], format="csr"))
    relations = Relations(both, programme.relations.low - given, programme.relations.high - given)
    return Programme(relations, least, most, np.full(2 * len(point), -1.0))


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
        self._model = _Highs()  # highspy.Highs prints a banner
        for name, value in OPTIONS.items():
            self._done(self._model.setOptionValue(name, value))
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
        self._done(self._model.passModel(lp))
        self._done(self._model.setOptionValue("presolve", "on" if whole or presolve else "off"))
        self._done(self._model.setOptionValue("simplex_strategy", DUAL))
        self._columns = columns.shape[1]

    def again(self, cost: Floats) -> Optimum:
        """Return the maximum of another objective over the loaded model."""
        self._done(self._model.changeColsCost(self._columns, np.arange(self._columns, dtype=np.int32), cost))
        self._done(self._model.setOptionValue("presolve", "off"))
        self._done(self._model.setOptionValue("simplex_strategy", PRIMAL))
        return self.run()

    def solve(self, programme: Programme, *, whole: bool = False, presolve: bool = False) -> Optimum:
        """Return the maximum of a programme."""
        self.load(programme, whole=whole, presolve=presolve)
        return self.run()

    def run(self) -> Optimum:
        """Return the maximum over the loaded model."""
        model = self._model
        self._done(model.setOptionValue("time_limit", model.getRunTime() + time_left(self._deadline)))
        self._done(model.run())
        status = model.getModelStatus()
        if status == STATUS.kUnboundedOrInfeasible:  # presolve does not tell them apart
            self._done(model.setOptionValue("presolve", "off"))
            self._done(model.run())
            status = model.getModelStatus()
        if status == STATUS.kTimeLimit:
            raise AuditUnfinished("the attack did not finish in its time: what it would have found is not known")
        if status not in (STATUS.kOptimal, STATUS.kUnbounded, STATUS.kInfeasible):
            raise GateRefusal(f"the solver ended with {status.name}: what the attack would have found is not known")
        return self._read(status)

    def _read(self, status: highspy.HighsModelStatus) -> Optimum:
        solution = self._model.getSolution()
        best = status == STATUS.kOptimal
        return Optimum(
            feasible=status != STATUS.kInfeasible,
            value=float(self._model.getInfo().objective_function_value) if best else float("inf"),
            point=np.array(solution.col_value),
            multiplier=np.array(solution.row_dual),
            margin=np.array(solution.col_dual),
        )

    @staticmethod
    def _done(status: highspy.HighsStatus) -> None:
        if status == highspy.HighsStatus.kError:
            raise GateRefusal("the solver refused its task: what the attack would have found is not known")
