"""Where the mart lies: a DuckDB file by default, PostgreSQL where `NOREN_DATABASE_URL` names one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from anonymization.errors import InputError
from anonymization.home import Home

SCHEMA = "statistics"
ROLE = "noren_analysts"
"""PostgreSQL: may read the mart and nothing else; analysts are made its members."""
COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
    " ORDER BY ordinal_position"
)
TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE'"
    " ORDER BY table_name"
)


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
    if url is None:
        from anonymization.release.mart.duckdb import open_file  # noqa: PLC0415 - the driver that is needed alone

        with open_file(_file(home), read_only=read_only) as file:
            yield file
    else:
        from anonymization.release.mart.postgres import open_database  # noqa: PLC0415

        with open_database(url, read_only=read_only) as database:
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
