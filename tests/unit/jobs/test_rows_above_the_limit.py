"""`noren microdata` above the limit of the histogram: nothing is fetched, and what is written is the same."""

from __future__ import annotations

import json

import pytest

from anonymization.errors import InputError
from jobs.verbs import microdata
from jobs.verbs.microdata import write_microdata

NAME, PERIOD = "subscriber-profile", "2026-10"
OWN = {"seconds", "evaluated_in"}


@pytest.mark.parametrize(
    "engine_name", ["duckdb", pytest.param("spark", marks=[pytest.mark.spark, pytest.mark.long("engines")])]
)
def test_the_same_package_without_fetching(setting, monkeypatch, engine_name):
    def forbidden(*given):
        raise AssertionError("the histogram was fetched")

    written = write_microdata(setting, NAME, PERIOD)
    before = {path.name: path.read_bytes() for path in written.folder.iterdir()}
    monkeypatch.setenv("NOREN_HISTOGRAM_LIMIT", "1")
    monkeypatch.setattr(microdata, "fetch_histogram", forbidden)
    again = write_microdata(setting, NAME, PERIOD, engine=engine_name)
    after = {path.name: path.read_bytes() for path in again.folder.iterdir()}
    reports = [json.loads(folder.pop("report.json")) for folder in (before, after)]
    assert after == before
    assert set(after) == {"rows.csv", "rows.parquet", "NOTICE.md"}
    assert [report["evaluated_in"] for report in reports] == ["memory", "engine"]
    assert {k: v for k, v in reports[0].items() if k not in OWN} == {
        k: v for k, v in reports[1].items() if k not in OWN
    }
    assert not [path for path in setting.home.temporary.iterdir() if path.name.startswith("rows-")]


def test_a_limit_that_is_none_writes_nothing(setting, monkeypatch):
    monkeypatch.setenv("NOREN_HISTOGRAM_LIMIT", "a lot")
    with pytest.raises(InputError, match="NOREN_HISTOGRAM_LIMIT is a whole number"):
        write_microdata(setting, NAME, PERIOD)
    assert not list(setting.home.microdata.iterdir())
