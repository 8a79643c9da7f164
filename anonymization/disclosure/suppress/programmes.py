"""Linear and integer programmes for moves and patterns: minimize a cost over columns between bounds and relations."""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np
from scipy import sparse

from anonymization.disclosure.solver import STATUS, Highs
from anonymization.disclosure.system import Booleans, Floats, Integers
from anonymization.errors import GateRefusal

_NOTHING = (STATUS.kInfeasible, STATUS.kUnboundedOrInfeasible)
_CUT_SHORT = (STATUS.kSolutionLimit, STATUS.kIterationLimit, STATUS.kObjectiveBound)
_FEASIBLE = 2
"""HiGHS's code of a feasible point."""


@dataclass(frozen=True)
class Programme:
    """Minimize `cost @ x` with `low <= x <= high` and `row_low <= matrix @ x <= row_high`."""

    cost: Floats
    low: Floats
    high: Floats
    matrix: sparse.csr_array
    row_low: Floats
    row_high: Floats


@dataclass(frozen=True)
class Solution:
    """An optimum.

    Attributes:
        x: the point.
        bound: no point costs less than this.
        duals: of the rows; empty for integer programmes.
        proven: whether `x` was proven to be of least cost; else the search was cut short.
        steps: of the simplex method, what it took: the same on every machine.
    """

    x: Floats
    bound: float
    duals: Floats
    proven: bool
    steps: int


class Solver:
    """Solves programmes until a deadline; one model is kept between."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._highs = Highs("nothing was decided")
        self._apart: Solver | None = None

    def check(self) -> float:
        """Return the seconds left.

        Raises:
            GateRefusal: none are.
        """
        left = float("inf") if self.deadline is None else self.deadline - time.monotonic()
        if left <= 0:
            raise GateRefusal("protecting the tables ran past its deadline: nothing was decided")
        return left

    def apart(self) -> Solver:
        """Return another solver with the same deadline, which leaves what is loaded here as it is."""
        if self._apart is None:
            self._apart = Solver(self.deadline)
        return self._apart

    def minimum(
        self, programme: Programme, *, integer: Booleans | None = None, nodes: int | None = None
    ) -> Solution | None:
        """Return the optimum, or None where no point is feasible, or none was found within `nodes` nodes.

        Raises:
            GateRefusal: past the deadline, or the solver ended otherwise than with an answer.
        """
        highs = self._highs
        highs.set("presolve", "off" if integer is None else "choose")
        highs.set("mip_max_nodes", 2**31 - 1 if nodes is None else nodes)
        highs.done(highs.model.passModel(_model(programme, integer)))
        status = self._run()
        info = highs.model.getInfo()
        if status in _NOTHING:
            return None
        cut_short = status in _CUT_SHORT and nodes is not None
        if cut_short and info.primal_solution_status != _FEASIBLE:
            return None
        if not cut_short and status != STATUS.kOptimal:
            raise highs.ended(status)
        solution = highs.model.getSolution()
        bound = info.objective_function_value if integer is None else info.mip_dual_bound
        duals = np.array(solution.row_dual) if integer is None else np.zeros(0)
        return Solution(np.array(solution.col_value), bound, duals, not cut_short, info.simplex_iteration_count)

    def load(self, programme: Programme) -> None:
        """Keep a linear programme in which all columns may be 0, to be solved `again` with other bounds and costs."""
        self._highs.set("presolve", "off")
        self._highs.done(self._highs.model.passModel(_model(programme, None)))

    def bounds(self, columns: Integers, low: Floats, high: Floats) -> None:
        """Change bounds of some columns of what is loaded."""
        self._highs.done(self._highs.model.changeColsBounds(len(columns), columns.astype(np.int32), low, high))

    def costs(self, columns: Integers, cost: Floats) -> None:
        """Change costs of some columns of what is loaded."""
        if len(columns):
            self._highs.done(self._highs.model.changeColsCost(len(columns), columns.astype(np.int32), cost))

    def again(self) -> Floats | None:
        """Return the optimum of what is loaded, found from all columns at their lower bounds; None if there is none.

        Raises:
            GateRefusal: past the deadline, or the solver ended otherwise than with an answer.
        """
        return np.array(self._highs.model.getSolution().col_value) if self._loaded() else None

    def duals(self) -> Floats:
        """Return the duals of the relations at the optimum of what is loaded.

        Raises:
            GateRefusal: past the deadline, or the solver ended otherwise than with an optimum.
        """
        if not self._loaded():
            raise GateRefusal("the solver finds no table at all: nothing was decided")
        return np.array(self._highs.model.getSolution().row_dual)

    def _loaded(self) -> bool:
        """Solve what is loaded; tell whether there is an optimum."""
        self._highs.done(self._highs.model.clearSolver())
        status = self._run()
        if status not in (*_NOTHING, STATUS.kOptimal):
            raise self._highs.ended(status)
        return bool(status == STATUS.kOptimal)

    def _run(self) -> highspy.HighsModelStatus:
        status = self._highs.run(self.check())
        self.check()
        return status


def _model(programme: Programme, integer: Booleans | None) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = programme.matrix.shape
    model.col_cost_ = programme.cost
    model.col_lower_, model.col_upper_ = programme.low, programme.high
    model.row_lower_, model.row_upper_ = programme.row_low, programme.row_high
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = programme.matrix.indptr
    model.a_matrix_.index_ = programme.matrix.indices
    model.a_matrix_.value_ = programme.matrix.data.astype(np.float64)
    if integer is not None:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(i)] for i in integer]
    return model
