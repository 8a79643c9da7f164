"""Which cells are hidden, and the witnesses that prove why that is enough."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from anonymization.disclosure.ground import Ground
from anonymization.disclosure.moves import Demand, Mover, Search
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs

SPARE = 0.01
"""Price of moving a cell that is hidden at any rate, to one of cost 1: short witnesses leave more to give back."""


class Witnesses:
    """A pattern under way: hidden cells, and for every need the witnesses found so far.

    A need is proven when it has a witness, and for each insider but the cell's own one that leaves the insider's cell
    alone: an insider who knows his own cell cannot rule that one out.

    Attributes:
        hidden: which cells are hidden.
        uses: how many witnesses move each cell.
        demands: what is to be proven.
    """

    def __init__(self, mover: Mover, needs: Needs, value: Integers, guarded: Booleans) -> None:
        """Start with no witness.

        Args:
            mover: finds moves.
            needs: what is to be proven.
            value: true values.
            guarded: of which needs insiders must not be able to rule out all witnesses.
        """
        self.mover = mover
        self.ground: Ground = mover.ground
        self.hidden = self.ground.fixed.copy()
        self.uses = np.zeros(len(value), dtype=np.int64)
        rise = np.maximum(needs.reach - value[needs.cell], 0.0)
        self.demands = [
            Demand(int(c), float(r), float(w)) for c, r, w in zip(needs.cell, rise, needs.width, strict=True)
        ]
        self._guarded = guarded
        self._moves: dict[int, tuple[int, Integers]] = {}
        self._of_need: list[list[int]] = [[] for _ in self.demands]
        self._users: dict[int, set[int]] = {}
        self._next = 0

    def price(self) -> Floats:
        """Return the price of moving each cell: what is hidden at any rate costs next to nothing."""
        return np.where(self.hidden, SPARE, self.ground.cost)

    def users(self, cell: int) -> list[int]:
        """Return the witnesses that move a cell."""
        return sorted(self._users.get(cell, ()))

    def need_of(self, witness: int) -> int:
        """Return which need a witness proves."""
        return self._moves[witness][0]

    def cells_of(self, witness: int) -> Integers:
        """Return the cells a witness moves."""
        return self._moves[witness][1]

    def add(self, need: int, cells: Integers) -> int:
        """Keep a witness of a need, hide what it moves, and return its number."""
        number = self._next
        self._next += 1
        self._moves[number] = (need, cells)
        self._of_need[need].append(number)
        self.uses[cells] += 1
        self.hidden[cells] = True
        for cell in cells.tolist():
            self._users.setdefault(cell, set()).add(number)
        return number

    def remove(self, witness: int) -> tuple[int, Integers]:
        """Forget a witness, publish what no other one moves, and return what it was."""
        need, cells = self._moves.pop(witness)
        self._of_need[need].remove(witness)
        self.uses[cells] -= 1
        self.hidden[cells] = self.ground.fixed[cells] | (self.uses[cells] > 0)
        for cell in cells.tolist():
            self._users[cell].discard(witness)
        return need, cells

    def of_need(self, need: int) -> list[int]:
        """Return the witnesses of a need."""
        return list(self._of_need[need])

    @property
    def mark(self) -> int:
        """A mark for `since`."""
        return self._next

    def since(self, mark: int) -> list[int]:
        """Return the witnesses added since a mark."""
        return [w for w in range(mark, self._next) if w in self._moves]

    def cost(self) -> float:
        """Return the cost of what is hidden."""
        return float(self.ground.cost[self.hidden].sum())

    def in_all(self, need: int, without: int | None = None) -> Integers | None:
        """Return the insiders' cells that every witness of a need moves, `without` one; None if there is no witness."""
        kept = [self._moves[w][1] for w in self._of_need[need] if w != without]
        if not kept:
            return None
        common = kept[0][self.others(need)[kept[0]]]
        for cells in kept[1:]:
            common = common[np.isin(common, cells, assume_unique=True)]
        return common

    def others(self, need: int) -> Booleans:
        """Return which cells are of insiders other than the contributors of a need's cell."""
        if not self._guarded[need]:
            return np.zeros(len(self.hidden), dtype=np.bool_)
        twin = self.ground.twin
        return self.ground.insider & (twin != twin[self.demands[need].cell])

    def proven(self, need: int) -> bool:
        """Return whether a need is proven."""
        common = self.in_all(need)
        return common is not None and not len(common)

    def find(self, need: int, usable: Booleans, price: Floats, searches: Iterable[Search]) -> Integers | None:
        """Return a witness of a need from the first search that finds one."""
        for search in searches:
            cells = self.mover.find(self.demands[need], self.hidden, usable, price, search)
            if cells is not None:
                return cells
        return None

    def establish(self, need: int, usable: Booleans, searches: tuple[Search, ...]) -> bool:
        """Find the witnesses that a need lacks; tell whether it is proven then."""
        while True:
            common = self.in_all(need)
            if common is not None and not len(common):
                return True
            price = self.price()
            cells = None
            for barred in _bars(common):
                allowed = usable
                if len(barred):
                    allowed = usable.copy()
                    allowed[barred] = False
                cells = self.find(need, allowed, price, searches)
                if cells is not None:
                    break
            if cells is None:
                return False
            self.add(need, cells)


def _bars(common: Integers | None) -> list[Integers]:
    """Return which insiders a further witness must leave alone: all at once, else the first one."""
    if common is None or len(common) == 1:
        return [np.zeros(0, dtype=np.int64) if common is None else common]
    return [common, common[:1]]
