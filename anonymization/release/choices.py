"""People's choices: kept in the identified zone; the ledger holds their sequence numbers and salted digests only."""

from __future__ import annotations

import csv
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from anonymization.errors import InputError
from anonymization.files import PRIVATE, canonical
from anonymization.home import Home
from anonymization.release.ledger.ledger import EntryKind, Ledger, now

_META = sa.MetaData()
OPTOUTS = sa.Table(
    "optouts", _META,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("namespace", sa.String(63), nullable=False),
    sa.Column("id", sa.String(256), nullable=False),
    sa.Column("added_at", sa.String(32), nullable=False),
    sa.UniqueConstraint("namespace", "id"),
)  # fmt: skip
HEADER = ["namespace", "id"]
NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Added:
    """What an addition did: how many were new, and the ledger entry that records it."""

    new: int
    known: int
    entry: int


def add_optouts(home: Home, ledger: Ledger, people: Sequence[tuple[str, str]]) -> Added:
    """Record that persons opted out: their events are dropped at intake from now on.

    The choice is stored before the ledger entry, which comes with every addition: a repeated one is harmless,
    a lost one is not.

    Raises:
        InputError: nobody is named, or a namespace is none.
    """
    if not people:
        raise InputError("no person is named; give --namespace and --id, or --file")
    if any(NAMESPACE.fullmatch(namespace) is None or not identity for namespace, identity in people):
        raise InputError("an opt-out is a namespace (such as cookie or client) and an id that is not empty")
    engine = _open(home)
    with ledger.transaction() as transaction, engine.connect() as connection:
        known = {(r.namespace, r.id) for r in connection.execute(sa.select(OPTOUTS))}
        new = [person for person in dict.fromkeys(people) if person not in known]
        if new:
            rows = [{"namespace": namespace, "id": identity, "added_at": now()} for namespace, identity in new]
            connection.execute(sa.insert(OPTOUTS), rows)
        connection.commit()
        digest = hashlib.sha256((secrets.token_hex(32) + canonical(sorted(new))).encode()).hexdigest()
        payload = {"choice": "optout", "last_sequence": len(known) + len(new), "new": len(new), "digest": digest}
        entry = transaction.append(EntryKind.CHOICE, "optouts", payload)
    engine.dispose()
    return Added(len(new), len(people) - len(new), entry.seq)


def optouts(home: Home) -> list[tuple[str, str]]:
    """Return every opted-out person as (namespace, id), in order of addition."""
    engine = _open(home)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(OPTOUTS).order_by(OPTOUTS.c.sequence)).all()
    engine.dispose()
    return [(row.namespace, row.id) for row in rows]


def read_optouts(path: Path) -> list[tuple[str, str]]:
    """Return the persons of a CSV file with the columns `namespace,id`.

    Raises:
        InputError: the file has other columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path.name} cannot be read as UTF-8 CSV with the columns namespace,id") from None
    if not rows or rows[0] != HEADER or any(len(row) != len(HEADER) for row in rows):
        raise InputError(f"{path.name}: expected the columns {','.join(HEADER)} in every row")
    return [(namespace, identity) for namespace, identity in rows[1:]]


def _open(home: Home) -> sa.Engine:
    path = home.choices / "choices.db"
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
    with engine.begin() as connection:  # another process may just be making it
        connection.execute(CreateTable(OPTOUTS, if_not_exists=True))
    path.chmod(PRIVATE)
    return engine
