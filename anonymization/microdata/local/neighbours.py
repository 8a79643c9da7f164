"""Which tuples are cheap to join: near ones in sort orders by the hierarchies' digits, the cheapest kept."""

from __future__ import annotations

import itertools

import numpy as np

from anonymization.compiled import uncounted
from anonymization.microdata.local.nodes import Ints, Longs, Space, Tables
from anonymization.microdata.local.recoding_kernels import joined_cost
from anonymization.microdata.local.sweep import mixed

_ORDERS = 8
_REACH = 4
_KEPT = 12


@uncounted
def keep_nearest(t: Tables, orders: Ints, ranks: Ints, reach: int, near: Ints, stamp: Ints, price: Longs) -> None:
    """Fill `near` with every tuple's cheapest candidates, ascending.

    Args:
        t: the tables.
        orders: (orders, m) the tuples, sorted.
        ranks: (orders, m) every tuple's place there.
        reach: how many places to either side are candidates.
        near: (m, kept) to be filled; what is missing repeats the cheapest.
        stamp: (m,) scratch, -1.
        price: (kept,) scratch.
    """
    for i in range(len(stamp)):
        stamp[i] = i
        count = 0
        for o in range(len(orders)):
            for at in range(max(0, ranks[o, i] - reach), min(len(stamp), ranks[o, i] + reach + 1)):
                other = orders[o, at]
                if stamp[other] == i:
                    continue
                stamp[other] = i
                cost = joined_cost(t, t.leaves, i, t.leaves, other)
                j = count
                if count < len(price):
                    count += 1
                elif cost >= price[count - 1]:
                    continue
                else:
                    j = count - 1
                while j > 0 and price[j - 1] > cost:
                    price[j] = price[j - 1]
                    near[i, j] = near[i, j - 1]
                    j -= 1
                price[j] = cost
                near[i, j] = other
        if count == 0:
            near[i, 0] = i
        for j in range(max(count, 1), len(price)):
            near[i, j] = near[i, 0]


def sort_orders(space: Space, nodes: Ints, count: int = _ORDERS) -> Ints:
    """Return (count, m) orders of the tuples by their hierarchies' digits.

    A digit is a tuple's node at one depth of one dimension. The digits whose parents lose most are compared first,
    and every order weighs the dimensions differently, so that tuples that differ in any one of them meet somewhere.

    Args:
        space: the nodes.
        nodes: (m, D) the tuples' nodes.
        count: how many orders.
    """
    digits = []
    for d, tree in enumerate(space.trees):
        chain = [nodes[:, d]]
        while not np.array_equal(above := tree.parent[chain[-1]], chain[-1]):
            chain.append(above)
        digits += [(float(tree.loss[up].mean()), d, digit) for digit, up in itertools.pairwise(chain)]
    if not digits:
        return np.arange(len(nodes), dtype=np.int32)[None, :]
    weights = 0.5 + mixed(np.arange(count * len(space.trees), dtype=np.uint64)) / 2.0**65
    orders = []
    for own in weights.reshape(count, -1):
        first = sorted(digits, key=lambda digit: -digit[0] * own[digit[1]])
        orders.append(np.lexsort([digit for _, _, digit in reversed(first)]).astype(np.int32))
    return np.stack(orders)


def neighbours(space: Space, tables: Tables, nodes: Ints) -> Ints:
    """Return (m, kept) int32: tuples that are cheap to join to each, the cheapest first.

    Args:
        space: the nodes.
        tables: of the tuples.
        nodes: (m, D) their nodes.
    """
    orders = sort_orders(space, nodes)
    size = orders.shape[1]
    ranks = np.empty_like(orders)
    np.put_along_axis(ranks, orders, np.arange(size, dtype=np.int32)[None, :], 1)
    near = np.empty((size, _KEPT), np.int32)
    keep_nearest(tables, orders, ranks, _REACH, near, np.full(size, -1, np.int32), np.empty(_KEPT, np.int64))
    return near
