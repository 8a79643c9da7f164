"""DAGs as Airflow loads and runs them, in processes of their own: importing Airflow warns, and warnings fail tests."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DAGS = ROOT / "dags"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """All of them are one worker's, which imports Airflow once."""
    missing = importlib.util.find_spec("airflow") is None
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("dags"))
            if missing:
                item.add_marker(pytest.mark.skip("Airflow is not installed: pip install 'noren[airflow]'"))


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Server:
    """An Airflow of its own, which is imported once; each script is run in a process forked from it."""

    def __init__(self, folder):
        self.folder, self._asked = folder, 0
        self._complained = (folder / "server.err").open("w")
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "NOREN_"))}
        self.environment = own | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__API__BASE_URL": "http://127.0.0.1:9",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests only",
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }
        self._process = subprocess.Popen(
            [sys.executable, HERE / "server.py"], env=self.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._complained,
        )  # fmt: skip

    def run(self, script, *words, **more):
        """Run a script that lies beside this file, or anywhere; `more` is added to the environment."""
        self._asked += 1
        said, complained = (self.folder / f"{self._asked}.{end}" for end in ("out", "err"))
        asked = {
            "script": str(HERE / script), "words": list(map(str, words)), "environment": self.environment | more,
            "said": str(said), "complained": str(complained),
        }  # fmt: skip
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline()
        while code and not code.strip().lstrip("-").isdecimal():  # what importing Airflow prints
            code = self._process.stdout.readline()
        assert code, (self.folder / "server.err").read_text()
        return Ended(int(code), said.read_text(), complained.read_text())

    def close(self):
        self._process.communicate()
        self._complained.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("airflow"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def alone(server):
    """Run a script in a process of its own."""
    return server.run


def seen(done):
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout[done.stdout.index('{"dags"') :])


@pytest.fixture(scope="session")
def look(alone):
    return lambda **more: seen(alone("look.py", DAGS, **more))


@pytest.fixture(scope="session")
def shipped(server):
    """The DAGs of the shipped policies, as a process sees them that has imported nothing before."""
    command = [sys.executable, HERE / "look.py", DAGS]
    return seen(
        subprocess.run(command, env=server.environment, check=False, capture_output=True, text=True, timeout=500)
    )
