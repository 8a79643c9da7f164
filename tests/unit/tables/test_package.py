"""A package is its content alone: equal bytes, read back from its files, safe to open in a spreadsheet."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from anonymization.errors import IntegrityError
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.release import package_writing
from anonymization.release.manifest import check_manifest
from anonymization.release.package import read_package, table_csv
from anonymization.release.package_writing import write_package
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable
from anonymization.tables.plan import resolve
from jobs.verbs.audit import OLDER, command

TITLE = {"en": "Table", "ja": "表"}


@pytest.fixture
def plan(policies):
    release = policies.release("monthly-audience")
    return resolve(policies, release, parse_period(release.period, "2026-10"))


@pytest.fixture
def safe():
    codes = ["=1+1", "b"]
    dimension = Dimension(
        "a", TITLE, DimensionKind.PERSON, ("one",), dict.fromkeys(codes, TOTAL), dict.fromkeys(codes, "one"),
        {"=1+1": ("=HYPERLINK(1)", "@x")}, complete=True,
    )  # fmt: skip
    frame = pd.DataFrame(
        {"a": ["=1+1", TOTAL, "b"], "n": pd.array([None, None, 12], "Int64"), "n_status": ["C", "C", "F"]}
    )
    return SafeTable(
        "t",
        TITLE,
        (dimension,),
        (Measure("n", TITLE, MeasureKind.PERSONS, "clicks", {}),),
        frame,
        10,
        method=Method.SUPPRESSION,
    )


def test_it_is_read_back_as_it_was(tmp_path, plan, safe):
    digest = write_package(tmp_path, plan, [safe], [])
    package = read_package(tmp_path)
    assert package.digest == digest
    assert package.tables[0].frame.equals(safe.frame)
    assert package.tables[0].minimum_count == 10


def test_what_codes_consist_of_and_where_filters_take_theirs_from_is_told(tmp_path, plan, safe):
    region = replace(safe.dimensions[0], consists={"b": ("b1", "b2")})
    page = replace(safe.dimensions[0], closed=False)
    clicks = replace(safe.measures[0], where={"action": ("click",)}, lists={"action": ("click", "display")})
    for dimension in (region, page):
        folder = tmp_path / str(dimension.closed)
        write_package(folder, plan, [replace(safe, dimensions=(dimension,), measures=(clicks,))], [])
        package = read_package(folder)
        (table,) = package.tables
        assert package.says_what_codes_are
        assert (table.dimensions[0].consists, table.dimensions[0].closed) == (dimension.consists, dimension.closed)
        assert table.measures[0].lists == clicks.lists


def test_a_package_that_does_not_say_so_is_audited_as_far_as_it_goes_and_told(tmp_path, plan, safe, monkeypatch):
    monkeypatch.setattr(package_writing, "SAYS_WHAT_CODES_ARE", 1)
    write_package(tmp_path, plan, [safe], [])
    assert not read_package(tmp_path).says_what_codes_are
    said = CliRunner().invoke(command, [str(tmp_path)])
    assert OLDER in said.output


def test_columns_keep_their_declared_order(tmp_path, plan, safe):
    names = ("z", "a", "m")
    dimensions = tuple(replace(safe.dimensions[0], name=name) for name in names)
    frame = pd.concat([safe.frame["a"].rename(name) for name in names] + [safe.frame[["n", "n_status"]]], axis=1)
    write_package(tmp_path, plan, [replace(safe, dimensions=dimensions, frame=frame)], [])
    assert read_package(tmp_path).tables[0].keys == list(names)


def test_bytes_depend_on_content_alone(tmp_path, plan, safe):
    assert write_package(tmp_path / "one", plan, [safe], []) == write_package(tmp_path / "two", plan, [safe], [])


def test_no_text_is_a_formula(safe, tmp_path, plan):
    write_package(tmp_path, plan, [safe], [])
    content = table_csv(safe).decode() + (tmp_path / "codelists" / "a.csv").read_text()
    fields = [field for line in content.splitlines() for field in line.split(",")]
    assert not [field for field in fields if field.startswith(("=", "+", "-", "@"))]
    assert "'=1+1" in fields


def test_parquet_holds_no_statistics(tmp_path, plan, safe):
    write_package(tmp_path, plan, [safe], [])
    metadata = pq.read_metadata(tmp_path / "tables" / "t.parquet")
    columns = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    assert not any(column.is_stats_set for column in columns)
    assert metadata.metadata is None


def test_nothing_tells_how_much_is_hidden(tmp_path, plan, safe):
    write_package(tmp_path, plan, [safe], [])
    block = json.loads((tmp_path / "datapackage.json").read_text())["noren"]
    assert set(block["protection"]) == {"method", "minimum_publishable_count"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda f: (f / "tables/t.csv").write_text("a\n"), "tables/t.csv is not what", id="changed"),
        pytest.param(lambda f: (f / "NOTICE.md").unlink(), "NOTICE.md is missing", id="missing"),
        pytest.param(lambda f: (f / "more.txt").write_text(""), "more.txt is not in the manifest", id="too many"),
        pytest.param(lambda f: (f / "MANIFEST.json").write_text("{"), "no manifest", id="no manifest"),
        pytest.param(lambda f: (f / "MANIFEST.json").write_bytes((f / "MANIFEST.json").read_bytes() + b" "), "canonical", id="spaces"),
    ],
)  # fmt: skip
def test_a_changed_package_is_noticed(tmp_path, plan, safe, change, message):
    write_package(tmp_path, plan, [safe], [])
    change(tmp_path)
    with pytest.raises(IntegrityError, match=message):
        check_manifest(tmp_path)


def test_every_byte_of_the_manifest_counts(tmp_path, plan, safe):
    digest = write_package(tmp_path, plan, [safe], [])
    path = tmp_path / "MANIFEST.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            assert check_manifest(tmp_path) != digest
        except (IntegrityError, UnicodeDecodeError):
            continue
