"""Runs a step of Noren as a process of its own; a task passes paths and digests on, and believes a verdict only.

Airflow's variable `noren_engine` says what `intake` and `build` run on: `duckdb`, the default, or `spark`, by
`spark-submit` to the master that `noren_master` names: this machine, or one of those that the service's environment
lists in `NOREN_SPARK_MASTERS`, with spaces between. Steps take raw logs and keys there: who may set a variable does not
say where.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

import jobs
from anonymization.errors import Refusal
from anonymization.files import PRIVATE, private_folder

CLOSED = (1, 2, 3)
"""Exit codes of a refusal, of wrong input and of a fault of the program: again would be the same, a person looks."""
ON_ENGINE = ("intake", "build")
ENGINES = ("duckdb", "spark")
OWNER = "data-engineering"
"""Of what is no release's."""
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(hours=6)}
"""How a task that runs a step is tried again, and when it is ended."""
LOCAL, OF_THIS_MACHINE = "local[*]", re.compile(r"local(\[(\d+|\*)\])?")
MASTERS = "NOREN_SPARK_MASTERS"
"""In the environment of Airflow's workers: masters beside this machine."""
PATIENCE = 30
"""Seconds in which a step that is to end may write its verdict."""


def home() -> Path:
    """Return the home that Airflow's environment names."""
    return Path(os.environ["NOREN_HOME"]).absolute()


def run_step(verb: str, *words: str, once: bool = False, **expected: str) -> dict[str, Any]:
    """Run `noren VERB WORDS` and return what its verdict says the next step needs.

    What the step prints goes to a private file in the home: it may name cells or show the dossier. A task that is ended
    ends the step, with everything that it started.

    Args:
        verb: the step.
        words: its arguments.
        once: what this step did for the same words is not done again: a retry after a success that was lost.
        expected: what the verdict's result must hold, such as `release="monthly-audience"`.

    Raises:
        AirflowFailException: refused, wrong input, or a fault of the program; not to be tried again.
        RuntimeError: ended by a signal, or no verdict that says done; may be tried again.
    """
    from jobs.outcome import read_verdict  # noqa: PLC0415 - pydantic takes a while, and only a running task needs it

    folder = private_folder(home() / "metrics" / "verdicts")
    attempt = uuid.uuid4()
    verdict = folder / f"{verb}-{'-'.join(words) if once else attempt}.json"
    if once and verdict.exists():
        try:
            return dict(read_verdict(verdict, stage=verb, **expected).result)
        except Refusal:  # it did not come so far: again
            verdict.unlink()
    said = folder / f"{verb}-{attempt}.log"
    with os.fdopen(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as output:
        code = _waited(*_command(verb, "--verdict", str(verdict), *words), output)
    message = f"{verb} ended with exit code {code}; what it said is in {said}"
    if code in CLOSED:
        raise AirflowFailException(message)
    if code != 0:
        raise RuntimeError(message)
    try:
        return dict(read_verdict(verdict, stage=verb, **expected).result)
    except Refusal as error:
        raise RuntimeError(f"{message}: {error}") from None


def _waited(command: list[str], around: dict[str, str], output: Any) -> int:
    """Run a command in a session of its own to its end, or end all of the session."""
    process = subprocess.Popen(
        command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True, env=around
    )
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise


def _command(verb: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """The command of a step and its environment: `spark-submit` where Airflow's variables say so."""
    engine = Variable.get("noren_engine", default="duckdb") if verb in ON_ENGINE else "duckdb"
    if engine not in ENGINES:
        raise AirflowFailException(f"Airflow's variable noren_engine is {engine!r}; allowed: {', '.join(ENGINES)}")
    if engine == "duckdb":
        return [sys.executable, "-m", "jobs", verb, *words], dict(os.environ)
    return _submitted(verb, *words, "--engine", engine)


def _submitted(verb: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """A step by `spark-submit`, with the Python that Noren is installed in, and a Java that Spark can use."""
    from anonymization.engine.spark.java import java_home  # noqa: PLC0415 - only here

    master = _master()
    script = Path(jobs.__path__[0]) / "__main__.py"
    beside = Path(sys.executable).parent / "spark-submit"  # where pip puts it
    submit = str(beside) if beside.exists() else "spark-submit"
    python = dict.fromkeys(("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"), sys.executable)
    java = {"JAVA_HOME": str(java_home(home() / "temporary" / "java"))}
    return [submit, "--master", master, str(script), verb, *words], {**python, **os.environ, **java}


def _master() -> str:
    """Spark's master, if the service's environment lets it be used.

    Raises:
        AirflowFailException: it does not.
    """
    master = str(Variable.get("noren_master", default=LOCAL))
    allowed = os.environ.get(MASTERS, "").split()
    if OF_THIS_MACHINE.fullmatch(master) is None and master not in allowed:
        listed = ", ".join(allowed) or "none"
        raise AirflowFailException(
            f"Airflow's variable noren_master is {master!r}; allowed are local[N] and what the environment of Airflow's"
            f" workers lists in {MASTERS}: {listed}"
        )
    return master
