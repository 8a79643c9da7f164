"""The search: simulated annealing over ruin-and-recreate steps, its budget counted work.

A step takes a costly class and some near it, releases all their persons or a few, lets clusters grow again, and
keeps the outcome if the total cost does not rise by more than a random amount that shrinks to 0 as the work is used
up (Schrimpf et al. 2000; Kirkpatrick et al. 1983). Persons of one tuple may end up in different classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anonymization.microdata.local.neighbours import neighbours
from anonymization.microdata.local.nodes import Ints, Longs, Space, Tables
from anonymization.microdata.local.ruin_kernels import anneal
from anonymization.microdata.local.ruin_state import Pool, Rules, State
from anonymization.microdata.local.sweep import Entries, boxes_of

_SEED = 88172645463325252
_COLD = 0.9  # the share of the work after which nothing worse is kept
_DEVIATES = 4096
_MANY = 20  # from this k on, a class is many tuples: other rules do better


def rules_for(k: int) -> Rules:
    """Return the rules that did best on the adult data at this k."""
    if k >= _MANY:
        return Rules(k, seeds=3, classes=4, items=500, own=150, whole=30, blink=50, close=0)
    return Rules(k, seeds=3 + 10 // k, classes=4 + 10 // k, items=300, own=60, whole=30, blink=k, close=1)


def search(space: Space, tables: Tables, nodes: Ints, entries: Entries, k: int, work: int) -> Entries:
    """Return entries of no higher total cost, in classes of at least k persons; deterministic.

    Args:
        space: the nodes.
        tables: of the tuples; their costs are what is minimized.
        nodes: (m, D) the tuples' nodes.
        entries: where to start.
        k: persons a class must have.
        work: the budget, in about the look-ups of one item's price.
    """
    rules = rules_for(k)
    state = _state(tables, entries, neighbours(space, tables, nodes), k)
    persons = int(tables.counts.sum())
    start = int((state.size * state.cost).sum())
    warmth = start * (16 if k >= _MANY else 4) // (16 * persons)
    quantiles = (np.arange(_DEVIATES) + 0.5) / _DEVIATES
    waits = np.rint(-np.log(quantiles) * _DEVIATES).astype(np.int64)
    schedule = np.array([work, int(work * _COLD), warmth], np.int64)
    change = anneal(tables, state, _pool(tables, rules), rules, np.array([_SEED], np.uint64), waits, schedule)
    return _entries(state) if change < 0 else entries


def _state(tables: Tables, entries: Entries, near: Ints, k: int) -> State:
    tuple_of, class_of, amount = entries
    used, size = len(tuple_of), len(tables.counts)
    classes = int(class_of[-1]) + 1
    room = used + size + 4096
    places = classes + min(int(tables.counts.sum()) // k, room) + 256
    _, persons, cost = boxes_of(tables, entries, classes)
    following = np.arange(1, used + 1, dtype=np.int32)
    following[np.append(class_of[1:] != class_of[:-1], True)] = -1
    home = np.empty(size, np.int32)
    home[tuple_of] = class_of
    return State(
        _padded(tuple_of, room), _padded(amount, room), _padded(following, room),
        _padded(np.searchsorted(class_of, np.arange(classes)).astype(np.int32), places, -1),
        _padded(persons, places), _padded(cost, places), home, near,
        np.arange(room, dtype=np.int32)[::-1].copy(), np.arange(places, dtype=np.int32)[::-1].copy(),
        np.array([room - used, places - classes, classes], np.int64),
    )  # fmt: skip


def _padded(values: npt.NDArray[Any], size: int, fill: int = 0) -> npt.NDArray[Any]:
    return np.concatenate([values, np.full(size - len(values), fill, values.dtype)])


def _pool(tables: Tables, rules: Rules) -> Pool:
    size, groups = tables.leaves.shape
    items, most = rules.items, 4 * rules.items + 64

    def ints(*shape: int) -> Ints:
        return np.zeros(shape, np.int32)

    def longs(size: int) -> Longs:
        return np.zeros(size, np.int64)

    return Pool(
        item=ints(items), left=longs(items), source=ints(items), leaf=np.zeros((items, groups), np.uint32),
        price=ints(items), e_tuple=ints(most), e_cluster=ints(most), e_amount=longs(most), e_leaf=ints(most, groups),
        c_size=longs(most), c_cost=longs(most), c_box=ints(most, groups), c_core=ints(most), box=ints(groups),
        before=ints(groups), after=ints(most + 1, groups), listed=ints(most), chosen=ints(64), heads=ints(64),
        number=ints(most), stamp=ints(size), place=ints(size), clock=longs(1),
    )  # fmt: skip


def _entries(state: State) -> Entries:
    """The state's entries by class; those of one tuple in one class are one."""
    heads = state.head[state.head >= 0]
    at, of = heads.astype(np.int64), np.arange(len(heads))
    rows, classes = [], []
    while at.size:
        rows.append(at)
        classes.append(of)
        following = state.next[at]
        at, of = following[following >= 0].astype(np.int64), of[following >= 0]
    row, class_of = np.concatenate(rows), np.concatenate(classes)
    size = len(state.home)
    keys, inverse = np.unique(class_of * size + state.tuple_of[row], return_inverse=True)
    amount = np.zeros(len(keys), np.int64)
    np.add.at(amount, inverse, state.amount[row])
    return (keys % size).astype(np.int32), (keys // size).astype(np.int32), amount
