"""The primary rules at their limits, and beside their definitions over lists of contributions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymization.disclosure.rules import (
    GREATEST,
    dominance_level,
    dominated,
    group_disclosure,
    p_percent,
    p_percent_level,
    threshold,
)
from anonymization.errors import InputError

contributions = st.lists(st.integers(1, 400), max_size=6)


def cell(given_contributions):
    """Total, first and second of one cell, as arrays."""
    largest = sorted([*given_contributions, 0, 0], reverse=True)
    return tuple(np.array([value], dtype=np.int64) for value in (sum(largest), largest[0], largest[1]))


@pytest.mark.parametrize(
    ("persons", "unsafe"),
    [
        pytest.param(0, False, id="nobody"),
        pytest.param(1, True, id="one person"),
        pytest.param(9, True, id="one too few"),
        pytest.param(10, False, id="enough"),
    ],
)
def test_threshold(persons, unsafe):
    assert threshold(np.array([persons]), 10).tolist() == [unsafe]


@pytest.mark.parametrize(
    ("given_contributions", "unsafe", "level"),
    [
        pytest.param([], False, 0, id="nobody"),
        pytest.param([7], True, 2, id="one contributor: 100/85 x 7 is 8.2, rounded up to 9"),
        pytest.param([4, 3], True, 2, id="two contributors"),
        pytest.param([50, 35, 15], False, 0, id="exactly 85 of 100"),
        pytest.param([51, 35, 14], True, 2, id="86 of 100: 101.2 would be enough"),
        pytest.param([850, 850, 300], False, 0, id="exactly 85 percent of 2000"),
        pytest.param([851, 850, 300], True, 1, id="one more than 85 percent"),
        pytest.param([10] * 10, False, 0, id="equal contributors"),
    ],
)
def test_dominance(given_contributions, unsafe, level):
    assert dominated(*cell(given_contributions)).tolist() == [unsafe]
    assert dominance_level(*cell(given_contributions)).tolist() == [level]


@pytest.mark.parametrize(
    ("given_contributions", "unsafe", "level"),
    [
        pytest.param([], False, 0, id="nobody"),
        pytest.param([7], True, 1, id="one contributor"),
        pytest.param([100, 90], True, 10, id="two contributors"),
        pytest.param([100, 90, 10], False, 0, id="the others are exactly a tenth of the largest"),
        pytest.param([100, 90, 9], True, 1, id="the others are less than a tenth"),
        pytest.param([101, 90, 10], True, 1, id="a tenth of 101 is more than 10"),
    ],
)
def test_p_percent(given_contributions, unsafe, level):
    assert p_percent(*cell(given_contributions)).tolist() == [unsafe]
    assert p_percent_level(*cell(given_contributions)).tolist() == [level]


def test_large_totals_are_judged_exactly():
    total = np.array([GREATEST])
    share = GREATEST // 100 * 85
    assert dominated(total, np.array([share + 1_000]), np.array([0])).tolist() == [True]
    assert dominated(total, np.array([share - 1_000]), np.array([0])).tolist() == [False]


@given(given_contributions=contributions, persons=st.integers(1, 2), percent=st.integers(1, 100))
def test_dominance_is_its_definition(given_contributions, persons, percent):
    largest = sum(sorted(given_contributions, reverse=True)[:persons])

    def rule(total):
        return largest > Fraction(percent, 100) * total

    (unsafe,) = dominated(*cell(given_contributions), persons=persons, percent=percent)
    (level,) = dominance_level(*cell(given_contributions), persons=persons, percent=percent)
    total = sum(given_contributions)
    assert unsafe == rule(total)
    assert not rule(total + level)
    assert level == 0 or rule(total + level - 1)


@given(given_contributions=contributions, percent=st.integers(1, 100))
def test_p_percent_is_its_definition(given_contributions, percent):
    first, *others = [*sorted(given_contributions, reverse=True), 0]
    rest = sum(others[1:])

    def rule(more):
        return rest + more < Fraction(percent, 100) * first

    (unsafe,) = p_percent(*cell(given_contributions), percent)
    (level,) = p_percent_level(*cell(given_contributions), percent)
    assert unsafe == rule(0)
    assert not rule(level)
    assert level == 0 or rule(level - 1)


@pytest.mark.parametrize(
    ("persons", "group", "disclosing"),
    [
        pytest.param([12, 0, 5], [0, 0, 0], [False, False, False], id="two values"),
        pytest.param([12, 0, 0], [0, 0, 0], [True, False, False], id="one value holds for all"),
        pytest.param([0, 0], [0, 0], [False, False], id="nobody"),
        pytest.param([9, 3, 4, 0], [0, 1, 0, 1], [False, True, False, False], id="groups apart"),
        pytest.param([], [], [], id="no cells"),
    ],
)
def test_group_disclosure(persons, group, disclosing):
    cells = np.array(persons, dtype=np.int64), np.array(group, dtype=np.int64)
    assert group_disclosure(*cells).tolist() == disclosing


def test_three_values_may_be_asked_for():
    cells = np.array([5, 5, 0, 5, 5, 5]), np.array([0, 0, 0, 1, 1, 1])
    assert group_disclosure(*cells, values=3).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("rule", "given_cell", "more", "message"),
    [
        pytest.param(dominated, (10, 6, 5), {}, "parts of their total", id="more than the total"),
        pytest.param(p_percent, (10, 3, 5), {}, "in order", id="out of order"),
        pytest.param(dominated, (10, 3, -1), {}, "not negative", id="negative"),
        pytest.param(dominated, (10, 3, 2), {"percent": 101}, "101 is no share", id="share"),
        pytest.param(p_percent, (10, 3, 2), {"percent": 0}, "0 is no share", id="no share"),
        pytest.param(dominance_level, (10, 3, 2), {"persons": 3}, "by 3 persons", id="persons"),
        pytest.param(p_percent_level, (GREATEST + 1, 3, 2), {}, "greater than", id="too large"),
    ],
)
def test_what_cannot_be_judged_is_refused(rule, given_cell, more, message):
    with pytest.raises(InputError, match=message):
        rule(*(np.array([value], dtype=np.int64) for value in given_cell), **more)
