"""The rows of a hierarchy file: each a value, then what stands for it on level 1, 2, …; the one reader of such files.

A file has no header. Its fields are cut at `;`, `,`, a tab or `|`, quoted by `"` where they hold one; UTF-8, with or
without a byte-order mark. It may also be Parquet: its columns are the levels, in their order, whatever their names.
"""

from __future__ import annotations

import csv
from pathlib import Path

from anonymization.errors import InputError

MISSING = ""
"""The label of a missing value."""
DELIMITERS = (";", ",", "\t", "|")


def read_rows(path: Path, what: str) -> list[list[str]]:
    """Return the rows of a hierarchy file.

    Args:
        path: the file.
        what: whose hierarchy messages say is expected there.

    Raises:
        InputError: the file is missing, not UTF-8, not CSV, or no Parquet; the message names file and line.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; a hierarchy file of {what!r} is expected")
    if path.suffix.lower() == ".parquet":
        return _of_parquet(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None
    return _cut(text, path)


def _of_parquet(path: Path) -> list[list[str]]:
    import pyarrow as pa  # noqa: PLC0415 - a policy folder is read without it
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path, partitioning=None)
        columns = [column.cast(pa.string()).to_pylist() for column in table.columns]
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: cannot be read as Parquet whose columns are texts ({type(error).__name__})"
        ) from None
    return [[MISSING if label is None else label for label in row] for row in zip(*columns, strict=True)]


def _cut(text: str, path: Path) -> list[list[str]]:
    """The rows, cut at the mark that cuts them all alike: a label may hold another mark."""
    faults = []
    for delimiter in DELIMITERS:
        try:
            rows = _parse(text, delimiter, path)
        except InputError as error:
            faults.append(error)
            continue
        if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
            return rows
    first_line = text.partition("\n")[0]
    if len(faults) == len(DELIMITERS):
        raise faults[0]
    return _parse(text, next((mark for mark in DELIMITERS if mark in first_line), DELIMITERS[0]), path)


def _parse(text: str, delimiter: str, path: Path) -> list[list[str]]:
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(row or [MISSING] for row in reader)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not CSV: {error}") from None
    return rows
