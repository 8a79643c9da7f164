"""Sign an approval of CANDIDATE."""

from __future__ import annotations

import click

from anonymization.release.decision import Outcome
from jobs.options import officer_option
from jobs.signing import STAYS, signed_decision


@click.command("approve", help=__doc__)
@click.argument("candidate")
@officer_option
@click.option("--reason", default="", help="A comment for the record; it stays inside.")
def command(candidate: str, officer: str, reason: str) -> None:
    decision = signed_decision(candidate, Outcome.APPROVED, officer, reason)
    click.echo(f"approved by {officer}; good for one publication until {decision.expires_at}")
    click.echo(STAYS)
