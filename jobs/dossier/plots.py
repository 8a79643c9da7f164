"""Plots of a candidate's tables, as inline SVG that takes its colours from the page; only of what a table has.

Texts stay texts, and equal tables give equal bytes. What is drawn stands in the page's tables as figures, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from anonymization.policy.releases import DimensionKind
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, SafeTable
from jobs.dossier.drawing import ACCENT, HIDDEN, INK, LINE, PAPER, classes, colours, key, svg
from jobs.dossier.labels import label
from jobs.dossier.mesh import squares
from jobs.dossier.tables import Level, levels_of

MOST_CODES = 60
MOST_WRITTEN = 12
"""Columns of a heat map whose figures and names are all written."""
"""A dimension of more codes is no axis that anybody reads."""
MOST_SQUARES = 2_500
"""More are no map that anybody reads, and a page that nobody loads."""
TIMES = ("day", "week", "hour")
FOR_MESH = (6, 8, 9)


@dataclass(frozen=True)
class Plot:
    """A plot: its title, what it shows in words, and the picture."""

    title: str
    told: str
    svg: str


def plots(table: SafeTable, columns: dict[str, str]) -> Iterator[Plot]:
    """Yield the plots of which a table has the dimensions.

    Args:
        table: as it would leave.
        columns: the events' column of each event dimension.
    """
    first = next(measure for measure in table.measures if measure.how.persons)
    times = [d for d in table.dimensions if columns.get(d.name) in TIMES]
    places = [d for d in table.dimensions if columns.get(d.name) == "mesh"]
    plain = [d for d in table.dimensions if not d.open and d not in (*times, *places)]
    people = [d for d in plain if d.kind is DimensionKind.PERSON]
    pair = (people if len(people) > 1 else [*people, *(d for d in plain if d not in people), *times])[:2]
    asked: list[Callable[[], Plot | None]] = [
        *(partial(_map, table, first, place, near=near) for place in places for near in (False, True)),
        *([partial(_heat, table, first, pair[0], pair[1])] if len(pair) > 1 else []),
        *(partial(_profile, table, first, time) for time in times),
        partial(_cost, table, first),
        partial(_sizes, table, first),
    ]
    yield from (plot for one in asked if (plot := one()) is not None)


def _rows(table: SafeTable, measure: Measure, by: Sequence[str]) -> pd.DataFrame:
    """The cells of one margin: their codes and figures, NaN where hidden."""
    keys = table.keys
    at = np.ones(len(table.frame), dtype=bool)
    for name in keys:
        at &= ((table.frame[name] != TOTAL) if name in by else (table.frame[name] == TOTAL)).to_numpy()
    rows = table.frame.loc[at, [*by, measure.name]].copy()
    rows[measure.name] = rows[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    return rows


def _finest(dimension: Dimension, codes: set[str]) -> list[str]:
    """The codes that none of the others is below of, in order."""
    above = {ancestor for code in codes for ancestor in dimension.ancestors(code)}
    return sorted(codes - above)


def _heat(table: SafeTable, measure: Measure, down: Dimension, across: Dimension) -> Plot | None:
    rows = _rows(table, measure, [down.name, across.name])
    ys, xs = (_finest(d, set(rows[d.name])) for d in (down, across))
    if not (1 < len(ys) <= MOST_CODES and 1 < len(xs) <= MOST_CODES):
        return None
    grid = rows.pivot_table(values=measure.name, index=down.name, columns=across.name, aggfunc="first").reindex(
        index=ys, columns=xs
    )
    values = grid.to_numpy()
    bounds = classes(values)

    def draw(axes: Any) -> None:
        from matplotlib.collections import PolyCollection  # noqa: PLC0415 - only where a page is made

        faces = colours(values, bounds)
        at, rim = np.array(list(np.ndindex(values.shape)))[:, ::-1], np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
        fields = list(at[:, None, :] + rim)
        colour = [face or HIDDEN for face in faces.ravel()]
        axes.add_collection(PolyCollection(fields, facecolors=colour, edgecolors=PAPER, linewidths=0.4))
        for (y, x), face in np.ndenumerate(faces) if len(xs) <= MOST_WRITTEN else ():
            shown = "·" if np.isnan(values[y, x]) else f"{values[y, x]:,.0f}"
            dark = bool(face) and faces_dark(face)
            axes.text(x, y, shown, ha="center", va="center", fontsize=7, color="#fff" if dark else "#111")
        axes.set_xlim(-0.5, len(xs) - 0.5)
        axes.set_ylim(len(ys) - 0.5, -0.5)
        step = 1 + (len(xs) - 1) // MOST_WRITTEN
        axes.set_xticks(range(0, len(xs), step), [label(across, code) for code in xs[::step]], rotation=35, ha="right")
        axes.set_yticks(range(len(ys)), [label(down, code) for code in ys])
        key(axes, bounds, hidden=bool(np.isnan(values).any()))

    title = f"{measure.title['en']} by {down.title['en']} and {across.title['en']}"
    told = f"Heat map, {len(ys)} by {len(xs)} cells, {_span(values)}"
    return Plot(title, told, svg(draw, title, told, height=1.3 + 0.22 * len(ys)))


def faces_dark(face: str) -> bool:
    """Whether white is read better than black on a colour `#rrggbb`."""
    red, green, blue = (int(face[at : at + 2], 16) for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140  # noqa: PLR2004 - luma of ITU-R BT.601, about half


def _profile(table: SafeTable, measure: Measure, time: Dimension) -> Plot | None:
    rows = _rows(table, measure, [time.name]).sort_values(time.name)
    if len(rows) < 2:  # noqa: PLR2004 - a profile has two points
        return None
    names, values = [label(time, code) for code in rows[time.name]], rows[measure.name].to_numpy()

    def draw(axes: Any) -> None:
        at = np.arange(len(values))
        axes.bar(at, np.nan_to_num(values), color=ACCENT, width=0.8)
        hidden = at[np.isnan(values)]
        if len(hidden):
            axes.bar(hidden, np.full(len(hidden), np.nanmax([*values, 1])), color=HIDDEN, width=0.8)
        step = max(1, len(at) // 8)
        axes.set_xticks(at[::step], names[::step], rotation=25, ha="right")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")

    title = f"{measure.title['en']} by {time.title['en']}"
    told = f"Bars, {len(values)} of them, from {names[0]} to {names[-1]}, {_span(values)}"
    return Plot(title, told, svg(draw, title, told, height=2.2))


def _map(table: SafeTable, measure: Measure, place: Dimension, *, near: bool) -> Plot | None:
    """Every place at the coarsest level; or, `near`, the finest ones of the square of 80 km that has most of them."""
    rows = _rows(table, measure, [place.name])
    rows = rows[rows[place.name].str.isdigit()]
    digits = rows[place.name].str.len()
    sizes = sorted(set(digits) & set(FOR_MESH))
    if not sizes or (near and len(sizes) == 1):
        return None
    rows = rows[digits == (sizes[-1] if near else sizes[0])]
    where = ""
    if near:
        blocks = rows[place.name].str[:4]
        block = str(blocks.mode().iloc[0])
        rows, where = rows[blocks == block], f" in {block}, the square of 80 km with most of them"
    values, corners = rows[measure.name].to_numpy(), squares(rows[place.name])
    if len(values) > MOST_SQUARES:
        return None
    bounds = classes(values)

    def draw(axes: Any) -> None:
        from matplotlib.collections import PolyCollection  # noqa: PLC0415 - only where a page is made

        faces = [face or HIDDEN for face in colours(values, bounds)]
        if not near:  # seen from afar a square is a dot: it is drawn larger, with a rim
            axes.add_collection(PolyCollection(list(corners), facecolors=INK, edgecolors=INK, linewidths=2.6))
        edges, width = (INK, 0.3) if near else (faces, 1.8)
        axes.add_collection(PolyCollection(list(corners), facecolors=faces, edgecolors=edges, linewidths=width))
        axes.autoscale_view()
        axes.margins(0.05)
        axes.set_aspect(1 / np.cos(np.radians(corners[:, :, 1].mean())))
        axes.grid(color=LINE, linewidth=0.4)
        axes.set_axisbelow(True)
        axes.set_xlabel("°E")
        axes.set_ylabel("°N")
        axes.tick_params(axis="x", labelrotation=30)
        key(axes, bounds, hidden=bool(np.isnan(values).any()))

    title = f"{measure.title['en']} by {place.title['en']}{where}"
    told = f"Map of {len(values):,} squares, {_span(values)}"
    return Plot(title, told, svg(draw, title, told, height=3.6))


def _cost(table: SafeTable, measure: Measure) -> Plot | None:
    levels = levels_of(table, measure)
    if table.withheld or not levels:
        return None

    def draw(axes: Any) -> None:
        at = np.arange(len(levels))
        kept, hidden = (np.array([part(one) for one in levels]) for part in (_published, _hidden))
        axes.barh(at, kept, color=ACCENT, label="published")
        if hidden.any():
            axes.barh(at, hidden, left=kept, color=HIDDEN, label="hidden")
        axes.set_yticks(at, [one.name for one in levels])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.12), ncols=2)

    kept, hidden = (sum(part(one) for one in levels) for part in (_published, _hidden))
    title = f"Cost of protection: cells of {measure.title['en']} by level"
    told = f"Bars, one a level: {kept:,} cells published, {hidden:,} hidden"
    return Plot(title, told, svg(draw, title, told, height=0.9 + 0.24 * len(levels)))


def _published(level: Level) -> int:
    return level.published


def _hidden(level: Level) -> int:
    return level.hidden


def _sizes(table: SafeTable, measure: Measure) -> Plot | None:
    shown = table.frame.loc[table.frame[f"{measure.name}_status"] == FREE, measure.name]
    values = shown[shown > 0].to_numpy(dtype=np.int64)
    if len(values) < 2:  # noqa: PLR2004 - one cell has no distribution
        return None
    edges = 2.0 ** np.arange(np.floor(np.log2(values.min())), np.ceil(np.log2(values.max() + 1)) + 1)

    def draw(axes: Any) -> None:
        counts, _ = np.histogram(values, edges)
        at = np.arange(len(counts))
        axes.bar(at, counts, color=ACCENT, width=0.92)
        axes.set_xticks(at, [f"{low:,.0f}+" for low in edges[:-1]], rotation=25, ha="right")
        axes.set_ylabel("cells")
        axes.set_xlabel("persons in a cell")

    title = f"Sizes of published cells of {measure.title['en']}"
    told = f"Histogram of {len(values):,} cells, {_span(values)}; nothing under {table.minimum_count} is published"
    if table.minimum_count < 2:  # noqa: PLR2004 - no threshold
        told = f"Histogram of {len(values):,} cells, {_span(values)}"
    return Plot(title, told, svg(draw, title, told, height=2.2))


def _span(values: Any) -> str:
    shown = values[~np.isnan(values)]
    hidden = len(values.ravel()) - len(shown)
    return (f"from {shown.min():,.0f} to {shown.max():,.0f}" if len(shown) else "all of them hidden") + (
        f"; {hidden:,} hidden or not listed" if hidden and len(shown) else ""
    )
