"""The sweep's loop over nodes of the lattice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anonymization.compiled import uncounted
from anonymization.microdata.local.nodes import Ints, Longs

Marks = npt.NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring keys over the table


@uncounted
def name_groups(leaves: Ints, rest: Longs, live: int, marks: Marks, at: Longs, names: Marks) -> None:
    """Compute the group of every tuple that is left: the sum of its marks."""
    for g in range(leaves.shape[1]):
        for i in range(live):
            mark = marks[np.uint64(at[g] + leaves[rest[i], g])]
            names[i] = mark if g == 0 else names[i] + mark


class Scratch(NamedTuple):
    """What the sweep writes to: a kernel makes no arrays.

    Attributes:
        rest: (m,) int64 the tuples that are left.
        names: (m,) uint64 their groups.
        slots: (m,) int64 their groups' places in the table.
        table: (2^b,) uint64, at least 2m places: the groups.
        persons: (2^b,) int64 of each.
        given: (2^b,) int32 the class of each that was closed.
    """

    rest: Longs
    names: Marks
    slots: Longs
    table: Marks
    persons: Longs
    given: Ints


@uncounted
def count_groups(w: Scratch, live: int, bits: int, counts: Longs, k: int, classes: int) -> int:
    """Count every group's persons in a table of 2^bits places; number those that reach k; return classes."""
    mask, shift = (1 << bits) - 1, np.uint64(64 - bits)
    for i in range(mask + 1):
        w.persons[i] = 0
    for i in range(live):
        slot = np.int64((w.names[i] * _MIX) >> shift)
        while w.persons[slot] and w.table[slot] != w.names[i]:
            slot = (slot + 1) & mask
        w.table[slot] = w.names[i]
        before = w.persons[slot]
        w.persons[slot] = before + counts[w.rest[i]]
        if before < k <= w.persons[slot]:
            w.given[slot] = classes
            classes += 1
        w.slots[i] = slot
    return classes


@uncounted
def close_groups(leaves: Ints, counts: Longs, marks: Marks, visits: Longs, k: int, class_of: Ints, w: Scratch) -> int:
    """Visit nodes of the lattice; close every group that has k persons; go on with the rest.

    Args:
        leaves: (m, G) the tuples' nodes.
        counts: (m,) persons, at least 1.
        marks: random numbers, one a fused dimension, its levels, and a node: their sum names a group.
        visits: (visits, G) where the marks of a node's levels start, in visiting order.
        k: persons that close a group.
        class_of: (m,) to be filled: the class of every tuple, -1 where none was closed.
        w: scratch.

    Returns:
        The number of classes.
    """
    live, classes = len(counts), 0
    for i in range(live):
        w.rest[i] = i
        class_of[i] = -1
    bits = 1
    for v in range(len(visits)):
        while bits > 1 and (1 << (bits - 1)) >= 2 * live:
            bits -= 1
        while (1 << bits) < 2 * live:
            bits += 1
        name_groups(leaves, w.rest, live, marks, visits[v], w.names)
        known = classes
        classes = count_groups(w, live, bits, counts, k, classes)
        if classes == known:
            continue
        kept = 0
        for i in range(live):
            if w.persons[w.slots[i]] >= k:
                class_of[w.rest[i]] = w.given[w.slots[i]]
            else:
                w.rest[kept] = w.rest[i]
                kept += 1
        live = kept
        if live == 0:
            break
    return classes
