"""Evaluation of one node: its classes, who is suppressed, what that costs, and what follows for other nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anonymization.microdata.criteria import Classes, Criterion
from anonymization.microdata.histogram import Histogram
from anonymization.microdata.kernels import marked_leaves
from anonymization.microdata.loss import Objective, Suppressed
from anonymization.microdata.rollup import Rollup, Rollups, merged

Levels = tuple[int, ...]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What the evaluation of a node found.

    Attributes:
        value: of the objective; infinite where the node is not feasible.
        closes: whether all its specializations are infeasible too.
        tables: at the node's specializations the sum is at most their value; none where it says nothing new.
        constant: for a metric that is no such sum: what persons that all specializations suppress too add to a
            bound that does not know of them.
        squares: the sum of squared sizes of all classes.
    """

    value: float
    closes: bool
    tables: Floats | None
    constant: float
    squares: float


def total(tables: Floats, node: Levels) -> float:
    """Return a table's sum at a node."""
    return float(tables[range(len(node)), node].sum())


class Evaluator:
    """Evaluates nodes of one histogram under one set of criteria."""

    def __init__(self, histogram: Histogram, criteria: Sequence[Criterion], objective: Objective, limit: int) -> None:
        self.criteria = criteria
        self.objective = objective
        self.domain = objective.domain
        self.limit = limit
        self.rollups = Rollups(histogram, criteria)

    def evaluate(self, node: Levels) -> Outcome:
        """Form a node's classes, ask the criteria, and value what would be published."""
        source = self.rollups.source(node)
        grouping = self.rollups.group(source, node)
        class_of, classes = grouping.class_of, merged(source.classes, grouping)
        counts = classes.counts
        failing, inherited, united = self.judged(classes)
        sizes = counts.astype(np.float64)
        squares = float(np.square(sizes).sum())
        passed_on = int(counts[inherited].sum())
        beyond = passed_on > self.limit
        # Without suppression, what is closed under union fails in some part of whatever fails.
        if beyond or (self.limit == 0 and counts[united].any()):
            return Outcome(math.inf, closes=True, tables=None, constant=0.0, squares=squares)
        inherits = self._suppressed(source, class_of, inherited, passed_on)
        tables = None if inherits is None else self.objective.tables(inherits)
        constant = float(self.domain.persons) * passed_on - float(np.square(sizes[inherited]).sum())
        suppressed = int(counts[failing].sum())
        value = math.inf
        if suppressed > self.limit:
            pass
        elif not self.objective.separable:
            value = squares - float(np.square(sizes[failing]).sum()) + float(self.domain.persons) * suppressed
        elif suppressed == passed_on:
            value = total(self.objective.general if tables is None else tables, node)
        else:
            whole = self._suppressed(source, class_of, failing, suppressed)
            value = total(self.objective.tables(whole), node)
        return Outcome(value, closes=False, tables=tables, constant=constant, squares=squares)

    def judged(self, classes: Classes) -> tuple[Bools, Bools, Bools]:
        """Return (classes,) each: what fails any criterion, an inherited one, one that is closed under union."""
        none = np.zeros(len(classes.counts), np.bool_)
        failing, inherited, united = none, none, none
        for criterion in self.criteria:
            fails = criterion.fails(classes) & (classes.counts > 0)
            failing = failing | fails
            inherited = inherited | fails if criterion.inherited else inherited
            united = united | fails if criterion.closed_under_union else united
        return failing, inherited, united

    def _suppressed(
        self, source: Rollup, class_of: npt.NDArray[np.int32], marked: Bools, persons: int
    ) -> Suppressed | None:
        if persons == 0:
            return None
        counts, domain = source.classes.counts, self.domain
        leaves = marked_leaves(source.codes, counts, class_of, marked, domain.offsets, len(domain.by_leaf))
        return Suppressed(persons, leaves, source.levels)

    def classes_of(
        self, histogram: Histogram, node: Levels
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], Bools]:
        """Return a node's classes over all tuples: (m,) the class of each, (classes,) persons, whether it fails."""
        everything = Rollups(histogram, self.criteria, everything=True)
        grouping = everything.group(everything.bottom, node)
        classes = merged(everything.bottom.classes, grouping)
        return grouping.class_of, classes.counts, self.judged(classes)[0]
