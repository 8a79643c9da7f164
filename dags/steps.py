"""Runs a step of Noren as a process of its own; a task passes paths and digests on, and believes a verdict only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

CLOSED = (1, 2)
"""Exit codes of a refusal and of wrong input: again would be the same, a person looks."""
ON_ENGINE = ("intake", "build")


def home() -> Path:
    """Return the home that Airflow's environment names."""
    return Path(os.environ["NOREN_HOME"]).absolute()


def run_step(verb: str, *words: str, **expected: str) -> dict[str, Any]:
    """Run `noren VERB WORDS` and return what its verdict says the next step needs.

    What the step prints goes to a private file in the home: it may name cells or show the dossier. A task that is ended
    ends the step, with everything that it started.

    Args:
        verb: the step.
        words: its arguments.
        expected: what the verdict's result must hold, such as `release="monthly-audience"`.

    Raises:
        AirflowFailException: refused, or wrong input; not to be tried again.
        RuntimeError: a fault, or no verdict that says done; may be tried again.
    """
    from jobs.verdict import read_verdict  # noqa: PLC0415 - pydantic takes a while, and only a running task needs it

    folder = home() / "temporary" / "verdicts"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    verdict, said = (folder / f"{verb}-{uuid.uuid4()}.{suffix}" for suffix in ("json", "log"))
    command = [sys.executable, "-m", "jobs.cli", "--verdict", str(verdict), verb, *words, *_engine(verb)]
    with os.fdopen(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if code == 0:
        return dict(read_verdict(verdict, stage=verb, **expected).result)
    message = f"{verb} ended with exit code {code}; what it said is in {said}"
    if code in CLOSED:
        raise AirflowFailException(message)
    raise RuntimeError(message)


def _engine(verb: str) -> list[str]:
    """The engine that Airflow's variables name for the steps that have one."""
    engine = Variable.get("noren_engine", default="duckdb") if verb in ON_ENGINE else "duckdb"
    master = Variable.get("noren_master", default="") if engine == "spark" else ""
    return (["--engine", engine] if engine != "duckdb" else []) + (["--master", master] if master else [])
