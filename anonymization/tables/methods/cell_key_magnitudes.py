"""Cell keys of totals: noise on a sum of contributions, scaled by the largest one.

A total X of contributions x1 >= x2 >= ... is published as X + s v. The scale s is x1 m(x1), with the flex function
m(x) = p + (1 - p) 2f / (f + x) beyond the flex point f, and 1 up to it: small contributions are hidden in full, of a
large one a share p is the least that is. That is the noise of Giessing & Tent (2019), "Concepts for generalising tools
implementing the cell key method to the case of continuous variables" (UNECE work session on statistical data
confidentiality), for the one largest contribution, with p_small 1 and q 1; R's cellKey has it as `top_contr`, top_k 1.

What differs here, and why:

* v is read off the perturbation table of persons (`cell_key_noise.py`), within a perturbation evenly by where in its
  range the cell key is. A noise of whole multiples of s would leave whoever knows s, the one who contributes most,
  2D + 1 figures to choose from. A total of ones has s = 1, and then exactly the noise of its number of persons.
* s is X / (D + 1/2) at most: no figure is negative, and none is cut off, so that all are right on average. That takes
  the place of separate tables for small figures.
* the cell key is of persons and of what each contributes (`counting/record_keys.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError
from anonymization.policy.protection import CellKey
from anonymization.tables.counting.record_keys import KEYS
from anonymization.tables.methods.cell_key_noise import Perturbation, perturbation

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Magnitudes:
    """The noise of totals. Scales and what follows from them are exact fractions, the same on every machine.

    Attributes:
        noise: the perturbation table.
        share: p, of a very large contribution.
        flex: f, the flex point.
    """

    noise: Perturbation
    share: Fraction
    flex: int

    @classmethod
    def of(cls, protection: CellKey) -> Magnitudes:
        """Return the noise that is declared."""
        table = perturbation(protection.deviation, protection.variance, protection.forbidden)
        return cls(table, Fraction(protection.share), protection.flex)

    @property
    def reach(self) -> Fraction:
        """How far v reaches: D + 1/2."""
        return self.noise.deviation + HALF

    def full_scale(self, first: int) -> Fraction:
        """Return x1 m(x1); it grows with the largest contribution, and less than that does."""
        if first <= self.flex:
            return Fraction(first)
        return first * (self.share + (1 - self.share) * Fraction(2 * self.flex, self.flex + first))

    def scale(self, total: int, first: int) -> Fraction:
        """Return s of a total and its largest contribution."""
        return min(self.full_scale(first), total / self.reach)

    def perturbed(self, totals: Integers, first: Integers, keys: Integers) -> Integers:
        """Return the figures to publish.

        Guarantees of each: never negative; 0 stays 0; within s (D + 1/2) of the total; right on average, with a
        variance of s^2 (V + 1/12), rounding aside; of contributions of one each the figure of as many persons.

        Args:
            totals: sums of contributions.
            first: the largest contribution to each.
            keys: cell keys, or sums of record keys that are not reduced yet.

        Raises:
            InputError: a total is negative, or less than its largest contribution.
        """
        if np.any((totals < first) | (first < 0)):
            raise InputError("a total is less than its largest contribution, or that is negative")
        found = np.where(first > 1, 0, self.noise.perturbed(totals, keys))
        row = self.noise.weights[-1].tolist()
        starts = np.array([0, *accumulate(row)][:-1], dtype=np.int64)
        reduced = np.asarray(keys, dtype=np.int64) % KEYS
        column = np.searchsorted(starts, reduced, side="right") - 1
        for at in np.flatnonzero(first > 1).tolist():
            total, number = int(totals[at]), int(column[at])
            scale, keys_here = self.scale(total, int(first[at])), row[number]
            within = 2 * (int(reduced[at]) - int(starts[number])) + 1
            twice = (2 * (number - self.noise.deviation) - 1) * keys_here + within  # v, times 2 keys_here
            below = 2 * scale.denominator * keys_here
            found[at] = total + (scale.numerator * twice + below // 2) // below
        return np.asarray(found, dtype=np.int64)

    def reaches(self, totals: Integers, first: Integers) -> Integers:
        """Return how far the figure of each total may be from it."""
        pairs = zip(totals.tolist(), first.tolist(), strict=True)
        return np.array([_whole(self.scale(total, one) * self.reach) for total, one in pairs], dtype=np.int64)

    def deviations(self, totals: Integers, first: Integers) -> Floats:
        """Return the standard deviation of each total's noise, at least; rounding and the evenness within add to it."""
        moves = np.arange(-self.noise.deviation, self.noise.deviation + 1)
        variance = float(self.noise.weights[-1] @ moves**2 / KEYS)
        pairs = zip(totals.tolist(), first.tolist(), strict=True)
        scales = np.array([float(self.scale(total, one)) for total, one in pairs])
        return np.asarray(scales * np.sqrt(variance))

    def within(self, figures: Sequence[int], most: Sequence[int], level: float) -> list[int]:
        """Return of each published figure within how far of the total a share `level` of such figures are.

        Neither total nor largest contribution is asked for: nobody contributes more than `most`, nor more than the
        total, which is the figure and that distance at most.
        """
        far = self.noise.within(1, level) + HALF
        return [self._within(int(figure), int(one), far) for figure, one in zip(figures, most, strict=True)]

    def spans(self, figures: Sequence[int], most: int) -> list[int]:
        """Return of each published figure how far the total may be from it, if nobody contributes more than `most`."""
        return [self._within(int(figure), most, self.reach) for figure in figures]

    def _within(self, figure: int, most: int, far: Fraction) -> int:
        """The greatest distance that the noise of a contribution reaches which the total leaves room for."""
        distance = self._far(most, far)
        while True:
            nearer = self._far(max(min(most, figure + distance), 1), far)
            if nearer >= distance:
                return distance
            distance = nearer

    def _far(self, first: int, far: Fraction) -> int:
        return _whole(self.full_scale(first) * far)


def _whole(far: Fraction) -> int:
    """How far a figure is at most whose noise, before it is rounded, is nearer than this."""
    return max(-((1 - 2 * far) // 2), 0)
