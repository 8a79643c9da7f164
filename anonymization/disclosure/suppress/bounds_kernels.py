"""The surroundings of a cell: what a move of it can pass through, narrowed until no bound says more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from anonymization.compiled import compiled
from anonymization.disclosure.system import Booleans, Floats, Integers

ROUNDS = 40
"""Visits of a row, on the average, after which narrowing stops: the bounds are wider than they could be, not wrong."""
ROUNDING = 1e-6


class Net(NamedTuple):
    """Relations by row and by cell, and how far the true values are from every bound.

    Attributes:
        row_start, row_cell, row_weight: cells of each relation, by increasing cost.
        cell_start, cell_row: relations of each cell.
        low, high: how far the sum of a relation may fall (not positive) and rise (not negative).
        down, up: how far a cell may fall (not positive) and rise (not negative) when it is hidden.
    """

    row_start: Integers
    row_cell: Integers
    row_weight: Floats
    cell_start: Integers
    cell_row: Integers
    low: Floats
    high: Floats
    down: Floats
    up: Floats


@compiled
def surroundings(
    net: Net, start: int, hidden: Booleans, usable: Booleans, each: int, most: int
) -> tuple[Integers, Integers]:
    """Return cells around a cell, breadth first over relations, and all relations of them.

    Of each relation: the `each` cheapest cells that are not hidden and the 2 * `each` costliest that are, those from
    other relations included; none that is not usable. A hidden cell may fall by as much as it is large.
    """
    cells = np.empty(len(hidden), dtype=np.int64)
    rows = np.empty(len(net.low), dtype=np.int64)
    known = np.zeros(len(hidden), dtype=np.bool_)
    passed = np.zeros(len(net.low), dtype=np.bool_)
    cells[0], number, at, count = start, 1, 0, 0
    known[start] = True
    while at < number:
        for i in range(net.cell_start[cells[at]], net.cell_start[cells[at] + 1]):
            row = net.cell_row[i]
            if passed[row]:
                continue
            passed[row] = True
            rows[count] = row
            count += 1
            first, last = net.row_start[row], net.row_start[row + 1]
            inside = int(np.sum(known[net.row_cell[first:last]] & hidden[net.row_cell[first:last]]))
            outside = int(np.sum(known[net.row_cell[first:last]])) - inside
            for k in range(last - first):
                other = net.row_cell[last - 1 - k]
                if hidden[other] and usable[other] and not known[other] and inside < 2 * each and number < most:
                    known[other] = True
                    cells[number] = other
                    number, inside = number + 1, inside + 1
                other = net.row_cell[first + k]
                if not hidden[other] and usable[other] and not known[other] and outside < each and number < most:
                    known[other] = True
                    cells[number] = other
                    number, outside = number + 1, outside + 1
        at += 1
    return cells[:number].copy(), rows[:count].copy()


@compiled
def extremes(net: Net, row: int, low: Floats, high: Floats, place: Integers) -> tuple[float, int, float, int]:
    """Return the least and the greatest change of a relation's sum, and the number of infinite terms in each."""
    least, most, open_least, open_most = 0.0, 0.0, 0, 0
    for k in range(net.row_start[row], net.row_start[row + 1]):
        at = place[net.row_cell[k]]
        if at < 0:
            continue
        weight = net.row_weight[k]
        a, b = (weight * low[at], weight * high[at]) if weight > 0 else (weight * high[at], weight * low[at])
        if a == -np.inf:
            open_least += 1
        else:
            least += a
        if b == np.inf:
            open_most += 1
        else:
            most += b
    return least, open_least, most, open_most


@compiled
def implied(
    room: tuple[float, float], weight: float, a: float, b: float, rest: tuple[float, int, float, int]
) -> tuple[float, float]:
    """Return the bounds of a term's cell that its relation implies; `a` and `b` are the term's own, in `rest` too."""
    least, open_least, most, open_most = rest
    top, bottom = np.inf, -np.inf
    if room[1] < np.inf and open_least == 0:
        top = room[1] - (least - a)
    elif room[1] < np.inf and open_least == 1 and a == -np.inf:
        top = room[1] - least
    if room[0] > -np.inf and open_most == 0:
        bottom = room[0] - (most - b)
    elif room[0] > -np.inf and open_most == 1 and b == np.inf:
        bottom = room[0] - most
    if weight > 0:
        return np.ceil(bottom / weight - ROUNDING), np.floor(top / weight + ROUNDING)
    return np.ceil(top / weight - ROUNDING), np.floor(bottom / weight + ROUNDING)


@compiled
def narrow(net: Net, row: int, low: Floats, high: Floats, place: Integers, changed: Integers) -> int:
    """Narrow the bounds of a relation's cells; return how many of them changed, -1 where nothing is possible."""
    rest = extremes(net, row, low, high, place)
    if (rest[1] == 0 and rest[0] > net.high[row] + ROUNDING) or (rest[3] == 0 and rest[2] < net.low[row] - ROUNDING):
        return -1
    if rest[1] > 1 and rest[3] > 1:
        return 0
    number = 0
    for k in range(net.row_start[row], net.row_start[row + 1]):
        at = place[net.row_cell[k]]
        if at < 0:
            continue
        weight = net.row_weight[k]
        a, b = (weight * low[at], weight * high[at]) if weight > 0 else (weight * high[at], weight * low[at])
        least, most = implied((net.low[row], net.high[row]), weight, a, b, rest)
        if least > low[at] or most < high[at]:
            low[at], high[at] = max(low[at], least), min(high[at], most)
            changed[number] = net.row_cell[k]
            number += 1
        if low[at] > high[at]:
            return -1
    return number


@compiled
def narrowed(net: Net, cells: Integers, rows: Integers, low: Floats, high: Floats, place: Integers) -> bool:
    """Narrow the bounds of moves of some cells, all others standing still, in place; tell whether any move is left.

    Args:
        net: relations.
        cells: the cells that may move.
        rows: all relations of them.
        low: least move of each of them.
        high: greatest move of each of them.
        place: scratch, -1 for every cell of the net; it is left so.
    """
    for i in range(len(cells)):
        place[cells[i]] = i
    waiting = np.zeros(len(net.low), dtype=np.bool_)
    waiting[rows] = True
    changed = np.empty(len(cells), dtype=np.int64)
    queue = np.empty(len(rows) + 1, dtype=np.int64)
    queue[: len(rows)] = rows
    head, length, visits, number = 0, len(rows), 0, 0
    while length > 0 and number >= 0 and visits < ROUNDS * len(rows):
        row = queue[head]
        head, length, visits = (head + 1) % len(queue), length - 1, visits + 1
        waiting[row] = False
        number = narrow(net, row, low, high, place, changed)
        for c in range(number):
            for i in range(net.cell_start[changed[c]], net.cell_start[changed[c] + 1]):
                other = net.cell_row[i]
                if not waiting[other]:
                    waiting[other] = True
                    queue[(head + length) % len(queue)] = other
                    length += 1
    for i in range(len(cells)):
        place[cells[i]] = -1
    return number >= 0


@compiled
def local_matrix(
    net: Net, cells: Integers, rows: Integers, place: Integers
) -> tuple[Integers, Integers, Integers, Floats]:
    """Return the relations of some cells among themselves: which relations, then starts, columns and weights of a CSR.

    Args:
        net: relations.
        cells: the columns, in order.
        rows: all relations of them, and perhaps others, which are left out.
        place: scratch, -1 for every cell of the net; it is left so.
    """
    for i in range(len(cells)):
        place[cells[i]] = i
    size = 0
    for i in range(len(cells)):
        size += net.cell_start[cells[i] + 1] - net.cell_start[cells[i]]
    column = np.empty(size, dtype=np.int64)
    weight = np.empty(size, dtype=np.float64)
    kept = np.empty(len(rows), dtype=np.int64)
    start = np.zeros(len(rows) + 1, dtype=np.int64)
    number, at = 0, 0
    for r in range(len(rows)):
        for k in range(net.row_start[rows[r]], net.row_start[rows[r] + 1]):
            if place[net.row_cell[k]] >= 0:
                column[at] = place[net.row_cell[k]]
                weight[at] = net.row_weight[k]
                at += 1
        if at > start[number]:
            kept[number] = rows[r]
            number += 1
            start[number] = at
    for i in range(len(cells)):
        place[cells[i]] = -1
    return kept[:number].copy(), start[: number + 1].copy(), column[:at].copy(), weight[:at].copy()
