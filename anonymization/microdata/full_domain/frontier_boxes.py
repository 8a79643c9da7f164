"""The frontier of a lattice too large for an array: open nodes as boxes, from a most specific to a most general node.

A box is bounded by the general bound of its most specific node. What was raised below an evaluated node covers a part
of a box; where that part cannot hold anything better, it is cut off, and what is left is boxes again.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anonymization.microdata.full_domain.frontier import Floats, Frontier, Levels

Ints = npt.NDArray[np.int64]


class BoxFrontier(Frontier):
    """Open nodes as disjoint boxes, the one with the lowest bound first."""

    def __init__(self, heights: Sequence[int], tables: Floats) -> None:
        super().__init__(heights)
        self._tables = tables
        self._dimensions = np.arange(len(heights))
        self._evaluated: set[Levels] = set()
        self._nodes = np.empty((0, len(heights)), np.int64)
        self._terms = np.empty((0, *tables.shape))
        self._raised = 0
        self._above: list[tuple[Levels, float]] = []
        self._heap: list[tuple[float, Levels, Levels]] = []
        self._push(np.zeros(len(heights), np.int64), np.array(heights) - 1, math.inf)

    def _push(self, low: Ints, high: Ints, best: float) -> None:
        key = self._general(low)
        if key < best:
            heapq.heappush(self._heap, (key, tuple(low.tolist()), tuple(high.tolist())))

    def _general(self, node: Ints) -> float:
        """The bound that holds whoever is suppressed."""
        return float(self._tables[self._dimensions, node].sum()) + self._raised_above(tuple(node.tolist()))

    def _raised_above(self, node: Levels) -> float:
        values = (v for low, v in self._above if all(a <= b for a, b in zip(low, node, strict=True)))
        return max(values, default=0.0)

    def lowest(self, best: float) -> tuple[Levels, float] | None:
        """See the base class; the lowest is of the box whose general bound is."""
        while self._heap and self._heap[0][0] < best:
            self.visits += 1
            _, node, end = heapq.heappop(self._heap)
            low, high = np.array(node), np.array(end)
            worthless = self._narrow(low, high, best)
            if worthless is None:
                continue
            if worthless.size:
                self._cut(low, high, self._largest(low, high, worthless), best)
            elif tuple(low.tolist()) in self._evaluated:
                self._cut(low, high, low, best)
            else:
                self._push(low, high, best)
                return tuple(low.tolist()), self.bound(tuple(low.tolist()))
        return None

    def _narrow(self, low: Ints, high: Ints, best: float) -> Ints | None:
        """Shrink a box, in place, to what may be better; return the raised nodes that still cover worthless parts.

        None where nothing is left of the box.
        """
        while True:
            here = self._general(low)
            if not here < best:
                return None
            grown = here + self._tables - self._tables[self._dimensions, low][:, None]
            for d in self._dimensions:
                while high[d] > low[d] and not grown[d, high[d]] < best:
                    high[d] -= 1
            nodes = self._nodes[: self._raised]
            covering = np.flatnonzero((nodes >= low).all(axis=1))
            terms = self._terms[covering][:, self._dimensions, low].sum(axis=1)
            worthless = covering[~(terms + self._raised_above(tuple(low.tolist())) < best)]
            beyond = high > nodes[worthless]
            dimensions = beyond.sum(axis=1)
            if (dimensions == 0).any():
                return None
            single = np.flatnonzero(dimensions == 1)
            if not single.size:
                return np.asarray(worthless)
            # All of the box that does not exceed such a node in its one dimension is below the node.
            at = beyond[single].argmax(axis=1)
            np.maximum.at(low, at, nodes[worthless[single], at] + 1)

    def _largest(self, low: Ints, high: Ints, worthless: Ints) -> Ints:
        """Of raised nodes, the one below which most of the box is."""
        parts = (np.minimum(self._nodes[worthless], high) - low + 1) / (high - low + 1)
        return np.asarray(self._nodes[worthless[parts.prod(axis=1).argmax()]])

    def _cut(self, low: Ints, high: Ints, node: Ints, best: float) -> None:
        """Put on the heap what is left of a box without the part at or below a node: disjoint boxes."""
        for d in np.flatnonzero(high > node):
            start, end = low.copy(), high.copy()
            start[d] = node[d] + 1
            end[:d] = np.minimum(end[:d], node[:d])
            self._push(start, end, best)

    def least_bound(self) -> float:
        """See the base class."""
        return self._heap[0][0] if self._heap else math.inf

    def bound(self, node: Levels) -> float:
        """See the base class."""
        if node in self._evaluated:
            return math.inf
        at = np.array(node)
        here = float(self._tables[self._dimensions, at].sum())
        covering = (self._nodes[: self._raised] >= at).all(axis=1)
        terms = self._terms[: self._raised][covering][:, self._dimensions, at]
        return max(here, float(terms.sum(axis=1).max(initial=-math.inf))) + self._raised_above(node)

    def is_evaluated(self, node: Levels) -> bool:
        """See the base class."""
        return node in self._evaluated

    def close(self, node: Levels) -> None:
        """See the base class."""
        self._evaluated.add(node)

    def close_below(self, node: Levels) -> None:
        """See the base class."""
        self._evaluated.add(node)
        self.raise_below(node, np.zeros_like(self._tables), math.inf)

    def raise_below(self, node: Levels, tables: Floats, constant: float) -> None:
        """See the base class.

        Kept is the least term of a level and those above it, so that a bound of a box's most specific node is one of
        the box.
        """
        if self._raised == len(self._nodes):
            more = max(64, self._raised)
            self._nodes = np.vstack([self._nodes, np.zeros((more, len(self.heights)), np.int64)])
            self._terms = np.concatenate([self._terms, np.zeros((more, *self._tables.shape))])
        self._nodes[self._raised] = node
        for d, level in enumerate(node):
            self._terms[self._raised, d, : level + 1] = np.minimum.accumulate(tables[d, level::-1])[::-1]
        self._terms[self._raised, 0] += constant
        self._raised += 1

    def raise_above(self, node: Levels, value: float) -> None:
        """See the base class."""
        self._above.append((node, value))
