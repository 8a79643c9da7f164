"""Cell keys: noise that the same persons always bring with them, looked up by true count and cell key.

Every person has a record key, a whole number below 2**32, uniform and secret. A cell's key is the sum of its
persons' record keys, modulo 2**32. The perturbation table gives, for each true count, how much of the range of
cell keys leads to which perturbation; so the same persons lead to the same figure wherever they are counted.

The distribution of a count's perturbation is the one of most entropy that is unbiased, has the wanted variance,
deviates by at most D, never makes a figure negative, and avoids forbidden figures: zero stays zero (Marley &
Leaver 2011, "A method for confidentialising user-defined tables"; Giessing 2016, "Computational issues in the
design of transition probabilities and disclosure risk estimation for additive noise").
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError
from anonymization.tables.counting.record_keys import KEYS

Integers = npt.NDArray[np.int64]
PRECISION = Context(prec=50)
"""Decimal arithmetic rounds correctly on every machine, so that the thresholds are the same everywhere."""
CLOSE = Decimal(10) ** -12
"""How near the moments come to what was asked for, before they are rounded to shares of 2**32."""
STEPS = 200
LIKELY = Decimal("0.0001")
"""Rounding is settled among moves that are at least so likely."""


@dataclass(frozen=True)
class Perturbation:
    """The perturbation table, in whole numbers.

    Attributes:
        deviation: D.
        weights: a row a true count 0, 1, ...; counts beyond the last row share it. A column a perturbation
            -D..D; how many of the 2**32 cell keys lead to it. Each row sums to 2**32.
    """

    deviation: int
    weights: Integers

    def within(self, least: int, level: float) -> int:
        """Return the least distance within which a share `level` of figures is, of every count from `least` on.

        Args:
            least: the smallest true count that is published, 1 or more.
            level: the share, above 0 and at most 1.
        """
        rows, zero = self.weights[min(least, len(self.weights) - 1) :], self.deviation
        far = np.column_stack([rows[:, zero], rows[:, :zero][:, ::-1] + rows[:, zero + 1 :]])  # keys, by distance
        return int((np.cumsum(far, axis=1) >= level * KEYS).argmax(axis=1).max())

    def rows_of(self, counts: Integers) -> Integers:
        """Return the row of each true count."""
        return np.minimum(counts, len(self.weights) - 1)

    def perturbed(self, counts: Integers, keys: Integers) -> Integers:
        """Return the figures to publish.

        Args:
            counts: true counts, 0 or more.
            keys: cell keys, or sums of record keys that are not reduced yet.

        Raises:
            InputError: a negative count.
        """
        counts, keys = np.asarray(counts, dtype=np.int64), np.asarray(keys, dtype=np.int64) % KEYS
        if np.any(counts < 0):
            raise InputError("a count is negative: a cell key perturbs counts from 0 on")
        row = self.rows_of(counts)
        moved = np.empty_like(counts)
        for number in np.unique(row):
            at = row == number
            thresholds = np.cumsum(self.weights[number])
            moved[at] = np.searchsorted(thresholds, keys[at], side="right") - self.deviation
        return counts + moved


@lru_cache(maxsize=16)
def perturbation(deviation: int, variance: Decimal, forbidden: tuple[int, ...] = ()) -> Perturbation:
    """Return the perturbation table of most entropy.

    Guarantees, for every true count i: figures lie within D of i, are never negative and never forbidden; 0 stays
    0; the mean is i, but for less than 1e-8; the variance is the wanted one where such figures allow it, else the
    nearest that they allow (a small count that may not stay where it is has a least variance of its own).

    Args:
        deviation: D, at least 1.
        variance: V, above 0.
        forbidden: figures that are never published, from 1 on.

    Raises:
        InputError: some count has no unbiased perturbation.
    """
    last = deviation + (max(forbidden) + 1 if forbidden else 0)
    weights = np.zeros((last + 1, 2 * deviation + 1), dtype=np.int64)
    weights[0, deviation] = KEYS
    for count in range(1, last + 1):
        figures = [j for j in range(max(0, count - deviation), count + deviation + 1) if j not in forbidden]
        moves = [j - count for j in figures]
        if not moves or moves[0] > 0 or moves[-1] < 0:
            raise InputError(f"no unbiased noise for a count of {count}: too many figures are forbidden near it")
        weights[count, np.array(moves) + deviation] = _shares(moves, _most_entropy(moves, Decimal(variance)))
    return Perturbation(deviation, weights)


def _most_entropy(moves: Sequence[int], variance: Decimal) -> list[Decimal]:
    """The probabilities of most entropy over these moves, with mean 0 and the variance, or the nearest feasible."""
    below, above = max(m for m in moves if m <= 0), min(m for m in moves if m >= 0)
    least, most = Decimal(-below * above), Decimal(-moves[0] * moves[-1])
    if variance <= least:
        return _two_points(moves, below, above)
    if variance >= most:
        return _two_points(moves, moves[0], moves[-1])
    with localcontext(PRECISION):
        return _exponential(moves, variance)


def _two_points(moves: Sequence[int], low: int, high: int) -> list[Decimal]:
    """The one distribution over two moves (or one) with mean 0."""
    with localcontext(PRECISION):
        width = Decimal(high - low)
        chance = {0: Decimal(1)} if low == high else {low: high / width, high: -low / width}
    return [chance.get(move, Decimal(0)) for move in moves]


def _exponential(moves: Sequence[int], variance: Decimal) -> list[Decimal]:
    """The member of the exponential family exp(b d + c d^2) with mean 0 and the variance, by Newton's method.

    The dual, log sum exp(b d + c d^2) - c V, is convex and has its minimum there; a step is halved until it descends.
    """
    b = c = Decimal(0)
    chances, value = _family(moves, b, c, variance)
    for _ in range(STEPS):
        m = [sum((p * d**k for p, d in zip(chances, moves, strict=True)), Decimal(0)) for k in range(5)]
        slope = (m[1], m[2] - variance)
        if max(map(abs, slope)) < CLOSE:
            return chances
        xx, xy, yy = m[2] - m[1] ** 2, m[3] - m[1] * m[2], m[4] - m[2] ** 2
        size = xx * yy - xy**2
        step = ((xy * slope[1] - yy * slope[0]) / size, (xy * slope[0] - xx * slope[1]) / size)
        scale, descent = Decimal(1), slope[0] * step[0] + slope[1] * step[1]
        while True:
            tried, lower = _family(moves, b + scale * step[0], c + scale * step[1], variance)
            if lower <= value + scale * descent / 4 or scale < CLOSE:
                break
            scale /= 2
        b, c, chances, value = b + scale * step[0], c + scale * step[1], tried, lower
    raise InputError(f"the noise of variance {variance} over {list(moves)} was not found; choose another variance")


def _family(moves: Sequence[int], b: Decimal, c: Decimal, variance: Decimal) -> tuple[list[Decimal], Decimal]:
    """The probabilities of a member of the family, and the dual's value there."""
    exponents = [b * d + c * d * d for d in moves]
    largest = max(exponents)
    parts = [(exponent - largest).exp() for exponent in exponents]
    total = sum(parts, Decimal(0))
    return [part / total for part in parts], largest + total.ln() - c * variance


def _shares(moves: Sequence[int], chances: Sequence[Decimal]) -> list[int]:
    """The probabilities as whole shares of 2**32, their mean as near 0 as whole shares allow."""
    with localcontext(PRECISION):
        shares = [int((chance * KEYS).to_integral_value()) for chance in chances]
    shares[max(range(len(shares)), key=lambda at: shares[at])] += KEYS - sum(shares)
    likely = [at for at, chance in enumerate(chances) if chance > LIKELY]
    pairs = sorted(((moves[b] - moves[a], a, b) for a, b in itertools.combinations(likely, 2)), reverse=True)
    for width, low, high in pairs:  # the widest pairs first, so that the narrowest settle the rest
        rest = sum(share * move for share, move in zip(shares, moves, strict=True))
        whole = (2 * rest + width) // (2 * width)
        shares[low] += whole
        shares[high] -= whole
    return shares
