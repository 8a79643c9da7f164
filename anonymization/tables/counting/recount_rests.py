"""The recount of rests: which places are listed comes from what is published, who is elsewhere from the events.

Nothing is shared with the build's merging: a place is looked for in the published list, and whoever was at one that
is not there counts, by count(DISTINCT), for the rest of the place above.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from anonymization.tables.model import REST, TOTAL, SafeTable

LISTED = "recount_listed"


def rest_margins(table: SafeTable, counted: str) -> Iterator[tuple[pa.Table, list[str], str]]:
    """Yield each margin of rests: the places that are listed, the dimensions that it keeps, and its SQL.

    Args:
        table: as published; one of its dimensions is merged.
        counted: the SQL that counts a measure over rows of `recount_rows`.
    """
    place = next(n for n, dimension in enumerate(table.dimensions) if dimension.merged)
    choices: list[list[int | None]] = [[*range(len(dimension.levels)), None] for dimension in table.dimensions]
    choices[place] = [*range(1, len(table.dimensions[place].levels)), None]
    for chosen in itertools.product(*choices):
        listed = _listed(table, place, chosen)
        if len(listed) == 0:
            continue
        kept = [n for n, level in enumerate(chosen) if level is not None]
        columns = {n: f"r.c{n}_{chosen[n]}" for n in kept}
        asked = [n for n in kept if not table.dimensions[n].by_day]
        parted = " AND ".join(f"{columns[n]} = w.k{n}" for n in asked)
        above = f"(SELECT DISTINCT {', '.join(f'k{n}' for n in asked)} FROM {LISTED}) AS w"
        found = " AND ".join(
            [f"r.c{place}_{_below(table, place, chosen)} = l.below", *(f"{columns[n]} = l.k{n}" for n in asked)]
        )
        codes = {n: columns[n] for n in kept} | {place: f"{columns.get(place, _text(TOTAL))} || {_text(REST)}"}
        selected = ", ".join(f'{sql} AS "{table.dimensions[n].name}"' for n, sql in sorted(codes.items()))
        sql = f"SELECT {selected}, {counted} FROM recount_rows AS r"
        sql += f" INNER JOIN {above} ON {parted}" if asked else ""
        sql += f" LEFT JOIN {LISTED} AS l ON {found} WHERE l.below IS NULL"
        sql += f" GROUP BY {', '.join(columns.values())}" if columns else ""
        yield listed, [table.dimensions[n].name for n in sorted(codes)], sql


def must_be_listed(table: SafeTable, counts: pd.DataFrame) -> pd.Series:
    """Return which recounted classes of a merged table must be published, so that its map has no hole.

    All of them are rests of somebody, and all places together where they are safe on every kind of day.

    Args:
        table: as published.
        counts: one row a class of the table: its codes, and `recounted`, how many persons the events hold.
    """
    merged = [dimension for dimension in table.dimensions if dimension.merged]
    must = pd.Series(False, index=counts.index)  # noqa: FBT003 - pandas
    if not merged:
        return must
    (place,) = merged
    everywhere = counts[counts[place.name] == TOTAL]
    safe = (everywhere["recounted"] == 0) | (everywhere["recounted"] >= table.minimum_count)
    others = [everywhere[d.name] for d in table.dimensions if not d.by_day]  # the place itself is one, and the same
    must[everywhere.index] = safe.groupby(others).transform("all")
    must |= counts[place.name].str.endswith(REST)
    return must & (counts["recounted"] > 0)


def _below(table: SafeTable, place: int, chosen: tuple[int | None, ...]) -> int:
    level = chosen[place]
    return len(table.dimensions[place].levels) - 1 if level is None else level - 1


def _listed(table: SafeTable, place: int, chosen: tuple[int | None, ...]) -> pa.Table:
    """The listed places of the level below: `below`, and `k<n>` the codes above and at the other coordinates."""
    frame, at = table.frame, pd.Series(True, index=table.frame.index)  # noqa: FBT003 - pandas
    columns: dict[str, pd.Series] = {}
    for n, (dimension, level) in enumerate(zip(table.dimensions, chosen, strict=True)):
        codes = frame[dimension.name]
        if n == place:
            at &= codes.map(dimension.level_of) == dimension.levels[_below(table, place, chosen)]
            columns["below"] = codes
            if level is not None:
                columns[f"k{n}"] = codes.map(dimension.parents)
        elif level is None or dimension.by_day:
            at &= codes == TOTAL
        else:
            at &= codes.map(dimension.level_of) == dimension.levels[level]
            columns[f"k{n}"] = codes
    return pa.Table.from_pandas(pd.DataFrame(columns)[at].astype(object), preserve_index=False)


def _text(code: str) -> str:
    return f"'{code}'"
