"""Spark: the engine of many machines; the same portable texts, equal results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.engine.base import (
    NUMBER,
    Closing,
    Work,
    handed_out,
    normalized,
    private_folder_of_this_run,
    together,
    wiped,
)
from anonymization.engine.portable import render
from anonymization.engine.spark.errors import guarded
from anonymization.engine.spark.session import Context
from anonymization.errors import SourceError
from anonymization.files import PRIVATE, files_of

EACH = "each"
"""What is being written by number, among the relations."""


class SparkEngine(Closing):
    """A Spark session; see `Engine` for what each method guarantees.

    Small relations and intermediate ones are Parquet files in the private temporary folder, which every worker
    must see: so no value stands in a plan, and what was made once is not computed again when a worker is lost.
    """

    name = "spark"

    def __init__(self, *, temporary: Path, master: str | None) -> None:
        self._session = Context.session(temporary, master)
        self._folder = private_folder_of_this_run(temporary, self.name)
        self._made = 0
        self._paths: dict[str, Path] = {}

    def register(self, name: str, table: pa.Table) -> None:
        """See `Engine.register`."""
        path = self._new_path(name)
        pq.write_table(table, path)
        path.chmod(PRIVATE)
        self._view(name, self._written([path], _schema(table.schema)))

    def open_events(self, name: str, paths: Sequence[Path], schema: pa.Schema) -> None:
        """See `Engine.open_events`."""
        if not paths:
            self.register(name, schema.empty_table())
            return
        frame = guarded(lambda: self._session.read.parquet(*map(_uri, paths)), name)
        self._view(name, frame.select(*schema.names))

    def read_lines(self, name: str, paths: Mapping[int, Path]) -> None:
        """See `Engine.read_lines`."""
        text = self._session.read.option("lineSep", "\n").text([_uri(path) for path in paths.values()])
        self._view(name, text.select(text["value"].alias("line"), _number(text, paths)))

    def read_parquet(self, name: str, paths: Mapping[int, Path], columns: Sequence[str]) -> None:
        """See `Engine.read_parquet`."""
        try:
            frame = self._session.read.parquet(*map(_uri, paths.values()))
            self._view(name, frame.select(*columns, _number(frame, paths)))
        except Exception as error:  # noqa: BLE001 - Spark's messages may hold values
            raise SourceError(f"{together(paths)} cannot be read as Parquet ({type(error).__name__})") from None

    def create(self, name: str, sql: str) -> None:
        """See `Engine.create`."""
        self._create(name, lambda: self._session.sql(render(sql, self.name)))

    def view(self, name: str, sql: str) -> None:
        """See `Engine.view`."""
        self._view(name, guarded(lambda: self._session.sql(render(sql, self.name)), name))

    def work_out(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """See `Engine.work_out`."""
        rows, columns = partial(_worked_out, work), _schema(schema)
        self._create(name, lambda: self._session.sql(render(sql, self.name)).mapInArrow(rows, columns))

    def fetch(self, sql: str) -> pa.Table:
        """See `Engine.fetch`."""
        text = render(sql, self.name)
        return normalized(guarded(lambda: self._session.sql(text).toArrow(), "a query"))

    def write_parquet(self, sql: str, path: Path) -> int:
        """See `Engine.write_parquet`."""
        return self._write(path, lambda: self._session.sql(render(sql, self.name)))

    def write_each(self, sql: str, paths: Mapping[int, Path], schema: pa.Schema) -> dict[int, int]:
        """See `Engine.write_each`."""
        text = render(sql, self.name)
        if len(paths) == 1:
            ((number, path),) = paths.items()
            return {number: self._write(path, lambda: self._session.sql(text).drop(NUMBER))}
        folder = self._new_path(EACH)
        guarded(
            lambda: self._session.sql(text).write.partitionBy(NUMBER).parquet(_uri(folder), compression="zstd"),
            together(paths),
        )
        counts = handed_out(folder, paths, schema)
        self._forget(EACH)
        return counts

    def drop(self, name: str) -> None:
        """See `Engine.drop`."""
        self._session.catalog.dropTempView(name)
        self._forget(name)

    def close(self) -> None:
        """See `Engine.close`."""
        Context.leave(self._session)
        wiped(self._folder).rmdir()

    def _create(self, name: str, frame: Callable[[], Any]) -> None:
        before = self._paths.pop(name, None)
        path = self._new_path(name)
        schema = guarded(lambda: _stored(frame(), path), name)
        self._view(name, self._written([path], schema))
        _removed(before)

    def _written(self, paths: Sequence[Path], schema: Any) -> Any:
        """Parquet files of a known schema: to look for it in them would be a job."""
        return self._session.read.schema(schema).parquet(*map(_uri, paths))

    def _write(self, path: Path, frame: Callable[[], Any]) -> int:
        folder = self._new_path(path.name)
        guarded(lambda: frame().write.parquet(_uri(folder), compression="zstd"), path.name)
        parts = sorted(folder.glob("part-*.parquet"))
        for part, target in zip(parts, files_of(path, len(parts)), strict=True):
            shutil.move(part, target)
        self._forget(path.name)
        return len(parts)

    def _new_path(self, name: str) -> Path:
        self._made += 1
        self._paths[name] = self._folder / f"relation-{self._made}"
        return self._paths[name]

    def _forget(self, name: str) -> None:
        _removed(self._paths.pop(name, None))

    def _view(self, name: str, frame: Any) -> None:
        frame.createOrReplaceTempView(name)


def _worked_out(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what the work makes of each batch's columns; runs on the workers."""
    for batch in batches:
        yield from work(*(column.to_pylist() for column in batch.columns)).to_batches()


def _stored(frame: Any, path: Path) -> Any:
    """Write a frame; return its schema."""
    frame.write.parquet(_uri(path))
    return frame.schema


def _schema(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415 - seconds to import, and an extra

    return from_arrow_schema(schema)


def _number(frame: Any, paths: Mapping[int, Path]) -> Any:
    """The number of the file that a row is of."""
    from pyspark.sql import functions  # noqa: PLC0415 - seconds to import, and an extra

    names = functions.array(*(functions.lit(path.name) for path in paths.values()))
    numbers = functions.array(*map(functions.lit, paths))
    place = functions.array_position(names, frame.metadataColumn("_metadata")["file_name"]).cast("int")
    return functions.element_at(numbers, place).cast("int").alias(NUMBER)


def _uri(path: Path) -> str:
    """The path on the filesystem that driver and workers share, whatever Spark's default one is."""
    return f"file://{path.absolute()}"


def _removed(path: Path | None) -> None:
    if path is None:
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
