"""What lies around a cell: most of what can be said of it follows from there."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from anonymization.disclosure.system import Floats, Integers, Relations


def entries(starts: Integers, lines: Integers) -> tuple[Integers, Integers]:
    """Return, for some lines of a compressed matrix, the line and the position of each of their entries."""
    begin = starts[lines].astype(np.int64)
    length = starts[lines + 1].astype(np.int64) - begin
    ahead = np.cumsum(length) - length
    return np.repeat(lines, length), np.arange(length.sum()) + np.repeat(begin - ahead, length)


class Neighbourhood:
    """The relations of a block, read by row and by cell.

    Attributes:
        relations: what it was made of.
    """

    def __init__(self, relations: Relations) -> None:
        self.relations = relations
        by_cell = sparse.csc_array(relations.matrix)
        self._row_of = by_cell.indices.astype(np.int64)
        self._cell_starts = by_cell.indptr.astype(np.int64)
        self._cell_of = relations.matrix.indices.astype(np.int64)
        self._row_starts = relations.matrix.indptr.astype(np.int64)
        self._length = np.diff(self._row_starts)
        self._place = np.full(relations.cells, -1, dtype=np.int64)

    def rows_of(self, cells: Integers) -> Integers:
        """Return the rows with any of these cells."""
        return np.unique(self._row_of[entries(self._cell_starts, cells)[1]])

    def cells_of(self, rows: Integers) -> Integers:
        """Return the cells of these rows."""
        return np.unique(self._cell_of[entries(self._row_starts, rows)[1]])

    def ring(self, cells: Integers) -> Integers:
        """Return these cells and all that share a row with one of them."""
        return np.union1d(cells, self.cells_of(self.rows_of(cells)))

    def cells_near(self, start: Integers, most: int) -> Integers:
        """Return the cells nearest to some, at most so many; those of short rows come first."""
        found, frontier = np.zeros(self.relations.cells, dtype=np.bool_), start
        found[start] = True
        chosen = [start]
        left = most - len(start)
        while left > 0 and len(frontier):
            rows = self.rows_of(frontier)
            rows = rows[np.argsort(self._length[rows], kind="stable")]
            cells = self._cell_of[entries(self._row_starts, rows)[1]]
            cells = cells[~found[cells]]
            _, first = np.unique(cells, return_index=True)
            frontier = cells[np.sort(first)][:left]
            found[frontier] = True
            chosen.append(frontier)
            left -= len(frontier)
        return np.sort(np.concatenate(chosen))

    def rows_near(self, start: int, most: int) -> Integers:
        """Return the rows nearest to a cell, with at most so many entries in all; short rows come first."""
        found = np.zeros(self.relations.rows, dtype=np.bool_)
        frontier = np.array([start])
        left = most
        while left > 0:
            rows = self.rows_of(frontier)
            rows = rows[~found[rows]]
            rows = rows[np.argsort(self._length[rows], kind="stable")]
            rows = rows[np.cumsum(self._length[rows]) <= left]
            if not len(rows):
                break
            found[rows] = True
            left -= int(self._length[rows].sum())
            frontier = self.cells_of(rows)
        return np.flatnonzero(found)

    def restricted(self, rows: Integers, cells: Integers, point: Floats | None) -> Relations:
        """Return these relations of these cells; other cells stay as in the point, or do not occur in the rows."""
        _, at = entries(self._row_starts, rows)
        weight, column = self.relations.matrix.data[at], self._cell_of[at]
        self._place[cells] = np.arange(len(cells))
        place = self._place[column]
        self._place[cells] = -1
        inside = place >= 0
        number = np.repeat(np.arange(len(rows)), self._length[rows])
        given = np.zeros(len(rows))
        if point is not None:
            outside = ~inside
            given += np.bincount(number[outside], weights=weight[outside] * point[column[outside]], minlength=len(rows))
        count = np.bincount(number[inside], minlength=len(rows))
        starts = np.concatenate([[0], np.cumsum(count)])
        matrix = sparse.csr_array((weight[inside], place[inside], starts), shape=(len(rows), len(cells)))
        return Relations(matrix, self.relations.low[rows] - given, self.relations.high[rows] - given)
