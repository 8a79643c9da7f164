"""Protection, first form: the threshold, and no margin over a hidden cell.

Within a population (source and filter) all tables of the release are one cube; a table that lacks a
dimension holds its total. A cell with 1 to N - 1 distinct persons is unsafe. Every cell that covers an
unsafe one is hidden with it.

Why this is safe: the hidden cells are closed upward, so every relation parent = sum of children (or
max(children) <= parent <= sum of children) that holds a hidden child has a hidden parent. Raise any hidden
cell by any amount, and every hidden cell above it by as much: all published figures stay true. So no hidden
cell has an upper bound, and no combination of published figures says more than that somebody is there. All
measures of a population share the state of the cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from anonymization.errors import IntegrityError
from anonymization.policy.releases import MeasureKind
from anonymization.tables.model import CONFIDENTIAL, FREE, TOTAL, Dimension, Measure, SafeTable, Table
from anonymization.tables.spec import with_codes


def protect(tables: Sequence[Table], minimum_count: int, *, withheld: bool = False) -> tuple[SafeTable, ...]:
    """Return the tables as they may be published.

    Guarantees that every published persons figure is 0 or at least `minimum_count`, and that no published
    cell covers a hidden one. Deterministic. With `withheld`, cells hidden in every measure are not listed.
    """
    cube = _dimensions(tables)
    hidden: dict[str, pd.DataFrame] = {}
    for table in tables:
        for measure in table.measures:
            if measure.kind is MeasureKind.PERSONS:
                unsafe = table.frame[table.frame[measure.name].between(1, minimum_count - 1)]
                cells = _in_cube(table.frame.loc[unsafe.index, table.keys], cube)
                known = hidden.get(measure.population)
                hidden[measure.population] = cells if known is None else pd.concat([known, cells])
    closed = {population: closure(cube, cells) for population, cells in hidden.items()}
    return tuple(_safe(table, closed, cube, minimum_count, withheld=withheld) for table in tables)


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


def _safe(
    table: Table, closed: dict[str, pd.DataFrame], cube: Sequence[Dimension], minimum_count: int, *, withheld: bool
) -> SafeTable:
    names = [dimension.name for dimension in cube]
    coordinates = pd.MultiIndex.from_frame(_in_cube(table.frame[table.keys], cube)[names])
    columns: dict[str, object] = {key: table.frame[key] for key in table.keys}
    for measure in table.measures:
        hidden = coordinates.isin(pd.MultiIndex.from_frame(closed[measure.population][names]))
        columns[measure.name] = table.frame[measure.name].astype("Int64").mask(hidden)
        columns[f"{measure.name}_status"] = pd.Series(FREE, index=table.frame.index).mask(hidden, CONFIDENTIAL)
    if table.days:
        columns["days"] = table.frame["days"]
    frame = pd.DataFrame(columns)
    dimensions = table.dimensions
    if withheld:
        listed = pd.concat([frame[f"{m.name}_status"] == FREE for m in table.measures], axis=1).any(axis=1)
        frame = frame[listed].reset_index(drop=True)
        dimensions = tuple(with_codes(d, set(frame[d.name])) for d in dimensions)
    return SafeTable(
        table.name, table.title, dimensions, table.measures, frame, minimum_count, days=table.days, withheld=withheld
    )


def uncovered(tables: Sequence[SafeTable]) -> pd.DataFrame:
    """Return published cells that cover a hidden one: none, where the first form was kept.

    Columns: table, measure, cell (the coordinates as text).
    """
    cube = _dimensions(tables)
    names = [dimension.name for dimension in cube]
    above: dict[str, pd.DataFrame] = {}
    for table, measure in _persons(tables):
        cells = _in_cube(table.frame.loc[table.frame[f"{measure.name}_status"] == CONFIDENTIAL, table.keys], cube)
        known = above.get(measure.population)
        above[measure.population] = cells if known is None else pd.concat([known, cells])
    closed = {population: closure(cube, cells) for population, cells in above.items()}
    found = []
    for table in tables:
        for measure in table.measures:
            published = table.frame.loc[table.frame[f"{measure.name}_status"] == FREE, table.keys]
            coordinates = pd.MultiIndex.from_frame(_in_cube(published, cube)[names])
            covering = coordinates.isin(pd.MultiIndex.from_frame(closed[measure.population][names]))
            found += [(table.name, measure.name, cell_text(table.keys, row)) for row in published[covering].to_numpy()]
    return pd.DataFrame(found, columns=["table", "measure", "cell"])


def _persons(tables: Sequence[SafeTable]) -> list[tuple[SafeTable, Measure]]:
    return [(table, m) for table in tables for m in table.measures if m.kind is MeasureKind.PERSONS]


def cell_text(keys: Sequence[str], codes: Iterable[object]) -> str:
    """Return a cell's coordinates as text."""
    return ", ".join(f"{key}={code}" for key, code in zip(keys, codes, strict=True))
