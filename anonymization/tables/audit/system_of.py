"""Linked tables: every figure of several tables and releases as one system of cells and relations.

Two figures are the same cell exactly when source, kind of measure, days and coordinates agree, and for persons the
links that they are counted across: then they are one unknown, or one known value. All figures over one source form a
**cube**, whose axes are the dimensions, the days and the filters of its measures ([axes](axes.py)). Its relations:

* a code is the sum of its parts, where the measure adds up over the axis; else max(parts) <= code <= sum(parts);
* persons <= events; persons <= person-days <= events; person-days <= persons x days;
* persons across links <= ids.

The relations are made of what the tables declare of themselves, as it is published.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, repeat

import numpy as np

from anonymization.disclosure.system import Booleans, Floats, Integers, Relations, at_most, joined
from anonymization.errors import GateRefusal
from anonymization.tables.audit.cube import Cube, Family
from anonymization.tables.audit.sheets import Issue, Sheet, sheets_of
from anonymization.tables.measures import KINDS, PERSON_DAYS, PERSONS
from anonymization.tables.model import Table


@dataclass(frozen=True)
class Linked:
    """All figures as one system.

    Attributes:
        value: of each cell; NaN where nobody published it.
        low, high: what noisy figures say of a cell, and 1 where nobody lists persons but another figure tells that
            there is somebody; 0 and infinite where none does.
        noisy: cells that a table with noise lists.
        conflict: cells with two values: the figures are of two states of the logs.
        listed: cells that a table lists, hidden or not; the others follow from what is listed.
        zeros_shown: cells of which everybody knows, when they are hidden, that somebody is there.
        persons: cells that count persons.
        counted: for each cell the cell that counts its persons, or -1.
        minimum: minimum publishable count, the smallest of the sheets that list a cell.
        places: for each sheet, the cell of each row.
    """

    sheets: tuple[Sheet, ...]
    relations: Relations
    value: Floats
    low: Floats
    high: Floats
    noisy: Booleans
    conflict: Integers
    listed: Booleans
    zeros_shown: Booleans
    persons: Booleans
    counted: Integers
    minimum: Integers
    places: tuple[Integers, ...]
    cubes: tuple[Cube, ...]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.value)

    @cached_property
    def _stands(self) -> tuple[Integers, Integers]:
        """The first sheet that lists each cell, and the row; -1 where none does."""
        sheet, row = np.full(self.cells, -1, dtype=np.int64), np.full(self.cells, -1, dtype=np.int64)
        for number in reversed(range(len(self.sheets))):
            sheet[self.places[number]] = number
            row[self.places[number]] = np.arange(len(self.places[number]))
        return sheet, row

    def name(self, cell: int) -> tuple[str, str, str, str]:
        """Return where a cell stands, in the first sheet that lists it: issue, table, measure, coordinates."""
        number, row = (int(position[cell]) for position in self._stands)
        if number >= 0:
            sheet = self.sheets[number]
            return sheet.issue, sheet.table, sheet.measure.name, sheet.text(row)
        cube, family = next((c, f) for c in self.cubes for f in c.families if f.first <= cell < f.past)
        first = self.sheets[family.sheets[0]]
        return first.issue, first.table, first.measure.name, cube.text(family, cell)


def link(issues: Sequence[Issue]) -> Linked:
    """Return all figures of some issues as one system.

    Raises:
        GateRefusal: more axes than can be told apart.
    """
    sheets = tuple(sheet for issue in issues for sheet in sheets_of(issue))
    by_cube: dict[str, list[int]] = {}
    for number, sheet in enumerate(sheets):
        by_cube.setdefault(sheet.measure.source, []).append(number)
    cubes, first = [], 0
    for numbers in by_cube.values():
        cube = Cube.of(sheets, numbers, first)
        cubes.append(cube)
        first = cube.past
    places = {number: cells for cube in cubes for number, cells in cube.places.items()}
    relations = [part for cube in cubes for part in cube.relations(first)]
    relations += [part for cube in cubes for part in _between_measures(cube, first)]
    return _filled(sheets, tuple(cubes), joined(first, relations), [places[n] for n in range(len(sheets))])


def with_truth(issue: Issue, true: Sequence[Table], beside: Sequence[Issue] = ()) -> tuple[Linked, Linked]:
    """Return an issue as it is published, and with its true figures: two systems of the same cells.

    Args:
        issue: as it is published.
        true: its tables with true figures, row by row.
        beside: what is linked with both.

    Raises:
        GateRefusal: other cells are listed than counted.
    """
    published = link([issue, *beside])
    truth = link([Issue(issue.name, issue.period, tuple(true), issue.minimum_count), *beside])
    if truth.cells != published.cells:
        raise GateRefusal(f"{issue.name}: what is published and the recount do not list the same cells")
    return published, truth


def of_issues(linked: Linked, names: Collection[str]) -> Linked:
    """Return the same cells and relations with what some of the issues say of them, and nothing of the others."""
    said = [sheet.issue in names for sheet in linked.sheets]
    return _filled(linked.sheets, linked.cubes, linked.relations, linked.places, said)


def _filled(
    sheets: tuple[Sheet, ...],
    cubes: tuple[Cube, ...],
    relations: Relations,
    places: Sequence[Integers],
    said: Sequence[bool] | None = None,
) -> Linked:
    cells = relations.cells
    value, other = np.full(cells, np.nan), np.full(cells, np.nan)
    listed, zeros_shown = np.zeros(cells, dtype=bool), np.zeros(cells, dtype=bool)
    noisy, low, high = np.zeros(cells, dtype=bool), np.zeros(cells), np.full(cells, np.inf)
    unlimited = np.iinfo(np.int64).max
    minimum = np.full(cells, unlimited, dtype=np.int64)
    for sheet, at in compress(zip(sheets, places, strict=True), said or repeat(True)):  # noqa: FBT003 - all of them
        shown = ~np.isnan(sheet.value)
        told = at[shown]
        differs = ~np.isnan(value[told]) & (value[told] != sheet.value[shown])
        other[told[differs]] = sheet.value[shown][differs]
        value[told] = sheet.value[shown]
        listed[at] = True
        zeros_shown[at] |= sheet.zeros_shown
        if sheet.low is not None and sheet.high is not None:
            np.maximum.at(low, at, sheet.low)
            np.minimum.at(high, at, sheet.high)
            noisy[at] = True
        np.minimum.at(minimum, at, sheet.minimum_count)
    persons = np.zeros(cells, dtype=bool)
    counted = np.full(cells, -1, dtype=np.int64)
    for cube in cubes:
        least = min(sheets[number].minimum_count for number in cube.places)
        for family in cube.families:
            at = np.arange(family.first, family.past)
            persons[at] = KINDS[family.kind].persons
            minimum[at] = np.where(minimum[at] == unlimited, least, minimum[at])
            for people in cube.counting(family):
                counts = people.locate(family.keys)
                counted[at] = np.where(counts >= 0, counts, counted[at])
    told = listed & zeros_shown & ~noisy & (np.isnan(value) | (value > 0)) & (counted >= 0)
    somebody = counted[told]
    low[somebody[~listed[somebody]]] = 1
    return Linked(
        sheets=sheets,
        relations=relations,
        value=value,
        low=low,
        high=high,
        noisy=noisy,
        conflict=np.flatnonzero(~np.isnan(other)),
        listed=listed,
        zeros_shown=zeros_shown,
        persons=persons,
        counted=counted,
        minimum=minimum,
        places=tuple(places),
        cubes=cubes,
    )


def _between_measures(cube: Cube, cells: int) -> list[Relations]:
    """Persons <= person-days <= events, persons <= events, person-days <= persons x days."""
    found = []
    for smaller, larger in cube.at_most():
        here, there = _common(smaller, larger)
        found.append(at_most(cells, here, there))
        if (smaller.kind, larger.kind) == (PERSONS, PERSON_DAYS):
            here, there = _common(larger, smaller)
            found.append(at_most(cells, here, there, cube.days(larger, here)))
    return found


def _common(one: Family, other: Family) -> tuple[Integers, Integers]:
    """The cells of two families with equal coordinates."""
    at = other.locate(one.keys)
    there = at >= 0
    return one.first + np.flatnonzero(there), at[there]


def require_one_state(linked: Linked) -> None:
    """Refuse figures with two values for one cell.

    Raises:
        GateRefusal: which cell has two values.
    """
    if len(linked.conflict):
        issue, table, measure, text = linked.name(int(linked.conflict[0]))
        raise GateRefusal(
            f"{len(linked.conflict)} figures have two values, the first in {issue}, {table}.{measure}, {text}: "
            "they are of two states of the logs"
        )
