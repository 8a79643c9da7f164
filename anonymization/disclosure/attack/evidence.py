"""From which published figures does a bound follow: relations that prove it, without any that do not matter.

A search tells which relations it used, but it used bounds that had been narrowed before. Here these are traced back to
the relations that narrowed them, and all are weighed once more by a small linear programme over the bounds that a
reader starts from. Its multipliers are the proof: the weighted sum of the relations leaves published cells on one side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anonymization.disclosure.attack.blocks import Block, Parts
from anonymization.disclosure.attack.neighbourhood import Neighbourhood, entries
from anonymization.disclosure.attack.points import NEAR, NONE, Evidence
from anonymization.disclosure.attack.programmes import Programme, Solver
from anonymization.disclosure.system import Integers, System

SIZES = (20, 80, 320, 1280)
"""Entries of the relations around a cell in which a proof over whole numbers is looked for."""
FEW = 40
"""Relations up to which each is tried whether the proof needs it."""


@dataclass(frozen=True)
class Proof:
    """What a bound follows from.

    Attributes:
        rows: relations of the whole system, sorted.
        published: known cells with a weight in their combination, sorted; of a proof that needs whole numbers, all
            known cells of its relations.
    """

    rows: Integers
    published: Integers


class Prover:
    """Proofs of bounds of one system."""

    def __init__(self, system: System, parts: Parts, deadline: float | None, *, whole: bool) -> None:
        self._system = system
        self._first = parts.first
        self._unknown = parts.first.system
        self._near = Neighbourhood(self._unknown.relations)
        self._narrow = parts.steps.system
        self._whole = whole
        self._solver = Solver(deadline)
        self._place = np.full(system.cells, -1)
        self._place[parts.first.cell] = np.arange(len(parts.first.cell))
        trail = parts.steps.trail
        key = 2 * trail.cell + trail.upper
        self._order = np.lexsort((trail.turn, key))
        self._key, self._turn, self._row = key[self._order], trail.turn[self._order], trail.row[self._order]

    def proof(self, cell: int, sign: int, bound: float, block: Block | None, evidence: Evidence | None) -> Proof:
        """Return what the maximum (sign 1) or minimum (-1) of a cell follows from.

        Args:
            cell: of the whole system.
            sign: which bound.
            bound: the exact bound.
            block: where a search found it; None if narrowing found it.
            evidence: what the search used.
        """
        place = int(self._place[cell])
        if place < 0:
            return Proof(NONE, np.array([cell]))
        rows = self._traced(place, sign, block, evidence)
        weight = self._weights(rows, place, sign, bound)
        if weight is not None:
            used = np.abs(weight) > NEAR
            return self._told(rows[used], weight[used])
        return self._told(self._by_whole_numbers(rows, place, sign, bound), None)

    def _traced(self, place: int, sign: int, block: Block | None, evidence: Evidence | None) -> Integers:
        """Return the relations that were used, and those that narrowed the bounds that were used."""
        if block is None or evidence is None:
            return self._narrowing({2 * place + (sign > 0)}, set())
        rows = np.union1d(block.low_row[evidence.rows], block.high_row[evidence.rows])
        inside = self._near.cells_of(rows)
        fixed = inside[self._narrow.known[inside] & ~self._unknown.known[inside]]
        cells = np.union1d(fixed, self._place[block.cell[evidence.cells]])
        bounds = {2 * int(c) + side for c in cells for side in (0, 1)}
        return self._narrowing(bounds, {int(row) for row in rows})

    def _narrowing(self, bounds: set[int], rows: set[int]) -> Integers:
        """Return these rows and all that the narrowed bounds rest on."""
        latest = np.iinfo(np.int64).max
        todo = [(bound, latest) for bound in sorted(bounds)]
        seen: set[int] = set()
        while todo:
            bound, before = todo.pop()
            start, end = np.searchsorted(self._key, [bound, bound + 1])
            at = int(start + np.searchsorted(self._turn[start:end], before)) - 1
            if at < start or at in seen:
                continue
            seen.add(at)
            row = int(self._row[at])
            rows.add(row)
            todo.extend((used, int(self._turn[at])) for used in self._used(row, bound))
        return np.array(sorted(rows), dtype=np.int64)

    def _used(self, row: int, bound: int) -> list[int]:
        """Return the bounds of other cells that a bound follows from in a row."""
        matrix = self._unknown.relations.matrix
        at = slice(matrix.indptr[row], matrix.indptr[row + 1])
        cell, weight = matrix.indices[at].astype(np.int64), matrix.data[at]
        own = cell == bound // 2
        most = (weight[own][0] > 0) == bool(bound % 2)
        upper = (weight < 0) if most else (weight > 0)
        return [int(b) for b in (2 * cell + upper)[~own]]

    def _weights(self, rows: Integers, place: int, sign: int, bound: float) -> np.ndarray | None:
        """Return weights of the rows that prove the bound over real numbers, if there are any."""
        cells = np.union1d(self._near.cells_of(rows), [place])
        part = self._near.restricted(rows, cells, None)
        cost = np.where(cells == place, float(sign), 0.0)
        programme = Programme(part, self._unknown.low[cells], self._unknown.high[cells], cost)
        found = self._solver.solve(programme)
        score = sign * bound
        rounded = np.floor(found.value + NEAR * max(1.0, abs(score))) if self._whole else found.value
        return found.multiplier if rounded <= score + NEAR * max(1.0, abs(score)) else None

    def _by_whole_numbers(self, rows: Integers, place: int, sign: int, bound: float) -> Integers:
        """Return rows that prove the bound over whole numbers; each is needed, if they are few."""
        for size in SIZES:
            near = self._near.rows_near(place, size)
            if self._proves(near, place, sign, bound):
                return self._needed(near, place, sign, bound)
        return rows

    def _needed(self, rows: Integers, place: int, sign: int, bound: float) -> Integers:
        if len(rows) > FEW:
            return rows
        for row in rows[::-1]:
            fewer = rows[rows != row]
            if self._proves(fewer, place, sign, bound):
                rows = fewer
        return rows

    def _proves(self, rows: Integers, place: int, sign: int, bound: float) -> bool:
        """Return whether no whole numbers that satisfy these rows are beyond the bound."""
        cells = np.union1d(self._near.cells_of(rows), [place])
        low, high = self._unknown.low[cells].copy(), self._unknown.high[cells].copy()
        own = int(np.searchsorted(cells, place))
        edge = low if sign > 0 else high
        edge[own] = bound + sign
        if low[own] > high[own]:
            return True
        part = self._near.restricted(rows, cells, None)
        return not self._solver.solve(Programme(part, low, high, np.zeros(len(cells))), whole=True).feasible

    def _told(self, rows: Integers, weight: np.ndarray | None) -> Proof:
        """Return a proof in terms of the whole system."""
        relations = self._system.relations
        low_row, high_row = self._first.low_row[rows], self._first.high_row[rows]
        if weight is None:
            whole = np.union1d(low_row, high_row)
            _, at = entries(relations.matrix.indptr, whole)
            told = np.unique(relations.matrix.indices[at]).astype(np.int64)
            return Proof(whole, told[self._system.known[told]])
        whole = np.where(weight > 0, high_row, low_row)
        _, at = entries(relations.matrix.indptr, whole)
        total = np.zeros(relations.cells)
        of_row = np.repeat(weight, np.diff(relations.matrix.indptr)[whole])
        np.add.at(total, relations.matrix.indices[at], of_row * relations.matrix.data[at])
        return Proof(np.sort(whole), np.flatnonzero((np.abs(total) > NEAR) & self._system.known))
