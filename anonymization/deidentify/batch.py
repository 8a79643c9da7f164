"""Files of one source go through the engine together: raw rows are parsed, identified and judged, once for all.

Whatever is worked out once a distinct value is so for all of them; what is about a file is kept apart by its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from anonymization.deidentify import times
from anonymization.deidentify.arrivals import IntakeContext, Ready
from anonymization.deidentify.distinct import Kind, Kinds
from anonymization.deidentify.events import AGENT, KEYWORD, cleaned_columns, column_of, judged_sql, parsed_sql
from anonymization.deidentify.identifiers import (
    IdColumn,
    Month,
    id_columns,
    identified_sql,
    make_pseudonyms,
    spell_others,
)
from anonymization.deidentify.readers import Raw, compare_names, doubled_names, open_raw, without_doubled
from anonymization.deidentify.treatments import cleaned_from
from anonymization.engine.base import NUMBER, Engine
from anonymization.policy.sources import Source, Treatment


@dataclass(frozen=True)
class Judged:
    """What the relation `judged` does not say of each file, by its number.

    Attributes:
        undeclared: how many of its columns its source does not declare.
        by_case: how many persons fewer there would be if ids that differ by case alone were one; of files with persons.
        months: the key periods of their events.
    """

    undeclared: Mapping[int, int]
    by_case: Mapping[int, int]
    months: Sequence[Month]


@dataclass(frozen=True)
class _Parsed:
    """What is to be known of parsed rows before persons are made of them."""

    months: list[Month]
    odd: bool
    undeclared: Mapping[int, int]


@contextmanager
def judged(
    files: Mapping[int, Ready], source: Source, around: IntakeContext, *, ids_too: bool = False
) -> Iterator[Judged]:
    """Hold the relation `judged` of the rows of a source's files; `optouts` is at hand (see `register_optouts`).

    Args:
        files: by number.
        source: theirs.
        around: what the run works with.
        ids_too: whether the relation `pseudonyms` is held as long, which knows whose each pseudonym is.

    Raises:
        SourceError: a file is not what its source declares.
        EngineError: the engine cannot read one.
    """
    engine, linked = around.engine, around.linked.get(source.source)
    ids = id_columns(source.persons, linked, around.spellings)
    with ExitStack() as held:
        with ExitStack() as made:
            parsed = _parse(files, source, around, ids, made)
            made.callback(engine.drop, "worked")
            _register_distinct(source, around)
            others = spell_others(engine, "parsed", ids) if parsed.odd else []
            for name in (*others, "identified"):
                made.callback(engine.drop, name)
            (held if ids_too else made).callback(engine.drop, "pseudonyms")
            to = None if linked is None else [column.column for column in ids].index(linked.column)
            engine.view("identified", identified_sql("parsed", ids, len(source.persons), to, others))
            identities = ["person", *(["linked"] if linked else [])]
            by_case = make_pseudonyms(engine, "pseudonyms", "identified", identities, parsed.months, around.keys)
            judging = judged_sql(
                source, parsed.months, linked=linked is not None, first_day=around.first_day, kept_from=around.kept_from
            )
            held.callback(engine.drop, "judged")
            engine.create("judged", judging)
        yield Judged(parsed.undeclared, by_case, parsed.months)


def _parse(
    files: Mapping[int, Ready], source: Source, around: IntakeContext, ids: Sequence[IdColumn], made: ExitStack
) -> _Parsed:
    """Create the relation `parsed`; of objects in which a name stands twice, rows are broken."""
    engine = around.engine
    # a clock that runs a day ahead is forgiven; an event of next week is not
    last_days = [times.day_number(file.arrival.arrived) + 1 for file in files.values()]
    arrival = pa.table([pa.array(files, pa.int32()), pa.array(last_days, pa.int32())], [NUMBER, "last_day"])
    engine.register("arrival", arrival)
    raw = open_raw(engine, source, {number: file.screened for number, file in files.items()}, "raw_rows")
    for name in ("arrival", *raw.relations, "doubled", "parsed"):
        made.callback(engine.drop, name)
    undeclared = {number: file.undeclared for number, file in files.items()}

    def parse(rows: Raw) -> list[dict[str, Any]]:
        parsing = parsed_sql(source, rows.sql, codelists=around.codelists, ids=ids, named=rows.named)
        engine.create("parsed", parsing)
        return _look(engine, around.earliest, ids, named=rows.named)

    seen = parse(raw)
    if raw.named:
        names: dict[int, list[str | None]] = {number: [] for number in files}
        for row in seen:
            names[row[NUMBER]].append(row["names"])
        undeclared = {
            number: compare_names(
                source,
                names[number],
                file.arrival.path.name,
                file.screened.rejected,
                changed=file.screened.digest in around.rewritten.values(),
            )
            for number, file in files.items()
        }
        if doubled := doubled_names({row["names"] for row in seen}):
            seen = parse(without_doubled(engine, source, raw, doubled))
    return _Parsed(_months(seen, files, around.earliest), any(row["odd"] for row in seen), undeclared)


def _look(engine: Engine, earliest: date, ids: Sequence[IdColumn], *, named: bool) -> list[dict[str, Any]]:
    """First and last day of each file, and how many ids are not plain; of objects, by their names."""
    kept = f"FILTER (WHERE reason IS NULL AND day >= {times.day_number(earliest)})"
    odd = " + ".join(f"count(odd_{column.number})" for column in ids)
    by = f"{NUMBER}, names" if named else NUMBER
    sql = f"SELECT {by}, min(day) {kept} AS first, max(day) {kept} AS last, {odd} AS odd FROM parsed GROUP BY {by}"
    rows: list[dict[str, Any]] = engine.fetch(sql).to_pylist()
    return rows


def _months(seen: Sequence[Mapping[str, Any]], files: Mapping[int, Ready], earliest: date) -> list[Month]:
    """The months of each file's events, from its first to its last; no key is made for others.

    Of a file without events it is the first month of all, so that there is a key at hand.
    """
    days: dict[int, list[int]] = {number: [] for number in files}
    for row in seen:
        days[row[NUMBER]] += [day for day in (row["first"], row["last"]) if day is not None]
    first = times.day_number(earliest)
    spans = {(min(found, default=first), max(found, default=first)) for found in days.values()}
    months = {month for span in spans for month in times.months_between(*map(times.day_of_number, span))}
    return [Month(index, *month) for index, month in enumerate(sorted(months))]


def _register_distinct(source: Source, around: IntakeContext) -> None:
    """Create the relation `worked` of what is made of each distinct user agent, keyword, path and host."""
    agent, keyword = (column_of(source, treatment) for treatment in (Treatment.USER_AGENT, Treatment.KEYWORD))
    kinds: dict[str, tuple[str, Kind]] = {
        **({AGENT: ("user_agent", around.devices)} if agent else {}),
        **({KEYWORD: ("raw_keyword", around.keywords)} if keyword else {}),
    }
    for column in cleaned_columns(source):
        cleaned = around.paths if source.columns[column].treatment is Treatment.URL_PATH else around.hosts
        kinds[cleaned_from(column)] = (cleaned_from(column), cleaned)
    if kinds:
        distinct = " UNION ALL ".join(
            f"SELECT DISTINCT '{kind}' AS kind, {text} AS raw FROM parsed WHERE reason IS NULL AND {text} IS NOT NULL"
            for kind, (text, _) in kinds.items()
        )
        work = Kinds({kind: made for kind, (_, made) in kinds.items()})
        around.engine.work_out("worked", distinct, work.relation, work.schema)
