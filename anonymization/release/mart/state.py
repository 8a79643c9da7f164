"""What the mart ought to hold, and what it holds; without the tables themselves, so light to import."""

from __future__ import annotations

from anonymization.home import Home
from anonymization.release.ledger.ledger import EntryKind, Ledger, Publication
from anonymization.release.mart.database import SCHEMA, MartDatabase, mart_exists, open_mart


def behind(home: Home, ledger: Ledger) -> int:
    """Return how many versions the mart would have to load or to remove.

    Raises:
        NorenError: the mart's database cannot be reached.
    """
    out = published(ledger)
    if not mart_exists(home):
        return len(out)
    with open_mart(home, read_only=True) as database:
        return len(set(loaded(database)) ^ set(out))


def published(ledger: Ledger) -> list[Publication]:
    """Return what is out: published and not withdrawn."""
    with ledger.transaction() as transaction:
        gone = {entry.subject for entry in transaction.entries(kind=EntryKind.WITHDRAWAL)}
        return [p for p in transaction.publications() if p.candidate not in gone]


def loaded(database: MartDatabase) -> list[Publication]:
    """Return what a mart holds."""
    columns = "candidate, release, period, version, digest"
    rows = database.rows(f"SELECT {columns} FROM {SCHEMA}.publications ORDER BY release, period, version")
    return [Publication(*row) for row in rows]
