"""The nodes that local recoding may publish, and tables of what two of them have in common.

A class of rows publishes, in every dimension, the lowest node of the hierarchy that covers its values: their lowest
common ancestor. Only nodes that are such an ancestor of values in the data can occur; they are numbered by
dimension, values first, parents after their children. Where a hierarchy has several labels at the top, one more
node stands above them: the value is hidden, at the loss of a suppressed one.

The search asks for the cost of a common ancestor some 10^8 times. Two things make that cheap. Costs are whole
numbers (`SCALE` is the cost of hiding everything), so sums are exact and equal on every machine. And small
dimensions are fused: a pair of nodes of a fused dimension is one number, and one look-up in a table answers for
all its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anonymization.hierarchies.hierarchy import Hierarchy

SCALE = 1 << 22
_FUSED = 176  # nodes of a fused dimension: its two tables stay within the second-level cache
_TABLED = 1024  # nodes of a dimension up to which a table is made; above, parents are walked

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tree:
    """One dimension's nodes.

    Attributes:
        level: (nodes,) int32 the level of the hierarchy that a node stands on; `hierarchy.levels` where it is hidden.
        code: (nodes,) int32 its code there.
        parent: (nodes,) int32 the next node above; the root is its own. A parent's number is above its children's.
        loss: (nodes,) the loss of a person published under it, (rows covered - 1) / (size - 1), in [0, 1].
        leaf: (size,) int32 the node of a leaf code, -1 where the data does not hold it.
    """

    level: Ints
    code: Ints
    parent: Ints
    loss: Floats
    leaf: Ints

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.level)

    def joins(self) -> Ints:
        """Return (nodes, nodes) int32: the lowest node above both."""
        row, column = np.indices((self.size, self.size), np.int32)
        while not np.array_equal(row, column):
            lower = row < column
            row, column = np.where(lower, self.parent[row], row), np.where(column < row, self.parent[column], column)
        return row


def tree_of(hierarchy: Hierarchy, observed: npt.NDArray[np.int32]) -> Tree:
    """Return the nodes that are the lowest common ancestor of observed values.

    Args:
        hierarchy: the dimension's.
        observed: distinct leaf codes, ascending.
    """
    count = len(observed)
    below = np.arange(count, dtype=np.int32)  # the node of every observed value on the level so far
    levels, codes = [np.zeros(count, np.int32)], [observed.astype(np.int32)]
    covered = [np.ones(count, np.int64)]
    parents = [np.arange(count, dtype=np.int32)]
    total = count
    tops = [*range(1, hierarchy.levels), hierarchy.levels]
    for level in tops:
        hidden = level == hierarchy.levels
        row = np.zeros(hierarchy.size, np.int32) if hidden else hierarchy.ancestors[level]
        own, inverse = np.unique(row[observed], return_inverse=True)
        first = np.full(len(own), -1, np.int64)
        first[inverse] = below
        mixed = np.zeros(len(own), bool)
        mixed[inverse[below != first[inverse]]] = True
        numbers = np.where(mixed, total + np.cumsum(mixed) - 1, first).astype(np.int32)
        made = own[mixed].astype(np.int32)
        parent = np.concatenate(parents)
        parent[below] = numbers[inverse]
        parents = [parent, np.arange(total, total + len(made), dtype=np.int32)]
        levels.append(np.full(len(made), level, np.int32))
        codes.append(made)
        covered.append(np.bincount(row, minlength=int(row.max()) + 1)[made])
        below = numbers[inverse]
        total += len(made)
    loss = (np.concatenate(covered) - 1) / max(hierarchy.size - 1, 1)
    leaf = np.full(hierarchy.size, -1, np.int32)
    leaf[observed] = np.arange(count)
    return Tree(np.concatenate(levels), np.concatenate(codes), np.concatenate(parents), loss, leaf)


class Tables(NamedTuple):
    """What the kernels read. G fused dimensions, m tuples.

    Attributes:
        leaves: (m, G) int32 the node of every tuple.
        counts: (m,) int64 its persons.
        join: flat int32: `join[table_at[g] + a * width[g] + b]` is the lowest node above a and b.
        pair: flat int32: that node's cost.
        table_at: (G,) int64; -1 where the dimension has no table and `parent` is walked.
        width: (G,) int64 the nodes of each dimension.
        node_at: (G,) int64 where a dimension's nodes start in `parent` and `cost`.
        parent: flat int32, of dimensions without a table.
        cost: flat int32: the cost of a person under the node.
    """

    leaves: Ints
    counts: Longs
    join: Ints
    pair: Ints
    table_at: Longs
    width: Longs
    node_at: Longs
    parent: Ints
    cost: Ints


@dataclass(frozen=True, eq=False)
class Space:
    """All dimensions' nodes, and which dimensions are fused.

    Attributes:
        trees: one a dimension.
        groups: the dimensions of each fused dimension.
    """

    trees: tuple[Tree, ...]
    groups: tuple[tuple[int, ...], ...]

    def fused(self, nodes: Ints) -> Ints:
        """Return the (G, rows) fused nodes of the (rows, D) nodes."""
        out = np.zeros((len(self.groups), len(nodes)), np.int32)
        for g, group in enumerate(self.groups):
            for d in group:
                out[g] = out[g] * self.trees[d].size + nodes[:, d]
        return out

    def split(self, fused: Ints) -> Ints:
        """Return the (rows, D) nodes of the (rows, G) fused nodes."""
        out = np.empty((len(fused), len(self.trees)), np.int32)
        for g, group in enumerate(self.groups):
            rest = fused[:, g]
            for d in reversed(group):
                rest, out[:, d] = np.divmod(rest, self.trees[d].size)
        return out

    def leaves(self, tuples: Ints) -> Ints:
        """Return the (m, D) nodes of (m, D) leaf codes."""
        return np.column_stack([tree.leaf[column] for tree, column in zip(self.trees, tuples.T, strict=True)])

    def costs(self, weights: Floats) -> list[Ints]:
        """Return each fused dimension's node costs, whole numbers.

        Args:
            weights: (D,) at least 0; they sum to 1.
        """
        out = []
        for group in self.groups:
            cost = np.zeros(1, np.int32)
            for d in group:
                own = np.rint(self.trees[d].loss * (weights[d] * SCALE)).astype(np.int32)
                cost = (cost[:, None] + own[None, :]).reshape(-1)
            out.append(cost)
        return out

    def tables(self, nodes: Ints, counts: Longs, weights: Floats) -> Tables:
        """Return the tables for (m, D) leaf nodes with their persons."""
        joins, pairs, parents, costs = [], [], [], self.costs(weights)
        table_at = np.full(len(self.groups), -1, np.int64)
        width = np.array([len(cost) for cost in costs], np.int64)
        at = 0
        for g, group in enumerate(self.groups):
            parents.append(self.trees[group[0]].parent if len(group) == 1 else np.arange(width[g], dtype=np.int32))
            if width[g] > _TABLED:
                continue
            join = np.zeros((1, 1), np.int32)
            for d in group:
                own = self.trees[d].joins()
                size = len(join) * len(own)
                join = (join[:, None, :, None] * len(own) + own[None, :, None, :]).reshape(size, size)
            joins.append(join.reshape(-1))
            pairs.append(costs[g][joins[-1]])
            table_at[g] = at
            at += join.size
        flat = [np.zeros(0, np.int32)]
        return Tables(
            np.ascontiguousarray(self.fused(nodes).T), counts,
            np.concatenate(joins or flat), np.concatenate(pairs or flat), table_at, width,
            np.cumsum(width) - width, np.concatenate(parents), np.concatenate(costs),
        )  # fmt: skip


def space_of(hierarchies: Sequence[Hierarchy], tuples: Ints) -> Space:
    """Return the nodes of (m, D) tuples; small dimensions fused, the largest that still fits first."""
    trees = tuple(tree_of(h, np.unique(column)) for h, column in zip(hierarchies, tuples.T, strict=True))
    groups: list[list[int]] = []
    sizes: list[int] = []
    for d in sorted(range(len(trees)), key=lambda d: (-trees[d].size, d)):
        fits = [g for g, size in enumerate(sizes) if size * trees[d].size <= _FUSED]
        if fits:
            best = max(fits, key=lambda g: (sizes[g], -g))
            groups[best].append(d)
            sizes[best] *= trees[d].size
        else:
            groups.append([d])
            sizes.append(trees[d].size)
    return Space(trees, tuple(tuple(group) for group in groups))
