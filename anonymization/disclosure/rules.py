"""Primary unsafe cells: which figures give somebody away by themselves, before any is derived from others.

The rules and their protection levels are those of Hundepool, Domingo-Ferrer, Franconi, Giessing, Schulte
Nordholt, Spicer and de Wolf, Statistical Disclosure Control (Wiley, 2012), chapter 4. All arithmetic is of
whole numbers, so that a cell exactly at a limit is judged as the formula says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
HUNDRED = 100
GREATEST = np.iinfo(np.int64).max // (3 * HUNDRED)
"""Totals up to here, 3 x 10^16, are judged without overflow."""


def threshold(persons: Integers, least: int) -> Booleans:
    """Return the cells of 1 to `least` - 1 persons. A cell without anybody is safe."""
    return (persons >= 1) & (persons < least)


def dominated(total: Integers, first: Integers, second: Integers, *, persons: int = 2, percent: int = 85) -> Booleans:
    """Return the cells in which (n,k)-dominance holds: x1 + ... + xn > k/100 X.

    Args:
        total: X of each cell, the sum of the contributions, none of which is negative.
        first: x1, the largest contribution of a single person; 0 where there is nobody.
        second: x2 <= x1, the second largest; 0 where there is one person at most.
        persons: n, 1 or 2.
        percent: k, above 0 and up to 100.

    Raises:
        InputError: a parameter or a figure out of range, or contributions that are no part of their total.
    """
    _check(total, first, second)
    return np.asarray(HUNDRED * _of_largest(first, second, persons) > _share(percent) * total)


def dominance_level(
    total: Integers, first: Integers, second: Integers, *, persons: int = 2, percent: int = 85
) -> Integers:
    """Return the upper protection level under (n,k)-dominance: 100/k (x1 + ... + xn) - X, rounded up, or 0.

    A total that may be larger by as much, as far as a reader can tell, is one that is not dominated.
    Arguments and errors are those of `dominated`.
    """
    _check(total, first, second)
    needed = _divided_up(HUNDRED * _of_largest(first, second, persons), _share(percent))
    return np.asarray(np.maximum(needed - total, 0))


def p_percent(total: Integers, first: Integers, second: Integers, percent: int = 10) -> Booleans:
    """Return the cells that the p% rule finds unsafe: X - x1 - x2 < p/100 x1.

    There the second largest contributor can estimate the largest contribution to within p percent.
    Arguments and errors are those of `dominated`, but `percent`, which is p.
    """
    _check(total, first, second)
    return np.asarray(HUNDRED * (total - first - second) < _share(percent) * first)


def p_percent_level(total: Integers, first: Integers, second: Integers, percent: int = 10) -> Integers:
    """Return the upper protection level under the p% rule: p/100 x1 - (X - x1 - x2), rounded up, or 0.

    Arguments and errors are those of `p_percent`.
    """
    _check(total, first, second)
    needed = _divided_up(_share(percent) * first, HUNDRED)
    return np.asarray(np.maximum(needed - (total - first - second), 0))


def group_disclosure(persons: Integers, group: Integers, *, values: int = 2) -> Booleans:
    """Return the cells that say of a whole group which sensitive value its persons have.

    A group is what shares every coordinate but that of the sensitive dimension. It discloses where its persons
    have fewer than `values` different values (l-diversity, l = `values`): with 2, where one value holds for all, and
    so no other for anybody. A group without anybody discloses nothing.

    Args:
        persons: of each cell at the sensitive dimension's finest level, without its total.
        group: the group of each cell: 0, 1, 2 and so on.
        values: l.
    """
    if len(persons) == 0:
        return np.zeros(0, dtype=bool)
    inhabited = persons > 0
    different = np.bincount(group, weights=inhabited)
    return np.asarray(inhabited & (different < values)[group])


def _of_largest(first: Integers, second: Integers, persons: int) -> Integers:
    if persons not in (1, 2):
        raise InputError(f"dominance by {persons} persons: the contributions of the two largest are known, no others")
    return first + second if persons > 1 else first


def _share(percent: int) -> int:
    if not 0 < percent <= HUNDRED:
        raise InputError(f"{percent} is no share in percent: above 0, up to 100")
    return percent


def _divided_up(dividend: Integers, divisor: int) -> Integers:
    return -(-dividend // divisor)


def _check(total: Integers, first: Integers, second: Integers) -> None:
    if np.any(total > GREATEST):
        raise InputError(f"a total is greater than {GREATEST}, the greatest that is judged exactly")
    if np.any((second < 0) | (second > first) | (first > total) | (second > total - first)):
        raise InputError("the two largest contributions are in order, not negative, and parts of their total")
