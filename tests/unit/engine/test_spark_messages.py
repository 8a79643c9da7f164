"""What is said where Spark cannot work: what to do, and never what its own message quotes."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from anonymization.engine.spark.errors import guarded
from anonymization.engine.spark.session import check_master
from anonymization.engine.spark.workers import NAMED_BY, check_workers, patience
from anonymization.errors import EngineError, InputError

CANARY = "taro@example.org"


@pytest.mark.parametrize(
    "master", ["local[0]", "local[x]", "spark:7077", "http://here:7077", "Local", "", "mesos://here"]
)
def test_a_master_of_no_known_form(master):
    with pytest.raises(InputError, match=r"allowed are local\[N\], spark://host:port, yarn and k8s"):
        check_master(master)


@pytest.mark.parametrize("master", ["spark://here", "spark://here:port", "spark://:7077", "spark://a:1,b"])
def test_a_standalone_master_without_its_place(master):
    with pytest.raises(InputError, match="is written spark://host:port"):
        check_master(master)


@pytest.mark.parametrize(
    "master", [None, "local", "local[*]", "local[4]", "local[2,4]", "yarn", "k8s://https://here:443"]
)
def test_masters_that_are_not_asked_before(master):
    check_master(master)


def test_a_master_that_does_not_answer():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, and nobody answers
        with pytest.raises(EngineError, match=r"no master answers at spark://127\.0\.0\.1:\d+: is it started"):
            check_master(f"spark://127.0.0.1:{taken.getsockname()[1]}")


def test_one_of_two_masters_is_enough():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in (taken, server)]
        check_master("spark://" + ",".join(f"127.0.0.1:{port}" for port in ports))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("ModuleNotFoundError: No module named 'anonymization'", "a worker's Python has no Noren"),
        ("ModuleNotFoundError: No module named 'pyarrow'", "a worker's Python has no Noren"),
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9", "another minor version of Python"),
        ('java.io.IOException: Cannot run program "/opt/python"', "does not have the Python that the driver names"),
        ("java.lang.OutOfMemoryError: Java heap space", "spark.executor.memory"),
        ("ExecutorLostFailure (executor 1 exited caused by one of the running tasks) ... code 52", "ran out of memory"),
        ("Container killed by YARN for exceeding memory limits", "ran out of memory"),
        ("java.io.IOException: No space left on device", "a disk is full"),
        ("All masters are unresponsive! Giving up.", "start it again"),
        ("Job 4 cancelled as part of cancellation of all jobs", "every executor was lost"),
        ("ExecutorLostFailure (executor 0 exited unrelated to the running tasks)", "spark.task.maxFailures"),
        ("something that nobody has seen", "RuntimeError"),
    ],
)
def test_the_cause_is_told_and_nothing_is_quoted(message, said):
    def failing():
        raise RuntimeError(f"{message} in the row of {CANARY}")

    with pytest.raises(EngineError, match="Spark could not make 'facts'") as told:
        guarded(failing, "facts")
    assert said in str(told.value)
    assert CANARY not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize("said", ["0", "-1", "soon", "inf", "nan", ""])
def test_a_patience_that_is_no_number_of_seconds(monkeypatch, said):
    monkeypatch.setenv(NAMED_BY, said)
    with pytest.raises(InputError, match=f"{NAMED_BY}='{said}': allowed is a number of seconds above 0"):
        patience()


@pytest.mark.spark
@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        pytest.param(lambda folder: folder / "elsewhere", "does not see NOREN_HOME", id="not seen"),
        pytest.param(lambda folder: folder, None, id="seen"),
    ],
)
def test_workers_that_do_not_see_the_home(engines, tmp_path, break_it, said):
    session = engines("spark")._session
    if said is None:
        check_workers(session, break_it(tmp_path))
        return
    with pytest.raises(EngineError, match=said):
        check_workers(session, break_it(tmp_path))


WITHOUT = """
import pathlib, sys
sys.modules["pyspark"] = None
from anonymization.engine import open_engine
try:
    open_engine("spark", temporary=pathlib.Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error, list(pathlib.Path(sys.argv[1]).iterdir()))
"""


def test_without_pyspark(tmp_path):
    ended = subprocess.run([sys.executable, "-c", WITHOUT, tmp_path], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "EngineError --engine spark needs the spark extra: pip install 'noren[spark]' []"
