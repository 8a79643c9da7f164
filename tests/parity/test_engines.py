"""Engines live side by side in one process."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from anonymization.engine import open_engine


def test_an_engine_that_is_closed_leaves_the_others_at_work(engine, tmp_path):
    engine.register("mine", pa.table({"n": [1, 2]}))
    with open_engine(engine.name, temporary=tmp_path, folders=[tmp_path]) as other:
        other.register("mine", pa.table({"n": [40]}))
        assert other.fetch("SELECT n FROM mine").column("n").to_pylist() == [40]
    assert engine.fetch("SELECT n FROM mine").column("n").to_pylist() == [1, 2]
    assert list(tmp_path.iterdir()) == []


ASKING = """
import sys, pathlib, pyarrow as pa
from anonymization.engine import open_engine
with open_engine("spark", temporary=pathlib.Path(sys.argv[1]), master="local[1]") as engine:
    engine.register("t", pa.table({"n": [1]}))
    print(engine.fetch("SELECT n FROM t WHERE n <> 4711").num_rows)
"""


@pytest.mark.spark
def test_spark_logs_nothing(tmp_path):
    """Of a process of its own, since Java reads how to log when it starts."""
    ran = subprocess.run(
        [sys.executable, "-c", ASKING, tmp_path], capture_output=True, text=True, timeout=300, check=True
    )
    assert (ran.stdout, ran.stderr) == ("1\n", "")
