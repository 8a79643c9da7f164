"""People's choices: kept in the identified zone; the ledger holds their sequence numbers and salted digests only."""

from __future__ import annotations

import csv
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from anonymization.errors import InputError
from anonymization.files import PRIVATE, canonical
from anonymization.home import Home
from anonymization.policy.sources import Spelling
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
Person = tuple[str, str]
"""Whose choice it is: a namespace, and an id of it."""


@dataclass(frozen=True)
class Choices:
    """Who had opted out at one moment.

    Attributes:
        made: every choice: its number, from 1 on in order of addition, and whose it is.
    """

    made: tuple[tuple[int, Person], ...] = ()

    @property
    def last(self) -> int:
        """The number of the latest choice; 0 where there is none."""
        return self.made[-1][0] if self.made else 0

    @property
    def people(self) -> list[Person]:
        """Everybody who opted out, in order of addition."""
        return [person for _, person in self.made]

    def until(self, last: int) -> Choices:
        """Return the choices up to one of them: what was known when a release was built."""
        return Choices(tuple(one for one in self.made if one[0] <= last))


@dataclass(frozen=True)
class Added:
    """What an addition did: how many were new, and the ledger entry that records it."""

    new: int
    known: int
    entry: int


def add_optouts(home: Home, ledger: Ledger, people: Sequence[Person], *, namespaces: Mapping[str, Spelling]) -> Added:
    """Record that persons opted out: from now on no intake takes their events in, and nothing is built of those there.

    The choice is stored before the ledger entry, which comes with every addition: a repeated one is harmless,
    a lost one is not.

    Args:
        home: where the choices are.
        ledger: its ledger.
        people: who opted out.
        namespaces: of ids that some source declares, and how those are spelt.

    Raises:
        InputError: nobody is named, or a namespace or an id is none that a log can hold.
    """
    if not people:
        raise InputError("no person is named; give --namespace and --id, or --file")
    spelt = [spelt_person(person, namespaces) for person in people]
    engine = open_choices(home, OPTOUTS)
    with ledger.transaction() as transaction, engine.connect() as connection:
        known = {(r.namespace, r.id) for r in connection.execute(sa.select(OPTOUTS))}
        new = [person for person in dict.fromkeys(spelt) if person not in known]
        if new:
            rows = [{"namespace": namespace, "id": identity, "added_at": now()} for namespace, identity in new]
            connection.execute(sa.insert(OPTOUTS), rows)
        connection.commit()
        digest = hashlib.sha256((secrets.token_hex(32) + canonical(sorted(new))).encode()).hexdigest()
        payload = {"choice": "optout", "last_sequence": len(known) + len(new), "new": len(new), "digest": digest}
        entry = transaction.append(EntryKind.CHOICE, "optouts", payload)
    engine.dispose()
    return Added(len(new), len(people) - len(new), entry.seq)


def choices_of(home: Home) -> Choices:
    """Return who has opted out by now."""
    if not database(home).exists():
        return Choices()
    engine = open_choices(home, OPTOUTS)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(OPTOUTS).order_by(OPTOUTS.c.sequence)).all()
    engine.dispose()
    return Choices(tuple((row.sequence, (row.namespace, row.id)) for row in rows))


def optouts(home: Home) -> list[Person]:
    """Return every opted-out person as (namespace, id), in order of addition."""
    return choices_of(home).people


def read_optouts(path: Path, *, namespaces: Mapping[str, Spelling]) -> list[Person]:
    """Return the persons of a CSV file with the columns `namespace,id`: all of them, or an error.

    Args:
        path: the file.
        namespaces: of ids that some source declares, and how those are spelt.

    Raises:
        InputError: a row cannot be read, or names nobody that a log can hold: the file and the line.
    """
    people: list[Person] = []
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                try:
                    people += _people_of(row, namespaces, first=line == 1)
                except InputError as error:
                    raise InputError(f"{path.name}, line {line}: {error}") from None
                line = reader.line_num + 1
    except csv.Error:
        raise InputError(
            f"{path.name}, line {line}: not CSV: a quote is open, or stands inside a field; nothing was recorded"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name}, line {_first_line_not_utf_8(path)}: not UTF-8; nothing was recorded") from None
    except OSError:
        raise InputError(f"{path.name} cannot be read") from None
    if line == 1:
        raise InputError(f"{path.name}, line 1: expected the columns {','.join(HEADER)}; the file is empty")
    return people


def _people_of(row: Sequence[str], namespaces: Mapping[str, Spelling], *, first: bool) -> list[Person]:
    """Whom a row of a list names: nobody in the first, somebody in every other."""
    if first and row != HEADER:
        raise InputError(f"expected the columns {','.join(HEADER)}")
    if len(row) != len(HEADER):
        raise InputError(f"{len(row)} fields; expected {len(HEADER)}: {', '.join(HEADER)}")
    if any(len(field.splitlines()) > 1 for field in row):
        raise InputError("a field over several lines: a quote that is open takes the rows below for a part of it")
    return [] if first else [spelt_person((row[0], row[1]), namespaces)]


def spelt_person(person: Person, namespaces: Mapping[str, Spelling]) -> Person:
    """Return whom a choice or a request names, in the spelling of the logs.

    Raises:
        InputError: no log can hold such an id; the id itself is never said.
    """
    from anonymization.deidentify.ids import spelt  # noqa: PLC0415 - a moment to import, and most runs find no list

    namespace, raw = person
    if namespace not in namespaces:
        raise InputError(f"no source has ids of this namespace; there are: {', '.join(namespaces)}")
    identity, fault = spelt(raw, namespaces[namespace])
    if fault is not None:
        raise InputError(f"the id is {fault}")
    if identity is None:
        raise InputError("the id is empty, or what stands for none, such as null or N/A")
    return namespace, identity


def _first_line_not_utf_8(path: Path) -> int:
    """The number of the first line that does not decode; a file that is being written may decode by now."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def database(home: Home) -> Path:
    """Return where people's choices and requests are kept."""
    return home.choices / "choices.db"


def open_choices(home: Home, *tables: sa.Table) -> sa.Engine:
    """Open the database of people's choices and requests, in which some tables are; 0600."""
    path = database(home)
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
    with engine.begin() as connection:  # another process may just be making it
        for table in tables:
            connection.execute(CreateTable(table, if_not_exists=True))
    path.chmod(PRIVATE)
    return engine
