"""People who opted out: no intake takes their events in from then on, and nothing is built of those that are there."""

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
@click.option("--namespace", help="Of the id, such as cookie, client or member: one that a source declares.")
@click.option("--id", "identity", help="The raw id.")
@click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV: namespace,id.")
def add(namespace: str | None, identity: str | None, path: Path | None) -> None:
    """Record opt-outs."""
    with opened() as setting:
        namespaces = setting.policies.namespaces
        people = read_optouts(path, namespaces=namespaces) if path is not None else []
        if namespace is not None and identity is not None:
            people.append((namespace, identity))
        added = add_optouts(setting.home, setting.ledger, people, namespaces=namespaces)
    click.echo(f"{added.new} recorded, {added.known} known before (ledger entry {added.entry})")


@command.command("list")
def list_() -> None:
    """Count recorded opt-outs by namespace; ids are not shown."""
    for namespace, number in sorted(Counter(n for n, _ in optouts(Home.from_environment().require())).items()):
        click.echo(f"{namespace}: {number:,}")
