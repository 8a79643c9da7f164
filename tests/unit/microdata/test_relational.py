"""The search in SQL: named cases against the search in memory, what is refused and why, and that nothing is fetched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anonymization.engine.duckdb import DuckDBEngine
from anonymization.errors import InputError, Refusal
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import (
    Closeness,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    RecursiveDiversity,
)
from anonymization.microdata.files.published import Groups, Published, published_of_histogram, published_of_relation
from anonymization.microdata.full_domain import rollup
from anonymization.microdata.full_domain.search import Budget, search
from anonymization.microdata.full_domain.search_in_engine import search_relation
from anonymization.microdata.histogram import units
from anonymization.microdata.histogram.coded import DEFAULT_LIMIT, code_relation, histogram_limit
from anonymization.microdata.histogram.of_relation import fetch_histogram
from anonymization.microdata.loss import Metric, Tally

CITY = Hierarchy.from_rows("city", [("a", "north", "*"), ("b", "north", "*"), ("c", "south", "*"), ("d", "south", "*")])
SEX = Hierarchy.from_rows("sex", [("f", "*"), ("m", "*")])
NINE = [[str(v), f"{v // 3}", f"{v // 6}", "*"] for v in range(9)]
SMALL = {"city": list("aabbccd"), "sex": list("ffffmmf"), "illness": list("xyxyxyx")}
GAPS = {"city": ["a", "a", None, "", "c"], "sex": ["f", "f", "m", "m", None], "illness": ["x", None, "", "y", "x"]}
WIDE = Hierarchy.from_rows("n", [(str(v), str(v // 10), str(v // 1000), "*") for v in range(100_000)])
MANY = {"n": [str(v * 5) for v in range(20_000)] * 2, "sex": ["f", "m"] * 20_000, "illness": list("xyyx") * 10_000}


def coded_of(engine, columns, hierarchies, sensitive="illness"):
    engine.register("persons", pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
    return code_relation(engine, "persons", hierarchies, sensitive=sensitive)


def figures(choice):
    return {name: value for name, value in vars(choice).items() if name not in ("kept", "class_of")}


def rows_of(published):
    return pa.concat_tables(published.tables()).to_pandas()


CASES = {
    "k": (SMALL, [CITY, SEX], [KAnonymity(2)], {"suppression_limit": 0.15}),
    "k and l": (SMALL, [CITY, SEX], [KAnonymity(2), DistinctDiversity(2)], {}),
    "l alone": (SMALL, [CITY, SEX], [DistinctDiversity(2)], {"suppression_limit": 0.2}),
    "entropy as the loss": (SMALL, [CITY, SEX], [KAnonymity(3)], {"metric": Metric.ENTROPY}),
    "everybody may be suppressed": (SMALL, [CITY, SEX], [KAnonymity(7)], {"suppression_limit": 1.0}),
    "missing values": (GAPS, [CITY, SEX], [KAnonymity(2)], {"suppression_limit": 0.4}),
    "a hundred thousand values": (MANY, [WIDE, SEX], [KAnonymity(4)], {}),
    "and a budget that ends": (MANY, [WIDE, SEX], [KAnonymity(50)], {"suppression_limit": 0.5, "budget": Budget(evaluations=2)}),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "hierarchies", "criteria", "options"), CASES.values(), ids=CASES)
def test_equal_to_the_search_in_memory(duckdb_engine, tmp_path_factory, columns, hierarchies, criteria, options):
    coded = coded_of(duckdb_engine, columns, hierarchies)
    histogram = fetch_histogram(coded)
    expected = search(histogram, criteria, **options)
    found = search_relation(coded, criteria, **options)
    assert figures(found) == figures(expected)
    rows = rows_of(published_of_relation(coded, found, criteria, tmp_path_factory.mktemp("groups") / "g.parquet"))
    pd.testing.assert_frame_equal(rows, rows_of(published_of_histogram(histogram, expected)))
    assert len(rows) == len(columns["sex"]) - found.suppressed_records


def test_the_rows_of_a_small_case_by_hand(duckdb_engine, tmp_path_factory):
    coded = coded_of(duckdb_engine, SMALL, [CITY, SEX])
    found = search_relation(coded, [KAnonymity(2)], suppression_limit=0.15)
    rows = rows_of(published_of_relation(coded, found, [KAnonymity(2)], tmp_path_factory.mktemp("g") / "g.parquet"))
    assert rows.to_numpy().tolist() == [list(row) for row in ("afx", "afy", "bfx", "bfy", "cmx", "cmy")]


REFUSED = {
    "no criterion": (SMALL, [], {}, InputError, "at least one is needed"),
    "a limit above 1": (SMALL, [KAnonymity(2)], {"suppression_limit": 1.5}, InputError, "limit is 1.5: 0 to 1"),
    "k above the persons": (SMALL, [KAnonymity(8)], {}, InputError, "k is 8, but the data holds 7"),
    "a population": (SMALL, [KMap(2)], {}, InputError, "population is needed"),
    "entropy l": (SMALL, [EntropyDiversity(1.5)], {}, InputError, r"entropy 1.5-diversity: .*k-anonymity and distinct l-diversity alone .*4 distinct tuples: with NOREN_HISTOGRAM_LIMIT=4"),
    "recursive l": (SMALL, [RecursiveDiversity(2, 2)], {}, InputError, "alone can be asked"),
    "t": (SMALL, [KAnonymity(2), Closeness(0.3)], {}, InputError, "0.3-closeness .*alone can be asked"),
    "nobody": ({name: [] for name in SMALL}, [KAnonymity(2)], {}, InputError, "holds no rows"),
    "not even the top": (SMALL, [DistinctDiversity(3)], {}, Refusal, r"no generalization gives distinct 3-diversity with at most 0 of 7"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "criteria", "options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(duckdb_engine, columns, criteria, options, kind, message):
    with pytest.raises(kind, match=message):
        search_relation(coded_of(duckdb_engine, columns, [CITY, SEX]), criteria, **options)


def test_no_sensitive_value_to_be_diverse(duckdb_engine):
    coded = coded_of(duckdb_engine, SMALL, [CITY, SEX], sensitive=None)
    with pytest.raises(InputError, match="sensitive attribute is needed"):
        search_relation(coded, [DistinctDiversity(2)])


def test_what_was_made_is_dropped(duckdb_engine, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(rollup, "_SMALL", 0)
    coded = coded_of(duckdb_engine, SMALL, [CITY, SEX])
    before = set(duckdb_engine._kinds)
    criteria = [KAnonymity(3), DistinctDiversity(2)]
    found = search_relation(coded, criteria)
    published_of_relation(coded, found, criteria, tmp_path_factory.mktemp("groups") / "g.parquet")
    assert set(duckdb_engine._kinds) == before
    coded.drop()
    assert set(duckdb_engine._kinds) == before - {coded.name}


def test_the_tuples_are_never_fetched(duckdb_engine, tmp_path_factory, monkeypatch):
    """What comes back are sizes of classes, and persons by value of a unit: few, however many tuples there are."""
    monkeypatch.setattr(units, "UNIT_LIMIT", 100)
    numbers = np.random.default_rng(2).geometric(0.3, (20_000, 5)).clip(max=9) - 1
    columns = {f"q{d}": numbers[:, d].astype(str).tolist() for d in range(5)}
    coded = coded_of(duckdb_engine, columns, [Hierarchy.from_rows(name, NINE) for name in columns], sensitive=None)
    fetched = []

    def fetch(self, sql, real=DuckDBEngine.fetch):
        table = real(self, sql)
        fetched.append(table.num_rows)
        return table

    monkeypatch.setattr(DuckDBEngine, "fetch", fetch)
    found = search_relation(coded, [KAnonymity(10)], suppression_limit=0.02)
    published_of_relation(coded, found, [KAnonymity(10)], tmp_path_factory.mktemp("groups") / "g.parquet")
    assert found.proven_optimal
    assert len(fetched) > found.evaluations
    assert coded.tuples > 5_000
    assert max(fetched) < 500


@pytest.mark.parametrize(
    ("given", "expected"), [pytest.param(None, DEFAULT_LIMIT, id="by default"), pytest.param("1", 1, id="one")]
)
def test_the_limit(monkeypatch, given, expected):
    monkeypatch.delenv("NOREN_HISTOGRAM_LIMIT", raising=False)
    if given is not None:
        monkeypatch.setenv("NOREN_HISTOGRAM_LIMIT", given)
    assert histogram_limit() == expected


@pytest.mark.parametrize("given", ["", "0", "-5", "2e7", "20_000", "many", "٣", "9" * 16])
def test_a_limit_that_is_none(monkeypatch, given):
    monkeypatch.setenv("NOREN_HISTOGRAM_LIMIT", given)
    with pytest.raises(InputError, match="NOREN_HISTOGRAM_LIMIT is a whole number of distinct tuples from 1 on"):
        histogram_limit()


def test_sizes_whose_squares_fit_no_64_bits():
    sizes, times = np.array([3, 4_000_000_000]), np.array([2, 5])
    assert Tally.of(sizes, times) == Tally(7, 20_000_000_006, 5 * 4_000_000_000**2 + 18, 3)


def test_a_group_larger_than_a_part_is_told_in_parts():
    groups = [Groups((np.array([0, 1]),), np.array([5, 9])), Groups((np.array([2]),), np.array([1]))]
    published = Published({"a": ("x", "y", "z")}, groups)
    tables = list(published.tables(rows=4))
    assert [table.num_rows for table in tables] == [4, 4, 4, 3]
    assert "".join(value for table in tables for value in table["a"].to_pylist()) == "xxxxx" + "y" * 9 + "z"
    assert [table.num_rows for table in Published({"a": ()}, []).tables()] == [0]
