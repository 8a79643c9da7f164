"""The mart in PostgreSQL: one transaction, and the role `noren_analysts` may read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa

from anonymization.errors import NorenError
from anonymization.quoting import quoted
from anonymization.release.mart.database import COLUMNS, ROLE, SCHEMA, TABLES

PATIENCE = 30
"""Seconds that the mart waits for whoever holds a relation of it, such as an analyst with an open transaction."""


class _Postgres:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, text: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `MartDatabase.rows`."""
        if parameters:
            text = text.replace("?", "%s")
        cursor = self._connection.execute(text.encode(), list(parameters) or None)
        return cursor.fetchall() if cursor.description is not None else []

    def load(self, table: str, content: pa.Table) -> None:
        """See `MartDatabase.load`."""
        names = ", ".join(map(quoted, content.column_names))
        text = f"COPY {SCHEMA}.{quoted(table)} ({names}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(text.encode()) as copy:
            for batch in content.to_batches(max_chunksize=10_000):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    copy.write_row(row)

    def columns(self, table: str) -> list[str]:
        """See `MartDatabase.columns`."""
        return [row[0] for row in self.rows(COLUMNS, (SCHEMA, table))]

    def tables(self) -> list[str]:
        """See `MartDatabase.tables`."""
        return [row[0] for row in self.rows(TABLES, (SCHEMA,))]


@contextlib.contextmanager
def open_database(url: sa.URL, *, read_only: bool) -> Iterator[_Postgres]:
    """Open the database; see `open_mart`."""
    try:
        with _transaction(url, read_only=read_only) as database:
            yield database
    except psycopg.errors.LockNotAvailable:
        raise NorenError(
            f"somebody holds it, for {PATIENCE} s and more: end open transactions; it is as it was"
        ) from None
    except (psycopg.Error, OSError) as error:
        raise NorenError(f"the mart's database did not do it ({type(error).__name__}); it is as it was") from None


@contextlib.contextmanager
def _transaction(url: sa.URL, *, read_only: bool) -> Iterator[_Postgres]:
    try:
        connection = psycopg.connect(url.render_as_string(hide_password=False))
    except psycopg.OperationalError as error:
        raise NorenError(
            f"the mart's database cannot be reached ({type(error).__name__}): is it up, and are name and password in"
            " NOREN_DATABASE_URL right?"
        ) from None
    with connection:
        connection.read_only = read_only
        database = _Postgres(connection)
        if read_only:
            yield database
            return
        database.rows(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
        database.rows("SELECT pg_advisory_xact_lock(hashtext('noren mart'))")
        yield database
        _let_analysts_read(database)


def _let_analysts_read(database: _Postgres) -> None:
    if not database.rows("SELECT 1 FROM pg_roles WHERE rolname = ?", (ROLE,)):
        may = database.rows("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
        if not may[0][0]:
            raise NorenError(f"the mart needs the role that analysts read it by: CREATE ROLE {ROLE} NOLOGIN")
        database.rows(f"CREATE ROLE {ROLE} NOLOGIN")
    database.rows(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {ROLE}")
    database.rows(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {ROLE}")
