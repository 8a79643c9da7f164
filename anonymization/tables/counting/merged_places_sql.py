"""The SQL of tables whose places are merged: cells of enough persons, and the rests of what is not listed.

A row of the facts is a person, a place and its other coordinates but the day, with a mask of days. Cells of a
margin are counted from a relation of one row a (person, cell), each made from the next finer one. Kinds of day
are masks: a cell's persons and person-days on each are columns of one row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anonymization.tables.counting.codes import days_of_codes
from anonymization.tables.counting.facts import Statement, coarser, facts_statement
from anonymization.tables.model import Dimension
from anonymization.tables.plan import Plan, TablePlan

FACTS, LISTED, PARTED = "facts", "listed_places", "parted_places"


@dataclass(frozen=True)
class Margin:
    """One level of each dimension that the facts have; as many as a dimension has levels is its total."""

    levels: tuple[int, ...]

    @property
    def relation(self) -> str:
        """The relation of one row a person and cell."""
        return FACTS if not any(self.levels) else "at_" + "_".join(map(str, self.levels))

    def at(self, position: int, level: int) -> Margin:
        """Return the margin with one dimension at another level."""
        return Margin((*self.levels[:position], level, *self.levels[position + 1 :]))


@dataclass(frozen=True)
class Merging:
    """A table of merged places, as its SQL sees it.

    Attributes:
        dimensions: of the facts: the table's without those that partition days; `d<i>` is the i-th.
        place: which of them is merged.
        kinds: the days of each kind of day, all days first; a kind is named by its codes.
    """

    plan: Plan
    table: TablePlan
    dimensions: tuple[Dimension, ...]
    place: int
    kinds: Mapping[tuple[str, ...], list[int]]

    @property
    def places(self) -> Dimension:
        """The dimension that is merged."""
        return self.dimensions[self.place]

    @property
    def counts_days(self) -> bool:
        """Whether person-days are counted beside persons."""
        return any(measure.how.days for measure in self.table.measures)

    @property
    def total(self) -> int:
        """The level of all places together."""
        return len(self.places.levels)

    def margins(self) -> list[Margin]:
        """Return every margin, each after the one that it is made from; places go up innermost."""
        others = [range(len(d.levels) + 1) for i, d in enumerate(self.dimensions) if i != self.place]
        return [
            Margin((*of_others[: self.place], level, *of_others[self.place :]))
            for of_others in itertools.product(*others)
            for level in range(self.total + 1)
        ]

    def columns(self, margin: Margin) -> list[str]:
        """Return the columns of the dimensions that a margin keeps."""
        return [
            f"d{i}"
            for i, (dimension, level) in enumerate(zip(self.dimensions, margin.levels, strict=True))
            if level < len(dimension.levels)
        ]


def merging(plan: Plan, table: TablePlan) -> Merging:
    """Return what the SQL of a table of merged places needs."""
    dimensions = tuple(dimension for dimension in table.dimensions if not dimension.by_day)
    place = next(i for i, dimension in enumerate(dimensions) if dimension.merged)
    return Merging(plan, table, dimensions, place, days_of_codes(plan, table))


def facts(of: Merging, events: Mapping[str, str]) -> Statement:
    """Return the facts of a table of merged places: `p`, `days`, and `d<i>` a dimension at its finest level."""
    return facts_statement(of.plan, FACTS, of.dimensions, list(of.table.measures), events)


def relation(of: Merging, margin: Margin) -> Statement | None:
    """Return the relation of a margin, one row a person and cell; null for the facts, which are one already."""
    if not any(margin.levels):
        return None
    position = of.place if margin.levels[of.place] else max(i for i, level in enumerate(margin.levels) if level)
    below = margin.at(position, margin.levels[position] - 1)
    dimension, column = of.dimensions[position], f"d{position}"
    columns = {name: name for name in of.columns(margin)}
    if column in columns:
        columns[column] = coarser(of.plan, dimension, column, below.levels[position], margin.levels[position])
    selected = "".join(f", {sql} AS {name}" for name, sql in columns.items())
    grouped = ", ".join(["p", *columns.values()])
    sql = f"SELECT p{selected}, BIT_OR_AGG(days) AS days FROM {below.relation} GROUP BY {grouped}"
    return Statement(margin.relation, sql)


def cells(of: Merging, margin: Margin) -> str:
    """Return the SQL of a margin's cells of enough persons: `d<i>`, `n<k>` persons and `m<k>` person-days a kind."""
    columns = [f"g.{name}" for name in of.columns(margin)]
    known = f" WHERE {' AND '.join(f'{column} IS NOT NULL' for column in columns)}" if columns else ""
    grouped = f" GROUP BY {', '.join(columns)} HAVING count(*) >= {of.plan.minimum_count}" if columns else ""
    return f"SELECT {_selected(of, columns)} FROM {margin.relation} AS g{known}{grouped}"


def rests(of: Merging, below: Margin) -> str:
    """Return the SQL of rests: persons of the places of a level that are not listed, by the place above.

    `listed_places` holds the listed places of the level at the margin's other coordinates, `parted_places` those
    above that have listed ones below; both as the facts have them.
    """
    above = below.at(of.place, below.levels[of.place] + 1)
    others = [name for name in of.columns(below) if name != f"d{of.place}"]
    leveled = {
        f"d{i}": coarser(of.plan, d, f"d{i}", 0, below.levels[i])
        for i, d in enumerate(of.dimensions)
        if i != of.place and below.levels[i] < len(d.levels)
    }
    finest = f"d{of.place}"
    leveled["below"] = coarser(of.plan, of.places, finest, 0, below.levels[of.place])
    columns = of.columns(above)
    if finest in columns:
        leveled[finest] = coarser(of.plan, of.places, finest, 0, above.levels[of.place])
    rows = f"SELECT p, days, {', '.join(f'{sql} AS {name}' for name, sql in leveled.items())} FROM {FACTS}"
    parted = " AND ".join(f"f.{name} = t.{name}" for name in columns)
    listed = " AND ".join([f"f.below = l.{finest}", *(f"f.{name} = l.{name}" for name in others)])
    kept = [f"f.{name}" for name in columns]
    inner = f"SELECT f.p AS p{''.join(f', f.{name} AS {name}' for name in columns)}, BIT_OR_AGG(f.days) AS days"
    inner += f" FROM ({rows}) AS f" + (f" INNER JOIN {PARTED} AS t ON {parted}" if columns else "")
    inner += f" ANTI JOIN {LISTED} AS l ON {listed} GROUP BY {', '.join(['f.p', *kept])}"
    grouped = [f"g.{name}" for name in columns]
    by = f" GROUP BY {', '.join(grouped)}" if grouped else ""
    return f"SELECT {_selected(of, grouped)} FROM ({inner}) AS g{by}"


def _selected(of: Merging, columns: list[str]) -> str:
    selected = [f"{column} AS {column.removeprefix('g.')}" for column in columns]
    for k, days in enumerate(of.kinds.values()):
        mask = sum(1 << (day - of.plan.period.first) for day in days)
        there = "" if k == 0 else f" FILTER (WHERE (g.days & {mask}) <> 0)"
        selected.append(f"count(*){there} AS n{k}")
        if of.counts_days:
            selected.append(f"CAST(COALESCE(sum(BIT_COUNT(g.days & {mask})), 0) AS BIGINT) AS m{k}")
    return ", ".join(selected)


def statements(of: Merging, events: Mapping[str, str]) -> Iterator[Statement]:
    """Yield every statement of a table of merged places, in order: what `noren explain` prints."""
    name = of.table.name
    yield Statement(f"{name}: facts", facts(of, events).sql)
    for margin in of.margins():
        made = relation(of, margin)
        if made is not None:
            yield Statement(f"{name}: {made.name}", made.sql)
        yield Statement(f"{name}: cells of {margin.relation}", cells(of, margin))
    for margin in of.margins():
        if margin.levels[of.place] < of.total:
            yield Statement(f"{name}: rests above {margin.relation}", rests(of, margin))
