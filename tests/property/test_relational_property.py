"""The search in SQL against the search in memory: the same choice, figures, way and rows, whatever the data."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.errors import InputError, Refusal
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import DistinctDiversity, KAnonymity
from anonymization.microdata.files.published import published_of_histogram, published_of_relation
from anonymization.microdata.full_domain import rollup
from anonymization.microdata.full_domain import search as module
from anonymization.microdata.full_domain.search import Budget, search
from anonymization.microdata.full_domain.search_in_engine import search_relation
from anonymization.microdata.histogram import units
from anonymization.microdata.histogram.coded import code_relation
from anonymization.microdata.histogram.of_relation import fetch_histogram
from anonymization.microdata.loss import Metric

MANY = examples(12)
NUMBERS = itertools.count()


@st.composite
def trees(draw, attribute):
    """A hierarchy of 1 to 6 values and 1 to 3 levels; now and then with a row for missing values."""
    size, levels = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rows = [[f"{attribute}{i}"] for i in range(size)] + draw(st.sampled_from([[], [[""]]]))
    for level in range(1, levels):
        names = sorted({row[-1] for row in rows})
        parent = {name: f"{level}.{draw(st.integers(0, max(0, len(names) - 2)))}" for name in names}
        for row in rows:
            row.append(parent[row[-1]])
    return Hierarchy.from_rows(attribute, rows)


@st.composite
def cases(draw):
    """One to three attributes and persons with a sensitive value; values may be missing."""
    hierarchies = [draw(trees(f"q{d}")) for d in range(draw(st.integers(1, 3)))]
    person = st.tuples(
        *(st.sampled_from([*hierarchy.labels[0], None]) for hierarchy in hierarchies),
        st.sampled_from(["b", "a", "か", "", None]),
    )
    persons = draw(st.lists(person, min_size=1, max_size=40))
    return hierarchies, pd.DataFrame(persons, columns=[*(h.attribute for h in hierarchies), "illness"]).astype("string")


@pytest.fixture(params=["as it is", "rolled up", "no room", "lazy", "many units"])
def way(request, monkeypatch):
    """Small inputs skip roll-ups, fit an array and one unit: they are told not to."""
    if request.param != "as it is":
        monkeypatch.setattr(rollup, "_SMALL", 0)
    if request.param == "no room":
        monkeypatch.setattr(rollup, "_MEMORY", 400)
    if request.param == "lazy":
        monkeypatch.setattr(module, "DENSE_LIMIT", 0)
    if request.param == "many units":
        monkeypatch.setattr(units, "UNIT_LIMIT", 8)
        monkeypatch.setattr(units, "KEY_LIMIT", 40)


def outcome(searched):
    """What a search chose, or why it did not."""
    try:
        found = searched()
    except (Refusal, InputError) as error:
        return str(error), None
    return {name: value for name, value in vars(found).items() if name not in ("kept", "class_of")}, found


def rows_of(published):
    return pa.concat_tables(published.tables(rows=7))


@st.composite
def questions(draw):
    """Criteria that SQL can be asked of, whether a sensitive value is there, and how to search."""
    sensitive = draw(st.booleans())
    diverse = [DistinctDiversity(2)] if sensitive and draw(st.booleans()) else []
    options = {
        "suppression_limit": draw(st.sampled_from([0.0, 0.1, 0.4, 1.0])),
        "metric": draw(st.sampled_from(Metric)),
        "budget": Budget(evaluations=draw(st.sampled_from([3, 20_000]))),
    }
    return [KAnonymity(draw(st.integers(1, 5))), *diverse], "illness" if sensitive else None, options


@pytest.mark.usefixtures("way")
@MANY
@given(case=cases(), question=questions())
def test_equal_to_the_search_in_memory(duckdb_engine, tmp_path, case, question):
    hierarchies, frame = case
    criteria, sensitive, options = question
    duckdb_engine.register("persons", pa.Table.from_pandas(frame, preserve_index=False))
    coded = code_relation(duckdb_engine, "persons", hierarchies, sensitive=sensitive)
    histogram = fetch_histogram(coded)
    assert coded.tuples == len(histogram.tuples)
    in_memory, solution = outcome(lambda: search(histogram, criteria, **options))
    in_engine, choice = outcome(lambda: search_relation(coded, criteria, **options))
    assert in_engine == in_memory
    if solution is not None:
        path = tmp_path.parent / f"groups-{next(NUMBERS)}.parquet"
        rows = rows_of(published_of_relation(coded, choice, criteria, path))
        assert rows.equals(rows_of(published_of_histogram(histogram, solution)))
        assert rows.num_rows == histogram.persons - solution.suppressed_records


@examples(60)
@given(case=cases())
def test_the_rows_are_those_of_a_frame(duckdb_engine, case):
    hierarchies, frame = case
    duckdb_engine.register("persons", pa.Table.from_pandas(frame, preserve_index=False))
    coded = code_relation(duckdb_engine, "persons", hierarchies, sensitive="illness")
    histogram = fetch_histogram(coded)
    solution = search(histogram, [KAnonymity(1)])
    expected = frame.fillna("").astype(object)
    for hierarchy, level in zip(histogram.hierarchies, solution.levels, strict=True):
        codes = hierarchy.ancestors[level][hierarchy.leaf_codes(expected[hierarchy.attribute])]
        expected[hierarchy.attribute] = np.array(hierarchy.labels[level], object)[codes]
    expected = expected.sort_values(list(frame.columns), ignore_index=True)
    rows = rows_of(published_of_histogram(histogram, solution)).to_pandas()
    assert np.array_equal(rows.to_numpy(object), expected.to_numpy(object))
