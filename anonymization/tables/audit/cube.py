"""A cube: all figures over one source, on the axes that its tables share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anonymization.disclosure.system import Booleans, Integers, Relations, at_most, at_most_sums, sums
from anonymization.errors import GateRefusal
from anonymization.policy.releases import MeasureKind
from anonymization.tables.audit.axes import CODES, TIME, Axis, Tree, days_of, is_person, merged, set_code, tree_of
from anonymization.tables.audit.sheets import Sheet
from anonymization.tables.measures import KINDS
from anonymization.tables.model import TOTAL, Dimension

MOST_KEYS = 2**62
"""A cell's coordinates are one 64-bit number."""


@dataclass(frozen=True)
class Family:
    """The cells of one measure of a cube.

    Attributes:
        column: the summed column of a total; null where rows are counted.
        keys: coordinates of each cell, sorted.
        first, past: the numbers of its cells.
        sheets: the sheets that list it.
    """

    kind: MeasureKind
    column: str | None
    keys: Integers
    first: int
    sheets: tuple[int, ...]

    @property
    def past(self) -> int:
        """The number after its last cell."""
        return self.first + len(self.keys)

    def locate(self, keys: Integers) -> Integers:
        """Return the cells with these coordinates, -1 where there is none."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.first + at, -1)


@dataclass(frozen=True)
class Cube:
    """All figures over one source and its links.

    Attributes:
        axes: with the factor by which a code's number counts in a key.
        places: of each of its sheets, the cell of each row.
        within: of each of its sheets, which of the cells it lists, by tree.
    """

    axes: tuple[Axis, ...]
    strides: tuple[int, ...]
    families: tuple[Family, ...]
    places: dict[int, Integers]

    @property
    def past(self) -> int:
        """The number after its last cell."""
        return self.families[-1].past

    @classmethod
    def of(cls, sheets: Sequence[Sheet], numbers: Sequence[int], first: int) -> Cube:
        """Return the cube of some sheets over one source, its cells numbered from `first`."""
        axes = _axes([(number, sheets[number]) for number in numbers])
        strides, total = [], 1
        for axis in axes:
            strides.append(total)
            total *= len(axis.codes)
        if total > MOST_KEYS:
            sizes = ", ".join(f"{axis.name}: {len(axis.codes):,}" for axis in axes)
            raise GateRefusal(f"too many coordinates to tell apart over {sheets[numbers[0]].measure.source}: {sizes}")
        keys = {number: _keys(sheets[number], axes, strides) for number in numbers}
        by_family: dict[tuple[MeasureKind, str | None], list[int]] = {}
        for number in numbers:
            measure = sheets[number].measure
            by_family.setdefault((measure.kind, measure.column), []).append(number)
        families: list[Family] = []
        for (kind, column), members in sorted(by_family.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            listed = np.unique(np.concatenate([keys[number] for number in members]))
            every = _with_rests(listed, axes, strides)
            families.append(Family(kind, column, every, first, tuple(members)))
            first = families[-1].past
        places = {n: family.locate(keys[n]) for family in families for n in family.sheets}
        return cls(tuple(axes), tuple(strides), tuple(families), places)

    def find(self, kind: MeasureKind) -> Family | None:
        """Return the family that counts persons, person-days or events."""
        return next((f for f in self.families if f.kind is kind and f.column is None), None)

    def relations(self, cells: int) -> Iterator[Relations]:
        """Yield the relations along every axis."""
        for family in self.families:
            for axis, stride in zip(self.axes, self.strides, strict=True):
                for tree in axis.trees:
                    yield from self._along(family, axis, stride, tree, cells)

    def _along(self, family: Family, axis: Axis, stride: int, tree: Tree, cells: int) -> Iterator[Relations]:
        child, parent = _pairs(family.keys, axis, stride, tree)
        eligible = self._eligible(family, axis, tree)[child]
        child, parent = child[eligible], parent[eligible]
        if len(child) == 0:
            return
        number = (family.keys[child] // stride) % len(axis.codes)
        parents, group = np.unique(parent, return_inverse=True)
        closed = np.bincount(group, np.isin(number, [axis.codes[code] for code in tree.closing])) > 0
        leftover = np.isin(number, [axis.codes[code] for code in tree.rests])
        child, group = child[~(leftover & closed[group])], group[~(leftover & closed[group])]
        child, parents = child + family.first, parents + family.first
        if KINDS[family.kind].adds_up(person=axis.person, by_day=axis.by_time):
            yield sums(cells, parents, group, child)
        else:
            yield at_most(cells, child, parents[group])
            yield at_most_sums(cells, parents, group, child)

    def _eligible(self, family: Family, axis: Axis, tree: Tree) -> Booleans:
        """Which cells a tree speaks of: those of its sheets, rests of its own, and no merged places of other axes."""
        keys = family.keys
        spoken = np.ones(len(keys), dtype=bool)
        if tree.sheets:
            own = [self.places[n] - family.first for n in sorted(tree.sheets & set(family.sheets))]
            spoken[:] = False
            for rows in own:
                spoken[rows] = True
            number = (keys // self.strides[self.axes.index(axis)]) % len(axis.codes)
            spoken |= np.isin(number, [axis.codes[code] for code in tree.rests])
        for other, stride in zip(self.axes, self.strides, strict=True):
            closing = [other.codes[code] for t in other.trees for code in t.closing]
            if other is not axis and closing and not (axis.by_time and len(tree.sheets) > 0):
                spoken &= ~np.isin((keys // stride) % len(other.codes), closing)
        return spoken

    def days(self, family: Family, cells: Integers) -> Integers:
        """Return the number of days that cells of a family are about."""
        at = next(i for i, axis in enumerate(self.axes) if axis.by_time)
        axis = self.axes[at]
        number = np.zeros(len(axis.codes), dtype=np.int64)
        for code, position in axis.codes.items():
            number[position] = len(axis.sets.get(code, ()))
        return number[(family.keys[cells - family.first] // self.strides[at]) % len(axis.codes)]

    def text(self, family: Family, cell: int) -> str:
        """Return the coordinates of a cell that no table lists."""
        key = int(family.keys[cell - family.first])
        parts = []
        for axis, stride in zip(self.axes, self.strides, strict=True):
            code = list(axis.codes)[(key // stride) % len(axis.codes)]
            if code != TOTAL:
                parts.append(f"{axis.name.removeprefix('column ')}={code}")
        return ", ".join(parts) or "everybody"


def _pairs(keys: Integers, axis: Axis, stride: int, tree: Tree) -> tuple[Integers, Integers]:
    """Positions of cells and of the cell that each is a part of, where both are there."""
    up = np.full(len(axis.codes), -1, dtype=np.int64)
    for code, parent in tree.parents.items():
        up[axis.codes[code]] = axis.codes[parent]
    number = (keys // stride) % len(axis.codes)
    child = np.flatnonzero(up[number] >= 0)
    wanted = keys[child] + (up[number[child]] - number[child]) * stride
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    there = keys[at] == wanted
    return child[there], at[there]


def _with_rests(keys: Integers, axes: Sequence[Axis], strides: Sequence[int]) -> Integers:
    """The keys, and those of rests, wherever a parent and a listed part are."""
    for axis, stride in zip(axes, strides, strict=True):
        made = [keys]
        for tree in axis.trees:
            if not tree.rests:
                continue
            _, parent = _pairs(keys, axis, stride, tree)
            rest_of = {tree.parents[rest]: axis.codes[rest] for rest in tree.rests}
            parents = keys[np.unique(parent)]
            number = (parents // stride) % len(axis.codes)
            for whole, rest in rest_of.items():
                at = axis.codes[whole]
                made.append(parents[number == at] + (rest - at) * stride)
        keys = np.unique(np.concatenate(made))
    return keys


def _axes(numbered: Sequence[tuple[int, Sheet]]) -> list[Axis]:
    """Every axis of a cube, its codes and trees."""
    axes: dict[str, Axis] = {TIME: Axis(TIME)}
    for number, sheet in numbered:
        for column, codes in sheet.measure.where.items():
            axis = axes.setdefault(f"column {column}", Axis(f"column {column}"))
            axis.add_set(frozenset(codes), f"filters on {column}: {'|'.join(sorted(codes))}")
        for days, by in _day_sets(sheet)[1]:
            if days:
                axes[TIME].add_set(days, f"{sheet.issue} by {by}" if by else "periods")
            axes[TIME].add(set_code(days))
        for dimension in sheet.dimensions:
            if dimension.by_day:
                continue
            axis = axes.setdefault(_name(dimension), Axis(_name(dimension), person=is_person(dimension)))
            for code in dimension.parents:
                axis.add(code)
            axis.trees.append(tree_of(dimension, number, unlisted=sheet.unlisted))
    for axis in axes.values():
        _close(axis)
    return list(axes.values())


def _close(axis: Axis) -> None:
    """Give an axis all its codes and trees."""
    for tree in axis.trees:
        for code in sorted(tree.rests):
            axis.add(code)
    if axis.sets and not axis.by_time:
        above = {parent for tree in axis.trees for parent in tree.parents.values()}
        for tree in axis.trees:
            for code in sorted(set(tree.parents) - above - tree.rests):
                axis.add_set(frozenset([code]), CODES)
    axis.trees = merged(axis.trees)
    axis.close()


def _name(dimension: Dimension) -> str:
    return dimension.concept or f"dimension {dimension.name}"


def _keys(sheet: Sheet, axes: Sequence[Axis], strides: Sequence[int]) -> Integers:
    """The coordinates of a sheet's rows as numbers."""
    key = np.zeros(len(sheet.codes), dtype=np.int64)
    for axis, stride in zip(axes, strides, strict=True):
        if axis.by_time:
            key += stride * _time(sheet, axis)
            continue
        dimension = next((d for d in sheet.dimensions if not d.by_day and _name(d) == axis.name), None)
        column = axis.name.removeprefix("column ")
        number = np.zeros(len(key), dtype=np.int64)
        if dimension is not None:
            number = _numbers(sheet.codes[dimension.name], axis.codes)
        if column in sheet.measure.where and axis.name != column:
            filtered = axis.codes["|".join(sorted(sheet.measure.where[column]))]
            number = np.where(number == 0, filtered, number)
        key += stride * number
    return key


def _time(sheet: Sheet, axis: Axis) -> Integers:
    """The time code of each row."""
    position, sets = _day_sets(sheet)
    return np.array([axis.codes[set_code(days)] for days, _ in sets], dtype=np.int64)[position]


def _day_sets(sheet: Sheet) -> tuple[Integers, list[tuple[frozenset[int], str]]]:
    """The days that rows are about: for each row its set's position, and for each set the dimensions that chose it."""
    whole = frozenset(range(sheet.period.first, sheet.period.past))
    about = [d for d in sheet.dimensions if d.by_day]
    if not about:
        return np.zeros(len(sheet.codes), dtype=np.int64), [(whole, "")]
    days = {d.name: {TOTAL: whole, **days_of(d, sheet.period)} for d in about}
    position, distinct = pd.factorize(pd.MultiIndex.from_frame(sheet.codes[[d.name for d in about]].astype(object)))
    sets = []
    for codes in distinct:
        chosen = [days[d.name][code] for d, code in zip(about, codes, strict=True)]
        by = " and ".join(d.name for d, code in zip(about, codes, strict=True) if code != TOTAL)
        sets.append((frozenset.intersection(*chosen), by))
    return position, sets


def _numbers(codes: pd.Series, known: dict[str, int]) -> Integers:
    positions, distinct = pd.factorize(codes)
    missing = [code for code in distinct if code not in known]
    if missing:
        raise GateRefusal(f"dimension {codes.name!r}: {len(missing)} codes are in no code list")
    return np.array([known[code] for code in distinct], dtype=np.int64)[positions]
