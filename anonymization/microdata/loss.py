"""Information loss of a generalization with suppression: what the search minimizes, and what it reports.

With n persons, D quasi-identifiers, and a hierarchy of `size` rows for each:

- **Loss** (Iyengar 2002): x_d = (sum of shares - n / size) / (n - n / size), where a person's share is that of the
  rows that the person's generalized value covers, and 1 where the person is suppressed. `loss` is geometric,
  (product of (1 + x_d))^(1/D) - 1; `loss-arithmetic` is the mean of x_d. Both lie in [0, 1].
- **Discernibility** (Bayardo and Agrawal 2005): the sum of squared class sizes, plus n for every suppressed person.
- **Entropy** (non-uniform; de Waal and Willenborg 1999; Gionis and Tassa 2009): for each quasi-identifier, the sum over
  all persons of -log2(persons with the value / persons with its generalized value), plus the sum over the
  generalized values of the suppressed persons of -b log2(b / suppressed), b persons sharing one. In bits.
- **Average class size** (LeFevre and others 2006, without the division by k): published persons / classes.

All of it is computed from integer counts by leaf, so it does not depend on the order of evaluation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.histogram.kernels import covered_shares, value_entropies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SQUARED = 3_000_000_000
"""Persons whose squared number fits 64 bits."""


class Metric(Enum):
    """What a search minimizes."""

    LOSS = "loss"
    LOSS_ARITHMETIC = "loss-arithmetic"
    DISCERNIBILITY = "discernibility"
    ENTROPY = "entropy"


@dataclass(frozen=True)
class Losses:
    """The losses of a solution.

    Attributes:
        loss: geometric, in [0, 1].
        loss_arithmetic: in [0, 1].
        discernibility: persons squared.
        entropy: bits.
        average_class_size: persons; 0 where all are suppressed.
    """

    loss: float
    loss_arithmetic: float
    discernibility: float
    entropy: float
    average_class_size: float

    def of(self, metric: Metric) -> float:
        """Return the loss that a metric names."""
        return float(getattr(self, metric.value.replace("-", "_")))


@dataclass(frozen=True)
class Tally:
    """Classes in figures, all of them whole numbers, so that they do not depend on the order of the classes.

    Attributes:
        classes: how many.
        persons: in all of them.
        squares: the sum of their squared sizes, in persons squared.
        smallest: persons of the smallest; 0 where there is none.
    """

    classes: int = 0
    persons: int = 0
    squares: int = 0
    smallest: int = 0

    @classmethod
    def of(cls, sizes: Ints, times: Ints | None = None) -> Tally:
        """Return the figures of classes by their sizes, (n,) persons, each standing for that many `times` (once)."""
        if not len(sizes):
            return cls()
        times = np.ones_like(sizes) if times is None else times
        persons = sizes * times
        total = int(persons.sum())
        if total <= _SQUARED:
            squares = int((persons * sizes).sum())
        else:
            squares = sum(map(operator.mul, persons.tolist(), sizes.tolist()))
        return cls(int(times.sum()), total, squares, int(sizes.min()))


@dataclass(frozen=True, eq=False)
class Suppressed:
    """Suppressed persons.

    Attributes:
        persons: how many.
        leaves: (sum of sizes,) int64: how many, by dimension and leaf code.
        finest: (D,) the levels from which on `leaves` is exact: where they were counted on a roll-up, a leaf stands
            for all leaves below the same code of that level.
    """

    persons: int
    leaves: Ints
    finest: tuple[int, ...]


class Domain:
    """What the losses need of the data: persons by leaf, covered leaves and codes by level and leaf, general losses.

    Tables are (D, highest hierarchy's levels); columns beyond a dimension's own levels have no meaning.

    Args:
        hierarchies: one a quasi-identifier, D of them.
        by_leaf: (sum of sizes,) persons by dimension and leaf code.
    """

    def __init__(self, hierarchies: Sequence[Hierarchy], by_leaf: Ints) -> None:
        self.heights = tuple(hierarchy.levels for hierarchy in hierarchies)
        self.sizes = tuple(hierarchy.size for hierarchy in hierarchies)
        self.offsets = _starts(self.sizes)
        self.by_leaf = by_leaf
        self.persons = int(by_leaf[: self.sizes[0]].sum())
        self._shape = (
            self.offsets,
            np.array(self.sizes, np.int64),
            np.array(self.heights, np.int64),
            _starts([hierarchy.ancestors.size for hierarchy in hierarchies]),
        )
        self._ancestors = np.concatenate([hierarchy.ancestors.ravel() for hierarchy in hierarchies])
        self._leaves = np.concatenate(
            [np.bincount(codes)[codes] for hierarchy in hierarchies for codes in hierarchy.ancestors]
        ).astype(np.int64)
        self._covered = self._covering(self.by_leaf, np.zeros(len(self.sizes), np.int64))
        least = self.persons / np.array(self.sizes)[:, None]
        self._least, self._range = least, np.where(least < self.persons, self.persons - least, math.inf)

    @classmethod
    def of(cls, histogram: Histogram) -> Domain:
        """Return the domain of a histogram."""
        columns = zip(histogram.hierarchies, histogram.tuples.T, strict=True)
        by_leaf = [np.bincount(column, histogram.counts, hierarchy.size) for hierarchy, column in columns]
        return cls(histogram.hierarchies, np.concatenate(by_leaf).astype(np.int64))

    def _covering(self, leaves: Ints, finest: Ints) -> Floats:
        return covered_shares(leaves, *self._shape, self._leaves, finest)

    def losses(self, suppressed: Suppressed | None = None) -> Floats:
        """Return a table of x_d, at least, with these persons suppressed.

        Exact from the level on where the counts by leaf are; below it, shares are taken from that level, which can
        only be larger, so x_d is larger than what is returned.
        """
        covered = self._covered
        if suppressed is not None:
            finest = np.array(suppressed.finest, np.int64)
            covered = covered + suppressed.persons - self._covering(suppressed.leaves, finest)
        return np.asarray(np.maximum((covered - self._least) / self._range, 0.0))

    @cached_property
    def entropies(self) -> Floats:
        """A table of the entropy's part that does not depend on who is suppressed.

        The sum of -log2(own / together) is the difference of the values' entropies before and after.
        """
        every = value_entropies(self.by_leaf, *self._shape, self._ancestors, np.zeros(len(self.sizes), np.int64))
        return np.asarray(np.maximum(every[:, :1] - every, 0.0))

    def suppressed_entropies(self, suppressed: Suppressed) -> Floats:
        """Return a table of the entropy's part of the suppressed persons, at least.

        Below the level from which on the counts by leaf are exact it is that level's, which is smaller.
        """
        finest = np.array(suppressed.finest, np.int64)
        return value_entropies(suppressed.leaves, *self._shape, self._ancestors, finest)

    @cached_property
    def crowding(self) -> Floats:
        """A table of log(sum of squared persons by value): how large classes get, were dimensions independent."""
        found = np.zeros_like(self._covered)
        for d, (block, size) in enumerate(zip(self._shape[3], self.sizes, strict=True)):
            leaf = self.by_leaf[self.offsets[d] : self.offsets[d] + size]
            for level in range(self.heights[d]):
                codes = self._ancestors[block + level * size : block + (level + 1) * size]
                found[d, level] = np.log(np.square(np.bincount(codes, leaf) / self.persons).sum())
        return found


class Objective:
    """A metric as a search needs it.

    Losses and entropy are sums of one term a dimension and level; these are `tables`. Discernibility is none.
    The geometric loss is searched by its logarithm, so that it is such a sum too.

    Attributes:
        separable: whether values are such sums.
        general: the table with nobody suppressed.
        guide: a table whose sum grows as the value of a node does, more or less: where a search looks.
    """

    def __init__(self, metric: Metric, domain: Domain) -> None:
        self.metric = metric
        self.domain = domain
        self.separable = metric is not Metric.DISCERNIBILITY
        self.general = self.tables(None)
        self.guide = self.general if self.separable else domain.crowding

    def tables(self, suppressed: Suppressed | None) -> Floats:
        """Return the table with these persons suppressed: exact at the node of which they are.

        For any specialization of the node, of which these persons are suppressed too, the sum is at most its value.
        """
        if self.metric is Metric.DISCERNIBILITY:
            return np.zeros((len(self.domain.heights), max(self.domain.heights)))
        if self.metric is Metric.ENTROPY:
            general = self.domain.entropies
            return general if suppressed is None else general + self.domain.suppressed_entropies(suppressed)
        terms = self.domain.losses(suppressed)
        return np.log1p(terms) if self.metric is Metric.LOSS else terms

    def public(self, value: float) -> float:
        """Return a value of the search as the metric's own."""
        if self.metric is Metric.LOSS:
            return float(np.expm1(value / len(self.domain.sizes)))
        return value / len(self.domain.sizes) if self.metric is Metric.LOSS_ARITHMETIC else float(value)


def _starts(lengths: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def measure(domain: Domain, levels: Sequence[int], suppressed: Suppressed, published: Tally) -> Losses:
    """Return every loss of a node.

    Args:
        domain: of the histogram.
        levels: (D,) the node.
        suppressed: who is suppressed; `finest` at or below `levels`.
        published: the published classes.
    """
    at = np.arange(len(levels)), np.array(levels)
    given = suppressed if suppressed.persons else None
    terms = domain.losses(given)[at]
    entropy = float(domain.entropies[at].sum())
    if given is not None:
        entropy += float(domain.suppressed_entropies(given)[at].sum())
    return Losses(
        loss=float(np.expm1(np.log1p(terms).mean())),
        loss_arithmetic=float(terms.mean()),
        discernibility=float(published.squares + domain.persons * suppressed.persons),
        entropy=entropy,
        average_class_size=published.persons / published.classes if published.classes else 0.0,
    )
