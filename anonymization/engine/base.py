"""What an engine can do: hold relations, run portable SQL, hand back Arrow."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.files import PRIVATE_FOLDER, files_of

Work: TypeAlias = Callable[..., pa.Table]
"""What Python makes of distinct texts, a list a column: rows for each, in any order. Goes to workers, so it pickles."""
NUMBER = "_number"
"""The column that says of which file a row is, where several are read or written together; no log's name begins so."""
ORIGIN = "noren:file"
"""What a row's path is called while Parquet files are read: no file that is handed over has a column of that name."""
ABANDONED = 7 * 86_400
"""Seconds after which what another machine's run left in a shared home counts as left behind."""


class Engine(Protocol):
    """One of the two engines; every SQL text is portable (see `portable.py`)."""

    name: str

    def register(self, name: str, table: pa.Table) -> None:
        """Make a small Arrow table a relation; its values reach no plan, log or query text."""

    def open_events(self, name: str, paths: Sequence[Path], schema: pa.Schema) -> None:
        """Make a view of Parquet files with the columns of `schema`; no file makes an empty relation."""

    def read_lines(self, name: str, paths: Mapping[int, Path]) -> None:
        """Make a view of UTF-8 text files, one row a line, with the columns `line` and `_number`: of which file it is.

        The files have plain names that differ, and hold no empty line, which DuckDB would pass over, no carriage return
        and no NUL byte.
        """

    def read_parquet(self, name: str, paths: Mapping[int, Path], columns: Sequence[str]) -> None:
        """Make a view of Parquet files of one schema, under plain names that differ: the columns, and `_number`.

        None of their columns is called `ORIGIN`.
        """

    def create(self, name: str, sql: str) -> None:
        """Run a SELECT and keep its rows as a relation."""

    def view(self, name: str, sql: str) -> None:
        """Name a SELECT; it runs where it is used."""

    def work_out(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Keep as a relation what `work` makes of the texts in the columns of a SELECT, a bounded batch at a time.

        Its rows are distinct and without nulls; those that are made of them have the columns of `schema`.
        """

    def fetch(self, sql: str) -> pa.Table:
        """Run a SELECT and return its rows; equal Arrow types on both engines."""

    def write_parquet(self, sql: str, path: Path) -> int:
        """Run a SELECT and write its rows as Parquet files (zstd); return how many (see `files_of`), one at least."""

    def write_each(self, sql: str, paths: Mapping[int, Path], schema: pa.Schema) -> dict[int, int]:
        """Run a SELECT once and write the rows of each `_number` to its path, as `write_parquet` does.

        Args:
            sql: its columns are `_number` and those of the schema; no row has a number without a path.
            paths: by number, one at least.
            schema: of what is written, for a number that has no row.

        Returns:
            How many files each number has, one at least.
        """

    def drop(self, name: str) -> None:
        """Forget a relation; an unknown name is no error."""

    def close(self) -> None:
        """End the engine and wipe its temporary files; so does the end of a `with` (see `Closing`)."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing:
    """What is closed at the end of a `with`."""

    def close(self) -> None:
        """End it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def private_folder_of_this_run(temporary: Path, engine: str) -> Path:
    """Return a new private folder for what an engine spills; what runs that are over left behind is removed.

    Two runs in one home, such as an intake and a build, do not touch each other's, on one machine or on two.
    """
    temporary.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    here = socket.gethostname()
    for left in temporary.glob(f"{engine}-*-*"):
        process, machine = left.name.split("-")[1], left.name.partition("@")[2]
        if machine == here:
            over = process.isdigit() and not _alive(int(process))
        else:
            over = time.time() - left.stat().st_mtime > ABANDONED
        if over:
            shutil.rmtree(left, ignore_errors=True)
    return wiped(temporary / f"{engine}-{os.getpid()}-{secrets.token_hex(4)}@{here}")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process: not ours to judge
        return True
    return True


def wiped(folder: Path) -> Path:
    """Return the folder, private and empty: what an earlier run left in it is removed."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return folder


def handed_out(written: Path, paths: Mapping[int, Path], schema: pa.Schema) -> dict[int, int]:
    """Move what was written into a folder a number to the paths by number; return how many files each has."""
    counts = {}
    for number, path in paths.items():
        parts = sorted((written / f"{NUMBER}={number}").glob("*.parquet"))
        if not parts:
            pq.write_table(schema.empty_table(), path, compression="zstd")
        for part, target in zip(parts, files_of(path, len(parts)), strict=False):
            shutil.move(part, target)
        counts[number] = len(parts) or 1
    return counts


def together(paths: Mapping[int, Path]) -> str:
    """Return what files that are read together are called: by the first one's name."""
    first, *others = (path.name for path in paths.values())
    return f"{first} and {len(others)} more" if others else first


def normalized(table: pa.Table) -> pa.Table:
    """Return the table in the types that both engines agree on: int64, int32, double, bool, string, binary."""
    fields = [pa.field(field.name, _common(field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _common(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return pa.int64()
    if pa.types.is_large_string(kind) or pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_common(kind.value_type))
    return kind
