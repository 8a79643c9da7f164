"""People who opted out: their events are dropped at intake from then on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from anonymization.home import Home
from anonymization.release.choices import add_optouts, optouts, read_optouts
from anonymization.release.setting import opened


@click.group("optout", help=__doc__)
def command() -> None:
    pass


@command.command("add")
@click.option("--namespace", help="cookie, client or member.")
@click.option("--id", "identity", help="The raw id.")
@click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV: namespace,id.")
def add(namespace: str | None, identity: str | None, path: Path | None) -> None:
    """Record opt-outs."""
    people = read_optouts(path) if path is not None else []
    if namespace is not None and identity is not None:
        people.append((namespace, identity))
    with opened() as setting:
        added = add_optouts(setting.home, setting.ledger, people)
    click.echo(f"{added.new} recorded, {added.known} known before (ledger entry {added.entry})")


@command.command("list")
def list_() -> None:
    """Count recorded opt-outs by namespace; ids are not shown."""
    for namespace, number in sorted(Counter(n for n, _ in optouts(Home.from_environment().require())).items()):
        click.echo(f"{namespace}: {number:,}")
