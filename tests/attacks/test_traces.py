"""Traces: what is hidden shows in no byte of a package - no order, statistic, size, time or text of it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from anonymization.release.inputs import plan_release
from anonymization.release.package import read_package, table_csv
from anonymization.release.package_writing import write_package
from anonymization.tables.model import CONFIDENTIAL
from jobs.walk import RELEASES

PERIOD = "2026-10"
HIDDEN = 7_654_321
"""A figure that is nowhere else."""


@pytest.fixture
def packages(shipped):
    return {name: candidate.package for name, candidate in shipped.candidates.items()}


def with_figures_under_the_blanks(table, figure):
    """The table with a figure under every blank: a nullable column may carry it along, unseen."""
    frame = table.frame.copy()
    for measure in table.measures:
        blank = frame[measure.name].isna().to_numpy()
        values = np.where(blank, figure, frame[measure.name].fillna(0).to_numpy(dtype=np.int64))
        frame[measure.name] = pd.arrays.IntegerArray(values, blank)
    return replace(table, frame=frame)


def written(folder, policies, name, tables):
    plan, clauses = plan_release(policies, name, PERIOD)
    digest = write_package(folder, plan, tables, clauses)
    return digest, {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("name", RELEASES)
def test_a_figure_under_a_blank_changes_no_byte(packages, policies, tmp_path, name):
    tables = read_package(packages[name]).tables
    one, two = ([with_figures_under_the_blanks(t, figure) for t in tables] for figure in (0, HIDDEN))
    first, second = (written(tmp_path / str(n), policies, name, made) for n, made in enumerate((one, two)))
    assert first == second


def test_the_attack_on_blanks_works(packages):
    """A writer that took the column's own memory would show what is under a blank."""
    (table,) = read_package(packages["monthly-audience"]).tables
    made = with_figures_under_the_blanks(table, HIDDEN)
    assert HIDDEN in made.frame["users"].array._data
    assert str(HIDDEN).encode() not in table_csv(made)


@pytest.mark.parametrize("name", RELEASES)
def test_rows_stand_in_the_order_of_their_codes(packages, name):
    """No row order tells which of two hidden figures is larger."""
    for table in read_package(packages[name]).tables:
        keys = list(table.frame[table.keys].itertuples(index=False, name=None))
        assert keys == sorted(keys)
        assert not table.frame.duplicated(table.keys).any()


@pytest.mark.parametrize("name", RELEASES)
def test_parquet_tells_nothing_beside_its_figures(packages, name):
    for path in packages[name].glob("tables/*.parquet"):
        meta = pq.ParquetFile(path).metadata
        assert not meta.metadata or not {b"pandas"} & set(meta.metadata)
        columns = [meta.row_group(g).column(c) for g in range(meta.num_row_groups) for c in range(meta.num_columns)]
        assert all(column.statistics is None and not column.has_column_index for column in columns)


TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
COUNTS = re.compile(
    r"\b\d[\d,]*\s+(?:rows?|cells?|figures?|persons?)\b.{0,40}(?:suppressed|hidden|confidential|removed)"
)


@pytest.mark.parametrize("name", RELEASES)
def test_no_text_tells_a_time_or_how_much_is_hidden(packages, name):
    for path in packages[name].rglob("*"):
        if path.suffix in (".md", ".json"):
            text = path.read_text()
            assert not TIME.search(text), path.name
            assert not COUNTS.search(text), path.name
    assert TIME.search("built 2026-11-01 10:00")
    assert COUNTS.search("3 rows were suppressed")


@pytest.mark.parametrize("name", RELEASES)
def test_one_status_for_whatever_is_hidden(packages, name):
    """Why a figure is hidden, and by what parameters, stands nowhere."""
    for table in read_package(packages[name]).tables:
        for measure in table.measures:
            assert set(table.frame[f"{measure.name}_status"]) <= {"F", CONFIDENTIAL}
    described = (packages[name] / "datapackage.json").read_text()
    assert not re.search(r"\b(primary|secondary|dominance|p_percent|reach|width)\b", described)
