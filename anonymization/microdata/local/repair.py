"""After the search: suppress what costs more than it is worth, merge classes that a criterion refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from anonymization.errors import InputError
from anonymization.microdata.local.nodes import SCALE, Ints, Longs, Tables
from anonymization.microdata.local.recoding_kernels import nearest_class, removal_gains
from anonymization.microdata.local.sweep import Entries, boxes_of

Acceptable = Callable[[Ints, Longs], bool]
"""Whether a class is acceptable: its tuples, and how many persons of each."""


def suppress(tables: Tables, entries: Entries, k: int, limit: int) -> Entries:
    """Return the entries with at most `limit` persons suppressed, those first whose classes gain most a person.

    Of each class one entry leaves in a round; rounds go on while something is gained.

    Args:
        tables: of the tuples.
        entries: by class, suppressed ones (-1) last.
        k: persons a class keeps.
        limit: persons that may be suppressed in all.
    """
    tuple_of, class_of, amount = entries
    amount = amount.copy()
    left = limit - int(amount[class_of < 0].sum())
    while left > 0 and class_of.size and class_of[0] >= 0:
        kept = int((class_of >= 0).sum())
        classes = int(class_of[kept - 1]) + 1
        own = (tuple_of[:kept], class_of[:kept], amount[:kept])
        _, size, cost = boxes_of(tables, own, classes)
        starts = np.searchsorted(own[1], np.arange(classes + 1)).astype(np.int64)
        gains = np.empty(kept, np.int64)
        after = np.empty((kept + 2, len(tables.width)), np.int32)
        removal_gains(tables, own[0], own[2], starts, cost, k, after, gains)
        leaving = np.minimum(own[2], size[own[1]] - k)
        each = np.where(leaving > 0, gains / np.maximum(leaving, 1), -1.0)
        order = np.lexsort([np.arange(kept), -each])
        _, first = np.unique(own[1][order], return_index=True)
        chosen = order[np.sort(first)]
        chosen = chosen[each[chosen] > SCALE]
        chosen = chosen[np.cumsum(leaving[chosen]) <= left]
        if not len(chosen):
            break
        left -= int(leaving[chosen].sum())
        amount[chosen] -= leaving[chosen]
        tuple_of = np.concatenate([tuple_of, own[0][chosen]])
        class_of = np.concatenate([class_of, np.full(len(chosen), -1, np.int32)])
        amount = np.concatenate([amount, leaving[chosen]])
        there = amount > 0
        tuple_of, class_of, amount = tuple_of[there], class_of[there], amount[there]
    return tuple_of, class_of, amount


def merge_unacceptable(tables: Tables, entries: Entries, acceptable: Acceptable) -> Entries:
    """Return the entries with every refused class merged with the one that costs least, until all are acceptable.

    Args:
        tables: of the tuples.
        entries: by class, suppressed ones (-1) last.
        acceptable: the criterion.

    Raises:
        InputError: not even all persons in one class are acceptable.
    """
    tuple_of, class_of, amount = entries
    kept = int((class_of >= 0).sum())
    classes = int(class_of[:kept].max(initial=-1)) + 1
    box, size, cost = boxes_of(tables, entries, classes)
    bounds = np.searchsorted(class_of[:kept], np.arange(classes + 1))
    members = [np.arange(a, b) for a, b in itertools.pairwise(bounds)]
    for c in range(classes):
        while size[c] and not acceptable(tuple_of[members[c]], amount[members[c]]):
            other = nearest_class(tables, c, box, size, cost)
            if other < 0:
                raise InputError("the data is not acceptable to the criterion, not even as a single class")
            members[c] = np.concatenate([members[c], members[other]])
            size[other] = 0
            own = (tuple_of[members[c]], np.zeros(len(members[c]), np.int32), amount[members[c]])
            merged, persons, costs = boxes_of(tables, own, 1)
            box[c], size[c], cost[c] = merged[0], persons[0], costs[0]
    rest = np.arange(kept, len(class_of))
    there = [members[c] for c in np.flatnonzero(size)]
    numbers = [np.full(len(own), number, np.int32) for number, own in enumerate(there)]
    order = np.concatenate([*there, rest])
    return tuple_of[order], np.concatenate([*numbers, class_of[rest]]), amount[order]
