"""Each construct of portable SQL gives the same rows and types on every engine."""

from __future__ import annotations

import pyarrow as pa
import pytest

from anonymization.errors import EngineError

T = pa.table(
    {
        "k": pa.array(["a", "a", "b", None, "か"], pa.string()),
        "n": pa.array([3, -4, 0, None, 7], pa.int64()),
        "s": pa.array(["x y", "", "X", None, "１"], pa.string()),
    }
)
U = pa.table({"k": pa.array(["a", "c"], pa.string()), "v": pa.array([1, 2], pa.int64())})

CASES = {
    "where, comparison": ("SELECT n AS y FROM t WHERE n > -5 AND n <= 3", [-4, 0, 3]),
    "null in comparison": ("SELECT n AS y FROM t WHERE NOT n > 0", [-4, 0]),
    "unequal": ("SELECT n AS y FROM t WHERE n <> 3", [-4, 0, 7]),
    "truth values": ("SELECT COALESCE(n > 0, FALSE) OR FALSE AS y FROM t", [False, False, False, True, True]),
    "is null": ("SELECT count(*) AS y FROM t WHERE k IS NULL", [1]),
    "not distinct": ("SELECT count(*) AS y FROM t WHERE n IS NOT DISTINCT FROM NULL", [1]),
    "in, between": ("SELECT n AS y FROM t WHERE n IN (3, 0) OR n BETWEEN 6 AND 8", [0, 3, 7]),
    "case, coalesce": (
        "SELECT CASE WHEN n < 0 THEN 'neg' ELSE COALESCE(k, '-') END AS y FROM t",
        ["-", "a", "b", "neg", "か"],
    ),
    "nullif, length": ("SELECT length(NULLIF(s, '')) AS y FROM t", [None, None, 1, 1, 3]),
    "modulo of negatives": ("SELECT n % 3 AS y FROM t", [None, -1, 0, 0, 1]),
    "arithmetic": ("SELECT n * 2 - 1 + 0 AS y FROM t", [None, -9, -1, 5, 13]),
    "bits": ("SELECT (n & 3) | 8 AS y FROM t WHERE n >= 0", [8, 11, 11]),
    "cast": ("SELECT CAST(n AS VARCHAR) AS y FROM t", [None, "-4", "0", "3", "7"]),
    "text": ("SELECT lower(s) || '!' AS y FROM t", [None, "!", "x y!", "x!", "１!"]),
    "substr, pad": ("SELECT lpad(substr('1234', 2, 2), 3, '0') AS y", ["023"]),
    "split": ("SELECT split_part(s, ' ', 2) AS y FROM t", [None, "", "", "", "y"]),
    "starts with": ("SELECT starts_with(s, 'x') AS y FROM t WHERE s IS NOT NULL", [False, False, False, True]),
    "regex": ("SELECT regexp_extract(s, '^([a-z]) ([a-z])$', 2) AS y FROM t", [None, "", "", "", "y"]),
    "regex match": ("SELECT count(*) AS y FROM t WHERE regexp_matches(s, '^[0-9]$')", [0]),
    "inner join": ("SELECT t.n AS y FROM t INNER JOIN u ON t.k = u.k", [-4, 3]),
    "left join": ("SELECT u.v AS y FROM t LEFT JOIN u ON t.k = u.k", [None, None, None, 1, 1]),
    "anti join": ("SELECT t.n AS y FROM t ANTI JOIN u ON t.k = u.k", [None, 0, 7]),
    "cross join": ("SELECT count(*) AS y FROM t CROSS JOIN u", [10]),
    "union all": ("SELECT n AS y FROM t WHERE n = 3 UNION ALL SELECT v AS y FROM u", [1, 2, 3]),
    "union": ("SELECT k AS y FROM t UNION SELECT k AS y FROM u", [None, "a", "b", "c", "か"]),
    "group, having": ("SELECT sum(n) AS y FROM t GROUP BY k HAVING count(*) > 1", [-1]),
    "distinct": ("SELECT count(DISTINCT k) AS y FROM t", [3]),
    "filter": ("SELECT count(*) FILTER (WHERE n > 0) AS y FROM t", [2]),
    "min, max": ("SELECT max(n) - min(n) AS y FROM t", [11]),
    "window": (
        "SELECT n AS y FROM (SELECT n, row_number() OVER (PARTITION BY k ORDER BY n DESC) AS r FROM t) AS q WHERE r = 1 AND n IS NOT NULL",
        [0, 3, 7],
    ),
    "grouping sets": (
        "SELECT GROUPING_ID(k, s) * 100 + count(*) AS y FROM t GROUP BY GROUPING SETS ((k, s), (k), ())",
        [1, 1, 1, 1, 1, 101, 101, 101, 102, 305],
    ),
    "cte": ("WITH q AS (SELECT n FROM t WHERE n > 0) SELECT sum(n) AS y FROM q", [10]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_construct(engine, name):
    engine.register("t", T)
    engine.register("u", U)
    sql, expected = CASES[name]
    result = engine.fetch(sql).column("y")
    key = [(value is not None, value) for value in result.to_pylist()]
    assert [value for _, value in sorted(key)] == expected
    assert result.type in (pa.int64(), pa.string(), pa.bool_())


def test_relations_come_and_go(engine, tmp_path):
    engine.register("t", T)
    engine.create("made", "SELECT n FROM t WHERE n > 0")
    engine.view("seen", "SELECT n FROM made")
    assert engine.fetch("SELECT count(*) AS y FROM seen").to_pylist() == [{"y": 2}]
    for name in ("seen", "made", "made", "never"):
        engine.drop(name)
    with pytest.raises(EngineError):
        engine.fetch("SELECT n FROM made")


def test_errors_hold_no_value(engine):
    engine.register("t", pa.table({"x": ["canary-7f3a"]}))
    with pytest.raises(EngineError) as caught:
        engine.fetch("SELECT CAST(x AS BIGINT) AS y FROM t")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_files_are_no_rows(engine):
    engine.open_events("none", [], pa.schema([("p", pa.int64())]))
    assert engine.fetch("SELECT count(*) AS y FROM none").to_pylist() == [{"y": 0}]
