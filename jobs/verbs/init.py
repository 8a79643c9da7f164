"""Make keys, database and folders; what is there stays."""

from __future__ import annotations

from pathlib import Path

import click

from anonymization.errors import IntegrityError
from anonymization.files import PRIVATE
from anonymization.home import Home, policy_folder
from anonymization.keys import init_keys
from anonymization.release.delivered import version_folders
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.pinned import Folder, pin


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


def initialize(home: Home, *, demo: bool = False, policies: Path | None = None, expected: int | None = None) -> bool:
    """Make a home, or complete one; return whether it is new.

    Args:
        home: the home.
        demo: whether a new one is a demo's, which stays so for ever.
        policies: the policy folder that it is run under; by default the one that the environment names.
        expected: how many persons a period will hold, if that is declared now.

    Raises:
        DeclarationError: the policy folder's officers cannot be read.
        IntegrityError: something was released from here, and the ledger is lost.
    """
    home.create()
    init_keys(home)
    ledger = Ledger.of(home)
    try:
        ledger.migrate()
        with ledger.transaction() as transaction:
            new = not transaction.entries(kind=EntryKind.INITIALIZED)
            if new:
                _require_nothing_out(home)
                transaction.append(EntryKind.INITIALIZED, "home", {"demo": demo})
            if not transaction.entries(kind=EntryKind.POLICY):
                pin(transaction, Folder.of(policies or policy_folder()))
            declared = transaction.entries(kind=EntryKind.EXPECTED)
            if expected is not None and (not declared or declared[-1].payload["persons"] != expected):
                transaction.append(EntryKind.EXPECTED, "persons", {"persons": expected})
    finally:
        ledger.close()
    database = home.root / "noren.db"
    if database.exists():
        database.chmod(PRIVATE)
    return new


def _require_nothing_out(home: Home) -> None:
    """Check that no ledger was lost: a new one knows nothing of what is out, and beside that no release is safe."""
    if out := list(version_folders(home)):
        raise IntegrityError(
            f"releases/ holds {len(out)} version(s), and the ledger is new: put back the one that knows them, from a"
            " backup; if none of them ever left the house, move them out of releases/"
        )
