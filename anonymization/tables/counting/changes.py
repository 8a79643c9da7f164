"""Who changed between two states of the logs, class by class: a table of its own.

The difference of two figures says how much came; not whether forty persons came or one who was there did forty things
more, nor that one came and another went. So each person's contribution to a class is counted in both states, by the
recount's rows, and who contributes something else is counted: by late events, a link, an attribute that is another now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from anonymization.engine.base import Engine
from anonymization.tables.counting.recount import (
    CONTRIBUTIONS,
    ROWS,
    kept_columns,
    of_own_levels,
    prepared,
    rows_of,
    seen_of,
)
from anonymization.tables.counting.recount_holders import FOR_THRESHOLD, HOLDERS, held_rows
from anonymization.tables.counting.recount_rests import LISTED, rest_margins
from anonymization.tables.model import Measure, SafeTable
from anonymization.tables.plan import Plan, TablePlan

APART, MOVED = "apart", "moved"
STATES = ("before", "after")
FIGURES = (FOR_THRESHOLD, APART, MOVED, *CONTRIBUTIONS)


def changes(
    engine: Engine,
    plan: Plan,
    before: Mapping[str, str],
    after: Mapping[str, str],
    published: Sequence[SafeTable] = (),
) -> pd.DataFrame:
    """Return who changed in each class: table, measure, a column a dimension, and the figures, all Int64.

    `for_threshold` are the persons whose contribution is another one (of a number of persons: who came or went), each
    as the threshold counts them; `apart` is by how much the figure changed, `moved` the sum of each person's change
    without its sign, `first` and `second` the two largest of these. Classes in which nobody changed are not listed.
    Of the rest of merged places it is who came or went, by ids, and nothing else is told: where nobody did, a class of
    a measure that they may have changed all the same is listed with 0.

    Args:
        engine: with the events of both states; of persons who are the same in both it needs none.
        plan: what is counted.
        before: the relation of each source, in one state.
        after: in the other.
        published: tables whose merged places say which rests are counted.
    """
    counted = [(table, measure) for table in plan.tables for measure in table.measures]
    made = []
    for state, events in zip(STATES, (before, after), strict=True):
        helping = prepared(engine, plan, events)
        for n, (table, measure) in enumerate(counted):
            made += _rows(engine, plan, table, measure, events, f"{state}_{n}")
        for name in helping:
            engine.drop(name)
    frames = []
    for n, (table, measure) in enumerate(counted):
        both = (f"SELECT r.*, {state} AS state FROM {name}_{n} AS r" for state, name in enumerate(STATES))
        engine.create(ROWS, " UNION ALL ".join(both))
        holders = _holders(n) if plan.counts_holders(table, measure.source) else None
        frames += [
            _told(engine, table, measure, kept, _sql(kept, measure, holders)) for kept in kept_columns(table.dimensions)
        ]
        frames += _rests(engine, measure, [t for t in published if t.name == table.name])
        engine.drop(ROWS)
    for name in made:
        engine.drop(name)
    keys = dict.fromkeys(dimension.name for table in plan.tables for dimension in table.dimensions)
    found: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return found.reindex(columns=["table", "measure", *keys, *FIGURES]).astype(dict.fromkeys(FIGURES, "Int64"))


def changers(
    engine: Engine, plans: tuple[Plan, Plan], states: tuple[Mapping[str, str], Mapping[str, str]]
) -> pd.DataFrame:
    """Return each person's change of each class: table, measure, a column a dimension, `person` and `apart`.

    Nobody is listed in a class to which he contributes the same in both states.

    Args:
        engine: with the events of both states; of persons who are the same in both it needs none.
        plans: what is counted, in the period of each state.
        states: of each the relation of each source.
    """
    counted = [(table, measure) for table in plans[0].tables for measure in table.measures]
    for name, plan, events in zip(STATES, plans, states, strict=True):
        helping = prepared(engine, plan, events)
        for n, (table, measure) in enumerate(counted):
            engine.create(f"{name}_{n}", rows_of(plan, table.dimensions, measure, events))
        for made in helping:
            engine.drop(made)
    frames = []
    for n, (table, measure) in enumerate(counted):
        both = (f"SELECT r.*, {state} AS state FROM {name}_{n} AS r" for state, name in enumerate(STATES))
        engine.create(ROWS, " UNION ALL ".join(both))
        for kept in kept_columns(table.dimensions):
            codes = "".join(f'q.{column} AS "{name}", ' for name, column in kept)
            each = _each([column for _, column in kept], measure)
            sql = f"SELECT {codes}q.person AS person, q.{APART} AS {APART} FROM ({each}) AS q WHERE q.{APART} <> 0"
            frames.append(_told(engine, table, measure, kept, sql))
        for made in (ROWS, *(f"{name}_{n}" for name in STATES)):
            engine.drop(made)
    keys = dict.fromkeys(dimension.name for table in plans[0].tables for dimension in table.dimensions)
    found: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return found.reindex(columns=["table", "measure", *keys, "person", APART]).astype(
        {"person": "int64", APART: "int64"}
    )


def _rows(
    engine: Engine, plan: Plan, table: TablePlan, measure: Measure, events: Mapping[str, str], name: str
) -> list[str]:
    """Keep a measure's rows of one state and, where the threshold counts holders, who they are; return the names."""
    engine.create(name, rows_of(plan, table.dimensions, measure, events))
    if not plan.counts_holders(table, measure.source):
        return [name]
    seen = seen_of(plan, measure.source, events)
    engine.create(f"{name}_holders", held_rows(plan, table, measure.source, events, seen, name)[HOLDERS])
    return [name, f"{name}_holders"]


def _holders(n: int) -> str:
    """Whose each id is: as it is now or, if it is nobody's now, as it was where it was seen."""
    before, after = (f"{state}_{n}_holders" for state in STATES)
    seen = f"SELECT DISTINCT person FROM {STATES[0]}_{n}"
    there = f"SELECT h.person AS person, h.holder AS holder FROM {before} AS h INNER JOIN ({seen}) AS s"
    gone = f"SELECT b.person AS person, b.holder AS holder FROM ({there} ON h.person = s.person) AS b"
    return f"SELECT person, holder FROM {after} UNION ALL {gone} ANTI JOIN {after} AS a ON b.person = a.person"


def _of_one(measure: Measure, state: int) -> str:
    """What one person contributes to a class in a state."""
    at = f"WHEN state = {state} THEN"
    if measure.how.persons:
        return f"max(CASE {at} 1 ELSE 0 END)"
    if measure.how.days:
        return f"count(DISTINCT CASE {at} day END)"
    return f"CAST(sum(CASE {at} amount ELSE 0 END) AS BIGINT)"


def _each(columns: Sequence[str], measure: Measure) -> str:
    """By how much each person contributes another figure to each class of a margin; nothing for most."""
    group = ", ".join([*columns, "person"])
    return f"SELECT {group}, {_of_one(measure, 1)} - {_of_one(measure, 0)} AS {APART} FROM {ROWS} GROUP BY {group}"


def _sql(kept: Sequence[tuple[str, str]], measure: Measure, holders: str | None) -> str:
    columns = [column for _, column in kept]
    each = _each(columns, measure)
    size = f"CASE WHEN e.{APART} < 0 THEN 0 - e.{APART} ELSE e.{APART} END"
    moved = f"SELECT e.*, {size} AS size FROM ({each}) AS e WHERE e.{APART} <> 0"
    within = f"PARTITION BY {', '.join(columns)} " if columns else ""
    placed = f"SELECT m.*, row_number() OVER ({within}ORDER BY m.size DESC) AS place FROM ({moved}) AS m"
    persons, joined = "count(*)", ""
    if holders is not None:
        persons, joined = "count(DISTINCT h.holder)", f" LEFT JOIN ({holders}) AS h ON q.person = h.person"
    largest = ", ".join(
        f"CAST(COALESCE(max(CASE WHEN q.place = {place} THEN q.size END), 0) AS BIGINT) AS {name}"
        for place, name in enumerate(CONTRIBUTIONS, start=1)
    )
    codes = "".join(f'q.{column} AS "{name}", ' for name, column in kept)
    sums = f"CAST(sum(q.{APART}) AS BIGINT) AS {APART}, CAST(sum(q.size) AS BIGINT) AS {MOVED}"
    grouped = f" GROUP BY {', '.join(f'q.{column}' for column in columns)}" if columns else " HAVING count(*) > 0"
    return f"SELECT {codes}{persons} AS {FOR_THRESHOLD}, {sums}, {largest} FROM ({placed}) AS q{joined}{grouped}"


def _told(
    engine: Engine, table: TablePlan | SafeTable, measure: Measure, kept: Sequence[tuple[str, str]], sql: str
) -> pd.DataFrame:
    frame = of_own_levels(engine.fetch(sql).to_pandas(), table.dimensions, kept)
    return frame.assign(table=table.name, measure=measure.name)


def _rests(engine: Engine, measure: Measure, tables: Sequence[SafeTable]) -> Iterator[pd.DataFrame]:
    """Who came to the rests of merged places, or went: whoever is there in one state, and not in both."""
    there = [f"count(DISTINCT CASE WHEN state = {state} THEN person END)" for state in (0, 1)]
    counted = f"2 * count(DISTINCT person) - {there[0]} - {there[1]} AS {FOR_THRESHOLD}"
    for table in tables:
        if any(dimension.merged for dimension in table.dimensions):
            for listed, kept, sql in rest_margins(table, counted):
                engine.register(LISTED, listed)
                frame = _told(engine, table, measure, [(name, "") for name in kept], sql)
                yield frame[frame[FOR_THRESHOLD] > 0] if measure.how.persons else frame
                engine.drop(LISTED)
