"""Which needs of a block fail: tried together first, then one by one."""

from __future__ import annotations

import numpy as np

from anonymization.disclosure.attack.points import NEAR, Search
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs


def one_each(needs: Needs) -> Needs:
    """Return one need a cell, in order of cell: the strictest of its needs."""
    cell, group = np.unique(needs.cell, return_inverse=True)
    reach, width, floor = (np.full(len(cell), bound) for bound in (-np.inf, -np.inf, np.inf))
    np.maximum.at(reach, group, needs.reach)
    np.maximum.at(width, group, needs.width)
    np.minimum.at(floor, group, needs.floor)
    return Needs(cell, reach, width, floor)


def met(needs: Needs, low: Floats, high: Floats, *, whole: bool = True) -> Booleans:
    """Return which needs hold for cells that can be as low and as high as this."""
    slack = 0.0 if whole else NEAR
    wide = high - low >= needs.width - slack
    return np.asarray((high >= needs.reach - slack) & wide & (low <= needs.floor + slack))


def failing(search: Search, places: Integers, needs: Needs) -> Booleans:
    """Return which needs do not hold.

    Args:
        search: of the block.
        places: the cells in the block that the needs are of.
        needs: one for each of the places.
    """

    def unmet() -> Integers:
        return np.flatnonzero(~met(needs, search.least[places], search.most[places], whole=search.whole))

    high, low = search.system.high[places], search.system.low[places]
    hopeless = ~met(needs, low, high, whole=search.whole)
    at = unmet()
    at = at[~hopeless[at]]
    search.try_all(places[at], np.maximum(needs.reach, np.minimum(low + needs.width, high))[at], 1)
    at = unmet()
    at = at[~hopeless[at] & (search.most[places[at]] >= needs.reach[at])]
    search.try_all(places[at], np.minimum(search.most[places[at]] - needs.width[at], needs.floor[at]), -1)
    left = unmet()
    fails = hopeless.copy()
    for k in left[~hopeless[left]]:
        fails[k] = not _holds(search, int(places[k]), *(float(n[k]) for n in (needs.reach, needs.width, needs.floor)))
    return fails


def _holds(search: Search, place: int, reach: float, width: float, floor: float) -> bool:
    """Return whether a cell can be as high as it must, and as low, and the interval as wide. Exact."""
    if not search.possible(place, reach, 1) or not (np.isinf(floor) or search.possible(place, floor, -1)):
        return False
    if search.possible(place, float(search.most[place]) - width, -1):
        return True
    return search.possible(place, search.extreme(place, -1) + width, 1)
