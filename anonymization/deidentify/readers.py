"""How each format's file becomes rows of raw columns, and why a record is not one.

A reader gives the SQL of a relation with `_number` (of which file a row is), `line` (the record as text, null for
Parquet), `broken` (why the record is none, else null) and one column `raw_<name>` a declared column. What a file has
beyond the declaration is read by nothing and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from anonymization.deidentify.columns import compare_columns, unique, used
from anonymization.deidentify.ids import AS_A_NUMBER
from anonymization.deidentify.screening import Screened
from anonymization.engine.base import NUMBER, Engine
from anonymization.errors import SourceError
from anonymization.policy.sources import Format, Source, TimeEncoding, Treatment
from anonymization.quoting import literal

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
ADDRESS = "^[0-9]+([.][0-9]+){3}$|^[0-9a-fA-F]*:[0-9a-fA-F:.]*$"
REQUEST_FIELDS = ("method", "target", "protocol")


@dataclass(frozen=True)
class Raw:
    """Files opened as raw rows.

    Attributes:
        sql: SELECT of `_number`, `line`, `broken` and the columns `raw_<name>`.
        relations: engine relations to drop when the files are done.
        named: whether the rows have a column `names`: the names of a record's own fields, by `SEPARATOR`, to be
            compared with the declared ones once the rows are read (`compare_names`).
    """

    sql: str
    relations: tuple[str, ...]
    named: bool = False


def check_header(source: Source, screened: Screened, file: str) -> int:
    """Return how many columns of a file nobody declared, as far as its beginning tells.

    Raises:
        SourceError: the file is not of the declared format, or lacks a declared column.
    """
    if source.format in (Format.CSV, Format.TSV):
        return compare_columns(source, unique(source, screened.header, file), file)
    if source.format is Format.COMBINED_LOG:
        compare_columns(source, {*COMBINED_FIELDS, *REQUEST_FIELDS} - {"request"}, file)
        with screened.readable.open("rb") as lines:
            begun = lines.read(HEAD).decode("utf-8", errors="ignore").split("\n")
        if not any(re.match(COMBINED, line) for line in begun):
            raise SourceError(f"{file} begins with no line of a combined log; source {source.source!r} declares one")
    return screened.undeclared


def open_raw(engine: Engine, source: Source, files: Mapping[int, Screened], name: str) -> Raw:
    """Open screened files of a source as raw rows of their numbers; those of one layout are read as one."""
    layouts: dict[tuple[object, ...], dict[int, Screened]] = {}
    for number, screened in files.items():
        layouts.setdefault(screened.layout, {})[number] = screened
    relations = [f"{name}_{n}" for n in range(len(layouts))]
    read = READERS[source.format]
    rows = [read(engine, source, alike, own) for own, alike in zip(relations, layouts.values(), strict=True)]
    return Raw(" UNION ALL ".join(rows), tuple(relations), named=source.format is Format.JSON_LINES)


def _readable(files: Mapping[int, Screened]) -> dict[int, Path]:
    return {number: screened.readable for number, screened in files.items()}


def _json_lines(engine: Engine, source: Source, files: Mapping[int, Screened], name: str) -> str:
    engine.read_lines(name, _readable(files))
    fields = ", ".join(f"'{c}'" for c in used(source))
    columns = _fields({c: i for i, c in enumerate(used(source), 1)})
    # an AND might look at every line; where no number stands, nothing but the id is looked at
    fractions = "".join(
        f" WHEN CASE WHEN regexp_matches(LIST_ITEM(fields, {i}), '^-?[0-9]+[.eE]')"
        f' THEN NOT regexp_matches(line, \'"{c}"[ \t]*:[ \t]*"\') ELSE FALSE END THEN {literal(f"{c}: {AS_A_NUMBER}")}'
        for i, c in enumerate(used(source), 1)
        if source.columns[c].treatment is Treatment.PSEUDONYM
    )
    broken = f"CASE WHEN fields IS NULL THEN 'line: not a JSON object'{fractions} END"
    return (
        f"SELECT {NUMBER}, line, {broken} AS broken, names,"
        f" {columns} FROM (SELECT {NUMBER}, line, CASE WHEN valid THEN JSON_FIELDS(line, {fields}) END AS fields,"
        f" CASE WHEN valid THEN JSON_FIELD_NAMES(line) END AS names"
        f" FROM (SELECT {NUMBER}, line, JSON_VALID(line) AS valid FROM {name}) AS checked) AS parsed"
    )


def compare_names(
    source: Source, names: Iterable[str | None], file: str, rejected: Mapping[str, int], *, changed: bool = False
) -> int:
    """Return how many fields of JSON objects, whose distinct `names` these are, nobody declared.

    `rejected` lines were set aside before. Of a file that a person's request has `changed`, the lines that held a field
    may be gone.

    Raises:
        SourceError: there is no object, or a declared field stands in none.
    """
    found = [of_one.split(SEPARATOR) if of_one else [] for of_one in names if of_one is not None]
    if changed:
        return len({name for of_one in found for name in of_one if name} - set(source.columns))
    if not found:
        why = f" ({', '.join(f'{reason}: {number:,}' for reason, number in rejected.items())})" if rejected else ""
        raise SourceError(f"{file} holds no JSON object{why}; source {source.source!r} declares JSON lines")
    return compare_columns(source, {name for of_one in found for name in of_one}, file)


def doubled_names(names: Iterable[str | None]) -> list[str]:
    """Return those of the distinct `names` of objects in which one stands twice: which value counts, nobody says."""
    return [of_one for of_one in names if of_one and len(set(split := of_one.split(SEPARATOR))) < len(split)]


def without_doubled(engine: Engine, source: Source, raw: Raw, doubled: Iterable[str]) -> Raw:
    """Return the raw rows, those among them broken whose `names` are doubled."""
    engine.register("doubled", pa.table({"names": pa.array(doubled, pa.string())}))
    columns = ", ".join(f'r."raw_{c}" AS "raw_{c}"' for c in used(source))
    broken = "CASE WHEN d.names IS NOT NULL THEN 'line: a name stands twice in its object' ELSE r.broken END"
    sql = (
        f"SELECT r.{NUMBER} AS {NUMBER}, r.line AS line, {broken} AS broken, r.names AS names, {columns}"
        f" FROM ({raw.sql}) AS r LEFT JOIN doubled AS d ON r.names = d.names"
    )
    return Raw(sql, (*raw.relations, "doubled"), named=True)


def _delimited(engine: Engine, source: Source, files: Mapping[int, Screened], name: str) -> str:
    engine.read_lines(name, _readable(files))
    alike = next(iter(files.values()))
    header, own = list(alike.header), alike.header_line
    columns = _fields({c: header.index(c) + 1 for c in used(source)})
    rows = name if own is None else f"{name} WHERE line <> {literal(own)}"
    return (
        f"SELECT {NUMBER}, line,"
        f" CASE WHEN LIST_LENGTH(fields) <> {len(header)} THEN 'record: not of the header''s width' END AS broken,"
        f" {columns}"
        f" FROM (SELECT {NUMBER}, line, FIELDS(line, {literal(alike.delimiter)}) AS fields FROM {rows}) AS parsed"
    )


def _fields(places: Mapping[str, int]) -> str:
    """The raw columns that stand in a list of texts, each at its place; of texts the empty one is none."""
    return ", ".join(f"NULLIF(LIST_ITEM(fields, {place}), '') AS \"raw_{name}\"" for name, place in places.items())


def _parquet(engine: Engine, source: Source, files: Mapping[int, Screened], name: str) -> str:
    engine.read_parquet(name, _readable(files), used(source))
    columns = ", ".join(f'{_present(c, source)} AS "raw_{c}"' for c in used(source))
    return f"SELECT {NUMBER}, CAST(NULL AS VARCHAR) AS line, CAST(NULL AS VARCHAR) AS broken, {columns} FROM {name}"


def _present(column: str, source: Source) -> str:
    """A column's value; of texts the empty one is none."""
    treatment, encoding = source.columns[column].treatment, source.time.encoding
    typed = treatment in (Treatment.LATITUDE, Treatment.LONGITUDE) or (
        treatment is Treatment.TIME and encoding is TimeEncoding.TIMESTAMP
    )
    return f'"{column}"' if typed else f"NULLIF(\"{column}\", '')"


def _combined_log(engine: Engine, source: Source, files: Mapping[int, Screened], name: str) -> str:
    engine.read_lines(name, _readable(files))
    columns = ", ".join(f"NULLIF(NULLIF({field}, '-'), '') AS \"raw_{c}\"" for c, field in _combined_fields(source))
    # A match costs a tenth of what its groups cost. Where no quote is escaped or out of place, fields are cut at the
    # quotes, and what stands before them at spaces; the few other lines go through the groups.
    cut = f"{_matches(COMBINED)} AND LIST_LENGTH(q) = {QUOTED_PARTS} AND NOT {_matches(BACKSLASH)}"
    groups = f"REGEX_GROUPS(line, {literal(COMBINED)}, {len(COMBINED_FIELDS)})"
    cut += " AND split_part(LIST_ITEM(q, 1), '[', 3) = '' AND split_part(LIST_ITEM(q, 1), ' ', 6) = ''"
    # in a log with virtual hosts an address stands where the identity of RFC 1413 does, which is no number
    ident = "CASE WHEN plain THEN split_part(LIST_ITEM(q, 1), ' ', 2) ELSE GROUP_ITEM(g, 2) END"
    broken = (
        "CASE WHEN NOT plain AND GROUP_ITEM(g, 1) = '' THEN 'line: not of the combined log'"
        f" WHEN {ident} <> '-' AND regexp_matches({ident}, '{ADDRESS}')"
        " THEN 'line: not of the combined log, an address stands behind the host' END"
    )
    return (
        f"SELECT {NUMBER}, line, {broken} AS broken, {columns} FROM"
        f" (SELECT {NUMBER}, line, q, plain, CASE WHEN NOT plain THEN {groups} END AS g FROM"
        f" (SELECT {NUMBER}, line, q, {cut} AS plain FROM"
        f" (SELECT {NUMBER}, line, QUOTE_FIELDS(line) AS q FROM {name}) AS quoted) AS matched) AS parsed"
    )


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
    request = fields["request"]
    fields |= {field: f"split_part({request}, ' ', {part})" for part, field in enumerate(REQUEST_FIELDS, 1)}
    # a target with spaces ends where the protocol begins, or with the request
    whole = f"regexp_extract(REGEX_REPLACE_ALL({request}, ' HTTP/[0-9.]+$', ''), '^[^ ]* (.*)$', 1)"
    spaced = f"NOT regexp_matches({fields['protocol']}, '^(HTTP/.*)?$')"
    fields["target"] = f"CASE WHEN {spaced} THEN {whole} ELSE {fields['target']} END"
    return [(name, fields[name]) for name in used(source)]


READERS: dict[Format, Callable[[Engine, Source, Mapping[int, Screened], str], str]] = {
    Format.JSON_LINES: _json_lines,
    Format.CSV: _delimited,
    Format.TSV: _delimited,
    Format.PARQUET: _parquet,
    Format.COMBINED_LOG: _combined_log,
}
