"""Asks Airflow itself who answered what: nothing that a task, an operator or a file says of an approval counts.

An answer is given in Airflow's page, to the approval task of a release's DAG run. What is checked here is what
Airflow's API says of it: who may code DAGs or administer Airflow's database can still forge it, and is outside the
guarantee.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anonymization.errors import DecisionRefusal
from anonymization.release.candidate import Candidate
from anonymization.release.decision import VALID, DecisionSource, Given, Outcome, SignedDecision, SignedFile
from anonymization.release.setting import Setting
from jobs.airflow import Airflow, Place, dag_id
from jobs.dossier import told

TASK = "approve"
"""The task of a release's DAG that an officer answers."""
CHOSEN = {("Approve",): Outcome.APPROVED, ("Reject",): Outcome.REJECTED}
SYSTEM = "airflow:"
NONCE = 32
"""Hex digits of an answer's nonce."""


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
        named = f"{place}\0{said['created_at']}\0{said['responded_at']}\0{login}"
        nonce = hashlib.sha256(named.encode()).hexdigest()[:NONCE]
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
