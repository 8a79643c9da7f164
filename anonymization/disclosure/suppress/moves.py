"""Moves: another table with the same published figures, which shows that a cell may be as large as it needs to be.

A move changes hidden cells only, by whole numbers, and keeps every relation and every bound. As long as the cells of a
move stay hidden, whatever else is hidden or published, a reader cannot tell the moved table from the true one. So a
move that raises a cell to its reach, and one that together with it makes its interval as wide as needed, prove the
cell's need for ever: the cells they move are its witness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from anonymization.disclosure.suppress.bounds import Ground
from anonymization.disclosure.suppress.bounds_kernels import surroundings
from anonymization.disclosure.suppress.region import Move, Region
from anonymization.disclosure.system import Booleans, Floats, Integers

SMALL = 400
"""Cells of a component that are one region, whatever they cost."""
LARGE = 1_000
"""Cells of a region of a larger component."""
TIERS = (0.5, 0.75)
"""Quantiles of cost: where it is cheap, a witness is looked for among cheap cells first."""
INNER = 0.6
"""Share of a region, from its middle, whose needs are served by it."""
NOBODY = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Demand:
    """What a witness must show.

    Attributes:
        cell: of this cell.
        rise: that it may be larger by this.
        width: and that two of its possible values are this far apart.
        fall: and that it may be smaller by this.
    """

    cell: int
    rise: float
    width: float
    fall: float = 0.0

    def upward(self) -> Demand:
        """Return what is to be shown before an insider: see `Needs.floor`."""
        return replace(self, fall=0.0)

    @property
    def most(self) -> float:
        """The furthest that any of it asks for."""
        return max(self.rise, self.width, self.fall)


@dataclass(frozen=True)
class Witness:
    """Moves that show what a demand asks for.

    Attributes:
        moves: one or two; none where nothing has to be shown.
        price: what they cost.
    """

    moves: tuple[Move, ...] = ()
    price: float = 0.0

    @cached_property
    def cells(self) -> Integers:
        """Every cell that is moved, in order."""
        return np.unique(np.concatenate([NOBODY, *(move.cells for move in self.moves)]))


def cheap_witness(
    region: Region, demand: Demand, price: Floats, barred: Integers = NOBODY, *, thorough: bool = False
) -> Witness | None:
    """Return a cheap witness within a region; None where none was found.

    Args:
        region: where cells may move.
        demand: what is to be shown.
        price: of moving each cell by 1.
        barred: cells that must stand still.
        thorough: whether None means that there is no witness within the region.
    """
    if demand.most <= 0:
        return Witness()
    rise, fall = max(demand.rise, 0.0), max(demand.fall, 0.0)
    more = max(demand.width - rise - fall, 0.0)
    best: Witness | None = None
    for up, down in ((rise + more, fall), (rise, fall + more)) if more else ((rise, fall),):
        found = _both(region, demand.cell, up, down, price, barred, thorough=thorough)
        if found is not None and (best is None or found.price < best.price):
            best = found
    if best is None and thorough and more:
        return _widest(region, demand, price, barred)
    return best


def _both(
    region: Region, cell: int, up: float, down: float, price: Floats, barred: Integers, *, thorough: bool
) -> Witness | None:
    """Return two moves, one up and one down, by whole numbers."""
    moves, cost = [], 0.0
    for amount in (np.ceil(up), -np.ceil(down)):
        if amount:
            found = region.move(cell, float(amount), price, barred, thorough=thorough)
            if found is None:
                return None
            moves.append(found[0])
            cost += found[1]
    return Witness(tuple(moves), cost)


def _widest(region: Region, demand: Demand, price: Floats, barred: Integers) -> Witness | None:
    """Return a witness that rises as far as it can: then it need not fall as far."""
    fall = np.ceil(max(demand.fall, 0.0))
    low, high = np.ceil(max(demand.rise, 0.0)), np.ceil(demand.width - fall)
    while high - low > 1:
        middle = (low + high) // 2
        possible = region.move(demand.cell, middle, price, barred, thorough=True) is not None
        low, high = (middle, high) if possible else (low, middle)
    return _both(region, demand.cell, low, max(demand.width - low, fall), price, barred, thorough=True)


class Regions:
    """The regions of a ground: small components whole, large ones in pieces and by what their cells cost.

    Attributes:
        ground: relations and bounds.
        label: component of each cell that may move; -1 for others.
        tiers: number of tiers; a need is looked for in one after the other.
    """

    def __init__(self, ground: Ground, label: Integers, deadline: float | None) -> None:
        """Make none yet.

        Args:
            ground: relations and bounds.
            label: component of each cell that may move; -1 for others.
            deadline: of `time.monotonic()`.
        """
        self.ground = ground
        self.tiers = len(TIERS) + 1
        self.label, self._deadline = label, deadline
        self._size = np.bincount(label[label >= 0], minlength=1)
        movable = ground.cost[label >= 0]
        self._limit = [*(np.quantile(movable, TIERS) if len(movable) else (0.0, 0.0)), np.inf]
        self._home = np.full((self.tiers, len(label)), -1, dtype=np.int64)
        self._regions: list[Region] = []
        self._whole: dict[int, Region] = {}
        self.moves = 0

    def first(self, cell: int) -> int:
        """Return the first tier for a cell."""
        return self.tiers - 1 if self._size[self.label[cell]] <= SMALL else 0

    def limit(self, tier: int) -> float:
        """Return the cost of a cell up to which cells are in a tier."""
        return float(self._limit[tier])

    def renew(self) -> None:
        """Make regions anew from now on: other cells are hidden than when they were made."""
        self._home[:] = -1
        self._regions = []

    def near(self, cell: int, tier: int, hidden: Booleans) -> Region:
        """Return the region of a tier that serves a cell."""
        if self._size[self.label[cell]] <= SMALL:
            return self.whole(cell)
        home = self._home[tier]
        if home[cell] < 0:
            usable = ~self.ground.closed & (hidden | (self.ground.cost <= self._limit[tier]))
            usable[cell] = True
            cells, _ = surroundings(self.ground.net, cell, hidden, usable, len(hidden), LARGE)
            inner = cells[: int(INNER * LARGE)] if len(cells) == LARGE else cells
            home[inner[home[inner] < 0]] = len(self._regions)
            self._regions.append(Region(self.ground, np.sort(cells), self._deadline))
        return self._regions[int(home[cell])]

    def whole(self, cell: int) -> Region:
        """Return the component of a cell."""
        number = int(self.label[cell])
        if number not in self._whole:
            self._whole[number] = Region(self.ground, np.flatnonzero(self.label == number), self._deadline)
        return self._whole[number]

    def of(self, cells: Integers) -> Region:
        """Return a region of these cells."""
        return Region(self.ground, cells, self._deadline)
