"""List what was published, and what is spent of privacy budgets."""

from __future__ import annotations

import click

from anonymization.release.budget import account_lines
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.setting import opened


@click.command("releases", help=__doc__)
def command() -> None:
    with opened() as setting, setting.ledger.transaction() as transaction:
        found = transaction.publications()
        gone = {entry.subject for entry in transaction.entries(kind=EntryKind.WITHDRAWAL)}
        spent = account_lines(transaction, setting.policies.policy.house_rules.privacy_budget)
    for p in found:
        state = "withdrawn" if p.candidate in gone else "out"
        click.echo(f"{p.release}  {p.period}  v{p.version}  {state}  {p.digest[:16]}")
    for line in spent:
        click.echo(line)
    if not found:
        click.echo("nothing was published yet")
