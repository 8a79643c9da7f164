"""Noise by OpenDP: discrete Gaussian under zCDP, or discrete Laplace, on whole numbers; and selection by threshold.

OpenDP draws from the operating system's randomness; nothing here takes a seed. Every mechanism that is made is asked
for its own privacy map, so that what is spent is what OpenDP's proofs say, not what a formula here says.

Discrete Gaussian and Laplace: Canonne, Kamath & Steinke 2020, "The Discrete Gaussian for Differential Privacy".
Selection: Rogers 2023, "A Unifying Privacy Analysis Framework for Unknown Domain Algorithms in Differential Privacy".
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError

Integers = npt.NDArray[np.int64]
Kind = Literal["gaussian", "laplace"]
ROUNDING = 2.0**-30
"""Scales are larger by so much, so that selection with the same scale, which rounds elsewhere, costs no more."""
FAR = 40.0
"""Scales beyond which a Gaussian tail is bounded by its exponential, and not summed."""
FARTHEST = (1 << 31) - 1
"""The largest threshold that is tried."""


@dataclass(frozen=True)
class Sensitivity:
    """How far one person moves a vector of figures.

    Attributes:
        cells: at most so many figures change (L0).
        each: each by at most so much (L-infinity).
        total: all together by at most so much (L1).
        length: the Euclidean length of the change, at most (L2).
    """

    cells: int
    each: int
    total: int
    length: float


@cache  # found by some sixty trials, for every step of a release anew
def scale_of(kind: Kind, sensitivity: Sensitivity, cost: Decimal) -> float:
    """Return the least scale of noise on a vector that costs no more than `cost` (rho, or epsilon for Laplace).

    Raises:
        InputError: no scale is large enough.
    """
    dp = _opendp()
    allowed, moved = _below(cost), _moved(kind, sensitivity)
    try:
        found = float(dp.binary_search_param(lambda scale: _vector(kind, scale), moved, allowed, T=float))
    except (ValueError, dp.OpenDPException):
        raise InputError(f"no {kind} noise is large enough for a cost of {cost:f}") from None
    return found * (1 + ROUNDING)


def threshold_of(kind: Kind, sensitivity: Sensitivity, scale: float, cost: Decimal, delta: Decimal) -> int:
    """Return the least threshold at which selection costs no more than (`cost`, `delta`).

    By OpenDP's map, and by the tail of the noise itself: OpenDP 0.16 counts the chance of exceeding a Laplace
    threshold, but shows what reaches it.

    Raises:
        InputError: no threshold is.
    """
    allowed = (_below(cost), _below(delta))

    def fits(threshold: int) -> bool:
        spent = _threshold(kind, scale, threshold).map(_moved_apart(kind, sensitivity))
        shown = sensitivity.cells * tail(kind, scale, threshold - sensitivity.each)
        return bool(spent[0] <= allowed[0] and spent[1] <= allowed[1] and shown <= allowed[1])

    low, high = sensitivity.each, FARTHEST
    if not fits(high):
        raise InputError(f"no threshold keeps the chance of showing somebody below a delta of {delta:f}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def noised(values: Integers, kind: Kind, scale: float) -> Integers:
    """Return figures with noise, each drawn apart; they may be negative."""
    if len(values) == 0:
        return values.astype(np.int64)
    return np.array(_vector(kind, scale)([int(value) for value in values]), dtype=np.int64)


def selected(values: Integers, kind: Kind, scale: float, threshold: int) -> tuple[Integers, Integers]:
    """Return which figures show, by position, in order, and what they show: noise added, and not below the threshold.

    Args:
        values: figures above 0. A class without anybody has none: its being asked for would tell of others.
        kind: of noise.
        scale: of noise.
        threshold: the least figure that shows.

    Raises:
        InputError: a figure is not above 0.
    """
    if np.any(values <= 0):
        raise InputError("only classes of somebody are selected from")
    shown = _threshold(kind, scale, threshold)({at: int(value) for at, value in enumerate(values)})
    at = np.array(sorted(shown), dtype=np.int64)
    return at, np.array([shown[int(position)] for position in at], dtype=np.int64)


def tail(kind: Kind, scale: float, least: int) -> float:
    """Return the chance, rounded up, that discrete noise is at least so much, which is 1 or more."""
    if kind == "laplace":
        return math.exp(-least / scale) / (1 + math.exp(-1 / scale)) * (1 + ROUNDING)
    if least > FAR * scale:
        return math.exp(-((least / scale) ** 2) / 2)
    weight = np.exp(-(np.arange(math.ceil((FAR + 1) * scale) + 1) ** 2) / (2 * scale**2))
    return float(weight[least:].sum() / (2 * weight[1:].sum() + 1)) * (1 + ROUNDING)


def farthest(kind: Kind, scale: float, draws: int, chance: float) -> int:
    """Return what none of so many draws of noise exceeds, but for a chance: by the union bound over its tails."""
    if kind == "gaussian":
        return math.ceil(scale * math.sqrt(2 * math.log(2 * draws / chance))) + 1
    return math.ceil(scale * math.log(2 * draws / chance)) + 1


def accuracy(kind: Kind, scale: float, level: float) -> int:
    """Return within how much noise of this scale is, with a chance of at least `level`, by OpenDP's proofs.

    OpenDP's accuracy is what noise, a whole number, reaches or exceeds with a chance of at most 1 - level.
    """
    name = {"gaussian": "discrete_gaussian", "laplace": "discrete_laplacian"}[kind]
    found: float = getattr(importlib.import_module("opendp.accuracy"), f"{name}_scale_to_accuracy")(scale, 1 - level)
    return max(0, math.ceil(found) - 1)


def _below(amount: Decimal) -> float:
    """The largest float that is no more than the amount."""
    near = float(amount)
    return near if Decimal(near) <= amount else math.nextafter(near, 0.0)


@cache
def _opendp() -> Any:
    import opendp.prelude as dp  # noqa: PLC0415 - half a second, for releases with this protection alone

    dp.enable_features("contrib")
    return dp


def _moved(kind: Kind, sensitivity: Sensitivity) -> float | int:
    return math.nextafter(sensitivity.length, math.inf) if kind == "gaussian" else sensitivity.total


def _moved_apart(kind: Kind, sensitivity: Sensitivity) -> tuple[int, float, float] | tuple[int, int, int]:
    if kind == "gaussian":
        return sensitivity.cells, math.nextafter(sensitivity.length, math.inf), float(sensitivity.each)
    return sensitivity.cells, sensitivity.total, sensitivity.each


def _vector(kind: Kind, scale: float) -> Callable[[list[int]], list[int]]:
    dp = _opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if kind == "gaussian":
        return dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=scale)  # type: ignore[no-any-return]
    return dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=scale)  # type: ignore[no-any-return]


def _threshold(kind: Kind, scale: float, threshold: int) -> Any:
    dp = _opendp()
    domain = dp.map_domain(dp.atom_domain(T="i64"), dp.atom_domain(T="i64"))
    if kind == "gaussian":
        metric = dp.l02inf_distance(dp.absolute_distance(T="f64"))
        return dp.m.make_gaussian_threshold(domain, metric, scale=scale, threshold=threshold)
    metric = dp.l01inf_distance(dp.absolute_distance(T="i64"))
    return dp.m.make_laplace_threshold(domain, metric, scale=scale, threshold=threshold)
