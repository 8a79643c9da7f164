"""Tells people that an officer's answer is late: in the task's log, and by the program that `NOREN_ALERT` names."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from datetime import timedelta

from times import ANSWER_WITHIN

WITHIN = 60
"""Seconds that the program may take."""
LATE = timedelta(hours=float(os.environ.get("NOREN_LATE_HOURS") or 48))
"""How long an answer may take until people are told."""
if not timedelta(0) < LATE < ANSWER_WITHIN:
    raise ValueError(f"NOREN_LATE_HOURS must lie between 0 and {ANSWER_WITHIN // timedelta(hours=1)}")


def tell_of_late_answer(dag: str, run: str) -> None:
    """Say that an officer's answer is late; the program, such as `mail -s Noren officer`, gets it as its input.

    A program that fails stops nothing: the officer can still answer.
    """
    log = logging.getLogger(__name__)
    text = (
        f"Nobody has answered {dag}, run {run}, in {LATE / timedelta(hours=1):g} hours. An officer is asked in Airflow,"
        f" under Required Actions, until {ANSWER_WITHIN / timedelta(hours=1):g} hours have passed."
    )
    log.error(text)
    program = shlex.split(os.environ.get("NOREN_ALERT", ""))
    if not program:
        return
    try:
        subprocess.run(program, input=f"{text}\n", text=True, timeout=WITHIN, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.error("NOREN_ALERT failed (%s): nobody but this log was told", type(error).__name__)  # noqa: TRY400
