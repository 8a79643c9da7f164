"""Evaluation of one node: its classes, who is suppressed, what that costs, and what follows for other nodes.

What an evaluation says follows from a few figures of the node's classes (`Formed`). Where the classes are formed is
another matter: here on a histogram in memory, in `search_in_engine.py` on a relation by SQL. Both give the same whole
numbers, so a search goes the same way on either.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from anonymization.microdata.criteria import Classes, Criterion
from anonymization.microdata.full_domain.rollup import Rollup, Rollups, merged
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.histogram.kernels import marked_leaves
from anonymization.microdata.loss import Objective, Suppressed, Tally

Levels = tuple[int, ...]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evaluated:
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


class Formed(Protocol):
    """The classes of a node."""

    @property
    def squares(self) -> int:
        """The sum of the squared sizes of all classes."""

    @property
    def failing(self) -> Tally:
        """The classes that fail any criterion."""

    @property
    def inherited(self) -> Tally:
        """The classes that fail a criterion whose failing each of their parts inherits."""

    @property
    def united(self) -> bool:
        """Whether a class fails a criterion that is closed under union."""

    def suppressed(self, *, inherited: bool) -> Suppressed:
        """Return the persons of the classes that fail any criterion, or an inherited one."""


class Evaluator(ABC):
    """Evaluates nodes for one objective under one set of criteria.

    Args:
        objective: what is minimized.
        limit: persons that may be suppressed.
    """

    def __init__(self, objective: Objective, limit: int) -> None:
        self.objective = objective
        self.domain = objective.domain
        self.limit = limit

    @abstractmethod
    def form(self, node: Levels) -> Formed:
        """Return a node's classes; valid until the next are formed."""

    def evaluate(self, node: Levels) -> Evaluated:
        """Form a node's classes, ask the criteria, and value what would be published."""
        formed, persons = self.form(node), self.domain.persons
        failing, inherited = formed.failing, formed.inherited
        squares = float(formed.squares)
        # Without suppression, what is closed under union fails in some part of whatever fails.
        if inherited.persons > self.limit or (self.limit == 0 and formed.united):
            return Evaluated(math.inf, closes=True, tables=None, constant=0.0, squares=squares)
        tables = self.objective.tables(formed.suppressed(inherited=True)) if inherited.persons else None
        constant = float(persons * inherited.persons - inherited.squares)
        value = math.inf
        if failing.persons > self.limit:
            pass
        elif not self.objective.separable:
            value = float(formed.squares - failing.squares + persons * failing.persons)
        elif failing.persons == inherited.persons:
            value = total(self.objective.general if tables is None else tables, node)
        else:
            value = total(self.objective.tables(formed.suppressed(inherited=False)), node)
        return Evaluated(value, closes=False, tables=tables, constant=constant, squares=squares)


class HistogramEvaluator(Evaluator):
    """Evaluates nodes on a histogram in memory."""

    def __init__(self, histogram: Histogram, criteria: Sequence[Criterion], objective: Objective, limit: int) -> None:
        super().__init__(objective, limit)
        self.criteria = criteria
        self.rollups = Rollups(histogram, criteria)

    def form(self, node: Levels) -> Formed:
        """See the base class."""
        source = self.rollups.source(node)
        grouping = self.rollups.group(source, node)
        return _Classes(self, source, grouping.class_of, merged(source.classes, grouping))

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

    def classes_of(
        self, histogram: Histogram, node: Levels
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], Bools]:
        """Return a node's classes over all tuples: (m,) the class of each, (classes,) persons, whether it fails."""
        everything = Rollups(histogram, self.criteria, everything=True)
        grouping = everything.group(everything.bottom, node)
        classes = merged(everything.bottom.classes, grouping)
        return grouping.class_of, classes.counts, self.judged(classes)[0]


class _Classes:
    """The classes of a node, formed of a roll-up; see `Formed`."""

    def __init__(
        self, evaluator: HistogramEvaluator, source: Rollup, class_of: npt.NDArray[np.int32], classes: Classes
    ) -> None:
        self.source, self.class_of, self.domain = source, class_of, evaluator.domain
        counts = classes.counts
        self._failing, self._inherited, united = evaluator.judged(classes)
        self.squares = Tally.of(counts).squares
        self.failing = Tally.of(counts[self._failing])
        self.inherited = Tally.of(counts[self._inherited])
        self.united = bool(united.any())

    def suppressed(self, *, inherited: bool) -> Suppressed:
        marked, tally = (self._inherited, self.inherited) if inherited else (self._failing, self.failing)
        codes, counts, domain = self.source.codes, self.source.classes.counts, self.domain
        leaves = marked_leaves(codes, counts, self.class_of, marked, domain.offsets, len(domain.by_leaf))
        return Suppressed(tally.persons, leaves, self.source.levels)
