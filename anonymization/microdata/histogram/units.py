"""Quasi-identifiers packed in units: few small integers a row instead of many, each the place in a small table.

Consecutive quasi-identifiers share a unit while their values combine to no more than 65,536. What a node makes of a
unit's value is then looked up in one table a unit, instead of one a quasi-identifier: in SQL, a join with a table so
small that it stays in the cache, and with so dense a key that DuckDB makes an array of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNIT_LIMIT = 65_536
KEY_LIMIT = 2**62

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Unit:
    """Some consecutive quasi-identifiers.

    Attributes:
        first: the place of the first.
        radices: how many codes each has.
    """

    first: int
    radices: tuple[int, ...]

    @property
    def size(self) -> int:
        """Above every value."""
        return math.prod(self.radices)

    @property
    def dimensions(self) -> range:
        """The places of its quasi-identifiers."""
        return range(self.first, self.first + len(self.radices))

    def codes(self, values: npt.NDArray[np.integer]) -> list[Ints]:
        """Return the codes of each quasi-identifier, (n,) each, that values of the unit hold."""
        return unpacked(values, self.radices)

    def packed(self, of: Callable[[int, Ints], tuple[Ints, int]]) -> tuple[Ints, int]:
        """Return, for every value, what other codes of its quasi-identifiers pack to, and what is above all of that.

        Args:
            of: gives for a quasi-identifier's place and its codes the other codes, and their number.
        """
        packed, above = np.zeros(self.size, np.int64), 1
        for d, codes in zip(self.dimensions, self.codes(np.arange(self.size)), strict=True):
            other, radix = of(d, codes)
            packed, above = packed * radix + other, above * radix
        return packed, above


def units_of(radices: Sequence[int]) -> tuple[Unit, ...]:
    """Return the units of quasi-identifiers with so many codes each; one that alone has more than fit is a unit."""
    units: list[Unit] = []
    for d, radix in enumerate(radices):
        if units and units[-1].size * radix <= UNIT_LIMIT:
            units[-1] = Unit(units[-1].first, (*units[-1].radices, radix))
        else:
            units.append(Unit(d, (radix,)))
    return tuple(units)


@dataclass(frozen=True)
class Key:
    """Some consecutive numbers in one integer, the first of them the most significant.

    Attributes:
        first: the place of the first.
        radices: what is above each.
    """

    first: int
    radices: tuple[int, ...]

    def sql(self, texts: Sequence[str]) -> str:
        """Return the SQL of the key of all the numbers' texts."""
        found = ""
        for i, radix in enumerate(self.radices):
            text = texts[self.first + i]
            found = f"({found}) * {radix} + {text}" if found else text
        return found

    def parts_sql(self, key: str) -> list[str]:
        """Return the SQL of each number in the key."""
        found, stride = [], 1
        for radix in reversed(self.radices):
            whole = key if stride == 1 else f"INT_DIV({key}, {stride})"
            found.append(f"CAST({whole} % {radix} AS INT)")
            stride *= radix
        return found[::-1]


def keys_of(radices: Sequence[int]) -> tuple[Key, ...]:
    """Return the keys of numbers with these radices: as few as hold them below 2^62."""
    keys: list[Key] = []
    for i, radix in enumerate(radices):
        if keys and math.prod(keys[-1].radices) * radix < KEY_LIMIT:
            keys[-1] = Key(keys[-1].first, (*keys[-1].radices, radix))
        else:
            keys.append(Key(i, (radix,)))
    return tuple(keys)


def unpacked(values: npt.NDArray[np.integer], radices: Sequence[int]) -> list[Ints]:
    """Return the numbers, (n,) each, that were packed with these radices, the first the most significant."""
    rest, found = values.astype(np.int64), []
    for radix in reversed(radices):
        rest, number = np.divmod(rest, radix)
        found.append(number)
    return found[::-1]
