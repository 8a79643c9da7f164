"""DuckDB: the engine of one machine, in this process."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from anonymization.engine.base import (
    NUMBER,
    ORIGIN,
    Closing,
    Work,
    handed_out,
    normalized,
    private_folder_of_this_run,
    together,
    wiped,
)
from anonymization.engine.portable import render
from anonymization.errors import EngineError, SourceError
from anonymization.quoting import literal, quoted

LINE = 2 << 20
"""Longest line that the reader takes, in bytes; the screening lets through half of it."""

BATCH = 10_000
"""Texts that Python works on at a time, as many as Spark's Arrow batches hold."""
STATEMENTS = 64
"""Parsed statements that are kept: an intake runs the same score of them again and again."""
AS_IT_IS = "hive_partitioning=false"
"""Folders are called `source=...`, which is no column of the files in them."""
ENCRYPTED_SPILL = {"force_mbedtls_unsafe": "true", "temp_file_encryption": "true"}
"""What does not fit into memory lies in files while a run lasts, or longer if it is killed. Its key is drawn by
a generator that DuckDB calls unsafe: the other one comes with an extension that would have to be downloaded."""
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
            **ENCRYPTED_SPILL,
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

    def read_lines(self, name: str, paths: Mapping[int, Path]) -> None:
        """See `Engine.read_lines`."""
        # No delimiter, quote, escape or comment exists, so that a line comes as it lies, whatever it holds.
        options = (
            "columns={'line': 'VARCHAR'}, auto_detect=false, header=false, delim='', quote='', escape='', comment='',"
            f" nullstr='\x01', strict_mode=false, new_line='\\n', max_line_size={LINE}, compression='none', {AS_IT_IS}"
        )
        with _unreadable(paths, "text"):
            self._view(name, f"SELECT line, {_number(paths)} FROM read_csv({_list(paths)}, {options}, {_WITH_ORIGIN})")

    def read_parquet(self, name: str, paths: Mapping[int, Path], columns: Sequence[str]) -> None:
        """See `Engine.read_parquet`."""
        selected = ", ".join([*map(quoted, columns), _number(paths)])
        with _unreadable(paths, "Parquet"):
            self._view(name, f"SELECT {selected} FROM read_parquet({_list(paths)}, {AS_IT_IS}, {_WITH_ORIGIN})")

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
            made = [work(*(column.to_pylist() for column in batch.columns)) for batch in reader]
        self.register(name, pa.concat_tables([schema.empty_table(), *made]))

    def fetch(self, sql: str) -> pa.Table:
        """See `Engine.fetch`."""
        with _wrapped("a query"):
            return normalized(self._connection.sql(self._statement(render(sql, self.name))).to_arrow_table())

    def write_parquet(self, sql: str, path: Path) -> int:
        """See `Engine.write_parquet`."""
        self._copy(render(sql, self.name), path, "")
        return 1

    def write_each(self, sql: str, paths: Mapping[int, Path], schema: pa.Schema) -> dict[int, int]:
        """See `Engine.write_each`."""
        text, folder = render(sql, self.name), self._spill / "each"
        if len(paths) == 1:
            ((number, path),) = paths.items()
            self._copy(f"SELECT * EXCLUDE ({NUMBER}) FROM ({text})", path, "")
            return {number: 1}
        try:
            self._copy(text, folder, f", PARTITION_BY ({NUMBER})")
            return handed_out(folder, paths, schema)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

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

    def _copy(self, text: str, path: Path, options: str) -> None:
        self._run(path.name, f"COPY ({text}) TO {_path(path)} (FORMAT parquet, COMPRESSION zstd{options})")

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
def _unreadable(paths: Mapping[int, Path], kind: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, EngineError) as error:
        raise SourceError(f"{together(paths)} cannot be read as {kind} ({type(error).__name__})") from None


_WITH_ORIGIN = f"filename={literal(ORIGIN)}"


def _number(paths: Mapping[int, Path]) -> str:
    """The number of the file that a row is of; the path is a constant of a whole vector, so that it is found once."""
    numbers = ", ".join(map(str, paths))
    return f"CAST([{numbers}][list_position({_list(paths)}, {quoted(ORIGIN)})] AS INTEGER) AS {NUMBER}"


def _list(paths: Mapping[int, Path]) -> str:
    return f"[{', '.join(map(_path, paths.values()))}]"


def _path(path: Path) -> str:
    """A path to be read or written; where it is read, `[`, `*` and `?` would be wildcards."""
    return literal(str(path.absolute()))
