"""Airflow as it is asked: where it is, as whom it is asked, and what its API says of an answer and a run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from anonymization.errors import DecisionRefusal, InputError

URL, USER, PASSWORD_FILE = "NOREN_AIRFLOW_URL", "NOREN_AIRFLOW_USER", "NOREN_AIRFLOW_PASSWORD_FILE"
WITHIN = 30.0
"""Seconds in which Airflow must answer a request."""
ANSWERED = (requests.codes.ok, requests.codes.created)


def dag_id(release: str) -> str:
    """Return the id of a release's DAG."""
    return f"release__{release}"


@dataclass(frozen=True)
class Place:
    """Where an answer was given."""

    dag: str
    run: str
    task: str

    @classmethod
    def parsed(cls, text: str) -> Place:
        """Read `DAG/RUN/TASK`.

        Raises:
            InputError: it is none.
        """
        found = re.fullmatch(r"([\w.-]+)/(.+)/([\w.-]+)", text)
        if found is None:
            raise InputError(f"{text!r}: an answer in Airflow is named DAG/RUN/TASK")
        return cls(*found.groups())

    def __str__(self) -> str:
        """Return `DAG/RUN/TASK`."""
        return f"{self.dag}/{self.run}/{self.task}"


class Airflow:
    """Airflow's API, read with the service account that the environment names."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        said = self._asked("POST", "/auth/token", json={"username": user, "password": password})
        self._headers = {"Authorization": f"Bearer {said.get('access_token', '')}"}

    @classmethod
    def from_environment(cls) -> Airflow:
        """Log in.

        Raises:
            InputError: the environment does not say where and as whom, or Airflow does not let it in.
        """
        missing = [name for name in (URL, USER, PASSWORD_FILE) if not os.environ.get(name)]
        if missing:
            raise InputError(f"to ask Airflow who answered, set {', '.join(missing)}")
        try:
            password = Path(os.environ[PASSWORD_FILE]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise InputError(f"{PASSWORD_FILE} cannot be read ({type(error).__name__})") from None
        return cls(os.environ[URL], os.environ[USER], password)

    def answer(self, place: Place) -> dict[str, Any]:
        """Return the request for an answer and what was answered.

        Raises:
            InputError: Airflow cannot be asked.
            DecisionRefusal: it knows no such request.
        """
        path = f"{self._run(place)}/taskInstances/{quote(place.task, safe='')}/-1/hitlDetails"
        return self._asked("GET", path, unknown=f"Airflow knows no request for an answer at {place}")

    def run(self, place: Place) -> dict[str, Any]:
        """Return the DAG run; see `answer`."""
        return self._asked("GET", self._run(place), unknown=f"Airflow knows no run {place.dag}/{place.run}")

    @staticmethod
    def _run(place: Place) -> str:
        return f"/api/v2/dags/{quote(place.dag, safe='')}/dagRuns/{quote(place.run, safe='')}"

    def _asked(self, method: str, path: str, *, unknown: str = "", json: object = None) -> dict[str, Any]:
        headers = getattr(self, "_headers", {})
        try:
            said = requests.request(
                method, self._url + path, json=json, headers=headers, timeout=WITHIN, allow_redirects=False
            )
            content = said.json() if said.status_code in ANSWERED else {}
        except (requests.RequestException, ValueError) as error:
            raise InputError(f"Airflow at {URL} does not answer ({type(error).__name__}): is it up?") from None
        if said.status_code == requests.codes.not_found and unknown:
            raise DecisionRefusal(unknown)
        if said.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            raise InputError(f"Airflow does not let {USER} in or read answers (status {said.status_code})")
        if said.status_code not in ANSWERED or not isinstance(content, dict):
            raise InputError(f"Airflow at {URL} answered with status {said.status_code}: nothing can be read from that")
        return content
