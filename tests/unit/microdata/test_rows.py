"""A user's file to the histogram and back: any CSV or Parquet, values as they are, rows in their order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anonymization.engine.files import TabularEngine
from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import KAnonymity
from anonymization.microdata.files import rows as module
from anonymization.microdata.files.rows import (
    SensitiveColumn,
    flat_hierarchies,
    part_name,
    read_rows,
    recoded,
    write_rows,
)
from anonymization.microdata.full_domain.search import search
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.histogram.numbering import Numbering


def flat(attribute, *values):
    return Hierarchy.from_rows(attribute, [(value, "*") for value in values])


CITY = Hierarchy.from_rows("city", [("a", "west", "*"), ("b", "west", "*"), ("c", "east", "*")])
AGE = flat("age", "10", "20", "30")


@pytest.fixture
def opened(tmp_path):
    """An engine that sees the files of one test, by name."""
    engines = []

    def of(*names):
        engine = TabularEngine([tmp_path / name for name in names], "1GB")
        engines.append(engine)
        return engine

    yield of
    for engine in engines:
        engine.close()


def read(opened, tmp_path, content, hierarchies, name="in.csv", **more):
    path = tmp_path / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(opened(name), path, hierarchies, **more)


def values_of(rows):
    labels = [hierarchy.labels[0] for hierarchy in rows.histogram.hierarchies]
    return [tuple(labels[d][code] for d, code in enumerate(rows.histogram.tuples[t])) for t in rows.tuple_of]


FORMS = {
    "commas": "city,age\na,10\nc,20\na,10\n",
    "semicolons": "city;age\na;10\nc;20\na;10\n",
    "tabs": "city\tage\na\t10\nc\t20\na\t10\n",
    "bars": "city|age\na|10\nc|20\na|10\n",
    "a mark inside quotes": '"city";"x,y,z,w";age\na;"1,2";10\nc;"3";20\na;"4;5";10\n',
    "windows lines and a byte order mark": "\ufeffcity,age\r\na,10\r\nc,20\r\na,10\r\n",
    "no newline at the end": "city,age\na,10\nc,20\na,10",
    "quoted": 'city,age\n"a","10"\n"c","20"\n"a","10"\n',
    "text and numbers of Parquet": pa.table({"age": [10, 20, 10], "city": ["a", "c", "a"]}),
    "categories of Parquet": pa.table({"age": ["10", "20", "10"], "city": pa.array(["a", "c", "a"]).dictionary_encode()}),
}  # fmt: skip


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_forms_of_one_content(opened, tmp_path, content):
    name = "in.parquet" if isinstance(content, pa.Table) else "in.csv"
    rows = read(opened, tmp_path, content, [CITY, AGE], name)
    assert values_of(rows) == [("a", "10"), ("c", "20"), ("a", "10")]
    assert rows.histogram.tuples.tolist() == [[0, 0], [2, 1]]
    assert rows.histogram.counts.tolist() == [2, 1]


DAY = dt.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - a time without a zone is the case
VALUES = {
    "booleans": (pa.array([True, None]), ["true", ""]),
    "small integers": (pa.array([5, -6], pa.int8()), ["5", "-6"]),
    "unsigned integers": (pa.array([5, 2**63], pa.uint64()), ["5", "9223372036854775808"]),
    "dates": (pa.array([dt.date(2026, 1, 2), None]), ["2026-01-02", ""]),
    "times": (pa.array([DAY], pa.timestamp("us")), ["2026-01-02 03:04:05"]),
    "whole decimals": (pa.array([Decimal(5)], pa.decimal128(5, 0)), ["5"]),
    "missing and empty are one": (pa.array(["", None, "x"]), ["", "", "x"]),
    "quotes and marks": (pa.array(["it's", '"', "a;b"]), ["it's", '"', "a;b"]),
}


@pytest.mark.parametrize(("column", "expected"), VALUES.values(), ids=VALUES)
def test_values_become_text_as_duckdb_writes_it(opened, tmp_path, column, expected):
    known = flat("v", *dict.fromkeys(value for value in expected if value))
    rows = read(opened, tmp_path, pa.table({"v": column}), [known], "in.parquet")
    assert values_of(rows) == [(value,) for value in expected]


TYPES = {
    "floats": pa.array([1.0, 2.0]),
    "small floats": pa.array([1.0], pa.float32()),
    "decimals": pa.array([Decimal("1.5")], pa.decimal128(5, 2)),
}


@pytest.mark.parametrize("column", TYPES.values(), ids=TYPES)
def test_decimal_numbers_are_refused(opened, tmp_path, column):
    with pytest.raises(InputError, match=r"'v' holds decimal numbers .*: make intervals"):
        read(opened, tmp_path, pa.table({"v": column}), [flat("v", "1.0")], "in.parquet")


REFUSED = {
    "an empty file": (b"", "empty, or without a header"),
    "a header alone": (b"city,age\n", "holds no rows"),
    "an unknown column": (b"town,age\na,10\n", "no column 'city'; it has 'town', 'age'"),
    "another case": (b"City,age\na,10\n", "no column 'city'"),
    "a column twice": (b"city,age,Age\na,10,1\n", "'age' and 'Age' have one name"),
    "a column without a name": (b"city,age,\na,10,1\n", "has no name"),
    "a row too long": (b"city,age\na,10\na,10,1\n", "line 3 on: 3 fields, where the header has 2"),
    "a row too short": (b"city,age\na,10\nb\n", "line 3 on: 1 fields, where the header has 2"),
    "an open quote": (b'city,age\na,10\nb,"10\n', "line 3 on: a quote is not closed"),
    "another encoding": ("city,age\nあ,10\n".encode("shift-jis"), "not UTF-8"),
    "a value that its hierarchy lacks": (b"city,age\na,10\nd,20\n", "'city': 'd' of .*in.csv is not in its hierarchy"),
    "decimal numbers as text": (b"city,age\na,10.5\n", "'age' holds decimal numbers that its hierarchy lacks, such as 10.5: make intervals"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(opened, tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(opened, tmp_path, content, [CITY, AGE])


FILES = {
    "another suffix": ("in.txt", b"city,age\n", "CSV, TSV or Parquet, by its suffix"),
    "no file": ("in.csv", None, "no such file"),
    "no Parquet": ("in.parquet", b"PAR2", "cannot be read"),
    "a wildcard": ("in*.csv", b"city,age\n", "without"),
}


@pytest.mark.parametrize(("name", "content", "message"), FILES.values(), ids=FILES)
def test_files_that_are_refused(opened, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_rows(opened(name), tmp_path / name, [CITY, AGE])


def test_messages_of_broken_lines_quote_nothing(opened, tmp_path):
    with pytest.raises(InputError) as caught:
        read(opened, tmp_path, b"city,age\na,10\nsecret,10,1\n", [CITY, AGE])
    assert "secret" not in str(caught.value)


def test_only_the_given_files_can_be_read(opened, tmp_path):
    (tmp_path / "in.csv").write_text("city,age\na,10\n")
    with pytest.raises(InputError, match="PermissionException"):
        read_rows(opened("other.csv"), tmp_path / "in.csv", [CITY, AGE])


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(3000)],
            "age": rng.choice(["10", "20", "30", None], 3000),
            "note": rng.choice(["x", "", "a;b", '"'], 3000),
            "city": rng.choice(list("abc"), 3000),
            "illness": rng.choice(["u", "v", "w", None], 3000, p=[0.7, 0.2, 0.05, 0.05]),
        }
    )


def equal(one, other):
    assert [h.labels for h in one.hierarchies] == [h.labels for h in other.hierarchies]
    assert (one.tuples == other.tuples).all()
    assert (one.counts == other.counts).all()
    assert one.sensitive.labels == other.sensitive.labels
    for array in ("starts", "codes", "counts"):
        assert (getattr(one.sensitive, array) == getattr(other.sensitive, array)).all(), array
    assert (one.population == other.population).all()


LIMITS = {"one key": 2**62, "a key for each quasi-identifier": 2}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_the_histogram_is_that_of_the_frame(opened, tmp_path, frame, monkeypatch, limit):
    monkeypatch.setattr(module, "_KEY_LIMIT", limit)
    monkeypatch.setattr(module, "_NUMBER_LIMIT", limit)
    frame.to_csv(tmp_path / "in.csv", index=False)
    population = pd.concat([frame, frame.iloc[:500].assign(city="b")])[["city", "age"]]
    population.to_parquet(tmp_path / "all.parquet")
    rows = read_rows(
        opened("in.csv", "all.parquet"), tmp_path / "in.csv", [AGE, CITY],
        sensitive=SensitiveColumn("illness"), population=tmp_path / "all.parquet",
    )  # fmt: skip
    equal(rows.histogram, count_tuples(frame, [AGE, CITY], sensitive="illness", population=population))
    assert values_of(rows) == list(frame[["age", "city"]].fillna("").itertuples(index=False))
    labels = rows.histogram.sensitive.labels
    assert [labels[code] for code in rows.sensitive_of] == list(frame["illness"].fillna(""))


def test_flat_hierarchies_hold_what_the_file_holds(opened, tmp_path, frame):
    frame.to_parquet(tmp_path / "in.parquet")
    found = flat_hierarchies(opened("in.parquet"), tmp_path / "in.parquet", ["age", "city"])
    assert [hierarchy.labels for hierarchy in found] == [(("", "10", "20", "30"),), (("a", "b", "c"),)]


@pytest.mark.parametrize("into", [".csv", ".parquet"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_way_back(opened, tmp_path, frame, suffix, into):
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{into}"
    frame.to_csv(source, index=False, sep=";") if suffix == ".csv" else frame.to_parquet(source)
    engine = opened(source.name, out.name, part_name(out).name)
    rows = read_rows(engine, source, [AGE, CITY])
    solution = search(rows.histogram, [KAnonymity(240)], suppression_limit=0.3)
    assert solution.suppressed_records
    write_rows(engine, rows, recoded(rows, solution), out)
    mark = ";" if suffix == ".csv" else ","
    written = pd.read_csv(out, sep=mark, keep_default_na=False, dtype=str) if into == ".csv" else pd.read_parquet(out)
    written = written.fillna("")
    expected = frame.fillna("").copy()
    for hierarchy, level in zip((AGE.with_missing(), CITY), solution.levels, strict=True):
        row = {label: code for code, label in enumerate(hierarchy.labels[0])}
        expected[hierarchy.attribute] = [
            hierarchy.labels[level][hierarchy.ancestors[level][row[value]]] for value in expected[hierarchy.attribute]
        ]
    expected.loc[~solution.kept[rows.tuple_of], ["age", "city"]] = "*"
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_parquet_keeps_the_types_of_other_columns(opened, tmp_path):
    kept = pa.table(
        {
            "when": pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], pa.timestamp("ns", "Asia/Tokyo")),
            "many": pa.array([[1, 2]], pa.list_(pa.int32())),
            "price": pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
            "nested": pa.array([{"a": 1}]),
        }
    )
    pq.write_table(kept.append_column("city", pa.array(["a"])), tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    engine = opened("in.parquet", out.name, part_name(out).name)
    rows = read_rows(engine, tmp_path / "in.parquet", [CITY])
    write_rows(engine, rows, recoded(rows, search(rows.histogram, [KAnonymity(1)])), out)
    written = pq.read_table(out)
    assert written.drop_columns("city").equals(kept)
    assert written.schema.field("city").type == pa.string()


def test_shuffled_rows_are_the_same_rows(opened, tmp_path, frame):
    frame.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    engine = opened("in.parquet", out.name, part_name(out).name)
    rows = read_rows(engine, tmp_path / "in.parquet", [CITY])
    write_rows(engine, rows, recoded(rows, search(rows.histogram, [KAnonymity(1)])), out, shuffle=True)
    written = pd.read_parquet(out)
    assert list(written["id"]) != list(frame["id"])
    pd.testing.assert_frame_equal(
        written.sort_values("id", ignore_index=True), frame.sort_values("id", ignore_index=True), check_dtype=False
    )


def test_a_file_that_changed_is_refused_and_nothing_is_left(opened, tmp_path, frame):
    frame.to_csv(tmp_path / "in.csv", index=False)
    out = tmp_path / "out.csv"
    engine = opened("in.csv", out.name, part_name(out).name)
    rows = read_rows(engine, tmp_path / "in.csv", [CITY])
    frame.iloc[:-1].to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(InputError, match="it changed"):
        write_rows(engine, rows, recoded(rows, search(rows.histogram, [KAnonymity(1)])), out)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_numbers_by_first_appearance_over_chunks():
    keys = np.random.default_rng(2).integers(-(2**62), 2**62, 40_000)
    keys = keys[np.random.default_rng(3).integers(0, len(keys), 100_000)]
    numbering = Numbering()
    found = np.concatenate([numbering.number(part) for part in np.array_split(keys, 7)])
    assert (numbering.keys[found] == keys).all()
    assert list(dict.fromkeys(found.tolist())) == list(range(len(numbering.keys)))


@pytest.mark.parametrize("into", [".csv", ".parquet"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_of_many_blocks_keeps_its_order(opened, tmp_path, suffix, into):
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"city": rng.choice(list("abc"), 400_000), "n": np.arange(400_000)})
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{into}"
    frame.to_csv(source, index=False) if suffix == ".csv" else frame.to_parquet(source, row_group_size=5_000)
    engine = opened(source.name, out.name, part_name(out).name)
    rows = read_rows(engine, source, [CITY])
    write_rows(engine, rows, recoded(rows, search(rows.histogram, [KAnonymity(1)])), out)
    written = pd.read_csv(out) if into == ".csv" else pd.read_parquet(out).astype({"n": "int64"})
    pd.testing.assert_frame_equal(written, frame, check_dtype=False)


def test_a_missing_value_is_written_as_missing(opened, tmp_path):
    pq.write_table(pa.table({"city": ["", None, "a"], "note": ["", None, "x"]}), tmp_path / "in.parquet")
    engine = opened("in.parquet", *(part_name(tmp_path / f"out{s}").name for s in (".csv", ".parquet")))
    rows = read_rows(engine, tmp_path / "in.parquet", [CITY])
    for suffix in (".csv", ".parquet"):
        write_rows(engine, rows, recoded(rows, search(rows.histogram, [KAnonymity(1)])), tmp_path / f"out{suffix}")
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {"city": [None, None, "a"], "note": ["", None, "x"]}
    assert (tmp_path / "out.csv").read_text().splitlines() == ["city,note", ',""', ",", "a,x"]
