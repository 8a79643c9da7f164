"""The releases that are written for Spark by hand, to be measured against, have the declared releases' cells."""

from __future__ import annotations

import duckdb
import pytest

from benchmarks.scale import by_hand, generated, multiplied
from benchmarks.spark_by_hand import BY_HAND


@pytest.mark.spark
@pytest.mark.parametrize("name", BY_HAND)
def test_equal_cells(world, policies, name):
    hand = by_hand(world.home, policies, name)
    assert hand.cells == generated(world.home, policies, name, "duckdb", packaged=False).cells
    assert hand.shuffled > 0


def test_copies_are_other_persons(world, tmp_path):
    wide = multiplied(world.home, tmp_path / "wide", 3)
    sql = (
        "SELECT count(*), count(DISTINCT p), count(DISTINCT linked_p) FROM read_parquet('{}/source=links/*/*.parquet')"
    )
    before, after = (duckdb.sql(sql.format(home.events)).fetchall()[0] for home in (world.home, wide))
    assert after == tuple(3 * n for n in before)
