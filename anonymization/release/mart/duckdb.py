"""The mart as a DuckDB file, which is replaced as a whole: who has it open reads on undisturbed and blocks nobody."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from anonymization.errors import NorenError
from anonymization.files import PRIVATE, locked
from anonymization.quoting import quoted
from anonymization.release.mart.database import COLUMNS, SCHEMA, TABLES


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
        return [row[0] for row in self.rows(COLUMNS, (SCHEMA, table))]

    def tables(self) -> list[str]:
        """See `MartDatabase.tables`."""
        return [row[0] for row in self.rows(TABLES, (SCHEMA,))]


@contextlib.contextmanager
def open_file(path: Path, *, read_only: bool) -> Iterator[_DuckDB]:
    """Open the file; see `open_mart`."""
    try:
        with _reading(path) if read_only else _replacing(path) as database:
            yield database
    except (duckdb.Error, OSError) as error:
        raise NorenError(f"the mart's database did not do it ({type(error).__name__}); it is as it was") from None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[_DuckDB]:
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as connection:
        yield _DuckDB(connection)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[_DuckDB]:
    with locked(path.with_suffix(".lock")):
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        if path.exists():
            shutil.copyfile(path, new)
        connection = _connected(new)
        try:
            new.chmod(PRIVATE)
            yield _DuckDB(connection)
            connection.execute("CHECKPOINT")
            connection.close()
            new.rename(path)
        finally:
            connection.close()
            new.unlink(missing_ok=True)


def _connected(new: Path) -> duckdb.DuckDBPyConnection:
    """Open a copy of the mart; one that is damaged is begun anew: it holds what is out, and nothing else."""
    try:
        return duckdb.connect(str(new))
    except duckdb.Error:
        new.unlink(missing_ok=True)
        return duckdb.connect(str(new))
