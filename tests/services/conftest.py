"""PostgreSQL by itself, and all that `make airflow` starts: real ones, each with a home of its own.

`postgres` is one a worker, `airflow` one for all workers of a run. Airflow is never imported here: it is asked by HTTP.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest
from releasing import Release, waited
from serving import ROOT, Airflow, Database, kept, services, unused_port

from anonymization.home import Home
from jobs.services.local import Running, Services
from jobs.services.opening import scheduled_month
from jobs.services.processes import ServiceError, free_port

RUNNING = pytest.StashKey[contextlib.ExitStack]()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    home = tmp_path_factory.mktemp("postgres") / "home"
    with kept(home, home.with_name("users")):
        made = Services(Home(home), ROOT / "dags")
        (made.folder / "logs").mkdir(parents=True, mode=0o700)
        port = free_port()
        try:
            process = made.postgres.start(port)
        except ServiceError as error:
            if "there is no PostgreSQL" in str(error):
                pytest.skip(str(error))
            raise
        Running(0, port, (process,)).write(made.record)
        yield Database(made.postgres, port)


@pytest.fixture(scope="session")
def airflow(shared, pytestconfig):
    if importlib.util.find_spec("airflow") is None:
        pytest.skip("Airflow is not installed: pip install 'noren[airflow]'")
    home = shared / "airflow" / "home"
    pytestconfig.stash[RUNNING] = running = contextlib.ExitStack()
    with running:
        running.enter_context(kept(home, shared / "airflow.users"))
        started = services(
            home, "start", "--demo", "--events", "60000", "--port", str(unused_port())
        )  # if it does not run
        assert started.returncode == 0, started.stdout + started.stderr
        record = Running.read(home / "airflow" / "services.json")
        yield Airflow(home, record.url)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Airflow ends after the last test that asks it: what it does while nobody does takes time from other tests."""
    yield  # what the test itself ends may ask Airflow yet
    if RUNNING in item.config.stash and not (nextitem and _asks_airflow(nextitem)):
        item.config.stash[RUNNING].close()


@pytest.fixture
def released(airflow):
    """A release by its name, unpaused, with a month of logs; what is published is one test's at a time.

    The month is the one that a run on schedule is about. A publication makes candidates of others stale.
    """
    with airflow.home.with_name("released.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def get(name):
            release = Release(airflow, name, scheduled_month(datetime.now(UTC)))
            path = f"/api/v2/dags/{release.dag}"
            paused = waited(lambda: said.json() if (said := airflow.asked("engineer", "GET", path)).ok else None, path)
            if paused["is_paused"]:
                said = airflow.asked("engineer", "PATCH", path, {"is_paused": False})
                assert said.ok, said.text
                waited(lambda: release.runs() or None, "the last period's run has begun")[0].until("build", "success")
            return release

        yield get


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """One worker begins with all that ask Airflow, so that it runs once and ends early; releases come first."""
    asking = [item for item in items if _asks_airflow(item)]
    asking.sort(key=lambda item: "released" not in item.fixturenames)
    for item in asking:
        item.add_marker(pytest.mark.xdist_group("airflow"))
    items[:] = asking + [item for item in items if not _asks_airflow(item)]


def _asks_airflow(item):
    return Path(__file__).parent in item.path.parents and "airflow" in getattr(item, "fixturenames", ())
