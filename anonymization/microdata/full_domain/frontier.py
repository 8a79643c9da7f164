"""Which nodes of a lattice may still hold the optimum: a lower bound for every node, raised by what is evaluated.

A bound comes from two sides. What is true of a node's specializations, such as that they suppress whom it suppresses,
raises everything `below` it; what is true of its generalizations, such as that their classes are no smaller, raises
everything `above` it. A node's bound is the sum of the highest of each; the general bound, that needs no suppression
to be known, is what the metric's tables say before anything is evaluated, plus what was raised from above.

A small lattice keeps a bound for every node in an array (here). A large one keeps boxes of nodes (`frontier_boxes.py`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Levels = tuple[int, ...]
Floats = npt.NDArray[np.float64]

DENSE_LIMIT = 2_000_000
"""Lattices with more nodes are searched lazily."""


class Frontier(ABC):
    """Bounds of a lattice's nodes. Values are those of an Objective: smaller is better."""

    def __init__(self, heights: Sequence[int]) -> None:
        self.heights = tuple(heights)
        self.visits = 0

    @abstractmethod
    def lowest(self, best: float) -> tuple[Levels, float] | None:
        """Return an open node with the lowest bound, and that bound; none if no bound is below the best."""

    @abstractmethod
    def least_bound(self) -> float:
        """Return a bound of everything that is still open."""

    @abstractmethod
    def bound(self, node: Levels) -> float:
        """Return the bound of a node; infinite where it is closed."""

    @abstractmethod
    def is_evaluated(self, node: Levels) -> bool:
        """Whether a node was closed by itself."""

    @abstractmethod
    def close(self, node: Levels) -> None:
        """Close a node that was evaluated."""

    @abstractmethod
    def close_below(self, node: Levels) -> None:
        """Close a node and all its specializations."""

    @abstractmethod
    def raise_below(self, node: Levels, tables: Floats, constant: float) -> None:
        """Raise the bound of a node and its specializations to one term a dimension and level, and a constant."""

    @abstractmethod
    def raise_above(self, node: Levels, value: float) -> None:
        """Raise the general bound of a node and its generalizations."""

    def specializations(self, node: Levels) -> Iterator[Levels]:
        """Yield the nodes one level below in one dimension."""
        for d, level in enumerate(node):
            if level:
                yield (*node[:d], level - 1, *node[d + 1 :])


class DenseFrontier(Frontier):
    """Bounds in arrays, one place a node."""

    def __init__(self, heights: Sequence[int], tables: Floats) -> None:
        super().__init__(heights)
        self._below = _outer(tables, self.heights).copy()  # with one dimension the sum is the table itself
        self._above: Floats | None = None
        self._evaluated: set[Levels] = set()

    def _bounds(self) -> Floats:
        return self._below if self._above is None else self._below + self._above

    def lowest(self, best: float) -> tuple[Levels, float] | None:
        """See the base class; of equal bounds the first in lexicographic order."""
        self.visits += 1
        bounds = self._bounds()
        flat = int(bounds.argmin())
        bound = float(bounds.ravel()[flat])
        if not bound < best:
            return None
        return tuple(int(level) for level in np.unravel_index(flat, self.heights)), bound

    def least_bound(self) -> float:
        """See the base class."""
        return float(self._bounds().min())

    def bound(self, node: Levels) -> float:
        """See the base class."""
        return float(self._below[node]) + (0.0 if self._above is None else float(self._above[node]))

    def is_evaluated(self, node: Levels) -> bool:
        """See the base class."""
        return node in self._evaluated

    def close(self, node: Levels) -> None:
        """See the base class."""
        self._evaluated.add(node)
        self._below[node] = math.inf

    def close_below(self, node: Levels) -> None:
        """See the base class."""
        self._evaluated.add(node)
        self._below[tuple(slice(0, level + 1) for level in node)] = math.inf

    def raise_below(self, node: Levels, tables: Floats, constant: float) -> None:
        """See the base class."""
        box = self._below[tuple(slice(0, level + 1) for level in node)]
        np.maximum(box, _outer(tables, [level + 1 for level in node]) + constant, out=box)

    def raise_above(self, node: Levels, value: float) -> None:
        """See the base class."""
        if self._above is None:
            self._above = np.zeros(self.heights)
        box = self._above[tuple(slice(level, None) for level in node)]
        np.maximum(box, value, out=box)


def _outer(tables: Floats, heights: Sequence[int]) -> Floats:
    """The sum of one term a dimension, for every node below the heights."""
    added = tables[0, : heights[0]]
    for table, height in zip(tables[1:], heights[1:], strict=True):
        added = added[..., None] + table[:height]
    return np.ascontiguousarray(added)
