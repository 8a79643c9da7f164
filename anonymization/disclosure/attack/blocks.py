"""A system taken apart before it is attacked: known cells out, bounds narrowed, rows that bind nothing dropped.

What is left falls into blocks that share no relation; each is attacked by itself, small ones a bundle at a time: of
thousands of programmes of five cells each the start is all that they cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anonymization.disclosure.attack.propagation import Narrowed, activity, narrowed
from anonymization.disclosure.system import Booleans, Floats, Integers, Reduced, Relations, System, components, reduced

SMALL, BUNDLE = 50, 400
"""Cells of a part that is bundled with others, and of a bundle."""


@dataclass(frozen=True)
class Block:
    """A part of a system that shares no relation with the rest: a connected one, or several small ones.

    Attributes:
        system: its cells and relations alone, with narrowed bounds.
        cell: for each of its cells, the cell of the whole system.
        low_row, high_row: for each of its relations, the rows of `Parts.first.system` that its bounds came from.
    """

    system: System
    cell: Integers
    low_row: Integers
    high_row: Integers


@dataclass(frozen=True)
class Parts:
    """A system, taken apart.

    Attributes:
        low, high: narrowed bounds of every cell of the whole system; exact for the cells outside all blocks.
        first: the system of the unknown cells, before narrowing.
        steps: how its bounds were narrowed.
        blocks: in order of their first cells.
        label: for each cell of the whole system the position of its block, -1 if it is in none.
    """

    low: Floats
    high: Floats
    first: Reduced
    steps: Narrowed
    blocks: tuple[Block, ...]
    label: Integers


def taken_apart(system: System, cells: Integers, *, whole: bool = True) -> Parts:
    """Return the narrowed bounds of a system, and those of its blocks that hold some of these cells.

    Args:
        system: what a reader knows.
        cells: the cells of interest.
        whole: cells are whole numbers.

    Raises:
        GateRefusal: the published figures contradict each other.
    """
    first = reduced(system)
    steps = narrowed(first.system, whole=whole)
    low, high = system.low.copy(), system.high.copy()
    low[first.cell], high[first.cell] = steps.system.low, steps.system.high
    second = reduced(steps.system)
    binding = np.flatnonzero(_binding(second.system))
    relations = second.system.relations.take(binding)
    cell = first.cell[second.cell]
    whole_rows = second.low_row[binding], second.high_row[binding]
    inner = System(relations, second.system.low, second.system.high)
    blocks, label = _split(inner, cell, whole_rows, np.isin(cell, cells))
    everywhere = np.full(system.cells, -1)
    everywhere[cell] = label
    return Parts(low, high, first, steps, blocks, everywhere)


def _binding(system: System) -> Booleans:
    """Return which rows say more than the bounds of their cells do."""
    least, most = activity(system)
    return np.asarray((least < system.relations.low) | (most > system.relations.high))


def _split(
    inner: System, cell: Integers, whole_rows: tuple[Integers, Integers], wanted: Booleans
) -> tuple[tuple[Block, ...], Integers]:
    """Return the blocks with a cell that is wanted, and for each cell the position of its block."""
    matrix = inner.relations.matrix
    if not matrix.nnz:
        return (), np.full(len(cell), -1)
    joined = np.zeros(len(cell), dtype=np.bool_)
    joined[matrix.indices] = True
    label = _bundled(components(inner.relations), wanted, joined)
    row_label = label[matrix.indices[matrix.indptr[:-1]]]
    rows_of = np.split(
        np.argsort(row_label, kind="stable"), np.cumsum(np.bincount(row_label, minlength=label.max() + 1))[:-1]
    )
    by_label = np.argsort(label, kind="stable")
    ends = np.cumsum(np.bincount(label))
    cells_of = np.split(by_label, ends[:-1])
    place = np.empty(len(label), dtype=np.int64)
    place[by_label] = np.arange(len(label)) - np.repeat(ends - np.diff(ends, prepend=0), np.diff(ends, prepend=0))
    chosen = [k for k in np.unique(label[wanted]) if len(rows_of[k])]
    chosen.sort(key=lambda k: int(cells_of[k][0]))
    blocks = tuple(_block(inner, cells_of[k], rows_of[k], place, cell, whole_rows) for k in chosen)
    position = np.full(label.max() + 1, -1)
    position[chosen] = np.arange(len(chosen))
    return blocks, position[label]


def _bundled(label: Integers, wanted: Booleans, joined: Booleans) -> Integers:
    """Return other numbers of components: several small ones, with relations and a cell that is wanted, are one."""
    size = np.bincount(label)
    small = np.flatnonzero((np.bincount(label, wanted) > 0) & (np.bincount(label, joined) > 0) & (size <= SMALL))
    number = np.arange(len(size))
    bundle = np.cumsum(size[small]) // BUNDLE
    first = np.flatnonzero(np.diff(bundle, prepend=-1))
    number[small] = np.repeat(small[first], np.diff(first, append=len(small)))
    return np.asarray(number[label])


def _block(
    inner: System,
    cells: Integers,
    rows: Integers,
    place: Integers,
    cell: Integers,
    whole_rows: tuple[Integers, Integers],
) -> Block:
    part = inner.relations.take(rows)
    matrix = part.matrix
    shape = (len(rows), len(cells))
    own = sparse.csr_array((matrix.data, place[matrix.indices], matrix.indptr), shape=shape)
    relations = Relations(own, part.low, part.high)
    return Block(System(relations, inner.low[cells], inner.high[cells]), cell[cells], *(r[rows] for r in whole_rows))
