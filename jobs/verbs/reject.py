"""Sign a rejection of CANDIDATE."""

from __future__ import annotations

import click

from anonymization.release.decision import Outcome
from jobs.options import officer_option
from jobs.signing import STAYS, signed_decision


@click.command("reject", help=__doc__)
@click.argument("candidate")
@officer_option
@click.option("--reason", required=True, help="Why; it stays inside.")
def command(candidate: str, officer: str, reason: str) -> None:
    decision = signed_decision(candidate, Outcome.REJECTED, officer, reason)
    click.echo(f"rejected by {officer}; good for one publication until {decision.expires_at}")
    click.echo(STAYS)
