"""Remembers what a run asked of an officer: Airflow 3.3 keeps a run's first question, whatever is asked after it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

from airflow.sdk.exceptions import AirflowFailException
from steps import home

from anonymization.files import private_folder, write_private


def require_first(run: str, question: str, within: timedelta) -> None:
    """Remember the question of a run, or check that it is still the one that Airflow shows.

    A task that is cleared keeps its question and the time at which it was asked: after a rebuild the officer would read
    of the candidate before, and after its time would answer too late. Noren counts neither.

    Args:
        run: its DAG and id.
        question: what the officer is to read.
        within: how long the question may be answered.

    Raises:
        AirflowFailException: the run has asked something else, or too long ago.
    """
    path = private_folder(home() / "metrics" / "asked") / f"{hashlib.sha256(run.encode()).hexdigest()[:32]}.json"
    digest = hashlib.sha256(question.encode()).hexdigest()
    if not path.exists():
        content = json.dumps({"question": digest, "asked_at": datetime.now(UTC).isoformat(timespec="seconds")})
        write_private(path, content)
        return
    first = json.loads(path.read_text(encoding="utf-8"))
    if first["question"] != digest:
        raise AirflowFailException(
            "this run asked about another candidate, and Airflow still shows that: start a new run"
        )
    if datetime.now(UTC) - datetime.fromisoformat(first["asked_at"]) > within:
        raise AirflowFailException("this run asked too long ago for an answer to count: start a new run")
