"""Check a release DIRECTORY: digests, signature, schema, and the ledger where its home is at hand."""

from __future__ import annotations

from pathlib import Path

import click

from anonymization.home import Home
from anonymization.release.verify import verify
from jobs.options import DIRECTORY


@click.command("verify", help=__doc__)
@click.argument("directory", type=DIRECTORY)
def command(directory: Path) -> None:
    home = Home.from_environment()
    at_hand = home if (home.keys / "publisher.key").exists() else None
    result = verify(directory, at_hand)
    for check in result.checks:
        click.echo(check if check.startswith("NOTE") else f"holds: {check}")
    if at_hand is None:
        click.echo("not checked: ledger, as the publisher's home is not at hand")
    if result.envelope["mark"]:
        click.echo(result.envelope["mark"])
    click.echo("verified" + ("; this version was WITHDRAWN" if result.withdrawn else ""))
