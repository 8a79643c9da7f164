"""Rays: moves that can be made any number of times, and so prove a cell's need, however large it is.

Where every sum over a hidden cell is hidden too, the cell may be larger by any amount, and every sum over it by as
much: no published figure tells. Such a ray is checked against every relation; it proves the need before every reader
who does not know one of the cells on it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from anonymization.disclosure.proof import ruled_out
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, Relations, System


def above(relations: Relations, hidden: Booleans, *, closing: bool = False) -> sparse.csr_array:
    """Return for each cell (a row) itself and all sums over it, its other measures among them.

    Args:
        relations: between the cells.
        hidden: sums that count; the others stand still.
        closing: leave out what is above a cell that is part of no sum: persons who do not add up at all need no cover.
    """
    matrix = relations.matrix.tocoo()
    row, column = matrix.coords
    parts = np.bincount(row[matrix.data < 0], minlength=relations.rows)
    wholes = np.bincount(row[matrix.data > 0], minlength=relations.rows)
    exact = (relations.low == 0) & (relations.high == 0)
    upward = (wholes == 1) & (exact | (parts == 1))
    whole_of = np.full(relations.rows, -1, dtype=np.int64)
    whole_of[row[matrix.data > 0]] = column[matrix.data > 0]
    part = (matrix.data < 0) & upward[row]
    part &= hidden[whole_of[row]]
    if closing:
        adds_up = np.zeros(relations.cells, dtype=bool)
        adds_up[column[(matrix.data < 0) & exact[row]]] = True
        part &= adds_up[column] | exact[row]
    ends = (column[part], whole_of[row[part]])
    size = (relations.cells, relations.cells)
    step = sparse.csr_array((np.ones(len(ends[0]), dtype=np.int32), ends), shape=size) + sparse.eye_array(
        relations.cells, dtype=np.int32, format="csr"
    )
    reach = sparse.csr_array(sparse.eye_array(relations.cells, dtype=np.int32, format="csr"))
    while True:
        further = sparse.csr_array(reach @ step)
        further.data[:] = 1
        if further.nnz == reach.nnz:
            return reach
        reach = further


def rays(system: System, value: Integers | None) -> tuple[sparse.csr_array, Floats, Floats]:
    """Return the rays, a row each: 1 for each cell that rises; how many times each can be made, and how often backward.

    A hidden cell without hidden parts rises, and every hidden sum over it; no other cell moves, and every relation
    holds. Without true values only rays without an end are told.
    """
    relations, hidden = system.relations, ~system.known & np.isinf(system.high)
    upward = above(relations, hidden)
    below = sparse.csr_array(upward - sparse.eye_array(relations.cells, dtype=np.int32, format="csr"))
    covers = np.asarray(below[hidden].sum(axis=0)).ravel() > 0
    support = sparse.csr_array(upward[hidden & ~covers], dtype=np.int64)
    changes = (relations.matrix @ support.T).tocoo()
    row, column = changes.coords
    total = relations.matrix @ (np.zeros(relations.cells) if value is None else value.astype(np.float64))
    room = np.where(changes.data < 0, total[row] - relations.low[row], relations.high[row] - total[row])
    if value is None:
        room[np.isfinite(room)] = 0.0
    times = np.full(support.shape[0], np.inf)
    np.minimum.at(times, column, np.floor(room / np.abs(changes.data)))
    if value is None:
        return support, times, np.zeros(support.shape[0])
    back = np.full(support.shape[0], np.inf)
    room = np.where(changes.data > 0, total[row] - relations.low[row], relations.high[row] - total[row])
    np.minimum.at(back, column, np.floor(room / np.abs(changes.data)))
    ray, cell = support.tocoo().coords
    np.minimum.at(back, ray, (value - system.low)[cell])
    return support, times, back


def closed_upward(relations: Relations, cells: Integers) -> Booleans:
    """Return the cells and every sum over one of them, of measures that add up somewhere."""
    covering = np.zeros(relations.cells, dtype=bool)
    covering[np.unique(above(relations, np.ones(relations.cells, dtype=bool), closing=True)[cells].indices)] = True
    return covering


def unproven(system: System, needs: Needs, insiders: Integers, who: Integers, value: Integers | None = None) -> Needs:
    """Return the needs that no ray proves before every reader.

    Args:
        system: what a reader knows.
        needs: what must stay possible.
        insiders: cells with a single contributor.
        who: of each cell, who that is: nobody is protected from himself.
        value: true values, where they are known.
    """
    support, times, back = rays(system, value)
    wanted, fall = np.ones(len(needs.cell)), np.where(np.isinf(needs.floor), 0.0, np.inf)
    if value is not None:
        wanted = np.maximum(needs.reach - value[needs.cell], needs.width)
        fall = np.maximum(value[needs.cell] - needs.floor, 0.0)
    through = support[:, needs.cell].tocoo()
    ray, need = through.coords
    enough = times[ray] >= np.maximum(wanted, 1.0)[need] if value is not None else np.isinf(times[ray])
    enough &= back[ray] >= fall[need]
    size = (len(needs.cell), support.shape[0])
    kept = sparse.csr_array((np.ones(int(enough.sum()), dtype=np.int64), (need[enough], ray[enough])), shape=size)
    none = np.diff(kept.indptr) == 0
    return needs.take(none | ruled_out(kept, support, needs.cell, insiders, who))
