"""Privacy criteria: what every published equivalence class must satisfy.

Each criterion says which classes fail, and how failing travels through the lattice:

- `inherited`: whatever fails keeps failing in each of its parts. So records that a node must suppress are
  suppressed in all its specializations, with or without a suppression limit.
- `closed_under_union`: classes that all satisfy it still do when they are merged. So without suppression, a node
  that fails has no specialization that satisfies it; with suppression nothing follows, because a part of a failing
  class may satisfy it.

| criterion | inherited | closed under union | why |
|---|---|---|---|
| k-anonymity, k-map, distinct l-diversity | yes | yes | counts only grow when classes merge |
| entropy and recursive l-diversity | no | yes | entropy is concave; r_l + … + r_m is superadditive, r_1 subadditive |
| t-closeness | no | yes | each distance is convex in the class's distribution |
| delta-presence | no | without a minimum | a class may merge with a part of the population outside the sample |

Sources: Samarati and Sweeney (1998); Machanavajjhala and others (2007); Li, Li and Venkatasubramanian (2007);
Nergiz, Atzori and Clifton (2007).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError
from anonymization.microdata.histogram.histogram import Histogram, Sensitive
from anonymization.microdata.histogram.kernels import (
    entropies,
    equal_distances,
    heads_and_tails,
    hierarchical_distances,
    ordered_distances,
)

Given = TypeVar("Given")
_ROUNDING = 1e-12
"""A figure this close to its bound counts as equal to it: it was computed in floating point."""


@dataclass(frozen=True, eq=False)
class Classes:
    """Equivalence classes of one node.

    Attributes:
        counts: (c,) int64 persons; 0 where a class is of the population only.
        population: (c,) int64 persons of the population, if one is given.
        sensitive: the sensitive attribute by class, if one is given.
        overall: (labels,) float64 its distribution over all persons.
    """

    counts: npt.NDArray[np.int64]
    population: npt.NDArray[np.int64] | None = None
    sensitive: Sensitive | None = None
    overall: npt.NDArray[np.float64] | None = None


class Criterion(ABC):
    """A condition on every published equivalence class."""

    inherited: ClassVar[bool] = False
    needs_sensitive: ClassVar[bool] = False
    needs_population: ClassVar[bool] = False

    @property
    def closed_under_union(self) -> bool:
        """Whether classes that satisfy it still do when merged."""
        return True

    @abstractmethod
    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """Return (c,): which classes fail; what it says of classes without persons has no meaning."""

    def check(self, histogram: Histogram) -> None:
        """Refuse data that the criterion cannot be asked of.

        Raises:
            InputError: it needs a sensitive attribute, or a population that is not given.
        """
        given = histogram.sensitive is not None, histogram.population is not None
        self.check_given(histogram.persons, sensitive=given[0], population=given[1])

    def check_given(self, persons: int, *, sensitive: bool, population: bool) -> None:
        """Refuse data of which only this is known: how many persons, and whether the rest is given; see `check`."""
        del persons
        if self.needs_sensitive and not sensitive:
            raise InputError(f"{self}: a sensitive attribute is needed")
        if self.needs_population and not population:
            raise InputError(f"{self}: a population is needed")

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True)
class KAnonymity(Criterion):
    """At least k persons a class.

    Raises:
        InputError: k below 1.
    """

    k: int
    inherited: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one("k", self.k)

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class."""
        return classes.counts < self.k

    def check_given(self, persons: int, *, sensitive: bool, population: bool) -> None:
        """Refuse a k that no class can reach.

        Raises:
            InputError: k above the number of persons.
        """
        super().check_given(persons, sensitive=sensitive, population=population)
        if self.k > persons:
            raise InputError(f"k is {self.k}, but the data holds {persons} persons: 1 to that many is allowed")

    def __str__(self) -> str:
        return f"{self.k}-anonymity"


@dataclass(frozen=True)
class KMap(Criterion):
    """At least k persons of the population a class.

    Raises:
        InputError: k below 1.
    """

    k: int
    inherited: ClassVar[bool] = True
    needs_population: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one("k of k-map", self.k)

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class."""
        return _given(classes.population) < self.k

    def __str__(self) -> str:
        return f"{self.k}-map"


@dataclass(frozen=True)
class Presence(Criterion):
    """Delta-presence: persons of the class / persons of the population in it lies in [minimum, maximum].

    Raises:
        InputError: not 0 <= minimum <= maximum <= 1.
    """

    minimum: float
    maximum: float
    needs_population: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum <= 1:
            raise InputError(f"delta-presence {self.minimum}, {self.maximum}: 0 <= minimum <= maximum <= 1 is allowed")

    @property
    def closed_under_union(self) -> bool:
        """See the base class: a share of merged classes lies between theirs, but the population has other classes."""
        return self.minimum <= 0

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class; a class that the population lacks fails."""
        population = _given(classes.population)
        share = classes.counts / np.maximum(population, 1)
        outside = (share < self.minimum - _ROUNDING) | (share > self.maximum + _ROUNDING)
        return np.asarray(outside | (population == 0))

    def __str__(self) -> str:
        return f"({self.minimum}, {self.maximum})-presence"


@dataclass(frozen=True)
class DistinctDiversity(Criterion):
    """At least l distinct sensitive values a class.

    Raises:
        InputError: l below 1.
    """

    l: int  # noqa: E741 - the field's own name
    inherited: ClassVar[bool] = True
    needs_sensitive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one("l", self.l)

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class."""
        return np.asarray(np.diff(_given(classes.sensitive).starts) < self.l)

    def __str__(self) -> str:
        return f"distinct {self.l}-diversity"


@dataclass(frozen=True)
class EntropyDiversity(Criterion):
    """The exponential of the entropy (in nats) of a class's sensitive values is at least l.

    Raises:
        InputError: l below 1.
    """

    l: float  # noqa: E741 - the field's own name
    needs_sensitive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one("l of entropy l-diversity", self.l)

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class."""
        sensitive = _given(classes.sensitive)
        return np.asarray(entropies(sensitive.starts, sensitive.counts) < math.log(self.l) - _ROUNDING)

    def __str__(self) -> str:
        return f"entropy {self.l}-diversity"


@dataclass(frozen=True)
class RecursiveDiversity(Criterion):
    """Counts of a class's sensitive values, descending: r_1 < c (r_l + … + r_m).

    Raises:
        InputError: c not above 0, or l below 1.
    """

    c: float
    l: int  # noqa: E741 - the field's own name
    needs_sensitive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one("l of recursive (c, l)-diversity", self.l)
        if not self.c > 0 or math.isinf(self.c):
            raise InputError(f"c of recursive (c, l)-diversity is {self.c}: a number above 0 is allowed")

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class."""
        sensitive = _given(classes.sensitive)
        heads, tails = heads_and_tails(sensitive.starts, sensitive.counts, self.l)
        return np.asarray(heads >= self.c * tails)

    def __str__(self) -> str:
        return f"recursive ({self.c}, {self.l})-diversity"


class Distance(Enum):
    """How far two sensitive values are apart, for t-closeness."""

    EQUAL = "equal"
    ORDERED = "ordered"
    HIERARCHICAL = "hierarchical"


@dataclass(frozen=True)
class Closeness(Criterion):
    """A class's distribution of sensitive values is at most t from the overall one (earth mover's distance).

    The overall distribution is that of all persons of the data, the suppressed ones counted.

    Raises:
        InputError: t not in 0 to 1.
    """

    t: float
    distance: Distance = Distance.EQUAL
    needs_sensitive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.t <= 1:
            raise InputError(f"t is {self.t}: 0 to 1 is allowed")

    def check(self, histogram: Histogram) -> None:
        """Refuse a distance that the sensitive attribute does not have.

        Raises:
            InputError: no sensitive attribute, no order, or no hierarchy with a single top.
        """
        super().check(histogram)
        sensitive = _given(histogram.sensitive)
        if self.distance is Distance.ORDERED and not sensitive.ordered:
            raise InputError(f"{self}: the sensitive attribute {sensitive.attribute!r} is not declared as ordered")
        tree = sensitive.hierarchy
        if self.distance is Distance.HIERARCHICAL and (tree is None or tree.levels == 1 or len(tree.labels[-1]) > 1):
            raise InputError(
                f"{self}: the sensitive attribute {sensitive.attribute!r} needs a hierarchy of two levels or more, "
                "the last with one label"
            )

    def distances(self, classes: Classes) -> npt.NDArray[np.float64]:
        """Return (c,): each class's distance from the overall distribution, in [0, 1]."""
        given, overall = _given(classes.sensitive), _given(classes.overall)
        if self.distance is Distance.EQUAL:
            return equal_distances(given.starts, given.codes, given.counts, overall)
        if self.distance is Distance.ORDERED:
            return ordered_distances(given.starts, given.codes, given.counts, overall)
        tree = _given(given.hierarchy)
        parents = np.zeros((tree.levels - 1, tree.size), np.int32)
        for level in range(tree.levels - 1):
            parents[level, tree.ancestors[level]] = tree.ancestors[level + 1]
        sizes = np.array([len(labels) for labels in tree.labels], np.int64)
        return hierarchical_distances(given.starts, given.codes, given.counts, overall, parents, sizes)

    def fails(self, classes: Classes) -> npt.NDArray[np.bool_]:
        """See the base class."""
        return np.asarray(self.distances(classes) > self.t + _ROUNDING)

    def __str__(self) -> str:
        return f"{self.t}-closeness ({self.distance.value} distance)"


def _at_least_one(name: str, value: float) -> None:
    if not value >= 1:
        raise InputError(f"{name} is {value}: 1 or more is allowed")


def _given(value: Given | None) -> Given:
    """What `check` has found to be there."""
    if value is None:
        raise InputError("a criterion was asked of data without its sensitive attribute or population")
    return value
