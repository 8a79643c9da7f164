"""The histogram: every distinct tuple once, in order, with its persons and their sensitive values."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.histogram import Histogram, count_tuples, distinct_rows


def flat(attribute, *values):
    return Hierarchy.from_rows(attribute, [(value, "*") for value in values])


CITY, AGE = flat("city", "b", "a", "c"), flat("age", "10", "20")


def test_tuples_are_distinct_in_order_with_their_persons():
    frame = pd.DataFrame({"city": list("abacb"), "age": [10, 20, 10, 20, 10], "illness": list("xyxzz")})
    counted = count_tuples(frame, [CITY, AGE], sensitive="illness")
    assert counted.tuples.tolist() == [[0, 0], [0, 1], [1, 0], [2, 1]]
    assert counted.counts.tolist() == [1, 1, 2, 1]
    assert (counted.persons, counted.attributes, counted.heights) == (5, ("city", "age"), (2, 2))
    sensitive = counted.sensitive
    assert sensitive.labels == ("x", "y", "z")
    assert sensitive.starts.tolist() == [0, 1, 2, 3, 4]
    assert list(zip(sensitive.codes.tolist(), sensitive.counts.tolist(), strict=True)) == [
        (2, 1),
        (1, 1),
        (0, 2),
        (2, 1),
    ]
    assert sensitive.totals.tolist() == [2, 1, 2]


def test_a_population_brings_tuples_without_persons():
    frame = pd.DataFrame({"city": ["a", "a"]})
    counted = count_tuples(frame, [CITY], population=pd.DataFrame({"city": ["c", "a", "c", "a", "a"]}))
    assert counted.tuples.tolist() == [[1], [2]]
    assert counted.counts.tolist() == [2, 0]
    assert counted.population.tolist() == [3, 2]


VALUES = {
    "numbers with gaps": ([10, None, 20], ["10", "", "20"]),
    "text and none": (["10", None, "20"], ["10", "", "20"]),
    "an empty text is missing": (["10", "", None], ["10", "", ""]),
    "booleans": ([True, False, True], ["True", "False", "True"]),
    "dates": ([dt.date(2026, 1, 2)] * 2, ["2026-01-02"] * 2),
}


@pytest.mark.parametrize(("values", "expected"), VALUES.values(), ids=VALUES)
def test_values_become_text(values, expected):
    known = flat("age", *dict.fromkeys(value for value in expected if value))
    counted = count_tuples(pd.DataFrame({"age": values}), [known])
    labels = counted.hierarchies[0].labels[0]
    persons = {labels[code]: n for (code,), n in zip(counted.tuples, counted.counts, strict=True)}
    assert persons == {value: expected.count(value) for value in expected}


ORDERED = {
    "numbers by size": ([10, 9, 100], ("9", "10", "100")),
    "text": (["b", "a"], ("a", "b")),
    "a missing value first": (["2", None, "1"], ("", "1", "2")),
}


@pytest.mark.parametrize(("values", "labels"), ORDERED.values(), ids=ORDERED)
def test_sensitive_values_are_in_order(values, labels):
    frame = pd.DataFrame({"city": ["a"] * len(values), "s": values})
    assert count_tuples(frame, [CITY], sensitive="s", ordered=True).sensitive.labels == labels


def test_a_sensitive_hierarchy_orders_its_values():
    frame = pd.DataFrame({"city": ["a", "b"], "s": ["low", None]})
    sensitive = count_tuples(frame, [CITY], sensitive="s", sensitive_hierarchy=flat("s", "low", "high")).sensitive
    assert sensitive.labels == ("low", "high", "")
    assert sensitive.hierarchy.labels[0] == sensitive.labels


REFUSED = {
    "no rows": ({"city": []}, [CITY], {}, "holds no rows"),
    "no quasi-identifier": ({"city": ["a"]}, [], {}, "at least one"),
    "an unknown column": ({"town": ["a"]}, [CITY], {}, r"the data: no column 'city'; it has \['town'\]"),
    "an unknown sensitive column": ({"city": ["a"]}, [CITY], {"sensitive": "s"}, "no column 's'"),
    "a column that the population lacks": ({"city": ["a"]}, [CITY], {"population": pd.DataFrame({"x": [1]})}, "the population: no column"),
    "decimal numbers": ({"age": [10.0, 20.5]}, [AGE], {}, "'age' holds decimal numbers"),
    "a value without a row": ({"city": ["a", "d"]}, [CITY], {}, "'city': 'd' of the data is not in its hierarchy"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "hierarchies", "more", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(columns, hierarchies, more, message):
    with pytest.raises(InputError, match=message):
        count_tuples(pd.DataFrame(columns), hierarchies, **more)


SHAPES = {
    "tuples": ({"tuples": np.zeros((1, 2), np.int32)}, "shape"),
    "population": ({"population": np.zeros(2, np.int64)}, "population counts"),
    "nobody": ({"counts": np.zeros(1, np.int64)}, "no rows"),
    "below 0": ({"tuples": np.zeros((2, 1), np.int32), "counts": np.array([2, -1])}, "below 0"),
}


@pytest.mark.parametrize(("change", "message"), SHAPES.values(), ids=SHAPES)
def test_shapes_that_do_not_fit(change, message):
    given = {"hierarchies": (CITY,), "tuples": np.zeros((1, 1), np.int32), "counts": np.ones(1, np.int64)} | change
    with pytest.raises(InputError, match=message):
        Histogram(**given)


def test_rows_whose_key_does_not_fit_an_integer():
    codes = np.random.default_rng(1).integers(0, 3, (500, 30)).astype(np.int32)
    distinct, inverse = distinct_rows(codes, [100_000] * 30)
    assert distinct.tolist() == sorted(map(list, set(map(tuple, codes.tolist()))))
    assert (distinct[inverse] == codes).all()
