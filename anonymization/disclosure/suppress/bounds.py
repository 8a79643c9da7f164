"""The ground on which cells move: relations by row and by cell, and how far every cell is from its bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from anonymization.disclosure.suppress.bounds_kernels import Net
from anonymization.disclosure.system import Booleans, Floats, Integers, Problem
from anonymization.errors import GateRefusal

FAR = 1e6
"""Costs are cut here for the solver: what costs a million times the cheapest is as bad as can be."""


@dataclass(frozen=True)
class Ground:
    """What does not change while a pattern is searched.

    Attributes:
        net: for the kernels.
        cost: of hiding each cell, at least 1; scaled for the solver.
        closed: cells that can never move: known to every reader at any rate.
        insider: which cells have a single contributor.
        twin: the number of each cell's class of cells that are one and the same to everybody, see `twins`.
        fixed: cells that are hidden at any rate.
    """

    net: Net
    cost: Floats
    closed: Booleans
    insider: Booleans
    twin: Integers
    fixed: Booleans


def ground(problem: Problem) -> Ground:
    """Return the ground of a problem.

    Raises:
        GateRefusal: the true values contradict the relations or the bounds.
    """
    relations = problem.relations
    value = problem.value.astype(np.float64)
    given = relations.matrix @ value
    low, high = relations.low - given, relations.high - given
    if np.any(low > 0) or np.any(high < 0):
        raise GateRefusal("true values contradict a relation between them: a margin does not add up")
    movable = problem.open | problem.hidden
    down, up = np.where(movable, problem.least - value, 0.0), np.where(movable, problem.most - value, 0.0)
    if np.any(down > 0) or np.any(up < 0):
        raise GateRefusal("a true value is outside of what every reader knows of it")
    cost = np.minimum(np.maximum(problem.cost, 1), FAR).astype(np.float64)
    insider = np.zeros(len(value), dtype=np.bool_)
    insider[problem.insiders] = True
    closed = ~movable | (down == up)
    net = _net(relations.matrix, cost, (low, high), (down, up))
    twin = twins(problem)
    if problem.contributor is not None:
        twin = np.where(problem.contributor >= 0, problem.contributor + len(value), twin)
    return Ground(net, cost, closed, insider, twin, problem.hidden.copy())


def twins(problem: Problem) -> Integers:
    """Return for each cell the number of its class of cells that are equal whatever is hidden.

    A sum all of whose other parts are published zeros is its one part. So both have the same contributors: a single
    contributor of the one is the single contributor of the other, and learns nothing about anybody from knowing both.
    """
    relations, cells = problem.relations, len(problem.value)
    zero = ~problem.open & ~problem.hidden & (problem.value == 0)
    entries = relations.matrix.tocoo()
    row, column = entries.coords
    left = ~zero[column]
    number = np.bincount(row[left], minlength=relations.rows)
    balance = np.bincount(row[left], weights=entries.data[left], minlength=relations.rows)
    size = np.bincount(row[left], weights=np.abs(entries.data[left]), minlength=relations.rows)
    exact = (relations.low == 0) & (relations.high == 0)
    pair = exact & (number == 2) & (balance == 0) & (size == 2)  # noqa: PLR2004 - a sum and its part
    kept = left & pair[row]
    order = np.argsort(row[kept], kind="stable")
    ends = column[kept][order].reshape(-1, 2)
    links = sparse.coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(cells, cells))
    return np.asarray(csgraph.connected_components(links, directed=False)[1], dtype=np.int64)


def _net(matrix: sparse.csr_array, cost: Floats, rows: tuple[Floats, Floats], cells: tuple[Floats, Floats]) -> Net:
    entries = matrix.tocoo()
    row, column = entries.coords
    weight = entries.data.astype(np.float64)
    order = np.lexsort((column, cost[column], row))
    back = np.lexsort((row, column))
    return Net(
        _starts(row, matrix.shape[0]),
        column[order].astype(np.int64),
        weight[order],
        _starts(column, matrix.shape[1]),
        row[back].astype(np.int64),
        *rows,
        *cells,
    )


def _starts(number: Integers, length: int) -> Integers:
    return np.concatenate([[0], np.cumsum(np.bincount(number, minlength=length))]).astype(np.int64)
