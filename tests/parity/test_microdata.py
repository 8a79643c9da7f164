"""The histogram by SQL equals the one of a frame, on either engine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.histogram.of_relation import group_relation


def flat(attribute, *values):
    return Hierarchy.from_rows(attribute, [(value, "*") for value in values])


CITY, AGE = flat("city", "b", "a", "c"), flat("age", "20", "10", "30")
WIDE = Hierarchy.from_rows("city", [(f"{i}", "*") for i in range(100_000)])
PERSONS = {
    "texts and numbers": ({"city": list("abacb"), "age": [10, 20, 10, 30, 10]}, [CITY, AGE]),
    "missing values": ({"city": ["a", None, "b", None, ""], "age": [10, 20, None, 20, 20]}, [CITY, AGE]),
    "missing values with a row": ({"city": ["a", None, "", "a", "a"]}, [flat("city", "", "a")]),
    "keys of two integers": ({"city": ["5", "99999", "5", "0", "0"]} | {f"c{i}": ["7"] * 5 for i in range(5)},
        [WIDE, *(Hierarchy(f"c{i}", WIDE.labels, WIDE.ancestors) for i in range(5))]),
}  # fmt: skip


def registered(engine, name, columns):
    frame = pd.DataFrame(columns).convert_dtypes()
    engine.register(name, pa.Table.from_pandas(frame, preserve_index=False))
    return frame


def same(one, other):
    assert [h.labels for h in one.hierarchies] == [h.labels for h in other.hierarchies]
    assert np.array_equal(one.tuples, other.tuples)
    assert np.array_equal(one.counts, other.counts)
    for part in ("starts", "codes", "counts", "labels", "ordered"):
        assert np.array_equal(getattr(one.sensitive, part), getattr(other.sensitive, part))


@pytest.mark.parametrize(("columns", "hierarchies"), PERSONS.values(), ids=PERSONS)
def test_equal_to_a_frame(engine, columns, hierarchies):
    frame = registered(engine, "persons", columns | {"illness": ["10", "9", None, "9", "10"]})
    populace = registered(engine, "populace", {name: values + values[:2] for name, values in columns.items()})
    options = {"sensitive": "illness", "ordered": True}
    by_sql = group_relation(engine, "persons", hierarchies, population="populace", **options)
    by_frame = count_tuples(frame, hierarchies, population=populace, **options)
    same(by_sql, by_frame)
    assert np.array_equal(by_sql.population, by_frame.population)


REFUSED = {
    "a value that its hierarchy lacks": (
        {"city": ["a", "d"]},
        [CITY],
        "'city': 'd' of the data is not in its hierarchy",
    ),
    "an unknown column": ({"town": ["a"]}, [CITY], r"no column 'city'; it has \['town'\]"),
    "decimal numbers": ({"city": [0.5]}, [CITY], "'city' is of type double"),
    "no quasi-identifier": ({"city": ["a"]}, [], "at least one"),
    "no rows": ({"city": pd.Series([], dtype="string")}, [CITY], "holds no rows"),
}


@pytest.mark.parametrize(("columns", "hierarchies", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(duckdb_engine, columns, hierarchies, message):
    registered(duckdb_engine, "persons", columns)
    with pytest.raises(InputError, match=message):
        group_relation(duckdb_engine, "persons", hierarchies)


def test_a_value_that_only_the_population_holds_is_refused(duckdb_engine):
    registered(duckdb_engine, "persons", {"city": ["a"]})
    registered(duckdb_engine, "populace", {"city": ["a", "z"]})
    with pytest.raises(InputError, match="'z' of the population"):
        group_relation(duckdb_engine, "persons", [CITY], population="populace")
