"""Make keys, database and folders; what is there stays."""

from __future__ import annotations

import click

from anonymization.files import PRIVATE
from anonymization.home import Home
from anonymization.keys import init_keys
from anonymization.release.ledger.ledger import EntryKind, Ledger


@click.command("init", help=__doc__)
@click.option(
    "--expect",
    "expected",
    metavar="PERSONS",
    type=click.IntRange(1),
    help="How many persons a period will hold, roughly: it chooses the levels that releases pin for that size.",
)
def command(expected: int | None) -> None:
    home = Home.from_environment()
    new = initialize(home, expected=expected)
    click.echo(f"{'made' if new else 'there already'}: {home.root}")
    if expected is not None:
        click.echo(f"{expected:,} persons are expected in a period; what is out keeps the levels it has")


def initialize(home: Home, *, expected: int | None = None) -> bool:
    """Make a home, or complete one; return whether it is new.

    Args:
        home: where.
        expected: how many persons a period will hold, if that is declared now.
    """
    home.create()
    init_keys(home)
    ledger = Ledger.of(home)
    try:
        ledger.migrate()
        with ledger.transaction() as transaction:
            new = not transaction.entries(kind=EntryKind.INITIALIZED)
            if new:
                transaction.append(EntryKind.INITIALIZED, "home", {})
            declared = transaction.entries(kind=EntryKind.EXPECTED)
            if expected is not None and (not declared or declared[-1].payload["persons"] != expected):
                transaction.append(EntryKind.EXPECTED, "persons", {"persons": expected})
    finally:
        ledger.close()
    database = home.root / "noren.db"
    if database.exists():
        database.chmod(PRIVATE)
    return new
