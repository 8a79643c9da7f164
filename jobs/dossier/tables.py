"""A table of the package as the page shows it: rows in words, hidden ones by kind, the smallest cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from anonymization.policy.calendar import iso_day
from anonymization.tables.model import FREE, TOTAL, Measure, SafeTable, cell_text, error_column, level_columns
from jobs.dossier.facts import UNSAFE, Facts
from jobs.dossier.labels import cell_of, label
from jobs.inert import visible

MOST_ROWS = 2_000
SMALLEST = 20
UNTOLD = "hidden: unsafe itself, or for others"
UNSAFE_ITSELF = "hidden: unsafe itself"
MISSING = "logs are missing"
NOT_ALLOWED = "the policy does not allow the use of this day"
LISTED = "in order of their codes"
FIRST = "those of fewest classes, then the largest"


class Figure(NamedTuple):
    """A figure: as a number to sort by (empty where hidden), as text, and what is to be said of it."""

    value: str
    text: str
    status: str


class Row(NamedTuple):
    """A row: of each dimension the code and its label, of each measure the figure."""

    codes: list[tuple[str, str]]
    figures: list[Figure]


class Level(NamedTuple):
    """Cells of one level of each dimension."""

    name: str
    published: int
    hidden: int


@dataclass(frozen=True)
class Smallest:
    """The smallest published figure of a measure of persons."""

    table: str
    measure: str
    minimum: int
    value: int
    cell: str


@dataclass(frozen=True)
class Shown:
    """A table as the page shows it.

    Attributes:
        rows: those that are shown, in `order`.
        more: how many are not.
        smallest: the rows of the smallest published cells, by the first measure of persons.
        levels: cells of that measure by level, where hidden ones are listed.
    """

    name: str
    title: str
    first: str
    dimensions: list[str]
    measures: list[str]
    rows: list[Row]
    more: int
    order: str
    smallest: list[Row]
    levels: list[Level]
    withheld: bool


def shown(table: SafeTable, facts: Facts) -> Shown:
    """Return a table as the page shows it."""
    first = _persons(table)[0]
    frame, order = table.frame, LISTED
    if len(frame) > MOST_ROWS:
        order = FIRST
        classes = (frame[table.keys] != TOTAL).sum(axis=1)
        by = pd.DataFrame({"classes": classes, "size": -_numbers(frame, first)})
        frame = frame.loc[by.sort_values(["classes", "size"], kind="stable").index]
    sized = table.frame[_published(table.frame, first)]
    sized = sized[sized[first.name] > 0].sort_values(first.name, kind="stable").head(SMALLEST)
    return Shown(
        name=table.name,
        title=table.title["en"],
        first=first.title["en"],
        dimensions=[d.title["en"] for d in table.dimensions],
        measures=[m.title["en"] for m in table.measures],
        rows=list(_rows(table, frame.head(MOST_ROWS), facts)),
        more=max(0, len(frame) - MOST_ROWS),
        order=order,
        smallest=list(_rows(table, sized, facts)),
        levels=levels_of(table, first),
        withheld=table.withheld,
    )


def smallest(tables: Iterable[SafeTable]) -> list[Smallest]:
    """Return the smallest published figure over nobody of each measure of persons; none where nothing is published."""
    found = []
    for table in tables:
        for measure in _persons(table):
            frame = table.frame[_published(table.frame, measure)]
            frame = frame[frame[measure.name] > 0].sort_values(measure.name, kind="stable").head(1)
            for row in frame.to_dict("records"):
                cell = cell_of(table, [row[key] for key in table.keys])
                title = measure.title["en"]
                found.append(Smallest(table.name, title, table.minimum_count, int(row[measure.name]), cell))
    return found


def levels_of(table: SafeTable, measure: Measure) -> list[Level]:
    """Return how many cells of each combination of levels are published and hidden, the coarsest first."""
    if table.frame.empty:
        return []
    levels = pd.concat(level_columns(table), axis=1).astype(str)
    levels.columns = pd.Index(table.keys)
    levels["published"] = _published(table.frame, measure)
    counted = levels.groupby(table.keys, sort=False)["published"].agg(["sum", "size"])
    found = []
    for index, published, size in zip(counted.index, counted["sum"], counted["size"], strict=True):
        of = index if isinstance(index, tuple) else (index,)
        name = " × ".join(level for level in of if level != TOTAL) or "grand total"
        depth = sum(level != TOTAL for level in of)
        found.append((depth, Level(name, int(published), int(size - published))))
    return [level for _, level in sorted(found, key=lambda one: one[0])]


def _persons(table: SafeTable) -> list[Measure]:
    return [measure for measure in table.measures if measure.how.persons]


def _published(frame: pd.DataFrame, measure: Measure) -> pd.Series:
    return frame[f"{measure.name}_status"] == FREE


def _numbers(frame: pd.DataFrame, measure: Measure) -> np.ndarray:
    return np.nan_to_num(frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan))


def _rows(table: SafeTable, frame: pd.DataFrame, facts: Facts) -> Iterator[Row]:
    keys = table.keys
    named = [{code: (visible(code), label(d, code)) for code in frame[d.name].unique()} for d in table.dimensions]
    codes = frame[keys].to_numpy()
    columns = [list(_figures(table, frame, measure, codes, facts)) for measure in table.measures]
    for at, own in enumerate(codes):
        told = [names[code] for names, code in zip(named, own, strict=True)]
        yield Row(told, [column[at] for column in columns])


def _figures(
    table: SafeTable, frame: pd.DataFrame, measure: Measure, codes: np.ndarray, facts: Facts
) -> Iterator[Figure]:
    """The figures of a measure, and what is to be said of each: why it is hidden, as far as that is known."""
    why = {
        cell: reason
        for one in facts.kept
        if (one.table, one.measure) == (table.name, measure.name)
        for cell, reason in one.missing
    }
    otherwise = UNSAFE_ITSELF if facts.hidden == facts.candidate.request.figures.get(UNSAFE, -1) else UNTOLD
    gaps: Mapping[str, str] = facts.candidate.request.gaps.get(measure.source, {})
    barred = {iso_day(day) for day in facts.candidate.request.barred.get(measure.source, {}).get("days", ())}
    by_day = [d.by_day for d in table.dimensions]
    errors = frame[error_column(measure)] if error_column(measure) in frame else [None] * len(frame)
    for own, value, status, error in zip(
        codes, frame[measure.name], frame[f"{measure.name}_status"], errors, strict=True
    ):
        of_days = [str(code) for day, code in zip(by_day, own, strict=True) if day]
        note = MISSING if any(code in gaps for code in of_days) else ""
        note = NOT_ALLOWED if barred.intersection(of_days) else note
        if status == FREE:
            text = f"{int(value):,}" + (f" ± {int(error):,}" if error is not None else "")
            yield Figure(str(int(value)), text, note)
        else:
            reason = why.get(cell_text(table.keys, own)) if why else None
            yield Figure("", "hidden", note or (f"hidden: {reason}" if reason else otherwise))
