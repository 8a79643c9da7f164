"""Linear and integer programmes: minimize a cost over cells between bounds, subject to relations."""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
from highspy._core import _Highs  # the public class prints a banner when it is made
import numpy as np
from scipy import sparse

from anonymization.disclosure.system import Booleans, Floats
from anonymization.errors import GateRefusal

_STATUS = highspy.HighsModelStatus
_NOTHING = (_STATUS.kInfeasible, _STATUS.kUnboundedOrInfeasible)
_CUT_SHORT = (_STATUS.kTimeLimit, _STATUS.kSolutionLimit, _STATUS.kIterationLimit, _STATUS.kObjectiveBound)


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
    """

    x: Floats
    bound: float
    duals: Floats
    proven: bool


class Solver:
    """HiGHS, on one thread, with a fixed seed: the same programme gives the same answer."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._highs = _Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("random_seed", 0), ("mip_rel_gap", 0.0)):
            self._highs.setOptionValue(option, value)

    def check(self) -> float:
        """Return the seconds left.

        Raises:
            GateRefusal: none are.
        """
        left = np.inf if self.deadline is None else self.deadline - time.monotonic()
        if left <= 0:
            raise GateRefusal("protecting the table ran past its deadline: nothing was decided")
        return left

    def minimum(
        self, programme: Programme, *, integer: Booleans | None = None, nodes: int | None = None
    ) -> Solution | None:
        """Return the optimum, or None where no point is feasible, or none was found within `nodes` nodes.

        Raises:
            GateRefusal: past the deadline, or the solver ended otherwise than with an answer.
        """
        highs = self._highs
        highs.setOptionValue("time_limit", highs.getRunTime() + self.check())
        highs.setOptionValue("presolve", "off" if integer is None else "choose")
        highs.setOptionValue("mip_max_nodes", 2**31 - 1 if nodes is None else nodes)
        if highs.passModel(_model(programme, integer)) == highspy.HighsStatus.kError:
            raise GateRefusal("the solver did not take the programme")
        highs.run()
        status = highs.getModelStatus()
        if status in _NOTHING:
            return None
        self.check()
        info = highs.getInfo()
        if status == _STATUS.kOptimal:
            proven = True
        elif status in _CUT_SHORT and nodes is not None:
            if info.primal_solution_status != 2:  # noqa: PLR2004 - kSolutionStatusFeasible
                return None
            proven = False
        else:
            raise GateRefusal(f"the solver ended with {highs.modelStatusToString(status)}: nothing was decided")
        solution = highs.getSolution()
        bound = info.objective_function_value if integer is None else info.mip_dual_bound
        duals = np.array(solution.row_dual) if integer is None else np.zeros(0)
        return Solution(np.array(solution.col_value), bound, duals, proven)


def _model(programme: Programme, integer: Booleans | None) -> highspy.HighsLp:
    model = highspy.HighsLp()
    columns = sparse.csc_array(programme.matrix)
    model.num_row_, model.num_col_ = columns.shape
    model.col_cost_ = programme.cost
    model.col_lower_, model.col_upper_ = programme.low, programme.high
    model.row_lower_, model.row_upper_ = programme.row_low, programme.row_high
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = columns.indptr
    model.a_matrix_.index_ = columns.indices
    model.a_matrix_.value_ = columns.data.astype(np.float64)
    if integer is not None:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(i)] for i in integer]
    return model
