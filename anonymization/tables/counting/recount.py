"""The recount: persons of every class, straight from the events, by another way than the build's.

The gate compares what is published with this. Nothing is shared with `facts` and `tabulate`: links are found
by exclusion, attributes by joins, and persons are counted by count(DISTINCT) a class, margin by margin.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from anonymization.engine.base import Engine
from anonymization.policy.crosscheck import BY_DAY, MESH
from anonymization.policy.releases import Attribute, DimensionKind, Resolution
from anonymization.quoting import literal
from anonymization.tables.counting.record_keys import KEYS, RECORD_KEYS, contribution_key, record_key
from anonymization.tables.counting.recount_holders import FOR_THRESHOLD, HELD_ROWS, LINKS, held_rows
from anonymization.tables.counting.recount_rests import LISTED, rest_margins
from anonymization.tables.measures import OF_CONTRIBUTIONS
from anonymization.tables.method import method_of
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable
from anonymization.tables.plan import Plan

CONTRIBUTIONS = ("first", "second")
ROWS = "recount_rows"


def recount(
    engine: Engine,
    plan: Plan,
    events: Mapping[str, str],
    published: Sequence[SafeTable] = (),
) -> pd.DataFrame:
    """Return what each class holds by the events: table, measure, a column a dimension, and `recounted`.

    Of a number of persons `for_threshold` is how many of them the threshold counts (`counting/holders.py`), else null.
    With cell keys there is `cell_key` too: the sum of the record keys of its persons, modulo 2**32. Rows of totals,
    and with cell keys of person-days, have beside it `first` and `second`, the two largest contributions of single
    persons (nullable Int64; 0 where there is no second person). Dimensions that a table lacks are the total. Classes
    without anybody are not listed. Of published tables whose places are merged the rests are counted too, by which
    places are listed.

    Args:
        engine: with the events.
        plan: what is counted.
        events: the relation of each source.
        published: as it is to be compared.
    """
    made = prepared(engine, plan, events)
    keyed, frames = method_of(plan.method).record_keys, []
    for table in plan.tables:
        for measure in table.measures:
            held = measure.how.persons and plan.counts_holders(table, measure.source)
            parts = {ROWS: rows_of(plan, table.dimensions, measure, events)}
            if held:
                parts |= held_rows(plan, table, measure.source, events, seen_of(plan, measure.source, events), ROWS)
            for name, sql in parts.items():
                engine.create(name, sql)
            for kept, sql in _margins(table.dimensions, measure, keyed=keyed, held=held):
                frame = of_own_levels(engine.fetch(sql).to_pandas(), table.dimensions, kept)
                frames.append(frame.assign(table=table.name, measure=measure.name))
            frames += _rests(engine, measure, [t for t in published if t.name == table.name])
            for name in reversed(parts):
                engine.drop(name)
    for name in made:
        engine.drop(name)
    keys = [RECORD_KEYS] if method_of(plan.method).record_keys else []
    counted: pd.DataFrame = pd.concat(frames, ignore_index=True).reindex(columns=[*_columns(plan), *keys])
    counted = counted.astype(dict.fromkeys([FOR_THRESHOLD, *CONTRIBUTIONS], "Int64"))
    persons = counted["measure"].isin([m.name for t in plan.tables for m in t.measures if m.how.persons])
    counted.loc[persons, FOR_THRESHOLD] = counted[FOR_THRESHOLD].fillna(counted["recounted"])
    return counted


def prepared(engine: Engine, plan: Plan, events: Mapping[str, str]) -> list[str]:
    """Make the relations of links and of attributes; return their names."""
    made = []
    linking = plan.linking or (plan.judging if plan.judging in events else None)
    if linking is not None:
        engine.create(LINKS, _links(plan, events[linking]))
        made.append(LINKS)
    for name, attribute in plan.attributes.items():
        engine.create(f"recount_{name}", _attribute(plan, attribute, events))
        made.append(f"recount_{name}")
    return made


def _rests(engine: Engine, measure: Measure, tables: Sequence[SafeTable]) -> Iterator[pd.DataFrame]:
    for table in tables:
        if any(dimension.merged for dimension in table.dimensions):
            for listed, kept, sql in rest_margins(table, measure.how.recounted):
                engine.register(LISTED, listed)
                frame = engine.fetch(sql).to_pandas()
                engine.drop(LISTED)
                frame = frame.assign(**{name: TOTAL for name in table.keys if name not in kept})
                yield frame.assign(table=table.name, measure=measure.name)


def _columns(plan: Plan) -> list[str]:
    names = dict.fromkeys(dimension.name for table in plan.tables for dimension in table.dimensions)
    return ["table", "measure", *names, "recounted", FOR_THRESHOLD, *CONTRIBUTIONS]


def _days(plan: Plan) -> str:
    return f"BETWEEN {plan.period.first} AND {plan.period.past - 1}"


def _links(plan: Plan, source: str) -> str:
    pairs = (
        f"SELECT DISTINCT p, linked_p FROM {source} WHERE day {_days(plan)} AND p IS NOT NULL AND linked_p IS NOT NULL"
    )
    return (
        f"SELECT a.p AS p, a.linked_p AS member FROM ({pairs}) AS a ANTI JOIN ({pairs}) AS b"
        " ON a.p = b.p AND a.linked_p <> b.linked_p"
    )


def _person(plan: Plan, source: str, events: Mapping[str, str]) -> str:
    """The source's events of the period with their `person`."""
    rows = f"SELECT * FROM {events[source]} WHERE day {_days(plan)} AND p IS NOT NULL"
    if source == plan.linking:
        return f"SELECT r.*, CASE WHEN r.linked_p IS NULL THEN r.p ELSE r.linked_p END AS person FROM ({rows}) AS r"
    if source not in plan.linked:
        return f"SELECT r.*, r.p AS person FROM ({rows}) AS r"
    return (
        f"SELECT r.*, l.member AS person FROM ({rows}) AS r INNER JOIN recount_links AS l ON r.p = l.p"
        f" UNION ALL SELECT r.*, r.p AS person FROM ({rows}) AS r ANTI JOIN recount_links AS l ON r.p = l.p"
    )


def seen_of(plan: Plan, source: str, events: Mapping[str, str]) -> str:
    """Return SQL of `person` and `day`, one row an event of the source in the period."""
    return f"SELECT person, day FROM ({_person(plan, source, events)}) AS q"


def _attribute(plan: Plan, attribute: Attribute, events: Mapping[str, str]) -> str:
    known = (
        f'SELECT person, day, "{attribute.column}" AS value FROM ({_person(plan, attribute.source, events)}) AS q'
        f" WHERE \"{attribute.column}\" <> 'unknown'"
    )
    if attribute.resolve is Resolution.MOST_FREQUENT:
        counted = f"SELECT person, value, count(*) AS n FROM ({known}) AS k GROUP BY person, value"
        best = f"SELECT person, max(n) AS n FROM ({counted}) AS c GROUP BY person"
        return (
            f"SELECT c.person AS person, min(c.value) AS value FROM ({counted}) AS c INNER JOIN ({best}) AS b"
            " ON c.person = b.person AND c.n = b.n GROUP BY c.person"
        )
    pick, of_value = ("max", "max") if attribute.resolve is Resolution.LATEST else ("min", "min")
    chosen = f"SELECT person, {pick}(day) AS day FROM ({known}) AS k GROUP BY person"
    return (
        f"SELECT k.person AS person, {of_value}(k.value) AS value FROM ({known}) AS k INNER JOIN ({chosen}) AS c"
        " ON k.person = c.person AND k.day = c.day GROUP BY k.person"
    )


def rows_of(plan: Plan, dimensions: tuple[Dimension, ...], measure: Measure, events: Mapping[str, str]) -> str:
    """Events of the population: person, day, and for each dimension and level its code as text."""
    columns, joins = ["q.person AS person", f"q.day - {plan.period.first} AS day"], ""
    if measure.how.sums:
        columns.append("1 AS amount" if measure.column is None else f'q."{measure.column}" AS amount')
    for number, dimension in enumerate(dimensions):
        if dimension.kind is DimensionKind.PERSON:
            joins += f" LEFT JOIN recount_{dimension.name} AS a{number} ON q.person = a{number}.person"
            finest = _recoded(plan, dimension, f"COALESCE(a{number}.value, 'unknown')")
            columns += [f"{finest} AS c{number}_0"]
        else:
            columns += [f"{code} AS c{number}_{level}" for level, code in enumerate(_event_codes(plan, dimension))]
    where = " AND ".join(
        f'q."{column}" IN ({", ".join(literal(code) for code in codes)})' for column, codes in measure.where.items()
    )
    if measure.known:
        known = [f"a{n}.person IS NOT NULL" for n, d in enumerate(dimensions) if d.kind is DimensionKind.PERSON]
        where = " AND ".join([*known, *([where] if where else [])])
    rows = f"SELECT {', '.join(columns)} FROM ({_person(plan, measure.source, events)}) AS q{joins}"
    return _with_levels(rows + (f" WHERE {where}" if where else ""), dimensions)


def _with_levels(rows: str, dimensions: tuple[Dimension, ...]) -> str:
    """Coarser levels of declared hierarchies, as a CASE over their members."""
    added = []
    for number, dimension in enumerate(dimensions):
        if dimension.kind is DimensionKind.PERSON or (dimension.complete and len(dimension.levels) > 1):
            for level in range(1, len(dimension.levels)):
                cases = []
                for code in dimension.parents:
                    path = (code, *dimension.ancestors(code))
                    above = [up for up in path if dimension.level_of.get(up) == dimension.levels[level]]
                    if code not in dimension.inner and above:
                        cases.append(f"WHEN c{number}_0 = {literal(code)} THEN {literal(above[0])}")
                added.append(f"CASE {' '.join(cases)} END AS c{number}_{level}")
    return f"SELECT r.*, {', '.join(added)} FROM ({rows}) AS r" if added else rows


def _event_codes(plan: Plan, dimension: Dimension) -> list[str]:
    column = plan.columns[dimension.name]
    if column == MESH:
        digits = {"mesh4": 9, "mesh3": 8, "mesh2": 6}
        return [f"substr(CAST(q.mesh AS VARCHAR), 1, {digits[level]})" for level in dimension.levels]
    if column in BY_DAY:
        codes: dict[str, list[str]] = {}
        for day in range(plan.period.first, plan.period.past):
            codes.setdefault(plan.code_of_day(column, day), []).append(str(day))
        cases = " ".join(f"WHEN q.day IN ({', '.join(days)}) THEN {literal(code)}" for code, days in codes.items())
        return [f"CASE {cases} END"]
    if column == "hour":
        return ["CASE WHEN q.hour < 10 THEN '0' || CAST(q.hour AS VARCHAR) ELSE CAST(q.hour AS VARCHAR) END"]
    return [_recoded(plan, dimension, f'q."{column}"')]


def _recoded(plan: Plan, dimension: Dimension, value: str) -> str:
    """The coarser code that a dimension is published from, as membership in lists."""
    members: dict[str, list[str]] = {}
    for fine, code in plan.recodes.get(dimension.name, {}).items():
        members.setdefault(code, []).append(literal(fine))
    cases = " ".join(f"WHEN {value} IN ({', '.join(fine)}) THEN {literal(code)}" for code, fine in members.items())
    return f"CASE {cases} END" if cases else value


def _margins(
    dimensions: tuple[Dimension, ...], measure: Measure, *, keyed: bool, held: bool
) -> Iterator[tuple[list[tuple[str, str]], str]]:
    """Yield each margin: the dimensions that it keeps, each with its column of the rows, and its SQL."""
    each_one = measure.how.sums or (keyed and not measure.how.persons)
    counted = OF_CONTRIBUTIONS if each_one else measure.how.recounted
    counted += f", count(DISTINCT holder) AS {FOR_THRESHOLD}" if held else ""
    key = contribution_key("q.person", "q.amount") if each_one else record_key("person")
    keys = f", CAST(sum({key}) AS BIGINT) % {KEYS} AS {RECORD_KEYS}" if keyed else ""
    for kept in kept_columns(dimensions):
        codes = "".join(f'{column} AS "{name}", ' for name, column in kept)
        rows = HELD_ROWS if held else ROWS
        if each_one:
            rows = _ranked([column for _, column in kept], measure.how.contributed)
        elif keyed:  # each person once: two persons may have equal record keys
            each = [*(column for _, column in kept), "person", *(["holder"] if held else [])]
            rows = f"(SELECT DISTINCT {', '.join(each)} FROM {rows}) AS d"
        groups = f" GROUP BY {', '.join(column for _, column in kept)}" if kept else ""
        yield kept, f"SELECT {codes}{counted}{keys} FROM {rows}{groups}"


def kept_columns(dimensions: Sequence[Dimension]) -> Iterator[list[tuple[str, str]]]:
    """Yield each margin: the dimensions that it keeps, each with its column of the rows."""
    choices = [[*range(len(dimension.levels)), None] for dimension in dimensions]
    for chosen in itertools.product(*choices):
        yield [
            (d.name, f"c{n}_{level}")
            for n, (d, level) in enumerate(zip(dimensions, chosen, strict=True))
            if level is not None
        ]


def of_own_levels(
    margin: pd.DataFrame, dimensions: Sequence[Dimension], kept: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Return a margin's classes with every dimension, each class once: of a code, at the level that it stands at."""
    columns = dict(kept)
    for dimension in (d for d in dimensions if d.name in columns and d.uneven):
        level = dimension.levels[int(columns[dimension.name].rpartition("_")[2])]
        margin = margin[margin[dimension.name].map(dimension.level_of).fillna(level) == level]
    return margin.assign(**{d.name: TOTAL for d in dimensions if d.name not in columns})


def _ranked(columns: list[str], contributed: str) -> str:
    """Of each class, what each person contributes, and their places by it; equal contributions in any order."""
    persons = f"SELECT {', '.join([*columns, 'person', f'{contributed} AS amount'])} FROM {ROWS}"
    persons += f" GROUP BY {', '.join([*columns, 'person'])}"
    within = f"PARTITION BY {', '.join(columns)} " if columns else ""
    return f"(SELECT p.*, row_number() OVER ({within}ORDER BY p.amount DESC) AS place FROM ({persons}) AS p) AS q"
