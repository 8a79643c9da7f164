"""What stands outside portable SQL is refused by name."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
import sqlglot

from anonymization.engine import open_engine
from anonymization.engine.intrinsics import BUILT, INTRINSICS
from anonymization.engine.portable import CONSTRUCTS, render
from anonymization.errors import EngineError, InputError, SqlError
from anonymization.quoting import quoted

PARITY = Path(__file__).parent.parent.parent / "parity"


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        pytest.param("SELECT round(x) FROM t", "Round", id="round"),
        pytest.param("SELECT CAST(x AS DECIMAL(9,2)) FROM t", "DECIMAL", id="decimal"),
        pytest.param("SELECT x / 2 FROM t", "Div", id="division"),
        pytest.param("SELECT avg(x) FROM t", "Avg", id="average"),
        pytest.param("SELECT trim(x) FROM t", "Trim", id="trim"),
        pytest.param("SELECT x FROM t WHERE x LIKE 'a%'", "Like", id="like"),
        pytest.param("SELECT arg_max(x, y) FROM t", "ArgMax", id="arg_max"),
        pytest.param("SELECT hash(x) FROM t", "hash", id="hash"),
        pytest.param("SELECT random() FROM t", "Rand", id="random"),
        pytest.param("SELECT read_text('x')", "read_text", id="files"),
        pytest.param("SELECT getenv('HOME')", "getenv", id="environment"),
        pytest.param("SELECT x FROM t LIMIT 1", "Limit", id="limit"),
        pytest.param("DROP TABLE t", "Drop", id="drop"),
        pytest.param("COPY t TO 'x'", "Copy", id="copy"),
        pytest.param("SELECT INT_DIV(x) FROM t", "INT_DIV takes 2", id="arguments"),
        pytest.param("SELECT FROM WHERE", "not SQL", id="no SQL"),
    ],
)
def test_outside_is_refused(sql, named):
    with pytest.raises(SqlError, match=f"(?i){named}"):
        render(sql, "duckdb")


def test_an_identifier_cannot_break_out():
    with pytest.raises(SqlError):
        quoted('a" OR 1=1 --')


@pytest.mark.parametrize(
    ("name", "master", "message"),
    [
        pytest.param("polars", None, "unknown engine 'polars'; known: duckdb, spark", id="unknown engine"),
        pytest.param("duckdb", "local[2]", "--master belongs to --engine spark", id="master of duckdb"),
    ],
)
def test_wrong_engines_are_refused(tmp_path, name, master, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        open_engine(name, temporary=tmp_path, master=master)


def test_duckdb_reads_only_what_it_may(tmp_path, duckdb_engine):
    outside = tmp_path.parent.parent.parent / "etc"
    with pytest.raises(EngineError), open_engine("duckdb", temporary=tmp_path / "t") as engine:
        engine.open_events("x", [outside / "x.parquet"], __import__("pyarrow").schema([("p", "int64")]))


def test_what_a_run_that_is_over_spilled_is_wiped(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"duckdb-{ended.pid}-00000000@{socket.gethostname()}"
    left.mkdir()
    (left / "left.tmp").write_text("x")
    with open_engine("duckdb", temporary=tmp_path), open_engine("duckdb", temporary=tmp_path):
        folders = list(tmp_path.glob("duckdb-*"))
        assert len(folders) == 2
        assert not list(tmp_path.rglob("left.tmp"))
        assert all(folder.stat().st_mode & 0o077 == 0 for folder in folders)
    assert list(tmp_path.iterdir()) == []


def test_what_duckdb_spills_tells_nothing(tmp_path):
    texts = pa.table({"id": pa.array([f"canary-{number:032d}-of-a-member" for number in range(600_000)])})
    with open_engine("duckdb", temporary=tmp_path, memory_limit="20MB", threads=1) as engine:
        engine.register("members", texts)
        spilled = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert len(spilled) > 1 << 20
        assert b"canary-" not in spilled
        assert engine.fetch("SELECT COUNT(*) AS n, MAX(id) AS last FROM members").to_pylist() == [
            {"n": 600_000, "last": texts["id"][-1].as_py()}
        ]


@pytest.mark.parametrize(("days", "there"), [(1, True), (8, False)], ids=["at work, perhaps", "abandoned"])
def test_what_another_machine_spilled_is_wiped_a_week_after(tmp_path, days, there):
    theirs = tmp_path / "duckdb-1-00000000@another-machine"
    theirs.mkdir()
    then = time.time() - days * 86_400
    os.utime(theirs, (then, then))
    open_engine("duckdb", temporary=tmp_path).close()
    assert theirs.exists() == there


def test_every_construct_has_a_parity_case():
    """What is allowed was seen to be equal: each name of the list stands in a parity test's text."""
    texts = [sql for sql, _ in runpy.run_path(str(PARITY / "test_constructs.py"))["CASES"].values()]
    texts += [
        f"SELECT {expression} AS y FROM t" for expression in runpy.run_path(str(PARITY / "test_intrinsics.py"))["TEXTS"]
    ]
    seen = {type(node).__name__ for text in texts for node in sqlglot.parse_one(text, read="duckdb").walk()}
    assert sorted(CONSTRUCTS - seen) == []


def test_every_intrinsic_has_a_parity_case():
    text = (PARITY / "test_intrinsics.py").read_text(encoding="utf-8")
    assert [name for name in (*INTRINSICS, *BUILT) if f"{name}(" not in text] == []
