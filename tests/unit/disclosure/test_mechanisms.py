"""Noise and selection by OpenDP: what it costs, how it is distributed, and bad input. The draws are not seeded."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from anonymization.errors import InputError
from anonymization.tables.methods.mechanisms import (
    Sensitivity,
    farthest,
    noised,
    scale_of,
    selected,
    tail,
    threshold_of,
)

SAMPLES = 100_000
RARE = 1e-7
"""The chance that a test of unseeded draws fails without a fault."""


def of_cells(cells):
    return Sensitivity(cells, 1, cells, math.sqrt(cells))


@pytest.mark.parametrize(
    ("kind", "sensitivity", "cost", "scale"),
    [
        pytest.param("gaussian", of_cells(1), "0.5", 1.0, id="rho 1/2 is a standard deviation of 1"),
        pytest.param("gaussian", of_cells(4), "0.5", 2.0, id="four cells"),
        pytest.param("gaussian", Sensitivity(3, 30, 30, 30.0), "0.02", 150.0, id="a total whose cells meet"),
        pytest.param("laplace", of_cells(1), "1", 1.0, id="epsilon 1"),
        pytest.param("laplace", of_cells(5), "0.1", 50.0, id="five cells"),
    ],
)
def test_the_scale_is_that_of_the_formula(kind, sensitivity, cost, scale):
    """sigma = L2 / sqrt(2 rho); b = L1 / epsilon."""
    found = scale_of(kind, sensitivity, Decimal(cost))
    assert found == pytest.approx(scale, rel=1e-6)
    assert found >= scale


def chances(kind, scale):
    """The probabilities of whole numbers -m..m, where nearly all noise lies."""
    far = math.ceil(20 * scale)
    at = np.arange(-far, far + 1)
    weight = np.exp(-(at**2) / (2 * scale**2)) if kind == "gaussian" else np.exp(-np.abs(at) / scale)
    return at, weight / weight.sum()


def p_value(noise, kind, scale):
    at, expected = chances(kind, scale)
    noise = np.clip(noise, at[0], at[-1])
    seen = np.bincount(noise - at[0], minlength=len(at)).astype(float)
    common = expected * len(noise) >= 20
    seen = np.append(seen[common], seen[~common].sum())
    expected = np.append(expected[common], expected[~common].sum()) * len(noise)
    return stats.chisquare(seen, expected).pvalue


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_the_distribution_is_the_discrete_one_of_the_scale_and_of_no_other(kind):
    noise = noised(np.full(SAMPLES, 7), kind, 4.0) - 7
    assert p_value(noise, kind, 4.0) > RARE
    for wrong in (4.0 * 0.7, 4.0 * 1.3):
        assert p_value(noise, kind, wrong) < 1e-50
    assert np.abs(noise).max() <= farthest(kind, 4.0, SAMPLES, RARE)


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", [0.7, 2.0, 13.0])
def test_the_tail_is_that_of_the_distribution(kind, scale):
    at, chance = chances(kind, scale)
    for least in (1, 2, 5, 30):
        assert tail(kind, scale, least) == pytest.approx(chance[at >= least].sum(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("cells", [1, 7])
def test_the_threshold_keeps_the_chance_of_showing_one_person_below_delta(kind, cells):
    """Exact: a figure of one person shows where the noise reaches the threshold less one."""
    cost, delta = Decimal("0.5"), Decimal("0.01")
    scale = scale_of(kind, of_cells(cells), cost)
    threshold = threshold_of(kind, of_cells(cells), scale, cost, delta)
    at, chance = chances(kind, scale)
    assert cells * chance[at >= threshold - 1].sum() <= float(delta)


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_one_person_is_shown_with_a_chance_of_delta_at_most(kind):
    sensitivity, cost, delta = of_cells(1), Decimal("0.5"), Decimal("0.01")
    scale = scale_of(kind, sensitivity, cost)
    threshold = threshold_of(kind, sensitivity, scale, cost, delta)
    at, figures = selected(np.ones(SAMPLES, dtype=np.int64), kind, scale, threshold)
    limit = float(delta) * SAMPLES
    assert len(at) <= limit + 6 * math.sqrt(limit)
    assert len(at) > 0
    assert figures.min() >= threshold
    many = np.array([threshold + 100, 1, threshold + 100])
    at, figures = selected(many, kind, scale, threshold + 20)
    assert at.tolist() == [0, 2]
    assert np.abs(figures - many[0]).max() < 100


def test_a_threshold_grows_as_delta_falls():
    sensitivity, cost = of_cells(3), Decimal("0.1")
    scale = scale_of("gaussian", sensitivity, cost)
    found = [threshold_of("gaussian", sensitivity, scale, cost, Decimal(delta)) for delta in ("1e-3", "1e-6", "1e-9")]
    assert found == sorted(set(found))


def test_nothing_in_nothing_out():
    assert noised(np.zeros(0, dtype=np.int64), "gaussian", 1.0).tolist() == []
    assert selected(np.zeros(0, dtype=np.int64), "gaussian", 1.0, 5)[0].tolist() == []


def test_a_class_without_anybody_is_never_selected_from():
    with pytest.raises(InputError, match="only classes of somebody"):
        selected(np.array([3, 0]), "gaussian", 1.0, 5)


def test_a_delta_that_no_threshold_reaches():
    with pytest.raises(InputError, match="no threshold keeps"):
        threshold_of("laplace", of_cells(1), 1e9, Decimal("0.5"), Decimal("1e-30"))
