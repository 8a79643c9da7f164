"""Publish an approved CANDIDATE as the next version of its release, and load the analysts' mart."""

from __future__ import annotations

import click

from anonymization.errors import AlreadyOut, DecisionRefusal
from anonymization.release.candidate import load_candidate
from anonymization.release.decision import DecisionSource, SignedFile
from anonymization.release.publish import Published
from anonymization.release.publish import publish as publish_candidate
from anonymization.release.setting import Setting, opened
from jobs.mart import load_mart
from jobs.stage import tell


@click.command("publish", help=__doc__)
@click.argument("candidate")
def command(candidate: str) -> None:
    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        done, mart_line = publish(setting, candidate)
    p = done.publication
    tell(candidate=candidate, digest=p.digest, release=p.release, period=p.period, version=p.version)
    tell(folder=done.folder, mart=mart_line)
    click.echo(f"published {p}")
    click.echo(mart_line, err=mart_line.startswith("WARNING"))
    click.echo(done.folder)


def publish(setting: Setting, identity: str) -> tuple[Published, str]:
    """Publish a candidate and load the mart; return the version, and what became of the mart.

    Raises:
        Refusal: the gate is closed, the decision does not hold, the candidate is stale, or its content is out.
        InputError: its officer answers in Airflow, which cannot be asked.
    """
    try:
        release = load_candidate(setting.home, setting.ledger, identity).request.release
        done = publish_candidate(
            setting.home, setting.ledger, identity,
            officers=setting.officers, policy_digest=setting.policies.digest_of(release),
            stocks=setting.policies.stocks, demo=setting.demo, source=decision_source(setting, identity),
        )  # fmt: skip
    except AlreadyOut:  # whoever published it may have been killed before the mart
        load_mart(setting)
        raise
    return done, load_mart(setting)


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
        from jobs.airflow import Airflow  # noqa: PLC0415 - only who answers there is asked for
        from jobs.airflow_answers import AirflowAnswers  # noqa: PLC0415

        return AirflowAnswers(setting, Airflow.from_environment())
    return SignedFile()
