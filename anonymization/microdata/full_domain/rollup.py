"""Roll-ups: the histogram grouped once more, so that general nodes need not read all of it.

A node is evaluated from a roll-up that is at least as specific. Roll-ups are made by demand along one order of the
dimensions, those with most values first: bottom, then the node's level of the first dimension, then of the second
too, and so on. Nodes that share the levels of the first dimensions share the work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import Classes, Criterion
from anonymization.microdata.histogram.histogram import Histogram, Sensitive
from anonymization.microdata.histogram.kernels import group, merge_entries, sums

_RADIX_LIMIT = 2**62
_BYTE = 256
_SMALL = 600  # rows: grouping fewer costs less than looking for a roll-up
_DEPTH = 5  # dimensions: more of them make roll-ups that few nodes share
_MEMORY = 400 * 2**20  # bytes of kept roll-ups

Levels = tuple[int, ...]
Codes = npt.NDArray[Any]


class Grouped(Protocol):
    """The data grouped by a node, wherever it is."""

    @property
    def levels(self) -> Levels:
        """The node, (D,)."""

    @property
    def rows(self) -> int:
        """How many."""


Kept = TypeVar("Kept", bound=Grouped)


class RollupPlan(ABC, Generic[Kept]):
    """Which roll-up a node is evaluated from, and which are kept: the same wherever the data is.

    The roll-up's levels decide how much an evaluation says of specializations, so the search's way depends on them.
    """

    def __init__(self, hierarchies: Sequence[Hierarchy], bottom: Kept) -> None:
        self.hierarchies = tuple(hierarchies)
        sizes = [hierarchy.size for hierarchy in hierarchies]
        self.order = sorted(range(len(sizes)), key=lambda d: -sizes[d])
        self.bottom = bottom
        code = 1 if max(sizes) <= _BYTE else 4
        self._width = code * len(sizes) + 32  # bytes of a row: its codes, and four integers
        self._kept = {bottom.levels: bottom}
        self._room = _MEMORY

    @abstractmethod
    def made(self, source: Kept, levels: Levels) -> Kept:
        """Group a roll-up once more."""

    @abstractmethod
    def passing(self, source: Kept, levels: Levels) -> Kept:
        """Return a roll-up that is not kept."""

    @abstractmethod
    def left(self, rollup: Kept) -> None:
        """Forget a roll-up that was made and is not kept."""

    def source(self, levels: Levels) -> Kept:
        """Return the smallest roll-up from which a node can be evaluated, made if it is worth it."""
        found = self.bottom
        reached = list(found.levels)
        for d in self.order[:_DEPTH]:
            if found.rows <= _SMALL:
                break
            if levels[d] == reached[d]:
                continue
            reached[d] = levels[d]
            key = tuple(reached)
            if key not in self._kept:
                if self._room < 0:
                    return self.passing(found, key)
                made = self.made(found, key)
                self._room -= made.rows * self._width
                if self._room < 0:
                    self.left(made)
                    return self.passing(found, key)
                self._kept[key] = made
            found = self._kept[key]
        return found


@dataclass(frozen=True, eq=False)
class Rollup:
    """The histogram grouped by a node.

    Attributes:
        levels: (D,) the node.
        codes: (rows, D) leaf codes of one tuple of each row: its codes on `levels` and above are those of the row.
        classes: what each row holds.
    """

    levels: Levels
    codes: Codes
    classes: Classes

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.codes)


class Grouping(NamedTuple):
    """Rows grouped by a node.

    Attributes:
        class_of: (rows,) int32 the class of each row, numbered by first appearance.
        first: (classes,) int64 its first row.
        persons: (classes,) int64 its persons.
    """

    class_of: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    persons: npt.NDArray[np.int64]


class Rollups(RollupPlan[Rollup]):
    """Groups a histogram in memory by nodes, and keeps roll-ups that other nodes can start from."""

    def __init__(self, histogram: Histogram, criteria: Sequence[Criterion], *, everything: bool = False) -> None:
        super().__init__(histogram.hierarchies, _bottom(histogram, criteria, everything=everything))
        sizes = [hierarchy.size for hierarchy in self.hierarchies]
        self.offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    def made(self, source: Rollup, levels: Levels) -> Rollup:
        """See the base class."""
        grouping = self.group(source, levels)
        return Rollup(levels, source.codes[grouping.first], merged(source.classes, grouping))

    def passing(self, source: Rollup, levels: Levels) -> Rollup:
        """See the base class."""
        return self.made(source, levels)

    def left(self, rollup: Rollup) -> None:
        """See the base class."""

    def group(self, rollup: Rollup, levels: Levels) -> Grouping:
        """Group a roll-up's rows by a more general node."""
        codes, counts, key_range = rollup.codes, rollup.classes.counts, 1
        parts: list[npt.NDArray[np.int64]] = []
        for d in reversed(range(len(levels))):  # the last dimension's codes are neighbours in the key, as in the rows
            size = len(self.hierarchies[d].labels[levels[d]])
            if key_range * size >= _RADIX_LIMIT:  # the key would not fit: number what is there so far
                so_far = _grouped(codes[:, d + 1 :], counts, parts, key_range)
                codes = np.column_stack([rollup.codes[:, : d + 1], so_far.class_of]).astype(np.int32)
                parts, key_range = [np.arange(len(so_far.first), dtype=np.int64)], len(so_far.first)
            parts.insert(0, self.hierarchies[d].ancestors[levels[d]].astype(np.int64) * key_range)
            key_range *= size
        return _grouped(codes, counts, parts, key_range)


def _bottom(histogram: Histogram, criteria: Sequence[Criterion], *, everything: bool) -> Rollup:
    """The histogram itself, without what no criterion asks for: not everything has the tuples without persons."""
    sensitive = histogram.sensitive if any(one.needs_sensitive for one in criteria) else None
    population = histogram.population if any(one.needs_population for one in criteria) else None
    largest = max(hierarchy.size for hierarchy in histogram.hierarchies)
    codes = np.ascontiguousarray(histogram.tuples, np.uint8 if largest <= _BYTE else np.int32)
    counts = histogram.counts
    if not everything and population is None and not counts.all():
        present = counts > 0
        codes, counts = codes[present], counts[present]
        if sensitive is not None:
            sensitive = replace(sensitive, starts=np.append(sensitive.starts[:-1][present], sensitive.starts[-1]))
    overall = None if sensitive is None else sensitive.totals / sensitive.totals.sum()
    levels = (0,) * len(histogram.hierarchies)
    return Rollup(levels, codes, Classes(counts, population, sensitive, overall))


def _grouped(
    codes: Codes, counts: npt.NDArray[np.int64], parts: list[npt.NDArray[np.int64]], key_range: int
) -> Grouping:
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]]).astype(np.int64)
    return Grouping(*group(np.ascontiguousarray(codes), counts, np.concatenate(parts), offsets, key_range))


def merged(classes: Classes, grouping: Grouping) -> Classes:
    """Return the classes that rows form."""
    class_of, size = grouping.class_of, len(grouping.first)
    population = None if classes.population is None else sums(class_of, classes.population, size)
    sensitive: Sensitive | None = None
    if classes.sensitive is not None:
        given = classes.sensitive
        starts, codes, counts = merge_entries(
            class_of, size, given.starts, given.codes, given.counts, len(given.labels)
        )
        sensitive = replace(given, starts=starts, codes=codes, counts=counts)
    return Classes(grouping.persons, population, sensitive, classes.overall)
