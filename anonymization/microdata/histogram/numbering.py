"""Numbers for keys: each distinct int64 gets the next number, in one pass over chunks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anonymization.compiled import compiled

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring keys over the table
_SMALLEST = 12  # bits

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]


class Numbering:
    """Numbers distinct keys from 0, by first appearance.

    A table of slots, each a key and its number side by side, open addressing, never more than half full.
    """

    def __init__(self) -> None:
        self._bits = _SMALLEST
        self._slots = np.full((1 << self._bits, 2), -1, np.int64)
        self._keys = np.empty(1 << (self._bits - 1), np.int64)
        self._used = 0

    @property
    def keys(self) -> Ints:
        """The distinct keys by number."""
        return self._keys[: self._used]

    def number(self, keys: Ints) -> Numbers:
        """Return the number of each key, (len(keys),); new ones get the next numbers."""
        numbers = np.empty(len(keys), np.int32)
        done = 0
        while True:
            done, self._used = _number(keys, done, self._slots, self._bits, self._keys, self._used, numbers)
            if done == len(keys):
                return numbers
            self._grow()

    def _grow(self) -> None:
        self._bits += 2
        self._slots = np.full((1 << self._bits, 2), -1, np.int64)
        known = self.keys
        self._keys = np.empty(1 << (self._bits - 1), np.int64)
        _number(known, 0, self._slots, self._bits, self._keys, 0, np.empty(len(known), np.int32))


@compiled
def _number(
    keys: Ints, start: int, slots: Ints, bits: int, known: Ints, used: int, numbers: Numbers
) -> tuple[int, int]:
    """Number keys from `start` on, until all are done or the table is half full; return both."""
    mask = (1 << bits) - 1
    shift = np.uint64(64 - bits)
    for i in range(start, len(keys)):
        key = keys[i]
        slot = np.int64((np.uint64(key) * _MIX) >> shift)
        while slots[slot, 1] >= 0 and slots[slot, 0] != key:
            slot = (slot + 1) & mask
        found = slots[slot, 1]
        if found < 0:
            if used == len(known):
                return i, used
            slots[slot, 0] = key
            slots[slot, 1] = used
            known[used] = key
            found = np.int64(used)
            used += 1
        numbers[i] = found
    return len(keys), used
