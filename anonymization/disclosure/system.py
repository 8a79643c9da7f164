"""Cells and the linear relations between them: what an attacker solves, and what protection works on.

A cell is a number of a table, known by its position. A relation bounds a weighted sum of cells:

* a margin is the sum of its parts: `parent - sum(children) = 0`;
* a person may be in several parts: `child <= parent <= sum(children)`;
* persons and their contributions: `persons <= contributions`.

Cells are integers and never negative. A cell that is published is known: its two bounds are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from anonymization.errors import GateRefusal

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
SLACK = 0.5
"""All figures are whole numbers: bounds that cross by less are rounding."""


@dataclass(frozen=True)
class Relations:
    """Linear relations, a row each: `low <= matrix @ cells <= high`.

    Attributes:
        matrix: `csr_array` of int64, a row a relation, a column a cell; no cell twice in a row.
        low, high: bounds of each row; equal for an equation, infinite where there is none.
    """

    matrix: sparse.csr_array
    low: Floats
    high: Floats

    @property
    def rows(self) -> int:
        """Number of relations."""
        return int(self.matrix.shape[0])

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.matrix.shape[1])

    def take(self, rows: Integers | Booleans) -> Relations:
        """Return some of the relations."""
        return Relations(self.matrix[rows], self.low[rows], self.high[rows])


def sums(cells: int, parent: Integers, group: Integers, child: Integers) -> Relations:
    """Return `parent[g] - sum of the children of group g = 0`.

    Args:
        cells: number of cells in all.
        parent: cell of the sum, one a group.
        group: for each child, the position of its parent in `parent`.
        child: the cells that are summed.
    """
    return weighted(cells, len(parent), (parent, child), (np.arange(len(parent)), group), (1, -1), 0.0, 0.0)


def at_most(cells: int, smaller: Integers, larger: Integers, factor: Integers | int = 1) -> Relations:
    """Return `factor * larger - smaller >= 0`, pair by pair."""
    number = len(smaller)
    rows = np.arange(number)
    weight = np.broadcast_to(np.asarray(factor, dtype=np.int64), (number,))
    return weighted(cells, number, (larger, smaller), (rows, rows), (weight, -1), 0.0, np.inf)


def at_most_sums(cells: int, parent: Integers, group: Integers, child: Integers) -> Relations:
    """Return `sum of the children of group g - parent[g] >= 0`."""
    return weighted(cells, len(parent), (parent, child), (np.arange(len(parent)), group), (-1, 1), 0.0, np.inf)


def weighted(
    cells: int,
    number: int,
    columns: Sequence[Integers],
    rows: Sequence[Integers],
    weights: Sequence[Integers | int],
    low: float,
    high: float,
) -> Relations:
    """Return relations from parts: columns, their rows and their weights, all with the same bounds."""
    data = [np.broadcast_to(np.asarray(w, dtype=np.int64), c.shape) for w, c in zip(weights, columns, strict=True)]
    at = (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csr_array((np.concatenate(data), at), shape=(number, cells), dtype=np.int64)
    matrix.eliminate_zeros()  # of a cell that is its own part, beside one that holds nobody
    return Relations(matrix, np.full(number, low), np.full(number, high))


def joined(cells: int, parts: Sequence[Relations]) -> Relations:
    """Return all relations of the parts."""
    if not parts:
        return Relations(sparse.csr_array((0, cells), dtype=np.int64), np.zeros(0), np.zeros(0))
    matrix = sparse.csr_array(sparse.vstack([part.matrix for part in parts], format="csr"))
    return Relations(matrix, np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts]))


@dataclass(frozen=True)
class System:
    """What a reader knows: relations, and bounds of every cell.

    Attributes:
        low, high: bounds of each cell, whole numbers or infinite; equal where the cell is published.
    """

    relations: Relations
    low: Floats
    high: Floats

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.low)

    @property
    def known(self) -> Booleans:
        """Which cells are known."""
        return np.asarray(self.low == self.high)


@dataclass(frozen=True)
class Needs:
    """What must stay possible for a reader who solves everything: a row a cell.

    Attributes:
        cell: the cell.
        reach: its feasible maximum must be at least this.
        width: its feasible maximum minus its feasible minimum must be at least this.
        floor: its feasible minimum must be at most this; infinite where it may be anything, as it is if left out. It is
            not asked for before insiders: the least that others can have contributed is evident to them.
    """

    cell: Integers
    reach: Floats
    width: Floats
    floor: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Nothing is said of minima that are left out."""
        if len(self.floor) != len(self.cell):
            object.__setattr__(self, "floor", np.full(len(self.cell), np.inf))

    def take(self, rows: Integers | Booleans) -> Needs:
        """Return some of the needs."""
        return Needs(self.cell[rows], self.reach[rows], self.width[rows], self.floor[rows])

    def upward(self) -> Needs:
        """Return the same without what is said of minima."""
        return Needs(self.cell, self.reach, self.width)

    def and_of(self, other: Needs) -> Needs:
        """Return all needs of two; a cell may have several."""
        both = (np.concatenate([getattr(n, f.name) for n in (self, other)]) for f in fields(self))
        return Needs(*both)


@dataclass(frozen=True)
class Problem:
    """What must be hidden beside what is unsafe?

    Attributes:
        relations: between all cells, published and hidden ones.
        value: true values.
        least, most: what every reader knows of a cell that is hidden, without any relation.
        cost: of hiding each cell.
        open: which cells may be hidden at all; what is out already may not.
        hidden: which cells are hidden at any rate: the unsafe ones, and those that were hidden before.
        needs: of the unsafe cells.
        insiders: cells with a single contributor, who knows his own value.
        contributor: of each cell of an insider who it is, so that he is not protected from himself; -1 for others.
            Null: another one in every cell.
    """

    relations: Relations
    value: Integers
    least: Floats
    most: Floats
    cost: Integers
    open: Booleans
    hidden: Booleans
    needs: Needs
    insiders: Integers
    contributor: Integers | None = None

    def seen(self, hidden: Booleans) -> System:
        """Return what a reader knows when these cells are hidden."""
        value = self.value.astype(np.float64)
        return System(self.relations, np.where(hidden, self.least, value), np.where(hidden, self.most, value))


@dataclass(frozen=True)
class Reduced:
    """A system of its unknown cells alone.

    Attributes:
        system: of unknown cells; published values are moved into the bounds of the rows, equal rows are one.
        cell: for each unknown, its cell in the whole system.
        row: for each row, one of the rows of the whole system that it came from.
        low_row, high_row: for each row, the row of the whole system that its lower and its upper bound came from.
    """

    system: System
    cell: Integers
    row: Integers
    low_row: Integers
    high_row: Integers


def reduced(system: System) -> Reduced:
    """Return the system of the unknown cells alone.

    Raises:
        GateRefusal: published values contradict a relation: nothing can be concluded from contradictory figures.
    """
    known = system.known
    unknown = np.flatnonzero(~known)
    relations = system.relations
    given = relations.matrix @ np.where(known, system.low, 0.0)
    low, high = relations.low - given, relations.high - given
    matrix = sparse.csr_array(relations.matrix[:, unknown])
    matrix.eliminate_zeros()
    matrix.sort_indices()
    length = np.diff(matrix.indptr)
    empty = length == 0
    if np.any(empty & ((low > SLACK) | (high < -SLACK))):
        raise GateRefusal("published figures contradict a relation between them: a margin does not add up")
    keep = np.flatnonzero(~empty)
    first, group = _equal_rows(matrix[keep])
    merged_low = np.full(len(first), -np.inf)
    merged_high = np.full(len(first), np.inf)
    np.maximum.at(merged_low, group, low[keep])
    np.minimum.at(merged_high, group, high[keep])
    if np.any(merged_low > merged_high + SLACK):
        raise GateRefusal("published figures contradict each other: two sums of the same hidden cells differ")
    rows = keep[first]
    low_row, high_row = _tightest(-low[keep], group, keep), _tightest(high[keep], group, keep)
    part = Relations(sparse.csr_array(matrix[rows]), merged_low, merged_high)
    return Reduced(System(part, system.low[unknown], system.high[unknown]), unknown, rows, low_row, high_row)


def _tightest(bound: Floats, group: Integers, row: Integers) -> Integers:
    """Return, of each group, the row with the smallest bound; the first of several."""
    order = np.lexsort((np.arange(len(row)), bound, group))
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    return row[order[start]]


def _equal_rows(matrix: sparse.csr_array) -> tuple[Integers, Integers]:
    """Return the first row of each set of equal rows, and each row's set; sets are in order of their first rows."""
    rows, cells = matrix.shape
    length = np.diff(matrix.indptr).astype(np.int64)
    if not matrix.nnz:
        return np.zeros(min(rows, 1), dtype=np.int64), np.zeros(rows, dtype=np.int64)
    mark = np.random.default_rng(0).integers(0, 2**64, cells, dtype=np.uint64)
    product = mark[matrix.indices] * matrix.data.astype(np.uint64)
    running = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(product, dtype=np.uint64)])
    digest = running[matrix.indptr[1:]] - running[matrix.indptr[:-1]]
    _, found, label = np.unique(digest, return_index=True, return_inverse=True)
    order = np.argsort(found, kind="stable")
    first = found[order].astype(np.int64)
    group = np.argsort(order, kind="stable")[label].astype(np.int64)
    other = np.flatnonzero(first[group] != np.arange(rows))
    if not _all_equal(matrix, length, other, first[group[other]]):
        return _equal_rows_one_by_one(matrix)
    return first, group


def _all_equal(matrix: sparse.csr_array, length: Integers, row: Integers, twin: Integers) -> bool:
    """Return whether each row equals its twin: a digest alone proves nothing."""
    if np.any(length[row] != length[twin]):
        return False
    within = np.arange(length[row].sum()) - np.repeat(np.cumsum(length[row]) - length[row], length[row])
    here = within + np.repeat(matrix.indptr[row].astype(np.int64), length[row])
    there = within + np.repeat(matrix.indptr[twin].astype(np.int64), length[row])
    same = (matrix.indices[here] == matrix.indices[there]) & (matrix.data[here] == matrix.data[there])
    return bool(same.all())


def _equal_rows_one_by_one(matrix: sparse.csr_array) -> tuple[Integers, Integers]:
    """Return the same as `_equal_rows`, whatever the digests."""
    seen: dict[bytes, int] = {}
    first: list[int] = []
    group = np.empty(matrix.shape[0], dtype=np.int64)
    starts, indices, data = matrix.indptr, matrix.indices, matrix.data
    for row in range(matrix.shape[0]):
        at = slice(starts[row], starts[row + 1])
        key = indices[at].tobytes() + b"|" + data[at].tobytes()
        position = seen.setdefault(key, len(first))
        if position == len(first):
            first.append(row)
        group[row] = position
    return np.array(first, dtype=np.int64), group


def components(relations: Relations) -> Integers:
    """Return the number of the connected component of each cell; cells of one component share relations."""
    matrix = relations.matrix
    rows, cells = matrix.shape
    structure = sparse.csr_array((np.ones(matrix.nnz, dtype=np.int8), matrix.indices, matrix.indptr), matrix.shape)
    both = sparse.block_array([[None, structure], [structure.T, None]], format="csr") if matrix.nnz else None
    if both is None:
        return np.arange(cells, dtype=np.int64)
    _, label = csgraph.connected_components(both, directed=False)
    _, number = np.unique(label[rows:], return_inverse=True)
    return np.asarray(number, dtype=np.int64)
