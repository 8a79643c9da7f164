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

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from anonymization.microdata.histogram import Histogram

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
    """What the losses need of a histogram: persons by leaf, shares by level and leaf, and the general losses."""

    def __init__(self, histogram: Histogram) -> None:
        self.hierarchies = histogram.hierarchies
        self.persons = histogram.persons
        self.sizes = tuple(hierarchy.size for hierarchy in self.hierarchies)
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        self.leaves = int(sum(self.sizes))
        self.by_leaf = [
            np.bincount(histogram.tuples[:, d], histogram.counts, size) for d, size in enumerate(self.sizes)
        ]
        self.shares = [
            np.stack([share[hierarchy.ancestors[level]] for level, share in enumerate(hierarchy.shares())])
            for hierarchy in self.hierarchies
        ]
        self._general = [_weighted(share, leaf) for share, leaf in zip(self.shares, self.by_leaf, strict=True)]

    def leaf_slice(self, d: int) -> slice:
        """Where a dimension stands in counts by leaf."""
        return slice(int(self.offsets[d]), int(self.offsets[d]) + self.sizes[d])

    def losses(self, d: int, suppressed: Suppressed | None = None) -> Floats:
        """Return (levels,): x_d of each level, at least, with these persons suppressed.

        Exact from the level on where the counts by leaf are; below it, shares are taken from that level, which can
        only be larger, so x_d is larger than what is returned.
        """
        covered = self._general[d]
        if suppressed is not None:
            added = suppressed.persons - _weighted(self.shares[d], suppressed.leaves[self.leaf_slice(d)])
            added[: suppressed.finest[d]] = added[suppressed.finest[d]]
            covered = covered + added
        least = self.persons / self.sizes[d]
        if self.sizes[d] == 1:
            return np.zeros(len(covered))
        return np.asarray(np.maximum((covered - least) / (self.persons - least), 0.0))

    @cached_property
    def entropies(self) -> list[Floats]:
        """By dimension, (levels,): the entropy's part that does not depend on who is suppressed."""
        found = []
        for hierarchy, leaf in zip(self.hierarchies, self.by_leaf, strict=True):
            present = leaf > 0
            own = leaf[present]
            found.append(np.zeros(hierarchy.levels))
            for level in range(hierarchy.levels):
                codes = hierarchy.ancestors[level]
                together = np.bincount(codes, leaf)[codes][present]
                found[-1][level] = -(own * np.log2(own / together)).sum()
        return found

    def suppressed_entropy(self, d: int, suppressed: Suppressed) -> Floats:
        """Return (levels,): the entropy's part of the suppressed persons, at least.

        Below the level from which on the counts by leaf are exact it is that level's, which is smaller.
        """
        hierarchy = self.hierarchies[d]
        found = np.zeros(hierarchy.levels)
        leaf = suppressed.leaves[self.leaf_slice(d)]
        at = np.flatnonzero(leaf)
        own = leaf[at]
        for level in range(suppressed.finest[d], hierarchy.levels):
            together = np.bincount(hierarchy.ancestors[level, at], own)
            together = together[together > 0]
            found[level] = -(together * np.log2(together / suppressed.persons)).sum()
        found[: suppressed.finest[d]] = found[suppressed.finest[d]]
        return found


class Objective:
    """A metric as a search needs it.

    Losses and entropy are sums of one term a dimension and level; these are `tables`. Discernibility is none.
    The geometric loss is searched by its logarithm, so that it is such a sum too.
    """

    def __init__(self, metric: Metric, domain: Domain) -> None:
        self.metric = metric
        self.domain = domain
        self.separable = metric is not Metric.DISCERNIBILITY
        self.general = self.tables(None)

    def tables(self, suppressed: Suppressed | None) -> list[Floats]:
        """Return, by dimension, (levels,): the terms with these persons suppressed; exact at the node itself.

        For any specialization of the node, of which these persons are suppressed too, the sum is at most its value.
        """
        dimensions = range(len(self.domain.sizes))
        if self.metric is Metric.DISCERNIBILITY:
            return [np.zeros(hierarchy.levels) for hierarchy in self.domain.hierarchies]
        if self.metric is Metric.ENTROPY:
            general = self.domain.entropies
            if suppressed is None:
                return general
            return [general[d] + self.domain.suppressed_entropy(d, suppressed) for d in dimensions]
        terms = [self.domain.losses(d, suppressed) for d in dimensions]
        return [np.log1p(term) for term in terms] if self.metric is Metric.LOSS else terms

    def public(self, value: float) -> float:
        """Return a value of the search as the metric's own."""
        if self.metric is Metric.LOSS:
            return float(np.expm1(value / len(self.domain.sizes)))
        return value / len(self.domain.sizes) if self.metric is Metric.LOSS_ARITHMETIC else float(value)


def measure(domain: Domain, levels: Sequence[int], suppressed: Suppressed, class_sizes: Ints) -> Losses:
    """Return every loss of a node.

    Args:
        domain: of the histogram.
        levels: (D,) the node.
        suppressed: who is suppressed; `finest` at or below `levels`.
        class_sizes: (classes,) persons of each published class.
    """
    given = suppressed if suppressed.persons else None
    terms = np.array([domain.losses(d, given)[level] for d, level in enumerate(levels)])
    entropy = sum(float(domain.entropies[d][level]) for d, level in enumerate(levels))
    if given is not None:
        entropy += sum(float(domain.suppressed_entropy(d, given)[level]) for d, level in enumerate(levels))
    published = int(class_sizes.sum())
    return Losses(
        loss=float(np.expm1(np.log1p(terms).mean())),
        loss_arithmetic=float(terms.mean()),
        discernibility=float((class_sizes.astype(np.float64) ** 2).sum()) + float(domain.persons) * suppressed.persons,
        entropy=entropy,
        average_class_size=published / len(class_sizes) if len(class_sizes) else 0.0,
    )


def _weighted(shares: Floats, leaves: Ints) -> Floats:
    """The sum of shares by level; without BLAS, whose threads would spin for arrays as small as these."""
    return np.asarray(np.einsum("ls,s->l", shares, leaves.astype(np.float64)))
