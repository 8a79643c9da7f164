"""Tells people that an officer's answer is late: in a log, and through the program that `NOREN_ALERT` names."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from typing import Any

WITHIN = 60
"""Seconds that the program may take."""


def late_answer(context: dict[str, Any], release: str, hours: float) -> None:
    """Say that a release's run has not ended; `NOREN_ALERT`, such as `mail -s Noren officer`, gets it as its input."""
    run = context.get("dag_run") or {}
    name = run.get("dag_run_id") or run.get("run_id") if isinstance(run, dict) else getattr(run, "run_id", None)
    text = (
        f"The release {release} has waited {hours:g} hours: run {name or 'unknown'} of DAG release__{release}."
        " If it is at `approve`, an officer is asked in Airflow under Required Actions, and has 72 hours in all."
    )
    logging.getLogger(__name__).error(text)
    program = shlex.split(os.environ.get("NOREN_ALERT", ""))
    if program:
        subprocess.run(program, input=f"{text}\n", text=True, timeout=WITHIN, check=True)
