"""The search in SQL goes the same way on either engine as the search in memory, and publishes the same rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import DistinctDiversity, KAnonymity
from anonymization.microdata.files.published import published_of_histogram, published_of_relation
from anonymization.microdata.full_domain import rollup
from anonymization.microdata.full_domain.search import search
from anonymization.microdata.full_domain.search_in_engine import search_relation
from anonymization.microdata.histogram.coded import code_relation
from anonymization.microdata.histogram.of_relation import fetch_histogram

ROWS = [[str(v), f"{v // 3}", "*"] for v in range(9)]
QUESTIONS = {
    "k, somebody suppressed": ([KAnonymity(5)], 0.05, None),
    "k and l, nobody suppressed": ([KAnonymity(3), DistinctDiversity(2)], 0.0, "illness"),
    "everybody suppressed": ([DistinctDiversity(4)], 1.0, "illness"),
}


@pytest.mark.once_on_spark
@pytest.mark.parametrize(("criteria", "limit", "sensitive"), QUESTIONS.values(), ids=QUESTIONS)
def test_equal_to_the_search_in_memory(engine, tmp_path_factory, monkeypatch, criteria, limit, sensitive):
    monkeypatch.setattr(rollup, "_SMALL", 20)
    numbers = np.random.default_rng(5).geometric(0.4, (900, 2)).clip(max=9) - 1
    columns = {f"q{d}": pa.array([None if v == 7 else str(v) for v in numbers[:, d].tolist()]) for d in range(2)}
    illness = pa.array(np.random.default_rng(6).choice(["か", "b", "a"], 900))
    engine.register("persons", pa.table(columns | {"illness": illness}))
    coded = code_relation(engine, "persons", [Hierarchy.from_rows(name, ROWS) for name in columns], sensitive=sensitive)
    histogram = fetch_histogram(coded)
    expected = search(histogram, criteria, suppression_limit=limit)
    found = search_relation(coded, criteria, suppression_limit=limit)
    assert (found.suppressed_records > 0) == (limit > 0)
    assert vars(found) == {name: value for name, value in vars(expected).items() if name not in ("kept", "class_of")}
    assert (found.classes == 0) == (limit == 1)
    folder = tmp_path_factory.getbasetemp() / f"groups-{engine.name}"
    folder.mkdir(exist_ok=True)
    rows = published_of_relation(coded, found, criteria, folder / f"{limit}.parquet").tables()
    same = published_of_histogram(histogram, expected).tables()
    assert pa.concat_tables(rows).equals(pa.concat_tables(same))
