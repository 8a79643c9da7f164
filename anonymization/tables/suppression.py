"""Protection, first form: the threshold, and what else must be hidden so that nothing hidden can be derived.

Within a population (source and filter) all tables of the release are one cube; a table that lacks a
dimension holds its total. A cell with 1 to N - 1 distinct persons is unsafe. What else is hidden with it
depends on how the measure adds up:

**Where anything adds up** (totals, person-days, persons over a person dimension) every cell that covers an
unsafe one is hidden with it. The hidden cells are closed upward, so every relation parent = sum of children
that holds a hidden child has a hidden parent. Raise any hidden cell by any amount, and every hidden cell
above it by as much: all published figures stay true. So no hidden cell has an upper bound, and no
combination of published figures says more than that somebody is there.

**Persons over event dimensions alone** do not add up: the only relations are max(children) <= parent <= sum
of children. A hidden cell may then be as large as the smallest published cell that covers it, which is N at
least; unsafe cells alone are hidden. The audit bounds each from below too; where an interval is too narrow,
the cells that cover it are hidden as well.

With `withheld` zeros every population is closed upward, so that no margin tells of an unlisted class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from anonymization.errors import IntegrityError
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.tables.audit import exact, exposed
from anonymization.tables.model import CONFIDENTIAL, FREE, TOTAL, Dimension, Measure, SafeTable, Table, cell_text
from anonymization.tables.spec import with_codes


def protect(tables: Sequence[Table], minimum_count: int, *, withheld: bool = False) -> tuple[SafeTable, ...]:
    """Return the tables as they may be published.

    Guarantees that every published persons figure is 0 or at least `minimum_count`, that no published figure
    that adds up covers a hidden one, and that the audit finds nothing. Deterministic. With `withheld`, cells
    hidden in every measure are not listed.
    """
    cube = _dimensions(tables)
    unsafe: dict[str, pd.DataFrame] = {}
    for table in tables:
        for measure in table.measures:
            if measure.kind is MeasureKind.PERSONS:
                few = table.frame[table.frame[measure.name].between(1, minimum_count - 1)]
                _add(unsafe, measure.population, _in_cube(table.frame.loc[few.index, table.keys], cube))
    closed = {population: closure(cube, cells) for population, cells in unsafe.items()}
    alone = {population: cells.drop_duplicates() for population, cells in unsafe.items()}
    while True:
        hidden = _Hidden(cube, closed, alone, frozenset() if withheld else _standing_alone(tables))
        safe = tuple(_safe(table, hidden, minimum_count, withheld=withheld) for table in tables)
        narrow: dict[str, pd.DataFrame] = {}
        for published in safe:
            for measure, rows in exposed(published):
                if hidden.alone_for(measure):
                    _add(narrow, measure.population, _in_cube(published.frame.loc[rows, published.keys], cube))
        if not narrow:
            return safe
        for population, cells in narrow.items():
            alone[population] = pd.concat([alone[population], closure(cube, cells)]).drop_duplicates()


def _add(frames: dict[str, pd.DataFrame], population: str, cells: pd.DataFrame) -> None:
    known = frames.get(population)
    frames[population] = cells if known is None else pd.concat([known, cells])


def _standing_alone(tables: Sequence[Table] | Sequence[SafeTable]) -> frozenset[str]:
    """The populations that are counted over event dimensions alone."""
    populations = {(m.population, t.name) for t in tables for m in t.measures}
    mixed = {
        population
        for population, name in populations
        if any(d.kind is DimensionKind.PERSON for t in tables if t.name == name for d in t.dimensions)
    }
    return frozenset(population for population, _ in populations) - mixed


@dataclass(frozen=True)
class _Hidden:
    """Which cells are hidden: the unsafe ones and what covers them, or what the persons' own bounds ask for."""

    cube: Sequence[Dimension]
    closed: Mapping[str, pd.DataFrame]
    alone: Mapping[str, pd.DataFrame]
    populations_alone: frozenset[str]

    def alone_for(self, measure: Measure) -> bool:
        """Whether a measure's hidden cells need not be closed upward."""
        return measure.kind is MeasureKind.PERSONS and measure.population in self.populations_alone

    def cells(self, measure: Measure) -> pd.DataFrame:
        """The hidden cells of a measure, by coordinates in the cube."""
        return (self.alone if self.alone_for(measure) else self.closed)[measure.population]


def closure(cube: Sequence[Dimension], cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells and every cell that covers one of them."""
    cells = cells.drop_duplicates()
    for dimension in cube:
        frames = [cells]
        above = cells
        while not above.empty:
            above = above[above[dimension.name] != TOTAL]
            parents = above[dimension.name].map(dimension.parents)
            if parents.isna().any():
                raise IntegrityError(f"dimension {dimension.name!r}: a code has no place in its hierarchy")
            above = above.assign(**{dimension.name: parents}).drop_duplicates()
            frames.append(above)
        cells = pd.concat(frames, ignore_index=True).drop_duplicates()
    return cells


def _dimensions(tables: Sequence[Table] | Sequence[SafeTable]) -> list[Dimension]:
    """The dimensions of all tables, each once; a dimension without a code list gets the codes of all its tables."""
    found: dict[str, Dimension] = {}
    for table in tables:
        for dimension in table.dimensions:
            known = found.get(dimension.name)
            if known is None or len(dimension.parents) > len(known.parents):
                found[dimension.name] = dimension
    return [found[name] for name in sorted(found)]


def _in_cube(cells: pd.DataFrame, cube: Sequence[Dimension]) -> pd.DataFrame:
    names = [dimension.name for dimension in cube]
    return cells.reindex(columns=names, fill_value=TOTAL).astype(object)


def _safe(table: Table, hidden: _Hidden, minimum_count: int, *, withheld: bool) -> SafeTable:
    names = [dimension.name for dimension in hidden.cube]
    coordinates = pd.MultiIndex.from_frame(_in_cube(table.frame[table.keys], hidden.cube)[names])
    columns: dict[str, object] = {key: table.frame[key] for key in table.keys}
    for measure in table.measures:
        at = coordinates.isin(pd.MultiIndex.from_frame(hidden.cells(measure)[names]))
        columns[measure.name] = table.frame[measure.name].astype("Int64").mask(at)
        columns[f"{measure.name}_status"] = pd.Series(FREE, index=table.frame.index).mask(at, CONFIDENTIAL)
    if table.days:
        columns["days"] = table.frame["days"]
    frame = pd.DataFrame(columns)
    dimensions = table.dimensions
    if withheld:
        listed = pd.concat([frame[f"{m.name}_status"] == FREE for m in table.measures], axis=1).any(axis=1)
        frame = frame[listed].reset_index(drop=True)
        dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in dimensions)
    return SafeTable(
        table.name, table.title, dimensions, table.measures, frame, minimum_count, days=table.days, withheld=withheld
    )


def uncovered(tables: Sequence[SafeTable]) -> pd.DataFrame:
    """Return published cells of measures that add up which cover a hidden one: none, where protection was kept.

    Columns: table, measure, cell (the coordinates as text).
    """
    tables = exact(tables)
    cube = _dimensions(tables)
    names = [dimension.name for dimension in cube]
    cells: dict[str, pd.DataFrame] = {}
    for table, measure in _persons(tables):
        at = table.frame[f"{measure.name}_status"] == CONFIDENTIAL
        _add(cells, measure.population, _in_cube(table.frame.loc[at, table.keys], cube))
    above = {population: closure(cube, hidden) for population, hidden in cells.items()}
    found = []
    for table in tables:
        for measure in table.measures:
            if stands_alone(tables, measure):
                continue
            published = table.frame.loc[table.frame[f"{measure.name}_status"] == FREE, table.keys]
            coordinates = pd.MultiIndex.from_frame(_in_cube(published, cube)[names])
            covering = coordinates.isin(pd.MultiIndex.from_frame(above[measure.population][names]))
            found += [(table.name, measure.name, cell_text(table.keys, row)) for row in published[covering].to_numpy()]
    return pd.DataFrame(found, columns=["table", "measure", "cell"])


def stands_alone(tables: Sequence[SafeTable], measure: Measure) -> bool:
    """Whether a measure's published cells may cover hidden ones: persons over event dimensions alone."""
    return (
        measure.kind is MeasureKind.PERSONS
        and not any(table.withheld for table in tables)
        and measure.population in _standing_alone(tables)
    )


def _persons(tables: Sequence[SafeTable]) -> list[tuple[SafeTable, Measure]]:
    return [(table, m) for table in tables for m in table.measures if m.kind is MeasureKind.PERSONS]
