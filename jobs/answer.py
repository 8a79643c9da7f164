"""Answer: what an officer answered in Airflow becomes the recorded decision on a candidate."""

from __future__ import annotations

from anonymization.errors import DecisionRefusal, NorenError
from anonymization.keys import publisher_key
from anonymization.release.candidate import load_candidate
from anonymization.release.decision import DecisionSource, SignedDecision, SignedFile, witness
from anonymization.release.ledger import EntryKind
from jobs.airflow_answers import Airflow, AirflowAnswers, Place
from jobs.setting import Setting


def record_answer(setting: Setting, identity: str, place: Place) -> SignedDecision:
    """Ask Airflow what was answered, and record it as a decision that the publisher witnesses; once an answer.

    Raises:
        DecisionRefusal: nobody has answered, or not so that it counts; the ledger has the attempt.
        GateRefusal: an approval while the gate is closed.
        InputError: Airflow cannot be asked.
    """
    candidate = load_candidate(setting.home, setting.ledger, identity)
    try:
        given = AirflowAnswers(setting, Airflow.from_environment()).given(candidate, place)
        key = publisher_key(setting.home)
        return witness(setting.ledger, candidate, given, officers=setting.officers, key=key)
    except NorenError as error:
        with setting.ledger.transaction() as transaction:  # whoever tried: the ledger has the attempt
            transaction.append(EntryKind.REFUSED, candidate.id, {"refusal": type(error).__name__})
        raise


def decision_source(setting: Setting, identity: str) -> DecisionSource:
    """Return where the decision on a candidate comes from: Airflow, if its officer answers there, else a signed file.

    Raises:
        InputError: Airflow cannot be asked.
    """
    try:
        decision = SignedFile().decision_on(load_candidate(setting.home, setting.ledger, identity)).decision
    except DecisionRefusal:  # publication refuses it too, and records the attempt
        return SignedFile()
    if decision.answered_in or decision.officer in setting.airflow_officers:
        return AirflowAnswers(setting, Airflow.from_environment())
    return SignedFile()


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("answer")
