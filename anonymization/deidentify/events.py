"""What an event is: its columns, and the SQL that makes events of raw rows.

`parsed` turns each raw row into day, hour, generalized columns, raw person and a reason if it cannot be
taken. `judged` joins pseudonyms, what was made of distinct texts, and opt-outs, and says what becomes of each row. A
sign-in that tells which other ids a choice covers is taken in: builds leave it out with them (`release/left_out.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from anonymization.deidentify import times
from anonymization.deidentify.identifiers import IdColumn, Month, month_expression
from anonymization.deidentify.treatments import cleaned_from, treat, unlisted
from anonymization.engine.base import NUMBER
from anonymization.policy.sources import NOT_SPECIFIED, UNKNOWN, Source, Treatment
from anonymization.quoting import literal

NO_IDENTIFIER = "no identifier"
OPTED_OUT = "opted out"
BEFORE_POLICY = "before the policy's first version"
ERASED = "of a month that was erased"
FAMILIES = ("browser", "os", "device")
AGENT, KEYWORD = "user agent", "keyword"
"""Kinds of texts that are worked on once a distinct one, beside those of `cleaned_from`; see the relation `worked`."""
REMOVED = "_removed"
"""The column of judged rows with the kind of personal data for which a row's keyword was given up; no event's."""
ACCEPTED = "reason IS NULL AND dropped IS NULL"
"""SQL over judged rows: whether a row is an event."""


def parsed_sql(
    source: Source,
    rows: str,
    *,
    codelists: Mapping[str, Mapping[str, object]],
    ids: Sequence[IdColumn],
    named: bool = False,
) -> str:
    """Return the SQL that turns raw rows into parsed ones: day, hour, event columns, ids, reason.

    `rows` is the SQL of the raw rows; the relation `arrival` (_number, last_day) holds the latest day that an event of
    each file may have, so that the text is the same for all files of a source. `line` is kept only where there is a
    `reason`, or an id that may be one: for the quarantine. `named` rows hand their `names` on (see `readers.Raw`).
    """
    treated = treat(source, codelists)
    moment = times.moment(source, f'"raw_{source.time.column}"')
    day, hour = times.day_and_hour(source, "moment")
    values = [f"{sql} AS {name}" for t in treated.values() for name, sql in t.values] + [c.value for c in ids]
    faults = [
        *times.faults(source, f'"raw_{source.time.column}"', "moment", "day", "last_day"),
        *(fault for t in treated.values() for fault in t.faults),
    ]
    agent, keyword = column_of(source, Treatment.USER_AGENT), column_of(source, Treatment.KEYWORD)
    outputs = [f'{sql} AS "{name}"' for t in treated.values() for name, sql in t.outputs]
    kept = " OR ".join(["reason IS NOT NULL", *(column.is_odd for column in ids)])
    reason = " ".join(f"WHEN {condition} THEN {literal(text)}" for text, condition in faults)
    selected = ", ".join(
        [
            NUMBER, "reason", f"CASE WHEN {kept} THEN line END AS line", "day", "hour",
            *(f"id_{c.number}, CASE WHEN {c.is_odd} THEN {c.raw} END AS odd_{c.number}" for c in ids),
            *(["names"] if named else []),
            *([f'"raw_{agent}" AS user_agent'] if agent else []),
            *([f'"raw_{keyword}" AS raw_keyword'] if keyword else []),
            *outputs,
        ]
    )  # fmt: skip
    return (
        f"WITH fields AS ({rows}),"
        f" timed AS (SELECT fields.*, last_day, {moment} AS moment"
        f" FROM fields INNER JOIN arrival ON fields.{NUMBER} = arrival.{NUMBER}),"
        f" valued AS (SELECT {', '.join(['*', f'{day} AS day', f'{hour} AS hour', *values])} FROM timed),"
        f" reasoned AS (SELECT *, CASE WHEN broken IS NOT NULL THEN broken {reason} END AS reason FROM valued)"
        f" SELECT {selected} FROM reasoned"
    )


def judged_sql(
    source: Source, months: Sequence[Month], *, linked: bool, first_day: date, kept_from: date | None = None
) -> str:
    """Return the SQL that joins identified rows with pseudonyms, families and opt-outs, and says what becomes of each.

    Rows before `first_day` are the policy's no business; those before `kept_from` are of months that were erased.
    """
    month = month_expression(months, "r.day")
    agent, keyword = column_of(source, Treatment.USER_AGENT), keyword_column(source)
    crawler = "COALESCE(a.crawler, FALSE)" if agent else "FALSE"
    opted_out = "o.person IS NOT NULL"
    if linked:
        tells = "r.linked IS NOT NULL AND r.linked <> r.person"
        own, others = (f"({of}.person IS NOT NULL AND NOT ({of}.covers AND {tells}))" for of in ("o", "q"))
        opted_out = f"{own} OR {others}"
    reason = "COALESCE(r.reason, r.refused)"
    dropped = (
        f"CASE WHEN {reason} IS NOT NULL THEN NULL"
        f" WHEN r.day < {times.day_number(first_day)} THEN {literal(BEFORE_POLICY)}"
        + (f" WHEN r.day < {times.day_number(kept_from)} THEN {literal(ERASED)}" if kept_from else "")
        + f" WHEN {crawler} THEN NULL"
        f" WHEN r.person IS NULL THEN '{NO_IDENTIFIER}' WHEN {opted_out} THEN '{OPTED_OUT}' END"
    )
    cleaned = {source.columns[name].into or name: cleaned_from(name) for name in cleaned_columns(source)}
    joined = ("p", "day", "hour", *(FAMILIES if agent else ()), keyword, *cleaned)
    outputs = [name for name in event_columns(source) if name not in joined]
    families = [f"COALESCE(a.{name}, '{UNKNOWN}') AS {name}" for name in FAMILIES if agent]
    selected = ", ".join(
        [
            f"r.{NUMBER} AS {NUMBER}", f"{reason} AS reason", f"{dropped} AS dropped",
            f"{crawler} AS crawler", "r.line AS line", "r.day AS day", "r.hour AS hour",
            f"CASE WHEN NOT {crawler} THEN m.p END AS p",
            *([f"CASE WHEN NOT {crawler} THEN l.p END AS linked_p"] if linked else []),
            *(f'r."{name}" AS "{name}"' for name in (*outputs, *map(unlisted, open_columns(source)))),
            *families,
            *([f"COALESCE(k.keyword, '{NOT_SPECIFIED}') AS \"{keyword}\""] if keyword else []),
            *([f"k.removed AS {REMOVED}"] if keyword else []),
            *(f"COALESCE({text}.cleaned, '{UNKNOWN}') AS \"{output}\"" for output, text in cleaned.items()),
        ]
    )  # fmt: skip
    pseudonym = (
        " LEFT JOIN pseudonyms AS {0} ON r.{1} = {0}.person"
        f" AND r.{NUMBER} = {{0}}.{NUMBER} AND {month} = {{0}}.month"
    )
    return (
        f"SELECT {selected} FROM identified AS r"
        + pseudonym.format("m", "person")
        + (pseudonym.format("l", "linked") if linked else "")
        + (_worked("a", AGENT, "user_agent") if agent else "")
        + (_worked("k", KEYWORD, "raw_keyword") if keyword else "")
        + "".join(_worked(text, text, text) for text in cleaned.values())
        + " LEFT JOIN optouts AS o ON r.person = o.person"
        + (" LEFT JOIN optouts AS q ON r.linked = q.person" if linked else "")
    )


def _worked(alias: str, kind: str, text: str) -> str:
    return f" LEFT JOIN worked AS {alias} ON {alias}.kind = '{kind}' AND r.{text} = {alias}.raw"


def column_of(source: Source, treatment: Treatment) -> str | None:
    """Return the raw column of a source that is treated so, if there is one."""
    return next((name for name, column in source.columns.items() if column.treatment is treatment), None)


def keyword_column(source: Source) -> str | None:
    """Return the event column that holds the source's search keyword, if it has one."""
    name = column_of(source, Treatment.KEYWORD)
    return None if name is None else source.columns[name].into or name


def open_columns(source: Source) -> list[str]:
    """Return the raw columns of a source in which a code that is not listed becomes the one for all such."""
    return [name for name, column in source.columns.items() if column.unlisted is not None]


def cleaned_columns(source: Source) -> list[str]:
    """Return the raw columns of a source whose texts are cleaned once a distinct one (see `addresses.py`)."""
    return [name for name, column in source.columns.items() if column.treatment in (Treatment.URL_PATH, Treatment.HOST)]


def event_columns(source: Source, *, linked: bool = False) -> tuple[str, ...]:
    """Return the columns of a source's events, in order."""
    declared = [name for names in source.event_columns.values() for name in names if name not in ("day", "hour")]
    return ("p", *(["linked_p"] if linked else []), "day", "hour", *declared)


def event_schema(source: Source, *, linked: bool = False) -> pa.Schema:
    """Return the Arrow schema of a source's events."""
    integers = {c.into or n for n, c in source.columns.items() if c.treatment is Treatment.INTEGER}

    def kind(name: str) -> pa.DataType:
        if name in ("day", "hour"):
            return pa.int32()
        return pa.int64() if name in ("p", "linked_p", "mesh") or name in integers else pa.string()

    return pa.schema([(name, kind(name)) for name in event_columns(source, linked=linked)])
