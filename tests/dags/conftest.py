"""DAGs as Airflow loads and runs them, in processes of their own: importing Airflow warns, and warnings fail tests."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DAGS = ROOT / "dags"


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("airflow") is None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip("Airflow is not installed: pip install 'noren[airflow]'"))


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """Run a script beside this file with an Airflow of its own; `more` is added to the environment."""
    folder = tmp_path_factory.mktemp("airflow")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "NOREN_"))}
    own |= {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__API__BASE_URL": "http://127.0.0.1:9",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests only",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }

    def run(script, *words, **more):
        command = [sys.executable, str(HERE / script), *map(str, words)]
        return subprocess.run(command, env=own | more, check=False, capture_output=True, text=True, timeout=500)

    return run


@pytest.fixture(scope="session")
def look(alone):
    def looked(**more):
        done = alone("look.py", DAGS, **more)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout[done.stdout.index('{"dags"') :])

    return looked


@pytest.fixture(scope="session")
def shipped(look):
    """The DAGs of the shipped policies."""
    return look()
