"""How far off figures with noise are said to be, against many draws of that noise."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from anonymization.policy.protection import CellKey, Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.tables.counting.record_keys import KEYS
from anonymization.tables.method import method_of
from anonymization.tables.methods.cell_key import stated_error, table_of
from anonymization.tables.methods.mechanisms import accuracy, tail
from anonymization.tables.model import (
    CONFIDENTIAL,
    ERROR_LEVEL,
    FREE,
    TOTAL,
    Dimension,
    Measure,
    SafeTable,
    with_errors,
)

DRAWS = 40_000
SLACK = 4 * np.sqrt(ERROR_LEVEL * (1 - ERROR_LEVEL) / DRAWS)
"""Four standard errors of a share of so many draws."""


def discrete(kind, scale, random):
    """Draws of discrete noise, from its own chances."""
    reach = int(45 * scale) + 5
    values = np.arange(-reach, reach + 1)
    weight = np.exp(-(values**2) / (2 * scale**2)) if kind == "gaussian" else np.exp(-np.abs(values) / scale)
    return random.choice(values, DRAWS, p=weight / weight.sum())


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0, 3.2, 6.3, 126.5])
def test_drawn_noise_is_as_near_as_is_said_and_hardly_nearer(kind, scale):
    noise = np.abs(discrete(kind, scale, np.random.default_rng(7)))
    within = accuracy(kind, scale, ERROR_LEVEL)
    assert (noise <= within).mean() >= ERROR_LEVEL - SLACK
    assert within == 0 or (noise <= within - 1).mean() < ERROR_LEVEL + SLACK, "one less would not do"
    assert 2 * tail(kind, scale, within + 1) <= 1 - ERROR_LEVEL + 1e-9


CELL_KEYS = {
    "as by default": ({}, 3, 5),
    "of one": ({"deviation": 1, "variance": Decimal("0.5")}, 1, 1),
    "small, far": ({"deviation": 30, "variance": Decimal("0.02")}, 0, 1),
    "wide": ({"deviation": 30, "variance": Decimal(200)}, 29, 50),
    "avoiding figures": ({"deviation": 6, "variance": Decimal(6), "forbidden": (10, 11, 12)}, None, None),
}


@pytest.mark.parametrize(("changes", "least", "stated"), CELL_KEYS.values(), ids=CELL_KEYS)
def test_cell_keys_keep_figures_as_near_as_is_said(changes, least, stated):
    protection = CellKey(method="cell_key", minimum_count=10, **changes)
    table, random = table_of(protection), np.random.default_rng(8)
    within = table.within(10, ERROR_LEVEL)
    shares = []
    for count in range(10, len(table.weights) + 11):
        noise = np.abs(table.perturbed(np.full(DRAWS, count), random.integers(0, KEYS, DRAWS)) - count)
        assert (noise <= within).mean() >= ERROR_LEVEL - SLACK
        shares.append((noise <= within - 1).mean())
    assert within == 0 or min(shares) < ERROR_LEVEL + SLACK, "of some count one less would not do"
    assert stated_error(protection) >= within
    if least is not None:
        assert (within, stated_error(protection)) == (least, stated)


def test_what_is_stated_bounds_no_deviation():
    """Whatever is stated of a noise that reaches near may be of one that reaches as far as may be declared."""
    spread = {30: ("0.3", 1, 4, 20, 50, 300), 1: ("0.02", "0.6"), 3: (1, 4), 8: (2, 20)}
    stated = {
        deviation: {stated_error(CellKey(method="cell_key", minimum_count=10, deviation=deviation, variance=Decimal(v))) for v in of}
        for deviation, of in spread.items()
    }  # fmt: skip
    assert stated[30] == {1, 2, 5, 10, 20, 50}
    assert set.union(*stated.values()) == stated[30]


DIMENSION = Dimension(
    name="d", title={}, kind=DimensionKind.PERSON, levels=("code",), parents=dict.fromkeys("abc", TOTAL),
    level_of=dict.fromkeys("abc", "code"), labels={}, complete=True, concept="d",
)  # fmt: skip
PERSONS = Measure("persons", {}, MeasureKind.PERSONS, "clicks", {})


def table(method):
    status = [FREE, CONFIDENTIAL, FREE, FREE]
    frame = pd.DataFrame(
        {"d": ["a", "b", "c", TOTAL], "persons": pd.array([0, None, 31, 40], "Int64"), "persons_status": status}
    )
    return SafeTable("t", {}, (DIMENSION,), (PERSONS,), frame.assign(days=[1, 2, 3, 6]), 10, days=True, method=method)


@pytest.mark.parametrize(("deviation", "of_zero"), [(5, 0), (10, 5)])
def test_a_hidden_figure_has_no_error_and_a_zero_only_where_it_may_be_somebody(deviation, of_zero):
    protection = CellKey(method="cell_key", minimum_count=10, deviation=deviation)
    (told,) = method_of(Method.CELL_KEY).errors(None, protection, [table(Method.CELL_KEY)])
    assert list(told.frame.columns) == ["d", "persons", "persons_status", "persons_error", "days"]
    assert told.frame["persons_error"].tolist() == [of_zero, pd.NA, 5, 5]
    assert with_errors(told, {"persons": np.array([1, 1, 1, 1])}).frame["persons_error"].tolist() == [1, pd.NA, 1, 1]


def test_exact_figures_have_none():
    (told,) = method_of(Method.SUPPRESSION).errors(None, None, [table(Method.SUPPRESSION)])
    assert list(told.frame.columns) == ["d", "persons", "persons_status", "days"]
