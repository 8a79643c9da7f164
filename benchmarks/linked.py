"""Linked hierarchical frequency tables of any size: what protecting tables and attacking them is measured on.

Three tables of one population: A x B x C, A x B x D and A x C x D; A and B have three levels, C and D two. A margin
that tables share is one cell. Counts are skewed; a share of the cells is unsafe; zeros are published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, Problem, Relations, joined, sums

THRESHOLD = 10
WIDTH = 3
TABLES = ((0, 1, 2), (0, 1, 3), (0, 2, 3))
SKEW = 1.4
STEPS = 24
FEW = 2000
"""Cells below which C and D have two codes each."""


@dataclass(frozen=True)
class Dimension:
    """A code list: node 0 is the total, then the groups, if any, then the leaves.

    Attributes:
        group: the group of each leaf, 0 for the total itself where there are no groups.
        groups: number of groups.
    """

    group: Integers
    groups: int

    @property
    def nodes(self) -> int:
        """Number of codes, the total included."""
        return 1 + self.groups + len(self.group)

    def children(self) -> list[tuple[int, Integers]]:
        """Return each code that is a sum, with its parts."""
        leaf = 1 + self.groups + np.arange(len(self.group))
        if not self.groups:
            return [(0, leaf)]
        split = [(1 + g, leaf[self.group == g]) for g in range(self.groups)]
        return [(0, 1 + np.arange(self.groups)), *split]

    def membership(self) -> Floats:
        """Return which leaves each code holds: codes x leaves, 0 or 1."""
        leaves = np.arange(len(self.group))
        upper = (self.group[None, :] == np.arange(self.groups)[:, None]).astype(float)
        return np.vstack([np.ones((1, len(leaves))), upper, np.eye(len(leaves))])


def linked_cells(seed: int, size: int, *, unsafe: float = 0.1) -> Problem:
    """Return linked tables of about `size` cells, of which about the share `unsafe` counts 1 to 9 persons.

    What is hidden is what is unsafe. Zeros are published and known to be; so a hidden cell is at least 1.
    """
    draw = np.random.default_rng(seed)
    dimensions = _dimensions(size, draw)
    member = _cells(dimensions)
    number = np.where(member, np.cumsum(member).reshape(member.shape) - 1, -1)
    value = _values(dimensions, member, unsafe, draw)
    cells = len(value)
    risky = (value > 0) & (value < THRESHOLD)
    at = np.flatnonzero(risky)
    return Problem(
        relations=_relations(dimensions, number, cells),
        value=value,
        least=np.ones(cells),
        most=np.full(cells, np.inf),
        cost=value,
        open=value > 0,
        hidden=risky,
        needs=Needs(at, np.full(len(at), float(THRESHOLD)), np.full(len(at), float(WIDTH))),
        insiders=np.flatnonzero(value == 1),
    )


def never_alone(problem: Problem) -> Booleans:
    """Return a naive pattern: no relation has one hidden cell alone; the largest other cell is hidden with it.

    It is what many do by hand. It protects against a single subtraction, not against an attacker who combines.
    """
    matrix = problem.relations.matrix
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    column = matrix.indices.astype(np.int64)
    order = np.lexsort((column, -problem.value[column], row))
    row, column = row[order], column[order]
    hidden = problem.hidden.copy()
    while True:
        count = np.bincount(row, weights=hidden[column], minlength=matrix.shape[0])
        candidate = (count[row] == 1) & ~hidden[column] & problem.open[column]
        alone, first = np.unique(row[candidate], return_index=True)
        if not len(alone):
            return hidden
        hidden[column[candidate][first]] = True


def _dimensions(size: int, draw: np.random.Generator) -> tuple[Dimension, ...]:
    small = [Dimension(np.zeros(codes, dtype=np.int64), 0) for codes in ((2, 2) if size < FEW else (6, 4))]
    best: tuple[int, tuple[Dimension, ...]] | None = None
    for leaves in range(4, 400):
        groups = max(2, round(leaves**0.5))
        large = (_grouped(leaves, groups, draw), _grouped(max(4, 2 * leaves // 3), groups, draw))
        cells = int(_cells((*large, *small)).sum())
        if best is not None and abs(cells - size) > abs(best[0] - size):
            break
        best = (cells, (*large, *small))
    assert best is not None
    return best[1]


def _grouped(leaves: int, groups: int, draw: np.random.Generator) -> Dimension:
    """Return a dimension with groups of two leaves or more, of unequal size."""
    groups = min(groups, leaves // 2)
    rest = draw.integers(0, groups, leaves - 2 * groups)
    return Dimension(np.sort(np.concatenate([np.repeat(np.arange(groups), 2), rest])), groups)


def _cells(dimensions: Sequence[Dimension]) -> Booleans:
    """Return which combinations of codes are a cell of some table."""
    axes = len(dimensions)
    total = [
        (np.arange(d.nodes) == 0).reshape([-1 if axis == other else 1 for other in range(axes)])
        for axis, d in enumerate(dimensions)
    ]
    tables = [
        reduce(np.logical_and, [np.full_like(t, fill_value=True) if d in table else t for d, t in enumerate(total)])
        for table in TABLES
    ]
    return np.asarray(reduce(np.logical_or, tables))


def _values(dimensions: Sequence[Dimension], member: Booleans, unsafe: float, draw: np.random.Generator) -> Integers:
    """Return the counts; how many persons there are decides how many cells are unsafe."""
    leaves = tuple(len(d.group) for d in dimensions)
    rate = draw.lognormal(0, SKEW, leaves)
    for axis, length in enumerate(leaves):
        rate *= draw.lognormal(0, SKEW, length).reshape([-1 if d == axis else 1 for d in range(len(leaves))])
    rate /= rate.sum()
    seed = int(draw.integers(2**31))
    few, many = 1.0, 1e9
    for _ in range(STEPS):
        middle = (few * many) ** 0.5
        value = _counted(dimensions, rate * middle, seed)[member]
        share = np.mean((value > 0) & (value < THRESHOLD))
        crowded = np.mean(value >= THRESHOLD) > 1 / 2
        few, many = (few, middle) if crowded and share < unsafe else (middle, many)
    return value


def _counted(dimensions: Sequence[Dimension], rate: Floats, seed: int) -> Integers:
    leaf = np.random.default_rng(seed).poisson(rate).astype(float)
    for axis, dimension in enumerate(dimensions):
        leaf = np.moveaxis(np.tensordot(dimension.membership(), leaf, axes=(1, axis)), 0, axis)
    return leaf.astype(np.int64)


def _relations(dimensions: Sequence[Dimension], number: Integers, cells: int) -> Relations:
    parts = []
    for axis, dimension in enumerate(dimensions):
        along = np.moveaxis(number, axis, 0).reshape(dimension.nodes, -1)
        for parent, children in dimension.children():
            whole = np.flatnonzero((along[children] >= 0).all(axis=0))
            group = np.repeat(np.arange(len(whole)), len(children))
            parts.append(sums(cells, along[parent, whole], group, along[children][:, whole].T.ravel()))
    return joined(cells, parts)
