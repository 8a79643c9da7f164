"""The ledger: what was read, requested, gated, decided, published, withdrawn, chosen and erased; entries are a chain.

An entry's hash is the SHA-256 of the entry before it and of its own content, so that a changed or missing
entry shows. It holds no value of a person: choices are there as sequence numbers and salted digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from anonymization.errors import ClockRefusal, IntegrityError, NorenError
from anonymization.files import canonical
from anonymization.home import Home

GENESIS = "0" * 64
HEAD_REVISION = "0003"
AHEAD = timedelta(days=35)
"""A clock may be so far ahead of the last entry; some verb runs every month, in most homes every day."""
CONFIRMED = "NOREN_CLOCK"
"""In the environment: the day that a clock far ahead shows, said by a person."""
PATIENCE = 30
"""Seconds that a transaction waits for another one."""


class EntryKind(StrEnum):
    """What an entry records."""

    INITIALIZED = "initialized"
    EXPECTED = "expected"
    POLICY = "policy"
    REQUEST = "request"
    GATE = "gate"
    DECISION = "decision"
    PUBLICATION = "publication"
    WITHDRAWAL = "withdrawal"
    CHOICE = "choice"
    ERASURE = "erasure"
    REFUSED = "refused"
    STATE = "state"
    CLOCK = "clock"
    GAP = "gap"
    PERSONS_REQUEST = "persons_request"


_META = sa.MetaData()
ENTRIES = sa.Table(
    "entries", _META,
    sa.Column("seq", sa.Integer, primary_key=True), sa.Column("time", sa.String), sa.Column("kind", sa.String),
    sa.Column("subject", sa.String), sa.Column("payload", sa.Text), sa.Column("previous", sa.String),
    sa.Column("hash", sa.String),
)  # fmt: skip
REQUESTS = sa.Table("requests", _META, sa.Column("number", sa.Integer), sa.Column("candidate", sa.String))
PUBLICATIONS = sa.Table(
    "publications", _META,
    sa.Column("candidate", sa.String), sa.Column("release", sa.String), sa.Column("period", sa.String),
    sa.Column("version", sa.Integer), sa.Column("digest", sa.String),
)  # fmt: skip
SPENT = sa.Table(
    "privacy_spent", _META,
    sa.Column("source", sa.String), sa.Column("month", sa.String), sa.Column("draw", sa.String),
    sa.Column("candidate", sa.String), sa.Column("rho", sa.String), sa.Column("delta", sa.String),
)  # fmt: skip
USED = sa.Table("used_decisions", _META, sa.Column("digest", sa.String))


@dataclass(frozen=True)
class Entry:
    """One entry of the ledger."""

    seq: int
    time: str
    kind: EntryKind
    subject: str
    payload: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True)
class Publication:
    """A version of a release that was published."""

    candidate: str
    release: str
    period: str
    version: int
    digest: str

    @classmethod
    def of(cls, entry: Entry) -> Publication:
        """Return what the entry of a publication says of it."""
        return cls(entry.subject, *(entry.payload[name] for name in ("release", "period", "version", "digest")))

    def __str__(self) -> str:
        """What it is called: `monthly-audience 2026-10 v1`."""
        return f"{self.release} {self.period} v{self.version}"


@dataclass(frozen=True)
class Spending:
    """What a draw of noise cost the persons of one source and month.

    Attributes:
        draw: digest of the draw; publishing the same draw again costs nothing.
        rho, delta: exact decimals.
    """

    source: str
    month: str
    draw: str
    candidate: str
    rho: Decimal
    delta: Decimal


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def require_plausible(time: str, last: str) -> None:
    """Refuse a clock that is far ahead of the ledger's last entry: one that is wrong would let everything expire.

    Raises:
        ClockRefusal: it is, and `NOREN_CLOCK` does not name its day.
    """
    ahead = datetime.fromisoformat(time) - datetime.fromisoformat(last)
    if ahead > AHEAD and os.environ.get(CONFIRMED) != time[:10]:
        raise ClockRefusal(
            f"this machine's clock says {time[:10]}, {ahead.days} days after the ledger's last entry: nothing was done."
            f" If the clock is right, say so for one command: {CONFIRMED}={time[:10]}"
        )


def entry_hash(previous: str, seq: int, time: str, kind: str, subject: str, payload: str) -> str:
    """Return the hash of an entry: SHA-256 over the previous hash and its own content."""
    return hashlib.sha256(canonical([previous, seq, time, kind, subject, payload]).encode()).hexdigest()


class Transaction:
    """What may be done within one transaction of the ledger; all of it or nothing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> Entry:
        """Append an entry to the chain; its time is the clock's, or the last entry's where that is later.

        Raises:
            ClockRefusal: the clock is far ahead of the last entry, and nobody has said that it is right.
        """
        last = self._connection.execute(sa.select(ENTRIES).order_by(ENTRIES.c.seq.desc()).limit(1)).first()
        seq, previous = (last.seq + 1, last.hash) if last is not None else (1, GENESIS)
        text, time = canonical(payload), now()
        if last is not None and kind is not EntryKind.CLOCK:  # which sets the time back to the clock's
            require_plausible(time, last.time)
            time = max(time, last.time)
        digest = entry_hash(previous, seq, time, kind.value, subject, text)
        values = (seq, time, kind.value, subject, text, previous, digest)
        self._connection.execute(sa.insert(ENTRIES).values(values))
        return Entry(seq, time, kind, subject, payload, previous, digest)

    def now(self) -> str:
        """Return the time as the ledger has it: the clock's, or the last entry's where that is later."""
        last = self._connection.execute(sa.select(ENTRIES.c.time).order_by(ENTRIES.c.seq.desc()).limit(1)).scalar()
        return max(now(), last or "")

    def head(self) -> str:
        """Return the hash of the last entry."""
        last = self._connection.execute(sa.select(ENTRIES.c.hash).order_by(ENTRIES.c.seq.desc()).limit(1)).scalar()
        return last or GENESIS

    def heads(self) -> set[str]:
        """Return the hash of every entry: what the head was after each."""
        return set(self._connection.execute(sa.select(ENTRIES.c.hash)).scalars()) | {GENESIS}

    def entries(self, *, after: int = 0, kind: EntryKind | None = None, subject: str | None = None) -> list[Entry]:
        """Return entries in order."""
        query = sa.select(ENTRIES).where(ENTRIES.c.seq > after).order_by(ENTRIES.c.seq)
        if kind is not None:
            query = query.where(ENTRIES.c.kind == kind.value)
        if subject is not None:
            query = query.where(ENTRIES.c.subject == subject)
        return [
            Entry(r.seq, r.time, EntryKind(r.kind), r.subject, json.loads(r.payload), r.previous, r.hash)
            for r in self._connection.execute(query)
        ]

    def next_request(self, digest: str) -> tuple[int, str]:
        """Take the next request number; return it with the candidate's id."""
        number = (self._connection.execute(sa.select(sa.func.max(REQUESTS.c.number))).scalar() or 0) + 1
        candidate = f"{number}-{digest[:16]}"
        self._connection.execute(sa.insert(REQUESTS).values((number, candidate)))
        return number, candidate

    def publications(self) -> list[Publication]:
        """Return every publication, in order of release, period and version."""
        query = sa.select(PUBLICATIONS).order_by(PUBLICATIONS.c.release, PUBLICATIONS.c.period, PUBLICATIONS.c.version)
        return [
            Publication(r.candidate, r.release, r.period, r.version, r.digest) for r in self._connection.execute(query)
        ]

    def versions(self, release: str, period: str) -> list[Publication]:
        """Return the publications of a release and period, in order of version."""
        return [one for one in self.publications() if (one.release, one.period) == (release, period)]

    def publish(self, publication: Publication, decision: str) -> None:
        """Take a version number and use up a decision."""
        self._connection.execute(sa.insert(USED).values((decision,)))
        p = publication
        self._connection.execute(
            sa.insert(PUBLICATIONS).values((p.candidate, p.release, p.period, p.version, p.digest))
        )

    def spent(self) -> list[Spending]:
        """Return what was spent of privacy budgets, in order of source, month and draw."""
        found = [
            Spending(r.source, r.month, r.draw, r.candidate, Decimal(r.rho), Decimal(r.delta))
            for r in self._connection.execute(sa.select(SPENT))
        ]
        return sorted(found, key=lambda one: (one.source, one.month, one.draw))  # databases order texts otherwise

    def spend(self, one: Spending) -> None:
        """Record what a publication spends; a draw is spent once on a source and month."""
        values = (one.source, one.month, one.draw, one.candidate, f"{one.rho:f}", f"{one.delta:f}")
        self._connection.execute(sa.insert(SPENT).values(values))

    def decision_used(self, digest: str) -> bool:
        """Whether a decision was used up."""
        query = sa.select(USED.c.digest).where(USED.c.digest == digest)
        return self._connection.execute(query).first() is not None

    def verify_chain(self) -> None:
        """Check every entry against the one before it.

        Raises:
            IntegrityError: the first entry that does not fit.
        """
        previous, expected = GENESIS, 1
        for row in self._connection.execute(sa.select(ENTRIES).order_by(ENTRIES.c.seq)):
            digest = entry_hash(row.previous, row.seq, row.time, row.kind, row.subject, row.payload)
            if row.seq != expected or row.previous != previous or row.hash != digest:
                raise IntegrityError(f"the ledger does not hold: entry {row.seq} does not follow from the one before")
            previous, expected = row.hash, expected + 1


class Ledger:
    """The ledger of a home; every use is one transaction."""

    def __init__(self, url: str) -> None:
        arguments: dict[str, Any] = {"timeout": PATIENCE} if url.startswith("sqlite") else {}
        isolation = {} if url.startswith("sqlite") else {"isolation_level": "SERIALIZABLE"}
        self._engine = sa.create_engine(url, connect_args=arguments, **isolation)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _manual_begin)
            sa.event.listen(self._engine, "begin", _begin_immediate)

    @classmethod
    def of(cls, home: Home) -> Ledger:
        """Return a home's ledger."""
        return cls(home.database_url)

    def migrate(self) -> None:
        """Bring the schema to its newest version; nothing to do where it is, and another process waits.

        Raises:
            NorenError: the database cannot be reached, is locked for long, or did not do it.
        """
        with self._connected() as connection:
            if connection.dialect.name == "postgresql":
                # Held by the session, to the end of it: a transaction sees what was there when it began to wait.
                connection.exec_driver_sql(f"SET lock_timeout = '{PATIENCE}s'")
                connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('noren ledger'))")
                connection.commit()
            if _revision(connection) != HEAD_REVISION:
                _upgrade(connection)
            connection.commit()
            connection.invalidate()  # closes the session, and so lets go of what it holds

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction that writes alone; it commits at its end, or not at all.

        Raises:
            NorenError: the database cannot be reached, or is locked for long.
        """
        with self._connected() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                # Before the first look, so that what is seen is what the one before has left. Readers of the tables
                # are let by: a backup need not wait.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
                connection.exec_driver_sql("LOCK TABLE entries IN EXCLUSIVE MODE")
            yield Transaction(connection)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """Open a connection; what the database says becomes an error that shows neither address nor values."""
        try:
            connection = self._engine.connect()
        except sa.exc.SQLAlchemyError as error:
            message = f"the ledger's database cannot be reached ({_cause(error)}); nothing was changed"
            raise NorenError(f"{message}: is it up, and are name and password in NOREN_DATABASE_URL right?") from None
        with connection, _clear_errors():
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _revision(connection: sa.Connection) -> str | None:
    """The schema's version; none where there is no schema yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a tenth of a second that only a new home or a new version needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise NorenError(f"the ledger's database did not do it ({_cause(error)}); nothing was changed") from None


def _cause(error: sa.exc.SQLAlchemyError) -> str:
    return type(getattr(error, "orig", None) or error).__name__


def _manual_begin(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
