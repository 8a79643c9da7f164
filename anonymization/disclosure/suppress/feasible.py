"""Whole numbers that everything published allows: where the true ones are gone, any of them will do."""

from __future__ import annotations

import numpy as np

from anonymization.disclosure.attack.programmes import Programme, Solver
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
        smallest = np.full(len(small.cell), -1.0)
        programme = Programme(small.system.relations, small.system.low, small.system.high, smallest)
        found = Solver(None).solve(programme, whole=True)
        if not found.feasible:
            raise GateRefusal("no whole numbers satisfy everything published: its figures contradict each other")
        values[small.cell] = np.round(found.point)
    return np.asarray(values, dtype=np.int64)
