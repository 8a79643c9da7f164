"""Make keys, database and folders; what is there stays."""

from __future__ import annotations

import click

from anonymization.files import PRIVATE
from anonymization.home import Home
from anonymization.keys import init_keys
from anonymization.release.ledger.ledger import EntryKind, Ledger


@click.command("init", help=__doc__)
def command() -> None:
    home = Home.from_environment()
    new = initialize(home)
    click.echo(f"{'made' if new else 'there already'}: {home.root}")


def initialize(home: Home) -> bool:
    """Make a home, or complete one; return whether it is new."""
    home.create()
    init_keys(home)
    ledger = Ledger.of(home)
    try:
        ledger.migrate()
        with ledger.transaction() as transaction:
            new = not transaction.entries(kind=EntryKind.INITIALIZED)
            if new:
                transaction.append(EntryKind.INITIALIZED, "home", {})
    finally:
        ledger.close()
    database = home.root / "noren.db"
    if database.exists():
        database.chmod(PRIVATE)
    return new
