"""Local recoding's small loops over boxes: the nodes of a class, one a fused dimension.

All kernels of local recoding are compiled once and kept on disk by numba, run in one thread, and compute with whole
numbers alone: the result is the same on every machine. They neither make nor keep arrays, and so are compiled without
counting references, which took more than half of the search's time.
"""

from __future__ import annotations

import numpy as np

from anonymization.compiled import uncounted
from anonymization.microdata.local.nodes import Ints, Longs, Tables

NOTHING = -1
FAR = 1 << 60


@uncounted
def climb(t: Tables, g: int, a: int, b: int) -> int:
    """Return the lowest node above two of a dimension without a table; parents have the higher numbers."""
    at = t.node_at[g]
    while a != b:
        if a < b:
            a = t.parent[at + a]
        else:
            b = t.parent[at + b]
    return a


@uncounted
def join(t: Tables, g: int, a: int, b: int) -> int:
    """Return the lowest node above two."""
    if t.table_at[g] >= 0:
        return t.join[t.table_at[g] + a * t.width[g] + b]  # type: ignore[no-any-return]
    return climb(t, g, a, b)


@uncounted
def joined_cost(t: Tables, boxes: Ints, c: int, leaf: Ints, i: int) -> int:
    """Return the cost of a person under the lowest nodes above row c of `boxes` and row i of `leaf`."""
    total = 0
    for g in range(boxes.shape[1]):
        if t.table_at[g] >= 0:
            total += t.pair[np.uint64(t.table_at[g] + boxes[c, g] * t.width[g] + leaf[i, g])]
        else:
            total += t.cost[t.node_at[g] + climb(t, g, boxes[c, g], leaf[i, g])]
    return total


@uncounted
def widen(t: Tables, boxes: Ints, c: int, leaf: Ints, i: int) -> int:
    """Put row i of `leaf` under row c of `boxes`; return the new cost."""
    total = 0
    for g in range(boxes.shape[1]):
        node = join(t, g, boxes[c, g], leaf[i, g])
        boxes[c, g] = node
        total += t.cost[t.node_at[g] + node]
    return total


@uncounted
def tighten(t: Tables, tuple_of: Ints, class_of: Ints, amount: Longs, box: Ints, size: Longs, cost: Longs) -> None:
    """Compute every class's lowest nodes, persons and cost a person.

    Args:
        t: the tables.
        tuple_of: (entries,) the entries' tuples.
        class_of: (entries,) their classes; those without one are passed over.
        amount: (entries,) their persons.
        box: (classes, G) to be filled.
        size: (classes,) 0, to be filled.
        cost: (classes,) to be filled.
    """
    for e in range(len(class_of)):
        c = class_of[e]
        if c < 0:
            continue
        if size[c] == 0:
            for g in range(box.shape[1]):
                box[c, g] = t.leaves[tuple_of[e], g]
        cost[c] = widen(t, box, c, t.leaves, tuple_of[e])
        size[c] += amount[e]


@uncounted
def attach_rest(t: Tables, class_of: Ints, box: Ints, size: Longs, cost: Longs) -> None:
    """Attach every tuple without a class to the one where it costs least; changes all but the tables."""
    for i in range(len(class_of)):
        if class_of[i] >= 0:
            continue
        best, least = -1, FAR
        for c in range(len(size)):
            rise = (size[c] + t.counts[i]) * joined_cost(t, box, c, t.leaves, i) - size[c] * cost[c]
            if rise < least:
                best, least = c, rise
        cost[best] = widen(t, box, best, t.leaves, i)
        size[best] += t.counts[i]
        class_of[i] = best


@uncounted
def nearest_class(t: Tables, own: int, box: Ints, size: Longs, cost: Longs) -> int:
    """Return the other class that costs least when it takes all of `own`, -1 where there is none (size 0 is none)."""
    best, least = -1, FAR
    for c in range(len(size)):
        if c == own or size[c] == 0:
            continue
        total = 0
        for g in range(box.shape[1]):
            total += t.cost[t.node_at[g] + join(t, g, box[own, g], box[c, g])]
        rise = (size[c] + size[own]) * total - size[c] * cost[c]
        if rise < least:
            best, least = c, rise
    return best


@uncounted
def removal_gains(  # noqa: PLR0917 - a kernel makes no arrays: its scratch is handed in
    t: Tables, tuple_of: Ints, amount: Longs, starts: Longs, cost: Longs, k: int, after: Ints, gains: Longs
) -> None:
    """Compute what a class saves, in cost, when as much of an entry as may leave it does; -1 where nothing may.

    Args:
        t: the tables.
        tuple_of: (entries,) by class.
        amount: (entries,) persons.
        starts: (classes + 1,) where a class's entries start.
        cost: (classes,) a person's cost.
        k: persons that must stay.
        after: (entries + 2, G) scratch.
        gains: (entries,) to be filled.
    """
    for c in range(len(cost)):
        first, end = starts[c], starts[c + 1]
        size = 0
        for e in range(end - 1, first - 1, -1):
            size += amount[e]
            for g in range(after.shape[1]):
                leaf = t.leaves[tuple_of[e], g]
                after[e, g] = leaf if e == end - 1 else join(t, g, leaf, after[e + 1, g])
        before = len(tuple_of) + 1  # the row of `after` that holds what comes before the entry
        for e in range(first, end):
            leaving = min(amount[e], size - k)
            gains[e] = leaving * cost[c] if leaving > 0 else -1
            if leaving == amount[e]:
                rest = 0
                for g in range(after.shape[1]):
                    a = NOTHING if e == first else after[before, g]
                    b = NOTHING if e == end - 1 else after[e + 1, g]
                    node = b if a < 0 else a if b < 0 else join(t, g, a, b)
                    rest += t.cost[t.node_at[g] + node]
                gains[e] = size * cost[c] - (size - leaving) * rest
            for g in range(after.shape[1]):
                leaf = t.leaves[tuple_of[e], g]
                after[before, g] = leaf if e == first else join(t, g, after[before, g], leaf)
