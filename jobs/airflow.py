"""Asks Airflow itself who answered what: nothing that a task, an operator or a file says of an approval counts.

An answer is given in Airflow's page, to the approval task of a release's DAG run. What is checked here is what
Airflow's API says of it: who may code DAGs or administer Airflow's database can still forge it, and is outside the
guarantee.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from anonymization.errors import DecisionRefusal, InputError
from anonymization.release.candidate import Candidate
from anonymization.release.decision import VALID, DecisionSource, Given, Outcome, SignedDecision, SignedFile
from anonymization.release.setting import Setting
from jobs.dossier import told

URL, USER, PASSWORD_FILE = "NOREN_AIRFLOW_URL", "NOREN_AIRFLOW_USER", "NOREN_AIRFLOW_PASSWORD_FILE"
TASK = "approve"
"""The task of a release's DAG that an officer answers."""
WITHIN = 30.0
"""Seconds in which Airflow must answer a request."""
CHOSEN = {("Approve",): Outcome.APPROVED, ("Reject",): Outcome.REJECTED}
ANSWERED = (requests.codes.ok, requests.codes.created)
SYSTEM = "airflow:"
NONCE = 32
"""Hex digits of an answer's nonce."""


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


@dataclass(frozen=True)
class AirflowAnswers(DecisionSource):
    """Decisions of officers who answer in Airflow: the recorded one, if Airflow, asked again, still says so."""

    setting: Setting
    airflow: Airflow

    def decision_on(self, candidate: Candidate) -> SignedDecision:
        """Return the decision in the candidate's evidence.

        Raises:
            DecisionRefusal: Airflow says something else.
            InputError: Airflow cannot be asked.
        """
        signed = SignedFile().decision_on(candidate)
        decision = signed.decision
        if not decision.answered_in.startswith(SYSTEM):
            raise DecisionRefusal(f"{decision.officer!r} answers in Airflow, and this decision does not say where")
        given = self.given(candidate, Place.parsed(decision.answered_in.removeprefix(SYSTEM)))
        said = (given.outcome, given.officer, given.reason, given.at.isoformat(timespec="seconds"), given.nonce)
        if said != (decision.outcome, decision.officer, decision.reason, decision.decided_at, decision.nonce):
            raise DecisionRefusal(f"Airflow says something else of {decision.answered_in} than the decision does")
        return signed

    def given(self, candidate: Candidate, place: Place) -> Given:
        """Return what an officer answered about exactly this candidate.

        Raises:
            DecisionRefusal: nobody did, or not so that it counts; says why.
            InputError: Airflow cannot be asked.
        """
        own = dag_id(candidate.request.release)
        if (place.dag, place.task) != (own, TASK):
            raise DecisionRefusal(f"{place} is not where {candidate.id} is approved: {own}, task {TASK}")
        said, run = self.airflow.answer(place), self.airflow.run(place)
        login, at = _answered(said, place)
        officer = self._officer(login)
        if run.get("triggering_user_name") == login:
            raise DecisionRefusal(f"{officer!r} started the run {place.run}, and so cannot decide on what it made")
        self._check_shown(said, candidate)
        outcome = CHOSEN.get(tuple(said.get("chosen_options") or ()))
        if outcome is None:
            raise DecisionRefusal(f"{officer!r} chose neither Approve nor Reject alone")
        nonce = hashlib.sha256(f"{place}\0{said['created_at']}\0{said['responded_at']}\0{login}".encode()).hexdigest()[
            :32
        ]
        return Given(outcome, officer, _comment(said), at, nonce, f"{SYSTEM}{place}")

    def _officer(self, login: str) -> str:
        """The enrolled officer who answers under a login."""
        found = [name for name, one in self.setting.airflow_officers.items() if one == login]
        if not found:
            raise DecisionRefusal(
                "who answered is no enrolled officer: officers.yaml names none with that airflow_user"
            )
        return found[0]

    def _check_shown(self, said: Mapping[str, Any], candidate: Candidate) -> None:
        """Check that the officer saw this candidate's digest and dossier, after its gate."""
        subject = str(said.get("subject", ""))
        if candidate.id not in subject.split() or candidate.request.digest not in subject.split():
            raise DecisionRefusal(f"the officer was asked about another package than {candidate.id}")
        if str(said.get("body", "")).strip() != told(self.setting, candidate.id).strip():
            raise DecisionRefusal(f"the officer read another dossier than that of {candidate.id} as it is now")


def _answered(said: Mapping[str, Any], place: Place) -> tuple[str, datetime]:
    """The login of who answered, and when, if somebody did, in time."""
    who, asked, at = said.get("responded_by_user"), _time(said, "created_at"), _time(said, "responded_at")
    if not said.get("response_received") or not isinstance(who, Mapping) or asked is None or at is None:
        raise DecisionRefusal(f"nobody has answered at {place}")
    if not asked <= at <= datetime.now(UTC):
        raise DecisionRefusal(f"the answer at {place} was not given after it was asked for")
    if at - asked > VALID:
        raise DecisionRefusal(
            f"the answer at {place} came after its deadline of {VALID.total_seconds() / 3600:.0f} hours"
        )
    return str(who.get("name", "")), at.astimezone(UTC).replace(microsecond=0)


def _time(said: Mapping[str, Any], field: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(said.get(field)))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _comment(said: Mapping[str, Any]) -> str:
    comment = (said.get("params_input") or {}).get("comment")
    return comment.strip() if isinstance(comment, str) else ""
