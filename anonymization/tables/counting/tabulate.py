"""Tabulate: exact distinct persons, person-days and totals of every declared margin.

Over event dimensions a person is put into every grouping set and counted outside, so that nobody counts
twice in a margin. Over person dimensions each person has one value: counts of the finest cells add up, and
are added up in Python, where only cells are left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from anonymization.engine.base import Engine
from anonymization.errors import InputError
from anonymization.policy.releases import DimensionKind
from anonymization.policy.sources import UNKNOWN
from anonymization.tables.counting import merged_places_sql
from anonymization.tables.counting.codes import denominators, texts
from anonymization.tables.counting.facts import (
    ABOVE,
    Statement,
    at_level,
    attribute_statement,
    coarser,
    event_dimensions,
    facts_statement,
    recoded,
)
from anonymization.tables.counting.holders import (
    HELD,
    as_events,
    held_statement,
    holders_of,
    holders_statement,
    link_map,
)
from anonymization.tables.counting.largest import LARGEST, first_of, largest_of_unions, second_of, taken_out
from anonymization.tables.counting.merged_places import tabulate_merged
from anonymization.tables.counting.record_keys import contribution_key, key_column, record_key
from anonymization.tables.method import method_of
from anonymization.tables.model import TOTAL, Dimension, Measure, Table
from anonymization.tables.plan import Plan, TablePlan, with_codes

FACTS = "facts"
VALUES = ("v", "x", "y")
"""What the columns of `cells_sql` that hold values begin with."""


def tabulate(engine: Engine, plan: Plan, events: Mapping[str, str]) -> tuple[Table, ...]:
    """Return the release's tables, true values, every margin.

    Args:
        engine: holds the events.
        plan: the resolved release.
        events: relation of each source.
    """
    prepared = list(preparing(plan, events))
    for statement in prepared:
        engine.create(statement.name, statement.sql)
    tables = tuple(_tabulate_one(engine, plan, table, events) for table in plan.tables)
    for statement in prepared:
        engine.drop(statement.name)
    return tables


def preparing(plan: Plan, events: Mapping[str, str]) -> Iterator[Statement]:
    """Yield what is made once a release: the links, then the person attributes."""
    links = link_map(plan, events)
    if links is not None:
        yield links
    for name, attribute in plan.attributes.items():
        yield attribute_statement(plan, name, attribute, events)


def statements(plan: Plan, events: Mapping[str, str]) -> Iterator[Statement]:
    """Yield every statement that a build runs, in order: what `noren explain` prints."""
    yield from preparing(plan, events)
    for table in plan.tables:
        if any(dimension.merged for dimension in table.dimensions):
            yield from merged_places_sql.statements(merged_places_sql.merging(plan, table), events)
            continue
        for population, measures in populations(table.measures):
            facts = facts_statement(plan, FACTS, table.dimensions, measures, events)
            yield Statement(f"{table.name}: facts of {population}", facts.sql)
            held = list(_holders(plan, table, measures, events))
            for statement in held:
                yield Statement(f"{table.name}: {statement.name} of {population}", statement.sql)
            listed = HELD if held else FACTS
            cells = cells_sql(plan, table.dimensions, measures, listed=listed)
            yield Statement(f"{table.name}: cells of {population}", cells)
            if held:
                yield Statement(
                    f"{table.name}: holders by cell of {population}", _held_cells_sql(plan, table, measures)
                )


def populations(measures: Sequence[Measure]) -> list[tuple[str, list[Measure]]]:
    """Return the measures by population, in order."""
    found: dict[str, list[Measure]] = {}
    for measure in measures:
        found.setdefault(measure.population, []).append(measure)
    return list(found.items())


def _tabulate_one(engine: Engine, plan: Plan, table: TablePlan, events: Mapping[str, str]) -> Table:
    if any(dimension.merged for dimension in table.dimensions):
        return tabulate_merged(engine, plan, table, events)
    keys = [dimension.name for dimension in table.dimensions]
    frames = []
    for _, measures in populations(table.measures):
        facts = facts_statement(plan, FACTS, table.dimensions, measures, events)
        engine.create(facts.name, facts.sql)
        held = list(_holders(plan, table, measures, events))
        for statement in held:
            engine.create(statement.name, statement.sql)
        listed = HELD if held else FACTS
        raw = engine.fetch(cells_sql(plan, table.dimensions, measures, listed=listed)).to_pandas()
        if held:
            holders = engine.fetch(_held_cells_sql(plan, table, measures)).to_pandas()
            named = _coded(plan, as_events(table.dimensions), holders).set_index(keys)["v0"]
            frames.append(named.rename(holders_of(_persons(measures).name)).to_frame())
        for statement in (facts, *held):
            engine.drop(statement.name)
        cells = _coded(plan, table.dimensions, raw)
        names = _value_names(plan, measures)
        if method_of(plan.method).record_keys:
            names |= {f"v{i}_key": key_column(measure) for i, measure in enumerate(measures)}
        frames.append(_roll_up(table.dimensions, cells, list(names)).rename(columns=names).set_index(keys))
    frame = pd.concat(frames, axis=1).fillna(0).astype("int64").reset_index()
    dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in table.dimensions)
    frame = _completed(dimensions, frame)
    frame, largest = taken_out(frame, table.measures)
    held_by = {m.name: holders_of(m.name) for m in table.measures if holders_of(m.name) in frame}
    for_threshold = {name: frame.pop(column).to_numpy(dtype=np.int64) for name, column in held_by.items()}
    if table.days:
        frame["days"] = denominators(plan, table, frame)
    return Table(
        table.name,
        table.title,
        dimensions,
        table.measures,
        frame,
        days=table.days,
        largest=largest,
        for_threshold=for_threshold,
        headlines=table.headlines,
    )


def _holders(
    plan: Plan, table: TablePlan, measures: Sequence[Measure], events: Mapping[str, str]
) -> Iterator[Statement]:
    """Yield what the threshold counts a population by, where that is not its ids."""
    if plan.counts_holders(table, measures[0].source):
        yield holders_statement(plan, table, measures[0].source, events)
        yield held_statement(table.dimensions, FACTS, _person_codes(plan, table.dimensions))


def _held_cells_sql(plan: Plan, table: TablePlan, measures: Sequence[Measure]) -> str:
    return cells_sql(plan, as_events(table.dimensions), [_persons(measures)], facts=HELD, listed=HELD)


def _persons(measures: Sequence[Measure]) -> Measure:
    return next(measure for measure in measures if measure.how.persons)


def _value_names(plan: Plan, measures: Sequence[Measure]) -> dict[str, str]:
    """The columns of `cells_sql` that hold values, and what they are called in a table's frame."""
    names = {f"v{i}": measure.name for i, measure in enumerate(measures)}
    for i in _judged(plan, measures):
        names |= {f"x{i}": first_of(measures[i].name), f"y{i}": second_of(measures[i].name)}
    return names


def _judged(plan: Plan, measures: Sequence[Measure]) -> list[int]:
    """Positions of the measures of which the largest contributions are asked for."""
    kinds = method_of(plan.method).largest
    return [i for i, measure in enumerate(measures) if measure.kind in kinds]


def level_columns(plan: Plan, dimension: Dimension, position: int) -> list[tuple[str, str]]:
    """Return a dimension's levels in SQL, finest first: column name and its value over the facts' `d<i>`."""
    finest = f"d{position}"
    if dimension.open:  # a code of too few persons has no row of its own; it counts in the total alone
        return [(f"{finest}_0", f"CASE WHEN l{position}.code IS NOT NULL THEN {finest} END")]
    if dimension.uneven:
        return [(f"{finest}_{i}", at_level(dimension, finest, level)) for i, level in enumerate(dimension.levels)]
    return [(f"{finest}_{i}", coarser(plan, dimension, finest, 0, i)) for i in range(len(dimension.levels))]


def cells_sql(
    plan: Plan,
    dimensions: tuple[Dimension, ...],
    measures: Sequence[Measure],
    *,
    facts: str = FACTS,
    listed: str = FACTS,
) -> str:
    """Return the SQL of one population's cells: levels, `gid`, person dimensions, and `v<i>` a measure.

    Of a measure that is judged by its contributions also `x<i>` and `y<i>`, the two largest ones of single persons.

    Args:
        plan: the resolved release.
        dimensions: of the facts.
        measures: of the population.
        facts: the relation of what is counted.
        listed: the relation whose persons make a code of an open dimension listed.
    """
    levels = [level_columns(plan, d, i) for i, d in enumerate(event_dimensions(dimensions))]
    columns = [name for of_dimension in levels for name, _ in of_dimension]
    persons, joins = _person_codes(plan, dimensions)
    keys = [*(f"g.{name}" for name in columns), "g.gid", *persons]
    selected = [*(f"g.{name} AS {name}" for name in columns), "g.gid AS gid"]
    selected += [f"{value} AS person_{i}" for i, value in enumerate(persons)]
    selected += _figures(plan, measures)
    source = f"{facts}{_listed(plan, dimensions, listed)}"
    grouped = _by_person_and_margin(source, measures, levels)
    return f"SELECT {', '.join(selected)} FROM ({grouped}) AS g{joins} GROUP BY {', '.join(keys)}"


def _by_person_and_margin(source: str, measures: Sequence[Measure], levels: Sequence[Sequence[tuple[str, str]]]) -> str:
    """The SELECT of one row a person, margin of event dimensions and cell of it: what the person did there."""
    totals = [f"m{i}" for i, measure in enumerate(measures) if measure.how.sums]
    columns = [name for of_dimension in levels for name, _ in of_dimension]
    inner = ", ".join([*columns, "p", "BIT_OR_AGG(days) AS days", *(f"sum({total}) AS {total}" for total in totals)])
    leveled = f"(SELECT p, days{''.join(f', {total}' for total in totals)}"
    leveled += "".join(f", {sql} AS {name}" for of_dimension in levels for name, sql in of_dimension)
    leveled += f" FROM {source}) AS leveled"
    if not columns:
        return f"SELECT {inner}, 0 AS gid FROM {leveled} GROUP BY p"
    choices = [[[name] for name, _ in of_dimension] + [[]] for of_dimension in levels]
    sets = [[*itertools.chain(*chosen), "p"] for chosen in itertools.product(*choices)]
    grouped = f"SELECT {inner}, GROUPING_ID({', '.join(_grouping_order(levels))}) AS gid FROM {leveled}"
    return f"{grouped} GROUP BY GROUPING SETS ({', '.join('(' + ', '.join(one) + ')' for one in sets)})"


def _person_codes(plan: Plan, dimensions: tuple[Dimension, ...]) -> tuple[list[str], str]:
    """The code of each person dimension over a person `g.p`, and the joins that it is found by."""
    people = [dimension for dimension in dimensions if dimension.kind is DimensionKind.PERSON]
    codes = [recoded(plan, dimension, f"COALESCE(a{i}.value, '{UNKNOWN}')") for i, dimension in enumerate(people)]
    joins = [f" LEFT JOIN attribute_{dimension.name} AS a{i} ON g.p = a{i}.p" for i, dimension in enumerate(people)]
    return codes, "".join(joins)


def _figures(plan: Plan, measures: Sequence[Measure]) -> list[str]:
    """The figures of a cell, over one row a person `g`."""
    figures = [f"{m.how.counted.format(total=f'm{i}')} AS v{i}" for i, m in enumerate(measures)]
    contributed = [m.how.contribution.format(total=f"m{i}") for i, m in enumerate(measures)]
    if method_of(plan.method).record_keys:
        keys = [
            record_key("g.p") if m.how.persons else contribution_key("g.p", amount)
            for m, amount in zip(measures, contributed, strict=True)
        ]
        figures += [f"CAST(sum({key}) AS BIGINT) AS v{i}_key" for i, key in enumerate(keys)]
    figures += [
        f"CAST(COALESCE(LIST_ITEM(LARGEST_TWO({contributed[i]}), {place}), 0) AS BIGINT) AS {name}{i}"
        for i in _judged(plan, measures)
        for place, name in ((1, "x"), (2, "y"))
    ]
    return figures


def _listed(plan: Plan, dimensions: tuple[Dimension, ...], facts: str) -> str:
    """The joins that find the codes of open dimensions with at least N persons."""
    return "".join(
        f" LEFT JOIN (SELECT d{i} AS code FROM {facts} GROUP BY d{i} HAVING count(DISTINCT p) >= {plan.minimum_count})"
        f" AS l{i} ON d{i} = l{i}.code"
        for i, dimension in enumerate(event_dimensions(dimensions))
        if dimension.open
    )


def _grouping_order(levels: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    """The grouping columns in the order in which they first stand in the sets: Spark's GROUPING_ID asks for it.

    The first set holds every finest level and the person; coarser levels come after it, the last dimension's first.
    """
    finest = [of_dimension[0][0] for of_dimension in levels]
    coarser = [name for of_dimension in reversed(levels) for name, _ in of_dimension[1:]]
    return [*finest, "p", *coarser]


def _coded(plan: Plan, dimensions: tuple[Dimension, ...], raw: pd.DataFrame) -> pd.DataFrame:
    """From level columns and `gid` to one text column a dimension, with the total's code where it is rolled up."""
    cells = raw[[column for column in raw.columns if column.startswith(VALUES)]].copy()
    event = [level_columns(plan, d, i) for i, d in enumerate(event_dimensions(dimensions))]
    order = _grouping_order(event)
    at, people = 0, 0
    for dimension in dimensions:
        if dimension.kind is DimensionKind.PERSON:
            cells[dimension.name] = raw[f"person_{people}"].astype(object)
            people += 1
            continue
        codes = pd.Series(TOTAL, index=raw.index, dtype=object)
        for name, _ in event[at]:
            there = (raw["gid"].to_numpy() >> (len(order) - 1 - order.index(name))) & 1 == 0
            codes[there] = texts(plan.columns.get(dimension.name, ""), raw.loc[there, name])
        cells[dimension.name] = codes
        at += 1
    for dimension in dimensions:
        if dimension.uneven:
            cells = cells[cells[dimension.name] != ABOVE]
        if dimension.open:
            cells = cells[cells[dimension.name].notna()]
        elif dimension.complete and not cells[dimension.name].isin(dimension.codes).all():
            raise InputError(
                f"dimension {dimension.name!r}: the events hold codes that its hierarchy or code list does not have"
            )
    return cells


def _roll_up(dimensions: tuple[Dimension, ...], cells: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """Add the coarser levels and totals of person dimensions, over which persons add up."""
    keys = [dimension.name for dimension in dimensions]
    for dimension in dimensions:
        if dimension.kind is not DimensionKind.PERSON:
            continue
        for level in dimension.levels[:-1]:
            at = cells[dimension.name].map(dimension.level_of) == level
            above = cells[at].assign(**{dimension.name: cells.loc[at, dimension.name].map(dimension.parents)})
            cells = pd.concat([cells, _unions(above, keys, values)], ignore_index=True)
        top = cells[dimension.name].map(lambda code, d=dimension: d.parents.get(code, TOTAL)) == TOTAL
        every = cells[top].assign(**{dimension.name: TOTAL})
        cells = pd.concat([cells, _unions(every, keys, values)], ignore_index=True)
    return cells


def _unions(cells: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Cells of equal coordinates as one: their persons are apart, so figures add up and the largest stay largest."""
    groups = cells.groupby(keys, as_index=False, sort=False)
    merged: pd.DataFrame = groups[[value for value in values if not value.startswith(LARGEST)]].sum()
    number = np.asarray(groups.ngroup(), dtype=np.int64)
    for first in (value for value in values if value.startswith(LARGEST[0])):
        second = LARGEST[1] + first[1:]
        pair = largest_of_unions(cells[first].to_numpy(), cells[second].to_numpy(), number)
        merged[first], merged[second] = pair
    return merged[[*keys, *values]]


def _completed(dimensions: tuple[Dimension, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Where every code is known beforehand, add the combinations without anybody: they are zeros, not gaps."""
    keys = [dimension.name for dimension in dimensions]
    if all(dimension.complete or dimension.open for dimension in dimensions):
        every = pd.MultiIndex.from_product([d.codes for d in dimensions], names=keys)
        values = frame.drop(columns=keys)
        values.index = pd.MultiIndex.from_frame(frame[keys])  # of one level too: a plain one matches none of `every`
        frame = values.reindex(every, fill_value=0).reset_index()
    return frame.sort_values(keys, kind="stable", ignore_index=True)
