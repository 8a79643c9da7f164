"""Where steps take raw logs and keys: not where a variable says, which whoever operates Airflow may write."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

DAGS = Path(__file__).parents[2] / "dags"
EVIL = "spark://203.0.113.7:7077"


class Failed(Exception):  # noqa: N818 - as Airflow names it
    """Airflow's word for a task that is not tried again."""


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """The steps of the DAGs, with Airflow's variables as given, and nothing of Airflow."""
    variables = {"noren_engine": "spark"}
    sdk, exceptions = ModuleType("airflow.sdk"), ModuleType("airflow.sdk.exceptions")
    sdk.Variable = SimpleNamespace(get=variables.get)
    sdk.Variable.get = lambda name, default=None: variables.get(name, default)
    exceptions.AirflowFailException = Failed
    for module in (ModuleType("airflow"), sdk, exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.syspath_prepend(DAGS)
    monkeypatch.setenv("NOREN_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "steps", raising=False)
    loaded = importlib.import_module("steps")
    yield loaded, variables
    sys.modules.pop("steps")


@pytest.mark.parametrize(
    ("master", "allowed", "used"),
    [
        pytest.param(None, "", "local[*]", id="none"),
        pytest.param("local[2]", "", "local[2]", id="this machine"),
        pytest.param("spark://a:7077", "yarn spark://a:7077", "spark://a:7077", id="one of those listed"),
        pytest.param(EVIL, "", None, id="nothing is listed"),
        pytest.param(EVIL, "spark://a:7077", None, id="not listed"),
        pytest.param("spark://a:7077,203.0.113.7:7077", "spark://a:7077", None, id="one more"),
        pytest.param("local[2] --conf spark.jars=x", "", None, id="this machine, and more"),
    ],
)
def test_a_master_is_used_if_the_services_environment_lists_it(steps, monkeypatch, master, allowed, used):
    loaded, variables = steps
    variables.update({} if master is None else {"noren_master": master})
    monkeypatch.setenv("NOREN_SPARK_MASTERS", allowed)
    if used is None:
        with pytest.raises(Failed, match="allowed are local"):
            loaded._command("intake", "--date", "2026-10-31")
        return
    command, _ = loaded._command("intake", "--date", "2026-10-31")
    assert command[command.index("--master") + 1] == used
