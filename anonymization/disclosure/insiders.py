"""Insiders: a contributor who is alone in a cell knows its figure, and what follows from it.

Each pair of an insider and a need is tried, but not one by one: a point in which an insider's cell has its true figure
proves for him what it proves for every reader. So points are looked for in which many insiders' cells have theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anonymization.disclosure.blocks import Block
from anonymization.disclosure.search import Search
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System
from anonymization.disclosure.verdict import failing, met


class Insiders:
    """The insiders of one block, and what is still possible for the other cells as they know it."""

    def __init__(self, block: Block, insiders: Integers, value: Integers, needs: Needs, deadline: float | None) -> None:
        """Args as of `insiders_attack`, for one block."""
        self._block = block
        self._own = np.searchsorted(block.cell, insiders)
        self._figure = value[insiders].astype(np.float64)
        self._true = value[block.cell].astype(np.float64)
        self._needs = needs
        self._places = np.searchsorted(block.cell, needs.cell)
        self._deadline = deadline
        self._least = np.full((len(insiders), len(needs.cell)), np.inf)
        self._most = np.full((len(insiders), len(needs.cell)), -np.inf)
        self._start: list[Floats | None] = [None] * len(insiders)

    def failing(self) -> Iterator[tuple[int, Booleans]]:
        """Yield each insider's cell with the needs that fail for him, if any do."""
        if not len(self._places):
            return
        for group in self._groups():
            self._try(group)
        for number in np.flatnonzero((~self._met()).any(axis=1)).tolist():
            open_ = np.flatnonzero(~self._met_by(number))
            if not len(open_):
                continue
            search = self._search(np.array([number]), self._start[number])
            fails = np.zeros(len(self._places), dtype=np.bool_)
            fails[open_] = failing(search, self._places[open_], self._needs.take(open_))
            if fails.any():
                yield int(self._block.cell[self._own[number]]), fails

    def _groups(self) -> Iterator[Integers]:
        """Yield sets of insiders: all, then halves, so that any two are apart in one of them."""
        numbers = np.arange(len(self._own))
        yield numbers
        for bit in range(int(numbers.max(initial=0)).bit_length()):
            for side in (0, 1):
                yield numbers[(numbers >> bit) & 1 == side]

    def _try(self, group: Integers) -> None:
        """Look for points in which all insiders of a group have their true figures and needs hold."""
        free = ~np.isin(self._places, self._own[group])
        left = np.flatnonzero(~self._met()[group].all(axis=0) & free)
        if not len(left):
            return
        search = self._search(group, self._true)
        places, needs = self._places[left], self._needs.take(left)
        low = search.point()[places]
        search.try_all(places, np.maximum(needs.reach, low + needs.width), 1)
        reached = search.most[places] >= needs.reach
        search.try_all(places[reached], (search.most[places] - needs.width)[reached], -1)

    def _search(self, group: Integers, start: Floats | None) -> Search:
        """Return a search of the block in which some insiders' figures are fixed."""
        system = self._block.system
        low, high = system.low.copy(), system.high.copy()
        low[self._own[group]] = high[self._own[group]] = self._figure[group]
        search = Search(System(system.relations, low, high), self._deadline, heard=self._hear)
        if start is not None:
            search.accept(start)
        return search

    def _hear(self, point: Floats) -> None:
        """Count a point for every insider whose cell has its true figure in it."""
        who = np.flatnonzero(point[self._own] == self._figure)
        self._least[who] = np.minimum(self._least[who], point[self._places])
        self._most[who] = np.maximum(self._most[who], point[self._places])
        for number in who.tolist():
            self._start[number] = point

    def _met(self) -> Booleans:
        """Return for which insider which need holds; his own always does."""
        held = met(self._needs, self._least, self._most)
        return np.asarray(held | (self._own[:, None] == self._places[None, :]))

    def _met_by(self, number: int) -> Booleans:
        held = met(self._needs, self._least[number], self._most[number])
        return np.asarray(held | (self._places == self._own[number]))
