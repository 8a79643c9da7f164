"""DuckDB: the engine of one machine, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from anonymization.engine.base import Closing, Work, normalized, private_folder_of_this_run, wiped
from anonymization.engine.portable import render
from anonymization.errors import EngineError, SourceError
from anonymization.quoting import literal, quoted

LINE = 2 << 20
"""Longest line that the reader takes, in bytes; the screening lets through half of it."""

BATCH = 10_000
"""Texts that Python works on at a time, as many as Spark's Arrow batches hold."""
STATEMENTS = 64
"""Parsed statements that are kept: an intake runs the same score of them for every file."""
AS_IT_IS = "hive_partitioning=false"
"""Folders are called `source=...`, which is no column of the files in them."""
DISK_FULL = "No space left on device"


class DuckDBEngine(Closing):
    """An in-process DuckDB; see `Engine` for what each method guarantees."""

    name = "duckdb"

    def __init__(self, *, temporary: Path, folders: Sequence[Path], memory_limit: str, threads: int | None) -> None:
        self._spill = private_folder_of_this_run(temporary, self.name)
        allowed = [str(folder.absolute()) for folder in (*folders, temporary)]
        self._connection = duckdb.connect(":memory:")
        self._kinds: dict[str, str] = {}
        self._parsed = lru_cache(maxsize=STATEMENTS)(duckdb.extract_statements)  # a wide text takes a while
        settings = {
            "autoinstall_known_extensions": "false",
            "memory_limit": literal(memory_limit),
            "preserve_insertion_order": "false",
            "temp_directory": literal(str(self._spill)),
            "TimeZone": "'UTC'",
            "allowed_directories": f"[{', '.join(map(literal, allowed))}]",
            "enable_external_access": "false",
            **({} if threads is None else {"threads": str(threads)}),
            "lock_configuration": "true",
        }
        for setting, value in settings.items():
            self._connection.execute(f"SET {setting} = {value}")

    def register(self, name: str, table: pa.Table) -> None:
        """See `Engine.register`."""
        self._connection.register("_arrow", table)
        self._table(name, "SELECT * FROM _arrow")
        self._connection.unregister("_arrow")

    def open_events(self, name: str, paths: Sequence[Path], schema: pa.Schema) -> None:
        """See `Engine.open_events`."""
        if not paths:
            self.register(name, schema.empty_table())
            return
        columns = ", ".join(quoted(field) for field in schema.names)
        self._view(name, f"SELECT {columns} FROM read_parquet([{', '.join(map(_path, paths))}], {AS_IT_IS})")

    def read_lines(self, name: str, path: Path) -> None:
        """See `Engine.read_lines`."""
        # No delimiter, quote, escape or comment exists, so that a line comes as it lies, whatever it holds.
        options = (
            "columns={'line': 'VARCHAR'}, auto_detect=false, header=false, delim='', quote='', escape='', comment='',"
            f" nullstr='\x01', strict_mode=false, new_line='\\n', max_line_size={LINE}, compression='none', {AS_IT_IS}"
        )
        with _unreadable(path, "text"):
            self._view(name, f"SELECT line FROM read_csv({_path(path)}, {options})")

    def read_parquet(self, name: str, path: Path) -> None:
        """See `Engine.read_parquet`."""
        with _unreadable(path, "Parquet"):
            self._view(name, f"SELECT * FROM read_parquet({_path(path)}, {AS_IT_IS})")

    def create(self, name: str, sql: str) -> None:
        """See `Engine.create`."""
        self._table(name, render(sql, self.name))

    def view(self, name: str, sql: str) -> None:
        """See `Engine.view`."""
        self._view(name, render(sql, self.name))

    def work_out(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """See `Engine.work_out`."""
        with _wrapped(f"the relation {name!r}"):
            reader = self._connection.sql(self._statement(render(sql, self.name))).to_arrow_reader(BATCH)
            made = [work(batch.column(0).to_pylist()) for batch in reader]
        self.register(name, pa.concat_tables([schema.empty_table(), *made]))

    def fetch(self, sql: str) -> pa.Table:
        """See `Engine.fetch`."""
        with _wrapped("a query"):
            return normalized(self._connection.sql(self._statement(render(sql, self.name))).to_arrow_table())

    def write_parquet(self, sql: str, path: Path) -> int:
        """See `Engine.write_parquet`."""
        self._run(path.name, f"COPY ({render(sql, self.name)}) TO {_path(path)} (FORMAT parquet, COMPRESSION zstd)")
        return 1

    def drop(self, name: str) -> None:
        """See `Engine.drop`."""
        if (kind := self._kinds.pop(name, None)) is not None:
            self._connection.execute(f"DROP {kind} {quoted(name)}")

    def close(self) -> None:
        """See `Engine.close`."""
        self._connection.close()
        wiped(self._spill).rmdir()

    def _view(self, name: str, text: str) -> None:
        self._make("VIEW", name, text)

    def _table(self, name: str, text: str) -> None:
        self._make("TABLE", name, text)

    def _make(self, kind: str, name: str, text: str) -> None:
        if self._kinds.get(name, kind) != kind:
            self.drop(name)
        self._run(name, f"CREATE OR REPLACE TEMP {kind} {quoted(name)} AS {text}")
        self._kinds[name] = kind

    def _run(self, name: str, text: str) -> None:
        with _wrapped(f"the relation {name!r}"):
            self._connection.execute(self._statement(text))

    def _statement(self, text: str) -> duckdb.Statement:
        return self._parsed(text)[0]


@contextlib.contextmanager
def _wrapped(what: str) -> Iterator[None]:
    """DuckDB's messages quote values and texts: only the kind of the error leaves."""
    try:
        yield
    except duckdb.Error as error:
        lost = isinstance(error, duckdb.OutOfMemoryException) or DISK_FULL in str(error)
        raise EngineError(f"DuckDB could not make {what}: {type(error).__name__}", lost=lost) from None


@contextlib.contextmanager
def _unreadable(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, EngineError) as error:
        raise SourceError(f"{path.name} cannot be read as {kind} ({type(error).__name__})") from None


def _path(path: Path) -> str:
    """A path to be read or written; where it is read, `[`, `*` and `?` would be wildcards."""
    return literal(str(path.absolute()))
