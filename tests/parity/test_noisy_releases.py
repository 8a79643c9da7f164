"""Releases with noise are equal on both engines: the same persons, the same noise."""

from __future__ import annotations

import importlib.util

import pytest

from jobs.build import build

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("world")]
CELL_KEY = {"method": "cell_key", "minimum_count": 50}


@pytest.mark.parametrize("based_on", ["monthly-audience", "search-trends"])
def test_cell_keys_are_equal(declared, based_on):
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed: pip install 'noren[spark]'")
    setting = declared(based_on, "with-noise", protection=CELL_KEY)
    first = build(setting, "with-noise", "2026-10").request
    assert build(setting, "with-noise", "2026-10", engine="spark").request.digest == first.digest
