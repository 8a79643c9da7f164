"""Where the mart lies: a DuckDB file by default, PostgreSQL where `NOREN_DATABASE_URL` names one.

The DuckDB file is replaced as a whole, so that an analyst who has it open reads on undisturbed and blocks nobody.
In PostgreSQL it is one transaction, and the role `noren_analysts` may read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from anonymization.engine.portable import quoted
from anonymization.errors import InputError, NorenError
from anonymization.home import Home, locked

SCHEMA = "statistics"
ROLE = "noren_analysts"
"""PostgreSQL: may read the mart and nothing else; analysts are made its members."""
PATIENCE = 30
"""Seconds that the mart waits for whoever holds a relation of it, such as an analyst with an open transaction."""


class MartDatabase(Protocol):
    """What the mart asks of a database."""

    def rows(self, text: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement whose parameters are written `?`; return its rows, if it has any."""

    def load(self, table: str, content: pa.Table) -> None:
        """Append rows to a table of the schema, by column name."""

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table of the schema."""

    def tables(self) -> list[str]:
        """Return the names of the schema's tables, without views."""


def mart_place(home: Home) -> str:
    """Return where the mart is: a file's path, or a database's address without its password."""
    url = _url(home)
    return str(_file(home)) if url is None else url.render_as_string(hide_password=True)


def mart_exists(home: Home) -> bool:
    """Whether something was ever loaded.

    Raises:
        NorenError: the database cannot be reached.
    """
    if _url(home) is None:
        return _file(home).exists()
    with open_mart(home, read_only=True) as database:
        return "publications" in database.tables()


@contextlib.contextmanager
def open_mart(home: Home, *, read_only: bool = False) -> Iterator[MartDatabase]:
    """Open the mart; what was done to it holds when the block ends well, and not at all when it does not.

    Raises:
        NorenError: the mart's database cannot be reached, or did not do it.
    """
    url = _url(home)
    with _clear_errors():
        if url is None:
            with _duckdb_file(_file(home), read_only=read_only) as database:
                yield database
        else:
            with _postgres(url, read_only=read_only) as database:
                yield database


def _url(home: Home) -> sa.URL | None:
    url = sa.make_url(home.database_url)
    if url.get_backend_name() == "sqlite":
        return None
    if url.get_backend_name() != "postgresql":
        raise InputError("NOREN_DATABASE_URL: the mart is kept in PostgreSQL, or in a file where no URL is set")
    return url.set(drivername="postgresql")


def _file(home: Home) -> Path:
    return home.root / "mart.duckdb"


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise NorenError(
            f"somebody holds it, for {PATIENCE} s and more: end open transactions; it is as it was"
        ) from None
    except (duckdb.Error, psycopg.Error, OSError) as error:
        raise NorenError(f"the mart's database did not do it ({type(error).__name__}); it is as it was") from None


class _DuckDB:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, text: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `MartDatabase.rows`."""
        return list(self._connection.execute(text, list(parameters)).fetchall())

    def load(self, table: str, content: pa.Table) -> None:
        """See `MartDatabase.load`."""
        self._connection.register("_content", content)
        self._connection.execute(f"INSERT INTO {SCHEMA}.{quoted(table)} BY NAME SELECT * FROM _content")
        self._connection.unregister("_content")

    def columns(self, table: str) -> list[str]:
        """See `MartDatabase.columns`."""
        return [row[0] for row in self.rows(_COLUMNS, (SCHEMA, table))]

    def tables(self) -> list[str]:
        """See `MartDatabase.tables`."""
        return [row[0] for row in self.rows(_TABLES, (SCHEMA,))]


_COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
    " ORDER BY ordinal_position"
)
_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE'"
    " ORDER BY table_name"
)


@contextlib.contextmanager
def _duckdb_file(path: Path, *, read_only: bool) -> Iterator[_DuckDB]:
    if read_only:
        connection = duckdb.connect(str(path), read_only=True)
        try:
            yield _DuckDB(connection)
        finally:
            connection.close()
        return
    with locked(path.with_suffix(".lock")):
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        if path.exists():
            shutil.copyfile(path, new)
        connection = duckdb.connect(str(new))
        try:
            new.chmod(0o600)
            yield _DuckDB(connection)
            connection.execute("CHECKPOINT")
            connection.close()
            new.rename(path)
        finally:
            connection.close()
            new.unlink(missing_ok=True)


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
        return [row[0] for row in self.rows(_COLUMNS, (SCHEMA, table))]

    def tables(self) -> list[str]:
        """See `MartDatabase.tables`."""
        return [row[0] for row in self.rows(_TABLES, (SCHEMA,))]


@contextlib.contextmanager
def _postgres(url: sa.URL, *, read_only: bool) -> Iterator[_Postgres]:
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
