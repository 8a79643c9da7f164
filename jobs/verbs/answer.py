"""Record what an officer answered in Airflow about CANDIDATE, as Airflow itself says it."""

from __future__ import annotations

import click

from anonymization.errors import ClockRefusal, NorenError
from anonymization.keys import publisher_key
from anonymization.release.candidate import load_candidate
from anonymization.release.decision import SignedDecision, witness
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.setting import Setting, opened
from jobs.airflow import Airflow, Place
from jobs.airflow_answers import AirflowAnswers
from jobs.stage import tell


@click.command("answer", help=__doc__)
@click.argument("candidate")
@click.option("--in", "place", required=True, metavar="DAG/RUN/TASK", help="The task in Airflow that was answered.")
def command(candidate: str, place: str) -> None:
    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        decision = record_answer(setting, candidate, Place.parsed(place)).decision
    tell(candidate=candidate, digest=decision.package_digest, outcome=decision.outcome.value, officer=decision.officer)
    click.echo(f"{decision.outcome.value} by {decision.officer}, as answered in Airflow")
    click.echo(f"good for one publication until {decision.expires_at}")


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
    except ClockRefusal:  # nothing can be recorded either
        raise
    except NorenError as error:
        with setting.ledger.transaction() as transaction:  # whoever tried: the ledger has the attempt
            transaction.append(EntryKind.REFUSED, candidate.id, {"refusal": type(error).__name__})
        raise
