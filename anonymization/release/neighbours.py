"""Neighbouring months of a stock: what is out of them, and who joined, left or moved between, by the intake's notes.

No pseudonym reaches from one month into another. What joins the two is a note (`deidentify/noting.py`): older rows
under newer pseudonyms. Whoever of the older month no note is of has left: how many of each kind is a difference of two
numbers, and whoever of a kind is taken for it stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from anonymization.deidentify.events import event_columns
from anonymization.deidentify.notes import months_beside, note_of, pair
from anonymization.deidentify.noting import OF, noted_schema
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.errors import IntegrityError, Refusal
from anonymization.policy.periods import Period
from anonymization.policy.sources import Source
from anonymization.quoting import literal
from anonymization.release.earlier import earlier_issues
from anonymization.release.inputs import Inputs, inputs_again, make_left_out, now_read, open_inputs
from anonymization.release.removed_numbers import removed_rows
from anonymization.release.setting import Setting
from anonymization.tables.audit.neighbours import Neighbour, counting, of_stock
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.counting.changes import APART, changers
from anonymization.tables.method import method_of
from anonymization.tables.model import Dimension, SafeTable
from anonymization.tables.plan import Plan

KINDS, KIND = "kinds", "kind"
"""The relation of what rows there are, but for the person and the file; and the column that numbers them."""
UNDATED = "undated"
"""The column that numbers rows that are alike but for the day."""


def neighbours(setting: Setting, plan: Plan, inputs: Inputs) -> tuple[Neighbour, ...]:
    """Return what is out of months before and after a release, of the stocks that it counts exactly.

    Args:
        setting: the home.
        plan: of the release.
        inputs: what it is made of.

    Raises:
        IntegrityError: what is out is damaged.
    """
    if not is_exact(plan.method):  # other noise in every month
        return ()
    found = []
    for name in sorted(plan.counted):
        if not setting.policies.sources[name].stock:
            continue
        for month in (*months_beside(plan.period, -1), *months_beside(plan.period, 1)):
            own = inputs_again(
                setting.home, setting.policies, {name: inputs.read[name]}, plan.period, inputs.considered
            )
            for issues in _of_one_state(_out(setting, name, month), name):
                there = _there(setting, name, issues[0])
                older = month.first < plan.period.first
                changed = None
                if there is not None and (part := part_of(plan, name)) is not None:
                    states = (there, own) if older else (own, there)
                    changed = changed_between(setting, part, setting.policies.sources[name], states)
                if changed is not None and not older:
                    changed[APART] = -changed[APART]
                if changed is not None:
                    changed = _and_removed(setting, plan, issues, changed)
                found.append(Neighbour(name, tuple(_as_of(issue, plan.period) for issue in issues), changed))
    return tuple(found)


def _and_removed(setting: Setting, plan: Plan, issues: Sequence[Issue], changed: pd.DataFrame) -> pd.DataFrame:
    """Who changed, and whoever was there, is out, and was deleted since: as numbers (`removed.py`)."""
    rows = removed_rows(setting.home, plan.release.release, [issue.name for issue in issues])
    if not rows:
        return changed
    removed = pd.DataFrame(rows).reindex(columns=changed.columns)
    return pd.concat([changed, removed.astype({"person": "int64", APART: "int64"})], ignore_index=True)


def _out(setting: Setting, source: str, month: Period) -> Iterator[Issue]:
    """What is out of a month and counts a stock exactly."""
    for issue in earlier_issues(setting, [source], month.first, month.past, counted=[source]):
        tables = [table for table in issue.tables if isinstance(table, SafeTable) and is_exact(table.method)]
        if tables and source in issue.inputs:
            yield of_stock(replace(issue, tables=tuple(tables)), source)


def is_exact(name: str) -> bool:
    """Whether a method publishes true figures, or none."""
    method = method_of(name)
    return not method.record_keys and not method.drawn


def _of_one_state(issues: Iterator[Issue], source: str) -> list[list[Issue]]:
    """Issues that were built of the same events of a source."""
    states: dict[tuple[object, ...], list[Issue]] = {}
    for issue in issues:
        state = (issue.period.first, issue.period.past, *issue.inputs[source], issue.choices.get("last", 0))
        if issue.tables:
            states.setdefault(state, []).append(issue)
    return list(states.values())


def _there(setting: Setting, source: str, issue: Issue) -> Inputs | None:
    """What an issue was built of; None if that was erased.

    Of whoever was deleted since there is nothing: what does not come to the figures that are out counts as of too few.
    """
    read = {source: now_read(issue.inputs[source], setting.rewritten)}
    try:
        return inputs_again(setting.home, setting.policies, read, issue.period, issue.choices)
    except IntegrityError:
        return None


def _as_of(issue: Issue, period: Period) -> Issue:
    """An issue as if it were of another period."""

    def moved(dimension: Dimension) -> Dimension:
        concept = dimension.concept.removesuffix(issue.period.name)
        return replace(dimension, concept=concept + period.name) if concept != dimension.concept else dimension

    tables = tuple(replace(table, dimensions=tuple(map(moved, table.dimensions))) for table in issue.tables)
    return replace(issue, period=period, tables=tables, standing=())  # type: ignore[arg-type]


def part_of(plan: Plan, source: str) -> Plan | None:
    """The plan of what counts a stock; None if it does so by attributes of which other logs tell."""
    tables = tuple(counting(plan.tables, source))
    used = {dimension.name for table in tables for dimension in table.dimensions}
    attributes = {name: attribute for name, attribute in plan.attributes.items() if name in used}
    if any(attribute.source != source for attribute in attributes.values()):
        return None
    return replace(plan, tables=tables, attributes=attributes, linking=None, judging=None)


def changed_between(setting: Setting, plan: Plan, source: Source, states: tuple[Inputs, Inputs]) -> pd.DataFrame | None:
    """Who contributes something else to each class in the newer of two states; None if no note tells it."""
    older, newer = states
    notes = [note_of(setting.home, taken) for taken in newer.taken[source.source]]
    months, read = pair(newer.period, older.period), {taken.digest for taken in older.taken[source.source]}
    rows = [note.rows for note in notes if note is not None and read <= note.files.get(months, frozenset())]
    if len(rows) < len(notes):
        return None
    with open_engine("duckdb", temporary=setting.home.temporary, folders=[setting.home.events]) as engine:
        try:
            _open(engine, setting, source, states, rows)
        except Refusal:  # the key of the older month was destroyed
            return None
        _number(engine, source)
        whose = (f"SELECT p, day, {KIND}, {UNDATED} FROM {name}_rows" for name in PARTS)
        people = _who(*(engine.fetch(sql).to_pandas() for sql in whose))
        if people is None:
            return None
        columns = ", ".join(f'k."{column}" AS "{column}"' for column in event_columns(source) if column != "p")
        relations: list[dict[str, str]] = []
        for name, frame in zip(("stock_then", "stock_now"), people, strict=True):
            engine.register(f"{name}_kinds", pa.Table.from_pandas(frame, preserve_index=False))
            of = f"FROM {name}_kinds AS r INNER JOIN {KINDS} AS k ON r.{KIND} = k.{KIND}"
            engine.create(name, f"SELECT r.p AS p, {columns} {of}")
            relations.append({source.source: name})
        plans = (replace(plan, period=older.period), replace(plan, period=newer.period))
        return changers(engine, plans, (relations[0], relations[1]))


PARTS = ("older", "noted", "newer")


def _open(
    engine: Engine, setting: Setting, source: Source, states: tuple[Inputs, Inputs], rows: Sequence[Sequence[Path]]
) -> None:
    """Make the relations of the rows of each state, and of the older rows of whoever is in the newer one."""
    older, newer = states
    home, policies = setting.home, setting.policies
    for name, inputs, choices in (("older", older, older), ("newer", newer, newer), ("noted", newer, older)):
        make_left_out(engine, home, policies, replace(inputs, choices=choices.choices), f"{name}_out")
    for name, inputs in (("older", older), ("newer", newer)):
        (events,) = open_inputs(engine, policies, inputs, name).values()
        days = f"e.p IS NOT NULL AND e.day >= {inputs.period.first} AND e.day < {inputs.period.past}"
        rest = f"SELECT e.* FROM {events} AS e ANTI JOIN {name}_out AS o ON e.p = o.p WHERE {days}"
        engine.create(name, rest)
    parts = []
    for number, paths in enumerate(rows):
        engine.open_events(f"note_{number}", paths, noted_schema(source))
        parts.append(f"SELECT e.*, {number} AS note FROM note_{number} AS e")
    left = [
        f"NOT (e.{OF} = {literal(one.digest)} AND e.day IN ({', '.join(map(str, sorted(out)))}))"
        for one in older.taken[source.source]
        if (out := older.days_left(source.source, one.digest))
    ]
    files = ", ".join(literal(one.digest) for one in older.taken[source.source])
    read = [f"e.{OF} IN ({files})", f"e.day >= {older.period.first} AND e.day < {older.period.past}", *left]
    noted = f"SELECT e.* FROM ({' UNION ALL '.join(parts)}) AS e WHERE {' AND '.join(read)}"
    there = "SELECT DISTINCT n.p AS p FROM newer AS n ANTI JOIN noted_out AS o ON n.p = o.p"
    first = f"SELECT e.p AS p, min(e.note) AS note FROM ({noted}) AS e GROUP BY e.p"
    engine.create(
        "noted",
        f"SELECT e.* FROM ({noted}) AS e INNER JOIN ({there}) AS t ON e.p = t.p"
        f" INNER JOIN ({first}) AS f ON e.p = f.p AND e.note = f.note",
    )


def _number(engine: Engine, source: Source) -> None:
    """Make `kinds`, and of each part the relation of whom its rows are, and of which kind."""
    columns = [f'"{name}"' for name in event_columns(source) if name != "p"]
    undated = [column for column in columns if column not in ('"day"', '"hour"')]
    every = " UNION DISTINCT ".join(f"SELECT {', '.join(columns)} FROM {name}" for name in PARTS)
    alike = ", ".join(undated) or "day"
    bare = f"SELECT DISTINCT {alike} FROM ({every}) AS e"
    engine.create("bare", f"SELECT d.*, row_number() OVER (ORDER BY {alike}) AS {UNDATED} FROM ({bare}) AS d")

    def same(one: str, other: str, names: Sequence[str]) -> str:
        return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in names)

    listed = ", ".join(f"e.{column} AS {column}" for column in columns)
    ordered = ", ".join(f"e.{column}" for column in columns)
    engine.create(
        KINDS,
        f"SELECT {listed}, b.{UNDATED} AS {UNDATED}, row_number() OVER (ORDER BY {ordered}) AS {KIND}"
        f" FROM ({every}) AS e INNER JOIN bare AS b ON {same('e', 'b', undated or ['day'])}",
    )
    for name in PARTS:
        whose = f"SELECT e.p AS p, e.day AS day, k.{KIND} AS {KIND}, k.{UNDATED} AS {UNDATED}"
        sql = f"{whose} FROM {name} AS e INNER JOIN {KINDS} AS k ON {same('e', 'k', columns)}"
        engine.create(f"{name}_rows", sql)


def _who(older: pd.DataFrame, noted: pd.DataFrame, newer: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The rows of whoever changed, before and after: of persons who left, under numbers below zero.

    None if fewer persons of some kind were there than stayed: the note is of other rows.
    """
    kinds = max((int(frame[KIND].max()) for frame in (older, newer) if len(frame)), default=0)
    marks = np.random.default_rng(0).integers(0, 2**63, 1 + kinds, dtype=np.uint64)
    were, stayed = _profiles(older, KIND, marks), _profiles(noted, KIND, marks)
    number = stayed["profile"].value_counts()
    if (number > were["profile"].value_counts().reindex(number.index).fillna(0)).any():
        return None
    gone = were[(were.groupby("profile").cumcount() >= were["profile"].map(number).fillna(0)).to_numpy()]
    leavers = older.merge(gone[["p"]].assign(leaver=-1 - np.arange(len(gone))), on="p")
    leavers = leavers.assign(p=leavers["leaver"])[["p", KIND]]
    alike = _profiles(noted, UNDATED, marks).merge(_profiles(newer, UNDATED, marks), on=["p", "profile"])["p"]
    # of several snapshots in a month the last one may say what the attributes are, in whatever order they came
    one_day = all(frame["day"].min() == frame["day"].max() for frame in (noted, newer) if len(frame))
    same = alike if one_day else alike[:0]
    return (
        pd.concat([noted.loc[~noted["p"].isin(same), ["p", KIND]], leavers], ignore_index=True),
        newer.loc[~newer["p"].isin(same), ["p", KIND]],
    )


def _profiles(rows: pd.DataFrame, column: str, marks: np.ndarray) -> pd.DataFrame:
    """By person what tells alike the persons of equal rows."""
    mark = pd.Series(marks[rows[column].to_numpy(dtype=np.int64)], index=rows.index)
    return mark.groupby(rows["p"]).sum().rename("profile").reset_index()
