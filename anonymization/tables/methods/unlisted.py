"""Withheld zeros: a class of too few persons is not listed, and looks like one without anybody.

Then no margin may tell of an unlisted class: every cell that covers an unsafe one goes with it. The unlisted
cells are closed upward: raise any of them by any amount, and every cell above it by as much: all published
figures stay true. So none has an upper bound, and no published figure says that somebody is there. Places
merged into the rest of their parent (`counting/safe_places.py`) need none of this: everybody is counted somewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anonymization.errors import IntegrityError
from anonymization.policy.protection import Method
from anonymization.tables.model import FREE, TOTAL, Dimension, SafeTable, Table
from anonymization.tables.plan import with_codes


def withhold(tables: Sequence[Table], minimum_count: int) -> tuple[SafeTable, ...]:
    """Return the tables without their classes of 1 to N - 1 persons, and without what covers one.

    All tables of one population are one cube; a table that lacks a dimension holds its total.
    """
    cube = _dimensions(tables)
    unsafe: dict[str, list[pd.DataFrame]] = {}
    for table in tables:
        for measure in table.measures:
            if measure.how.persons:
                few = table.frame.loc[table.few(measure, minimum_count), table.keys]
                unsafe.setdefault(measure.population, []).append(_in_cube(few, cube))
    hidden = {population: closure(cube, pd.concat(cells)) for population, cells in unsafe.items()}
    return tuple(_listed(table, cube, hidden, minimum_count) for table in tables)


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


def _listed(table: Table, cube: Sequence[Dimension], hidden: dict[str, pd.DataFrame], minimum_count: int) -> SafeTable:
    names = [dimension.name for dimension in cube]
    coordinates = pd.MultiIndex.from_frame(_in_cube(table.frame[table.keys], cube)[names])
    frame = table.frame[table.keys].copy()
    for measure in table.measures:
        at = coordinates.isin(pd.MultiIndex.from_frame(hidden[measure.population][names]))
        frame[measure.name] = table.frame[measure.name].astype("Int64").mask(at)
        frame[f"{measure.name}_status"] = pd.Series(FREE, index=frame.index).mask(at, "C")
    if table.days:
        frame["days"] = table.frame["days"]
    listed = pd.concat([frame[f"{m.name}_status"] == FREE for m in table.measures], axis=1).any(axis=1)
    frame = frame[listed].reset_index(drop=True)
    dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in table.dimensions)
    return SafeTable(
        table.name,
        table.title,
        dimensions,
        table.measures,
        frame,
        minimum_count,
        days=table.days,
        withheld=True,
        method=Method.SUPPRESSION,
    )
