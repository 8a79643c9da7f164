"""A real Spark cluster of processes on this machine: a standalone master, and workers that a test may kill.

All tests here have the same master, and each has workers of its own, so one of pytest's workers runs them all.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.java import OPTIONS

from anonymization.engine.spark.java import java_home

HERE = Path(__file__).parent
WITHIN = 150.0
MASTER, WORKER = (f"org.apache.spark.deploy.{name}" for name in ("master.Master", "worker.Worker"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("cluster"))


class Cluster:
    """Everything listens on 127.0.0.1, on free ports, and talks encrypted; ended by the ids of what was started."""

    def __init__(self, folder: Path) -> None:
        import pyspark

        self._folder = folder
        self._class = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
        settings = {
            "spark.authenticate": "true",
            "spark.authenticate.secret": secrets.token_hex(16),
            "spark.network.crypto.enabled": "true",
            "spark.master.rest.enabled": "false",  # it knows no secret
            "spark.executor.extraJavaOptions": os.environ[OPTIONS],
        }
        (folder / "conf").mkdir()
        self.defaults = folder / "conf" / "spark-defaults.conf"
        self.defaults.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self.defaults.chmod(0o600)
        self.environment = os.environ | {
            # not by a folder for settings: it would stand in the class path, and be another one than the archive's
            "PYSPARK_SUBMIT_ARGS": f"--properties-file {self.defaults} pyspark-shell",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "JAVA_HOME": str(java_home(folder / "java")),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_JAVA_OPTS": os.environ[OPTIONS],
        }
        self._running: dict[str, subprocess.Popen] = {}
        port = free_port()
        self.master = f"spark://127.0.0.1:{port}"
        self._start("master", MASTER, "--port", str(port))
        _await(lambda: _listens(port), "the master")

    def add_worker(self, name: str, *, cores: int = 1, memory: str = "1g", **changed: str) -> None:
        """Start a worker and wait until the master knows it."""
        before = self._log("master").count("Registering worker")
        words = ("--cores", str(cores), "--memory", memory, "--work-dir", str(self._folder / f"work-{name}"))
        changed |= {"SPARK_LOCAL_DIRS": str(self._folder / f"local-{name}")}
        self._start(name, WORKER, "--port", "0", *words, self.master, **changed)
        _await(lambda: self._log("master").count("Registering worker") > before, f"worker {name}")

    def await_exchange(self, stage: Stage) -> str:
        """Wait until a worker holds what later tasks of the stage's job read from it; return which."""
        known = self._exchanged()
        until = time.monotonic() + 2 * WITHIN
        while not (new := self._exchanged() - known):
            assert stage.process.poll() is None, stage.ended()
            assert time.monotonic() < until, "no worker ever exchanged anything"
            time.sleep(0.01)
        return min(name for name, _ in new)

    def _exchanged(self) -> set[tuple[str, str]]:
        walked = [(name, entry) for name in self._running for entry in os.walk(self._folder / f"local-{name}")]
        return {(name, file) for name, (_, _, files) in walked for file in files if file.startswith("shuffle_")}

    def kill(self, name: str) -> None:
        """Let a worker die as its machine would: the process and its executors at once, without a word."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self, *, but: str | None = None) -> None:
        """End what is running, the master too unless it is named."""
        for name in [name for name in self._running if name != but]:
            self.kill(name)

    def logs(self) -> dict[str, bytes]:
        """Return what each executor wrote into files of its own."""
        files = [path for folder in self._folder.glob("work-*") for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self._folder)): path.read_bytes() for path in files}

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _start(self, name: str, kind: str, *words: str, **changed: str) -> None:
        settings = ("--properties-file", str(self.defaults))
        with (self._folder / f"{name}.log").open("w") as log:
            self._running[name] = subprocess.Popen(
                [self._class, kind, "--host", "127.0.0.1", "--webui-port", "0", *settings, *words],
                env=self.environment | changed, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _await(happens, what: str) -> None:
    until = time.monotonic() + WITHIN
    while not happens():
        assert time.monotonic() < until, f"{what} did not start"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def master(tmp_path_factory):
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    yield started
    started.close()


@pytest.fixture
def cluster(master):
    """A master without workers, with the settings that all start with."""
    settings = master.defaults.read_text()
    yield master
    master.close(but="master")
    master.defaults.write_text(settings)


class Stage:
    """A stage of the pipeline as a process of its own."""

    def __init__(self, command, environment, folder: Path) -> None:
        self._said = (folder / "said.txt", folder / "complained.txt")
        with self._said[0].open("w") as out, self._said[1].open("w") as err:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)

    def ended(self, within: float = 300) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output and standard error."""
        code = self.process.wait(within)
        return code, *(path.read_text() for path in self._said)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start(cluster, tmp_path):
    """Starts a stage on the cluster in a home; another environment or master may be given."""
    stages = []

    def start(verb, home, policies, *words, master=None, **changed):
        folder = tmp_path / f"stage-{len(stages)}"
        folder.mkdir()
        named = {"NOREN_HOME": str(home.root), "NOREN_POLICIES": str(policies.folder)}
        command = [sys.executable, "-m", "jobs", verb, *words, "--engine", "spark"]
        stage = Stage([*command, "--master", master or cluster.master], cluster.environment | named | changed, folder)
        stages.append(stage)
        return stage

    yield start
    for stage in stages:
        stage.close()
