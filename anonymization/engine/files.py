"""A user's own files on DuckDB: CSV, TSV or Parquet in, dictionary codes and whole columns out, such files written.

Not one of the two engines of the pipeline: nothing here is portable, rows keep their order, and the files lie
wherever the user has them. The connection can read and write the files that it was opened for and nothing else.
"""

from __future__ import annotations

import contextlib
import csv
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.engine.base import Closing
from anonymization.engine.duckdb import AS_IT_IS, ENCRYPTED_SPILL, LINE
from anonymization.errors import InputError
from anonymization.quoting import literal, quoted

CSV, TSV, PARQUET = ".csv", ".tsv", ".parquet"
SUFFIXES = (CSV, TSV, PARQUET)
BATCH = 1 << 17
"""Rows that are handed over at a time."""
_GROUP = 1 << 20  # rows of a Parquet row group
TAB = "\t"
DELIMITERS = (",", ";", TAB, "|")
_DECIMAL = re.compile(r"FLOAT|DOUBLE|DECIMAL\(\d+,(?!0\))")
_TEXTUAL = re.compile(r"VARCHAR|BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(\d+,0\)|DATE|TIME.*|ENUM.*|UUID")


@dataclass(frozen=True)
class Tabular:
    """A file with named columns.

    Attributes:
        path: where it lies.
        columns: names and DuckDB's types, in the file's order; every column of a text file is text.
        delimiter: between fields of a text file; the comma for Parquet.
    """

    path: Path
    columns: Mapping[str, str]
    delimiter: str = ","

    @property
    def is_text(self) -> bool:
        """Whether it is a text file: CSV or TSV."""
        return suffix_of(self.path) != PARQUET

    @property
    def as_csv(self) -> str:
        """The delimiter of a CSV file that is made of it: its own if it is one."""
        return self.delimiter if suffix_of(self.path) == CSV else ","


def suffix_of(path: Path, what: str = "the data") -> str:
    """Return `.csv`, `.tsv` or `.parquet`.

    Raises:
        InputError: another suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: {what} is CSV, TSV or Parquet, by its suffix: {', '.join(SUFFIXES)} are allowed")
    return suffix


class TabularEngine(Closing):
    """Reads a user's files, and writes one, with a DuckDB that sees nothing else.

    Args:
        files: what may be read or written.
        memory_limit: of DuckDB, such as 4GB.

    Raises:
        InputError: a file's name holds a wildcard of DuckDB.
    """

    def __init__(self, files: Sequence[Path], memory_limit: str) -> None:
        for file in files:
            if re.search(r"[*?\[]", str(file)):
                raise InputError(f"{file}: a path without *, ? and [ is allowed")
        self._spill = Path(tempfile.mkdtemp(prefix="noren-"))  # private: mkdtemp makes it 0700
        self._settings = {
            "autoinstall_known_extensions": "false",
            "memory_limit": literal(memory_limit),
            "enable_progress_bar": "false",
            "preserve_insertion_order": "true",
            "temp_directory": literal(str(self._spill)),
            **ENCRYPTED_SPILL,
            "TimeZone": "'UTC'",
            "allowed_paths": f"[{', '.join(literal(str(file.absolute())) for file in files)}]",
            "allowed_directories": f"[{literal(str(self._spill))}]",
            "enable_external_access": "false",
            "lock_configuration": "true",
        }
        self._connection = self._connected()

    def _connected(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:")
        for setting, value in self._settings.items():
            connection.execute(f"SET {setting} = {value}")
        return connection

    def open(self, path: Path, needed: Sequence[str] = (), what: str = "the data") -> Tabular:
        """Return a file's columns.

        Args:
            path: a text file with a header, in UTF-8, or a Parquet file.
            needed: columns it must have. The delimiter of a CSV file is the one that shows them in its header: `,`,
                `;`, a tab or `|`; that of a TSV file is a tab.
            what: what messages call the file.

        Raises:
            InputError: no such file, another format, no header, a column twice, or a needed column missing.
        """
        suffix = suffix_of(path, what)
        if not path.is_file():
            raise InputError(f"{path}: no such file; {what} is expected there")
        if suffix != PARQUET:
            names, delimiter = _header(path, needed, DELIMITERS if suffix == CSV else (TAB,))
            table = Tabular(path, dict.fromkeys(names, "VARCHAR"), delimiter)
        else:
            with _unreadable(path):
                rows = self._connection.execute(
                    f"DESCRIBE SELECT * FROM read_parquet({_path(path)}, {AS_IT_IS})"
                ).fetchall()
            names = [row[0] for row in rows]
            table = Tabular(path, {row[0]: str(row[1]) for row in rows})
        _check_names(path, names)
        missing = [name for name in needed if name not in table.columns]
        if missing:
            raise InputError(f"{path}: no column {missing[0]!r}; it has {', '.join(map(repr, names))}")
        return table

    def distinct(self, table: Tabular, columns: Sequence[str]) -> list[list[str]]:
        """Return each column's distinct values as text, sorted; the empty text stands for a missing value.

        Raises:
            InputError: the file cannot be read.
        """
        lists = ", ".join(f"list(DISTINCT {_text(column)})" for column in columns)
        with _unreadable(table.path):
            found = self._connection.execute(f"SELECT {lists} FROM {_source(table)}").fetchall()[0]
        return [sorted(values or []) for values in found]

    def codes(self, table: Tabular, keys: Sequence[Mapping[str, Sequence[str]]]) -> Generator[pa.RecordBatch]:
        """Yield, in the file's order, one int64 column a key: the places of its columns' values, packed.

        Each key maps columns to their dictionaries. The first column's place is the most significant one, the radix
        of each is its dictionary's length, and the product of a key's radices is below 2^63. A value that is in no
        dictionary makes the key null.

        Raises:
            InputError: the file cannot be read.
        """
        with _unreadable(table.path):
            packed = ", ".join(f"{self._packed(key)} AS k{i}" for i, key in enumerate(keys))
            yield from self._connection.sql(f"SELECT {packed} FROM {_source(table)}").to_arrow_reader(BATCH)

    def _packed(self, key: Mapping[str, Sequence[str]]) -> str:
        terms, stride = [], 1
        for column, labels in reversed(list(key.items())):
            terms.append(f"{self._place(column, labels)}::BIGINT * {stride}")
            stride *= len(labels)
        return " + ".join(terms)

    def first_other(self, table: Tabular, column: str, labels: Sequence[str]) -> str | None:
        """Return the first of a column's values, by text, that is not in its dictionary."""
        with _unreadable(table.path):
            known = self._place(column, labels)
            found = self._connection.execute(
                f"SELECT min({_text(column)}) FROM {_source(table)} WHERE {known} IS NULL"
            ).fetchall()
        return None if found[0][0] is None else str(found[0][0])

    def _place(self, column: str, labels: Sequence[str]) -> str:
        """The place of a column's value in a dictionary: an enumeration, as DuckDB casts each dictionary page once."""
        name = f"e{secrets.token_hex(8)}"
        places = pa.Array.from_buffers(pa.int64(), len(labels), [None, pa.py_buffer(np.arange(len(labels)))])
        self._connection.register(f"{name}_labels", pa.table({"label": texts_of(labels), "place": places}))
        self._connection.execute(f"CREATE TYPE {name} AS ENUM (SELECT label FROM {name}_labels ORDER BY place)")
        self._connection.unregister(f"{name}_labels")
        return f"enum_code(TRY_CAST({_text(column)} AS {name}))"

    def rest(self, table: Tabular, columns: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Yield columns as they are, in the file's order.

        Raises:
            InputError: the file cannot be read.
        """
        if not table.is_text:  # its own reader keeps every type
            with _unreadable(table.path), pq.ParquetFile(table.path) as file:
                for batch in file.iter_batches(BATCH, columns=list(columns)):
                    yield batch.select(list(columns))
            return
        selected = ", ".join(map(quoted, columns))
        with _unreadable(table.path):
            yield from self._connection.sql(f"SELECT {selected} FROM {_source(table)}").to_arrow_reader(BATCH)

    def write(self, path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], delimiter: str = ",") -> None:
        """Write rows as CSV, TSV or Parquet, by the suffix; the delimiter is a CSV file's.

        Dictionary columns are written as text. A missing value is an empty field of a text file.

        Raises:
            InputError: the file cannot be written.
        """
        caught: list[InputError] = []
        batches = _noting(batches, caught)
        try:
            suffix = suffix_of(path)
            if suffix == PARQUET:
                _write_parquet(path, schema, batches)
                return
            # A connection of its own: the batches may come from the other one while this one writes.
            with contextlib.closing(self._connected()) as connection:
                connection.register("rows", pa.RecordBatchReader.from_batches(schema, batches))
                options = f"FORMAT csv, HEADER, DELIMITER {literal(TAB if suffix == TSV else delimiter)}"
                connection.execute(f"COPY (SELECT * FROM rows) TO {_path(path)} ({options})")
        except (OSError, duckdb.Error) as error:
            fault = caught[0] if caught else InputError(f"{path}: cannot be written ({type(error).__name__})")
            raise fault from None

    def close(self) -> None:
        """Close the connection and remove what it spilled."""
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)


def numbers_of(column: pa.Array) -> npt.NDArray[np.int64]:
    """Return an int64 column without nulls as an array.

    As the two below, without what imports pandas in Arrow's own: that takes a quarter of a second.
    """
    return np.frombuffer(column.buffers()[1], np.int64, len(column), column.offset * 8)


def texts_of(texts: Sequence[str]) -> pa.StringArray:
    """Return texts as a column."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def dictionary_column(codes: npt.NDArray[np.signedinteger[Any]], texts: pa.StringArray) -> pa.DictionaryArray:
    """Return a column of texts by their places; a negative one stands for a missing value."""
    absent = codes < 0
    valid = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
    kind = {1: pa.int8(), 2: pa.int16(), 4: pa.int32()}[codes.itemsize]
    places = pa.Array.from_buffers(kind, len(codes), [valid, pa.py_buffer(np.ascontiguousarray(codes))])
    return pa.DictionaryArray.from_arrays(places, texts)


def check_codable(table: Tabular, columns: Sequence[str]) -> None:
    """Refuse quasi-identifiers whose values are no categories.

    Raises:
        InputError: decimal numbers, or a type such as a list.
    """
    for column in columns:
        kind = table.columns[column]
        if _DECIMAL.match(kind):
            raise InputError(
                f"{table.path}: the quasi-identifier {column!r} holds decimal numbers ({kind}): make intervals or "
                "whole numbers of them first; text, whole numbers, dates and booleans are allowed"
            )
        if not _TEXTUAL.fullmatch(kind):
            raise InputError(
                f"{table.path}: the quasi-identifier {column!r} is of type {kind}; text, whole numbers, dates and "
                "booleans are allowed"
            )


def _header(path: Path, needed: Sequence[str], delimiters: Sequence[str]) -> tuple[list[str], str]:
    """A text file's columns, and the delimiter: the one that shows the needed columns, else the most columns."""
    found: dict[str, list[str]] = {}
    for delimiter in delimiters:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                found[delimiter] = next(csv.reader(file, delimiter=delimiter, strict=True), [])
        except UnicodeDecodeError:
            raise InputError(f"{path}: not UTF-8") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except csv.Error:  # cut there, a field's quotes are none: it is another delimiter
            continue
    if not any(found.values()):
        raise InputError(f"{path}: empty, or without a header line; a header with the columns' names is expected")
    delimiter = max(found, key=lambda mark: (sum(name in found[mark] for name in needed), len(found[mark])))
    return found[delimiter], delimiter


def _check_names(path: Path, names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not name:
            raise InputError(f"{path}: a column has no name; every column needs one")
        if name.lower() in seen:
            raise InputError(f"{path}: the columns {seen[name.lower()]!r} and {name!r} have one name, but for its case")
        seen[name.lower()] = name


def _source(table: Tabular) -> str:
    if not table.is_text:
        return f"read_parquet({_path(table.path)}, {AS_IT_IS})"
    fields = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in table.columns)
    return (
        f"read_csv({_path(table.path)}, columns={{{fields}}}, auto_detect=false, header=true,"
        f" delim={literal(table.delimiter)}, quote='\"', escape='\"', nullstr='', strict_mode=true,"
        f" null_padding=false, max_line_size={LINE})"
    )


def _text(column: str) -> str:
    """A column's value as text. CONCAT, unlike ||, takes null for the empty text, and runs once a dictionary page."""
    return f"concat(CAST({quoted(column)} AS VARCHAR), '')"


def _noting(batches: Iterable[pa.RecordBatch], caught: list[InputError]) -> Generator[pa.RecordBatch]:
    """The batches; an error on their way is noted, as DuckDB would put one of its own in its place."""
    try:
        yield from batches
    except InputError as error:
        caught.append(error)
        raise


def _write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    # Dictionary columns are written from their codes. The schema that Arrow would store beside them would make its
    # readers return categories, so that the plain one is stored in its place.
    plain = pa.schema(
        [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    )
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata({"ARROW:schema": _encoded(plain)})
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _GROUP:
                writer.write_table(pa.Table.from_batches(waiting), row_group_size=_GROUP)
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting), row_group_size=_GROUP)


def _encoded(schema: pa.Schema) -> str:
    import base64  # noqa: PLC0415 - for this alone

    return base64.b64encode(schema.serialize()).decode("ascii")


@contextlib.contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Errors of reading: their texts quote lines, so only the line's number and the kind of error leave."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read{_cause(error)}") from None


def _cause(error: Any) -> str:
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    fields = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    place = f" from line {line[1]} on" if line else ""
    if fields:
        return f"{place}: {fields[2]} fields, where the header has {fields[1]}"
    if "unicode" in text.lower():
        return f"{place}: not UTF-8"
    return f"{place}: {'a quote is not closed' if 'quote' in text.lower() else type(error).__name__}"


def _path(path: Path) -> str:
    return literal(str(path.absolute()))
