"""PostgreSQL by itself, and all that `make airflow` starts: real ones, each with a home of its own.

`postgres` is one a worker, `airflow` one for all workers of a run. Airflow is never imported here: it is asked by HTTP.
"""

from __future__ import annotations

import importlib.util
import os

import pytest
from serving import ROOT, Airflow, Database, kept, services, unused_port

from anonymization.home import Home
from jobs.airflow_processes import ServiceError, free_port
from jobs.airflow_services import Running, Services


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
def airflow(tmp_path_factory):
    if importlib.util.find_spec("airflow") is None:
        pytest.skip("Airflow is not installed: pip install 'noren[airflow]'")
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    home = shared / "airflow" / "home"
    with kept(home, shared / "airflow.users"):
        started = services(home, "start", "--demo", "--port", str(unused_port()))  # where it runs, nothing happens
        assert started.returncode == 0, started.stdout + started.stderr
        running = Running.read(home / "airflow" / "services.json")
        yield Airflow(home, running.url)
