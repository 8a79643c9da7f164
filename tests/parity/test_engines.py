"""Engines live side by side in one process."""

from __future__ import annotations

import pyarrow as pa

from anonymization.engine import open_engine


def test_an_engine_that_is_closed_leaves_the_others_at_work(engine, tmp_path):
    engine.register("mine", pa.table({"n": [1, 2]}))
    with open_engine(engine.name, temporary=tmp_path, folders=[tmp_path]) as other:
        other.register("mine", pa.table({"n": [40]}))
        assert other.fetch("SELECT n FROM mine").column("n").to_pylist() == [40]
    assert engine.fetch("SELECT n FROM mine").column("n").to_pylist() == [1, 2]
    assert list(tmp_path.iterdir()) == []
