"""How each format's file becomes rows of raw columns, and why a record is not one.

A reader gives the SQL of a relation with `line` (the record as text, null for Parquet), `broken` (why the
record is none, else null) and one column `raw_<name>` a declared column. What the file has beyond the
declaration is read by nothing and reported by name.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.engine.base import Engine
from anonymization.errors import SourceError
from anonymization.policy.sources import Format, Source, TimeEncoding, Treatment
from anonymization.quoting import literal

SPEAKABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""A column name that may be repeated in a report; any other could hold a person's value."""

HEAD = 1 << 16
SEPARATOR = "\x1f"
COMBINED = (
    r'^([^ ]+) ([^ ]+) (.+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" ([0-9]{3}) ([0-9]+|-)'
    r' "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\r?$'
)
"""Apache's combined log: host, ident, user, time, request, status, bytes, referrer, user agent."""
COMBINED_FIELDS = (
    "host", "ident", "remote_user", "time", "request", "status", "bytes", "referrer", "user_agent",
)  # fmt: skip
QUOTED_PARTS = 7
"""Parts of a combined line between its six quotes, where none is escaped."""
BACKSLASH = r"\\"
REQUEST_FIELDS = ("method", "target", "protocol")


@dataclass(frozen=True)
class Raw:
    """A file opened as raw rows.

    Attributes:
        sql: SELECT of `line`, `broken` and the columns `raw_<name>`.
        undeclared: columns of the file that the source does not declare, by name.
        relations: engine relations to drop when the file is done.
        named: whether the rows have a column `names`: the names of a record's own fields, by `SEPARATOR`, to be
            compared with the declared ones once the rows are read (`compare_names`).
    """

    sql: str
    undeclared: tuple[str, ...]
    relations: tuple[str, ...]
    named: bool = False


def open_raw(engine: Engine, source: Source, path: Path, name: str) -> Raw:
    """Open a screened file as raw rows.

    Raises:
        SourceError: the file is not of the declared format, or lacks a declared column.
    """
    return READERS[source.format](engine, source, path, name)


def _used(source: Source) -> list[str]:
    return [name for name, column in source.columns.items() if column.treatment is not Treatment.DROP]


def compare_columns(source: Source, found: Iterable[str], file: str) -> tuple[str, ...]:
    """Return the undeclared columns among `found`, as they may be named in a report.

    Raises:
        SourceError: a declared column is missing.
    """
    present = list(found)
    missing = sorted(set(source.columns) - set(present))
    undeclared = _speakable(set(present) - set(source.columns))
    if missing:
        hint = f"; undeclared there: {', '.join(undeclared)} (renamed?)" if undeclared else ""
        raise SourceError(f"{file} lacks the declared columns {missing} of source {source.source!r}{hint}")
    return undeclared


def _speakable(names: Iterable[str]) -> tuple[str, ...]:
    known = sorted(name for name in names if SPEAKABLE.fullmatch(name))
    others = sum(1 for name in names if not SPEAKABLE.fullmatch(name))
    return (*known, *([f"({others} whose names are not plain identifiers)"] if others else []))


def _json_lines(engine: Engine, source: Source, path: Path, name: str) -> Raw:
    engine.read_lines(name, path)
    fields = ", ".join(f"'{c}'" for c in _used(source))
    columns = ", ".join(f"NULLIF(LIST_ITEM(fields, {i}), '') AS \"raw_{c}\"" for i, c in enumerate(_used(source), 1))
    sql = (
        f"SELECT line, CASE WHEN fields IS NULL THEN 'line: not a JSON object' END AS broken, names, {columns}"
        f" FROM (SELECT line, CASE WHEN valid THEN JSON_FIELDS(line, {fields}) END AS fields,"
        f" CASE WHEN valid THEN JSON_FIELD_NAMES(line) END AS names"
        f" FROM (SELECT line, JSON_VALID(line) AS valid FROM {name}) AS checked) AS parsed"
    )
    return Raw(sql, (), (name,), named=True)


def compare_names(source: Source, names: Iterable[str | None], file: str) -> tuple[str, ...]:
    """Return the undeclared fields of JSON objects whose distinct `names` these are.

    Raises:
        SourceError: there is no object, or a declared field stands in none.
    """
    found = [of_one.split(SEPARATOR) if of_one else [] for of_one in names if of_one is not None]
    if not found:
        raise SourceError(f"{file} holds no JSON object; source {source.source!r} declares JSON lines")
    return compare_columns(source, {name for of_one in found for name in of_one}, file)


def _csv(engine: Engine, source: Source, path: Path, name: str) -> Raw:
    header = _unique(_csv_header(path), path)
    undeclared = compare_columns(source, header, path.name)
    engine.read_csv(name, path, header)
    columns = ", ".join(f'NULLIF("{c}", \'\') AS "raw_{c}"' for c in _used(source))
    blanks = ", ".join(f'CAST(NULL AS VARCHAR) AS "raw_{c}"' for c in _used(source))
    sql = (
        f"SELECT CAST(NULL AS VARCHAR) AS line, CAST(NULL AS VARCHAR) AS broken, {columns} FROM {name}"
        f" UNION ALL SELECT line, 'record: not well-formed CSV of the header''s width' AS broken, {blanks}"
        f" FROM {name}_rejects"
    )
    return Raw(sql, undeclared, (name, f"{name}_rejects"))


def _csv_header(path: Path) -> list[str]:
    return next(csv.reader(io.StringIO(_head(path))), [])


def _tsv(engine: Engine, source: Source, path: Path, name: str) -> Raw:
    first = _head(path).split("\n", 1)[0]
    header = _unique(first.rstrip("\r").split("\t"), path)
    undeclared = compare_columns(source, header, path.name)
    engine.read_lines(name, path)
    line = "REGEX_REPLACE_ALL(line, '\r$', '')" if first.endswith("\r") else "line"
    columns = ", ".join(f"NULLIF(LIST_ITEM(fields, {header.index(c) + 1}), '') AS \"raw_{c}\"" for c in _used(source))
    sql = (
        f"SELECT line, CASE WHEN LIST_LENGTH(fields) <> {len(header)} THEN 'record: not of the header''s width' END"
        f" AS broken, {columns} FROM (SELECT line, TAB_FIELDS({line}) AS fields FROM {name}"
        f" WHERE line <> {literal(first)}) AS parsed"
    )
    return Raw(sql, undeclared, (name,))


def _unique(header: list[str], path: Path) -> list[str]:
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise SourceError(f"{path.name} has columns twice: {list(_speakable(doubled))}")
    return header


def _head(path: Path) -> str:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(HEAD).decode("utf-8-sig", errors="ignore")


def _parquet(engine: Engine, source: Source, path: Path, name: str) -> Raw:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError):
        raise SourceError(
            f"{path.name} is not a whole Parquet file; source {source.source!r} declares Parquet"
        ) from None
    undeclared = compare_columns(source, schema.names, path.name)
    for column in _used(source):
        _check_type(source, column, schema.field(column).type, path.name)
    engine.read_parquet(name, path)
    columns = ", ".join(f'"{c}" AS "raw_{c}"' for c in _used(source))
    sql = f"SELECT CAST(NULL AS VARCHAR) AS line, CAST(NULL AS VARCHAR) AS broken, {columns} FROM {name}"
    return Raw(sql, undeclared, (name,))


def _check_type(source: Source, column: str, kind: pa.DataType, file: str) -> None:
    treatment = source.columns[column].treatment
    if treatment is Treatment.TIME and source.time.encoding is TimeEncoding.TIMESTAMP:
        right, wanted = pa.types.is_timestamp(kind) and kind.tz is not None, "a timestamp with time zone"
    elif treatment in (Treatment.LATITUDE, Treatment.LONGITUDE):
        right, wanted = pa.types.is_floating(kind), "a floating-point number"
    else:
        right, wanted = pa.types.is_string(kind) or pa.types.is_large_string(kind), "text"
    if not right:
        raise SourceError(f"{file}: column {column!r} of source {source.source!r} is {kind}, declared as {wanted}")


def _combined_log(engine: Engine, source: Source, path: Path, name: str) -> Raw:
    compare_columns(source, {*COMBINED_FIELDS, *REQUEST_FIELDS} - {"request"}, path.name)
    if not any(re.match(COMBINED, line) for line in _head(path).splitlines()):
        raise SourceError(f"{path.name} begins with no line of a combined log; source {source.source!r} declares one")
    engine.read_lines(name, path)
    columns = ", ".join(f"NULLIF(NULLIF({field}, '-'), '') AS \"raw_{c}\"" for c, field in _combined_fields(source))
    # A match costs a tenth of what its groups cost. Where no quote is escaped or out of place, fields are cut at the
    # quotes, and what stands before them at spaces; the few other lines go through the groups.
    cut = f"{_matches(COMBINED)} AND LIST_LENGTH(q) = {QUOTED_PARTS} AND NOT {_matches(BACKSLASH)}"
    groups = f"REGEX_GROUPS(line, {literal(COMBINED)}, {len(COMBINED_FIELDS)})"
    cut += " AND split_part(LIST_ITEM(q, 1), '[', 3) = '' AND split_part(LIST_ITEM(q, 1), ' ', 6) = ''"
    broken = "CASE WHEN NOT plain AND GROUP_ITEM(g, 1) = '' THEN 'line: not of the combined log' END"
    sql = (
        f"SELECT line, {broken} AS broken, {columns} FROM"
        f" (SELECT line, q, plain, CASE WHEN NOT plain THEN {groups} END AS g FROM"
        f" (SELECT line, q, {cut} AS plain FROM"
        f" (SELECT line, QUOTE_FIELDS(line) AS q FROM {name}) AS quoted) AS matched) AS parsed"
    )
    return Raw(sql, (), (name,))


def _matches(pattern: str) -> str:
    return f"regexp_matches(line, {literal(pattern)})"


def _combined_fields(source: Source) -> list[tuple[str, str]]:
    """The declared columns, each with the SQL of its text."""
    head, figures = "LIST_ITEM(q, 1)", "LIST_ITEM(q, 3)"
    cut = {
        "host": f"split_part({head}, ' ', 1)",
        "ident": f"split_part({head}, ' ', 2)",
        "remote_user": f"split_part({head}, ' ', 3)",
        "time": f"split_part(split_part({head}, '[', 2), ']', 1)",
        "request": "LIST_ITEM(q, 2)",
        "status": f"split_part({figures}, ' ', 2)",
        "bytes": f"split_part({figures}, ' ', 3)",
        "referrer": "LIST_ITEM(q, 4)",
        "user_agent": "LIST_ITEM(q, 6)",
    }
    fields = {
        field: f"CASE WHEN plain THEN {cut[field]} ELSE GROUP_ITEM(g, {group}) END"
        for group, field in enumerate(COMBINED_FIELDS, start=1)
    }
    fields |= {field: f"split_part({fields['request']}, ' ', {part})" for part, field in enumerate(REQUEST_FIELDS, 1)}
    return [(name, fields[name]) for name in _used(source)]


READERS: dict[Format, Callable[[Engine, Source, Path, str], Raw]] = {
    Format.JSON_LINES: _json_lines,
    Format.CSV: _csv,
    Format.TSV: _tsv,
    Format.PARQUET: _parquet,
    Format.COMBINED_LOG: _combined_log,
}
