"""What a step of ruin-and-recreate reads and writes: arrays in named tuples, as the kernels take them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from anonymization.microdata.local.nodes import Ints, Longs

Seed = npt.NDArray[np.uint64]


class Rules(NamedTuple):
    """How a step goes.

    Attributes:
        k: persons a class must have.
        seeds: the costliest of so many random classes is ruined.
        classes: it and up to so many in all are ruined.
        items: no more tuples than this are released,
        own: and no more entries than this of one class.
        whole: percent of the classes nearby that are released whole; of the others, one or two entries are.
        blink: percent of the better items that are overlooked when a cluster grows (Christiaens and Vanden Berghe
            2020 call it so).
        close: whether nearer neighbours are drawn more often.
    """

    k: int
    seeds: int
    classes: int
    items: int
    own: int
    whole: int
    blink: int
    close: int


class State(NamedTuple):
    """Which persons are in which class: every class holds a list of entries (tuple, amount).

    Attributes:
        tuple_of: (entries,) int32.
        amount: (entries,) int64 persons.
        next: (entries,) int32 the next entry of the same class, -1 at the end.
        head: (classes,) int32 a class's first entry, -1 where there is no such class.
        size: (classes,) int64 persons.
        cost: (classes,) int64 a person's cost.
        home: (m,) int32 one class that holds the tuple.
        near: (m, neighbours) int32 tuples that are cheap to join, the nearest first.
        free_entries: a stack of unused numbers.
        free_classes: another.
        tops: (3,) int64: unused entries, unused classes, one more than the highest class ever used.
    """

    tuple_of: Ints
    amount: Longs
    next: Ints
    head: Ints
    size: Longs
    cost: Longs
    home: Ints
    near: Ints
    free_entries: Ints
    free_classes: Ints
    tops: Longs


class Pool(NamedTuple):
    """Scratch of one step: the released items, the clusters they become, and the entries these hold.

    Items stand in the first places, live ones first. One with `source` >= 0 is the surplus of a cluster that stands
    alone: it costs nothing to take it. A cluster's core is what was not released of a class.

    Attributes:
        item: (items,) int32 the item's tuple.
        left: (items,) int64 its persons that can be taken.
        source: (items,) int32 the entry that holds a surplus, -1 where nobody holds the persons.
        leaf: (items, G) uint32 its nodes.
        price: (items,) int32 what a person costs in the growing cluster, should it take the item.
        e_tuple: (entries,) int32 the entry's tuple.
        e_cluster: (entries,) int32 its cluster.
        e_amount: (entries,) int64 its persons.
        e_leaf: (entries, G) int32 its nodes.
        c_size: (clusters,) int64 the cluster's persons.
        c_cost: (clusters,) int64 a person's cost.
        c_box: (clusters, G) int32 its nodes.
        c_core: (clusters,) int32 the first entry of its core, -1 where it has none.
        box: (G,) int32 scratch of a cluster without one entry.
        before: (G,) int32 the nodes above the entries before that one, -1 where there are none.
        after: (entries + 1, G) int32 the nodes above those from each one on.
        listed: (entries,) int32 the entries of one cluster.
        chosen: (classes,) int32 the ruined classes.
        heads: (classes,) int32 their cores.
        number: (clusters,) int32 the clusters' new numbers.
        stamp: (m,) int32 the last step that released the tuple.
        place: (m,) int32 its item then.
        clock: (1,) int64 the step.
    """

    item: Ints
    left: Longs
    source: Ints
    leaf: npt.NDArray[Any]
    price: Ints
    e_tuple: Ints
    e_cluster: Ints
    e_amount: Longs
    e_leaf: Ints
    c_size: Longs
    c_cost: Longs
    c_box: Ints
    c_core: Ints
    box: Ints
    before: Ints
    after: Ints
    listed: Ints
    chosen: Ints
    heads: Ints
    number: Ints
    stamp: Ints
    place: Ints
    clock: Longs
