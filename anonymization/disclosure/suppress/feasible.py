"""Whole numbers that everything published allows: where the true ones are gone, any of them will do."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from anonymization.disclosure.system import Integers, System, reduced
from anonymization.errors import GateRefusal


def feasible_point(system: System) -> Integers:
    """Return whole numbers for all cells that satisfy every relation and bound: known cells keep their value.

    Raises:
        GateRefusal: there are none (published figures contradict each other), or the solver did not end.
    """
    small = reduced(system)
    values = np.where(system.known, system.low, 0.0)
    if len(small.cell):
        relations = small.system.relations
        rows = LinearConstraint(sparse.csr_array(relations.matrix, dtype=np.float64), relations.low, relations.high)
        found = milp(
            np.ones(len(small.cell)),
            constraints=[rows] if relations.rows else [],
            integrality=np.ones(len(small.cell)),
            bounds=Bounds(small.system.low, small.system.high),
        )
        if found.x is None:
            raise GateRefusal(f"no whole numbers satisfy everything published: {found.message}")
        values[small.cell] = np.round(found.x)
    return np.asarray(values, dtype=np.int64)
