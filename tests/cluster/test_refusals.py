"""A cluster that cannot do the work is told of, with what to do; nothing of such a run is taken for a result."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import anonymization

pytestmark = pytest.mark.spark
RELEASE = ("service-usage", "--period", "2026-10")
SMALL = "400m"
"""Less memory than an executor asks for."""
STARTED = "30"
"""Seconds within which an executor starts on a machine that is busy with other tests; as long is waited for one after a loss."""


def other_noren(tmp_path):
    """A folder with this Noren, one line longer."""
    folder = Path(shutil.copytree(Path(anonymization.__file__).parent, tmp_path / "other" / "anonymization")).parent
    with (folder / "anonymization" / "__init__.py").open("a") as file:
        file.write("# other\n")
    return {"PYTHONPATH": str(folder)}


def bare_python(tmp_path):
    """A Python of the same version that has nothing installed."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    return str(tmp_path / "bare" / "bin" / "python")


def refused(stage, home):
    """Return what a stage that failed has said, in one line, after a look at what it left."""
    code, said, complained = stage.ended()
    assert (code, said) == (2, "")
    assert not any(home.candidates.iterdir())
    assert not any(home.temporary.glob("spark-*"))
    (line,) = complained.splitlines()
    return line


@pytest.fixture
def build_on(setting, start):
    """Tries to build a release; gives the message."""

    def build_on(**changed):
        return refused(start("build", setting.home, setting.policies, *RELEASE, **changed), setting.home)

    return build_on


def test_no_worker(cluster, build_on):
    said = "no executor came within 3 s (NOREN_EXECUTORS_WITHIN) at spark://127.0.0.1"
    assert said in build_on(NOREN_EXECUTORS_WITHIN="3")


@pytest.mark.long("faults")
def test_no_worker_with_enough_memory(cluster, build_on):
    cluster.add_worker("small", memory=SMALL)
    assert "as much free memory as spark.executor.memory says" in build_on(NOREN_EXECUTORS_WITHIN="3")


@pytest.mark.long("faults")
def test_workers_that_cannot_run_noren(cluster, build_on, tmp_path):
    cluster.add_worker("one")
    assert "does not have the Python that the driver names" in build_on(PYSPARK_PYTHON=str(tmp_path / "none"))
    assert "a worker's Python has no Noren" in build_on(PYSPARK_PYTHON=bare_python(tmp_path))


@pytest.mark.long("faults")
def test_a_worker_with_another_noren(cluster, build_on, tmp_path):
    cluster.add_worker("same")
    cluster.add_worker("other", **other_noren(tmp_path))
    assert "a worker has another version of Noren than the driver" in build_on()


def test_every_worker_is_lost(cluster, setting, start):
    cluster.add_worker("only")
    stage = start("build", setting.home, setting.policies, *RELEASE, NOREN_EXECUTORS_WITHIN=STARTED)
    cluster.kill(cluster.await_exchange(stage))
    assert "every executor was lost and none came in time" in refused(stage, setting.home)


HUGE = """
import pathlib, sys
from anonymization.engine import open_engine
from anonymization.errors import EngineError
with open_engine("spark", temporary=pathlib.Path(sys.argv[1]), master=sys.argv[2]) as engine:
    try:
        engine._session.sql("SELECT explode(sequence(1, 200000000)) AS n").createTempView("every_number")
        engine.create("huge", "SELECT n FROM every_number")
    except EngineError as error:
        print(error)
"""


@pytest.mark.long("faults")
def test_an_executor_runs_out_of_memory(cluster, tmp_path):
    cluster.add_worker("one")
    with cluster.defaults.open("a") as file:
        file.write("spark.executor.memory 512m\nspark.task.maxFailures 1\n")
    ended = subprocess.run(
        [sys.executable, "-c", HUGE, tmp_path / "temporary", cluster.master], env=cluster.environment, capture_output=True, text=True, timeout=300, check=True
    )  # fmt: skip
    assert "Spark could not make 'huge': an executor ran out of memory: give each more" in ended.stdout
    assert not any((tmp_path / "temporary").iterdir())
