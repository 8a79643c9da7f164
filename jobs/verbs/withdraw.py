"""Withdraw VERSION of RELEASE: ledger entry, mart removal, recipient notice; audits still count it."""

from __future__ import annotations

import click

from anonymization.release.setting import opened
from anonymization.release.withdraw import withdraw
from jobs.mart import load_mart


@click.command("withdraw", help=__doc__)
@click.argument("release")
@click.argument("version", type=int)
@click.option("--period", help="Of the version; needed where several have one of its number.")
@click.option("--reason", required=True, help="Why; the recipient reads it.")
def command(release: str, version: int, period: str | None, reason: str) -> None:
    with opened() as setting:
        recipient = setting.policies.recipients[setting.policies.release(release).recipient]
        try:
            notice = withdraw(
                setting.home, setting.ledger, release, version, reason, contact=recipient.contact, period=period
            )
        finally:  # also where it is withdrawn already: whoever did may have been killed before the mart
            mart_line = load_mart(setting)
    click.echo(mart_line, err=mart_line.startswith("WARNING"))
    click.echo(f"withdrawn; the notice to its recipient: {notice}")
