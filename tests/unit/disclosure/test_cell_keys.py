"""The perturbation table: named cases, figures known from elsewhere, and bad input."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from anonymization.errors import InputError
from anonymization.tables.counting.record_keys import KEYS
from anonymization.tables.methods.cell_key_noise import perturbation

DEFAULT = (5, Decimal(2), ())


def moments(table):
    moves = np.arange(-table.deviation, table.deviation + 1)
    mean = (table.weights * moves).sum(axis=1) / KEYS
    return mean, (table.weights * moves**2).sum(axis=1) / KEYS - mean**2


@pytest.mark.parametrize(
    ("asked", "variances"),
    [
        pytest.param(DEFAULT, {1: 2, 2: 2, 3: 2, 4: 2, 5: 2}, id="the default"),
        pytest.param((3, Decimal(1), ()), {1: 1, 2: 1, 3: 1}, id="narrow"),
        pytest.param((1, Decimal("0.5"), ()), {1: 0.5}, id="the narrowest"),
        pytest.param((2, Decimal(2), ()), {1: 2, 2: 2}, id="uniform"),
        pytest.param((5, Decimal("0.001"), ()), {1: 0.001, 5: 0.001}, id="nearly none"),
        pytest.param((5, Decimal(2), (1, 2)), {1: 2, 2: 2, 3: 2, 8: 2}, id="1 and 2 are forbidden"),
        pytest.param((5, Decimal(1), (1, 2)), {1: 2, 2: 2, 3: 1}, id="a count that may not stay varies more"),
        pytest.param((2, Decimal(2), (3,)), {1: 1, 2: 2, 3: 2}, id="a count near zero varies less"),
    ],
)
def test_unbiased_with_the_variance_or_the_nearest(asked, variances):
    table = perturbation(*asked)
    mean, variance = moments(table)
    assert np.abs(mean).max() < 1e-8
    assert (table.weights.sum(axis=1) == KEYS).all()
    assert (table.weights >= 0).all()
    for count, expected in variances.items():
        assert variance[count] == pytest.approx(expected, abs=1e-7)


def test_figures_of_the_default():
    """The first rows for D=5 and V=2, by solving the same conditions with floats to four digits."""
    chances = perturbation(*DEFAULT).weights / KEYS
    assert np.round(chances[0], 4).tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert np.round(chances[1], 4).tolist() == [0, 0, 0, 0, 0.5204, 0.2303, 0.1124, 0.0605, 0.0359, 0.0235, 0.017]
    assert np.allclose(chances[5], chances[5][::-1], atol=1e-9)
    assert len(chances) == 6


def test_nothing_forbidden_nothing_negative_zero_stays_zero():
    table = perturbation(5, Decimal(2), (1, 2))
    keys = np.linspace(0, KEYS - 1, 5_000).astype(np.int64)
    for count in range(40):
        figures = table.perturbed(np.full(len(keys), count), keys)
        assert set(figures.tolist()) <= ({0} if count == 0 else set(range(count + 6)) - {1, 2})
        assert (np.abs(figures - count) <= 5).all()


def test_a_key_is_a_sum_modulo_two_to_the_32():
    table = perturbation(*DEFAULT)
    keys = np.array([0, 1, KEYS - 1])
    assert table.perturbed(np.full(3, 30), keys).tolist() == [25, 25, 35]
    assert table.perturbed(np.full(3, 30), keys + 3 * KEYS).tolist() == [25, 25, 35]


@pytest.mark.parametrize("number", [100, 2**31])
def test_large_counts_share_a_row(number):
    table = perturbation(*DEFAULT)
    assert table.perturbed(np.array([number]), np.array([KEYS // 2])).tolist() == [number]


def test_negative_counts_are_refused():
    with pytest.raises(InputError, match="a count is negative"):
        perturbation(*DEFAULT).perturbed(np.array([3, -1]), np.array([5, 5]))


def test_too_many_forbidden_figures_are_refused():
    with pytest.raises(InputError, match="no unbiased noise for a count of 1: too many figures are forbidden"):
        perturbation(2, Decimal(1), (1, 2, 3))
