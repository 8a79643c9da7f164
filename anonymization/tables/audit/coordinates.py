"""Coordinates: the cell of every row of every sheet over one source, and the cells that nobody lists but follow.

A cell's coordinates are a code of every axis, as one number: the number of each code times the axis's stride.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from anonymization.disclosure.system import Booleans, Integers
from anonymization.errors import GateRefusal
from anonymization.policy.sources import UNKNOWN
from anonymization.tables.audit.axes import (
    CODES,
    OTHER,
    TIME,
    Axis,
    Tree,
    apart_by_rests,
    base_codes,
    days_of,
    is_person,
    merged,
    tree_of,
)
from anonymization.tables.audit.closure import closure
from anonymization.tables.audit.sheets import Sheet
from anonymization.tables.model import TOTAL, Dimension

MOST_KEYS = 2**62
"""A cell's coordinates are one 64-bit number."""
ROUNDS = 3
"""How often what follows along one axis is looked for again, after what followed along the others."""
Rows = tuple[Integers, tuple[str, ...]]
"""Of each row its code's position, and the codes."""


class Coordinates:
    """The axes of some sheets over one source, and where their rows are.

    Attributes:
        axes: every axis, with every code that anything is listed by.
        strides: by which a code's number counts in a cell's number.
    """

    def __init__(self, numbered: Sequence[tuple[int, Sheet]]) -> None:
        self.axes: list[Axis] = []
        self._rows: dict[int, list[Rows | None]] = {number: [] for number, _ in numbered}
        self._source = numbered[0][1].measure.source
        for name in _names(sheet for _, sheet in numbered):
            axis = Axis(name)
            found = _listed_by_day(axis, numbered) if axis.by_time else _listed(axis, numbered)
            for number, rows in found.items():
                self._rows[number].append(rows)
            self.axes.append(axis)
        self.strides: list[int] = []
        self._measure()

    def keys(self, number: int) -> Integers:
        """Return the cell of each row of a sheet."""
        rows = [rows for rows in self._rows[number] if rows is not None]
        key = np.zeros(len(rows[0][0]), dtype=np.int64)
        for axis, stride, of in zip(self.axes, self.strides, self._rows[number], strict=True):
            if of is not None:
                position, codes = of
                key += stride * np.array([axis.codes[code] for code in codes], dtype=np.int64)[position]
        return key

    def completed(
        self, groups: Sequence[Sequence[int]], at_most: Sequence[tuple[int, int]], persons: Sequence[int]
    ) -> list[Integers]:
        """Return, for the sheets of each measure, every cell that is listed or follows, sorted.

        Args:
            groups: the sheets of each measure.
            at_most: positions of two measures of which the first is never more than the second, and 0 where that is.
                What the first lists by classes of events bounds sums of the second; that there is somebody in classes
                of persons, as the second tells, bounds sums of the first.
            persons: positions of the measures that count persons.
        """
        every = [np.unique(np.concatenate([self.keys(number) for number in group])) for group in groups]
        for smaller, larger in at_most:
            one, other = every[smaller], every[larger]
            by_events = np.isin(self._on(one, person=True), self._on(other, person=True))
            by_persons = np.isin(self._on(other, person=False), self._on(one, person=False))
            every[smaller], every[larger] = np.union1d(one, other[by_persons]), np.union1d(other, one[by_events])
        for position in persons:
            every[position] = self._under(every[position])
        for _ in range(ROUNDS):
            before = [len(keys) for keys in every]
            for at, axis in enumerate(self.axes):
                every = [_with_rests(keys, axis, self.strides[at]) for keys in every]
                if axis.linked:
                    every = self._with_sets(every, at)
            if before == [len(keys) for keys in every]:
                break
        return every

    def _under(self, keys: Integers) -> Integers:
        """Add, of classes of persons that are listed for a part of the events or days, the same for a listed whole.

        Persons of a class in a week are persons of it in the month, whose classes make up the month's persons.
        """
        people = self._on(keys, person=True)
        groups, group = np.unique(self._on(keys, person=False), return_inverse=True)
        order = np.argsort(group, kind="stable")
        classes = np.split(people[order], np.cumsum(np.bincount(group))[:-1])
        shapes: dict[bytes, int] = {}
        shape = np.array([shapes.setdefault(of.tobytes(), len(shapes)) for of in classes], dtype=np.int64)
        if len(shapes) < 2:  # noqa: PLR2004 - one shape alone: whatever is listed is listed of every whole
            return keys
        part, whole = self._parts_and_wholes(groups)
        _, first = np.unique(whole * len(shapes) + shape[part], return_index=True)
        first = first[shape[part[first]] != shape[whole[first]]]
        return np.unique(np.concatenate([keys, *(groups[whole[n]] + classes[part[n]] for n in first)]))

    def _parts_and_wholes(self, groups: Integers) -> tuple[Integers, Integers]:
        """Positions of classes of events, and of each class that contains them."""
        part, above = np.arange(len(groups)), np.zeros(len(groups), dtype=np.int64)
        for axis, stride in zip(self.axes, self.strides, strict=True):
            if not axis.person:
                code, containing = containing_codes(axis)
                start = np.searchsorted(code, np.arange(axis.size + 1))
                own = groups[part] // stride % axis.size
                number = start[own + 1] - start[own]
                within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
                above = np.repeat(above, number) + containing[np.repeat(start[own], number) + within] * stride
                part = np.repeat(part, number)
        at = np.minimum(np.searchsorted(groups, above), len(groups) - 1)
        there = groups[at] == above
        return part[there], at[there]

    def _on(self, keys: Integers, *, person: bool) -> Integers:
        """The coordinates of cells on the axes of persons alone, or on the others."""
        found = np.zeros(len(keys), dtype=np.int64)
        for axis, stride in zip(self.axes, self.strides, strict=True):
            if axis.person is person:
                found += keys // stride % axis.size * stride
        return found

    def _with_sets(self, every: Sequence[Integers], at: int) -> list[Integers]:
        """Add what follows of sets along one axis; the axis may get new codes, and cells new numbers."""
        axis, made = self.axes[at], []
        for keys in every:
            fixed = keys[~varying(keys, self.axes, self.strides, at)]
            listed = patterns(fixed, axis, self.strides[at])
            made.append([(code, others) for codes, others in listed for code in closure(codes, axis).made])
        old = self.strides, [one.size for one in self.axes]
        self._measure()
        found = []
        for keys, of in zip(every, made, strict=True):
            more = [self._moved(others, *old) + axis.codes[code] * self.strides[at] for code, others in of]
            found.append(np.unique(np.concatenate([self._moved(keys, *old), *more])))
        return found

    def _moved(self, keys: Integers, strides: Sequence[int], sizes: Sequence[int]) -> Integers:
        """Cells by the strides as they were, by those as they are."""
        if strides == self.strides:
            return keys
        moved = np.zeros(len(keys), dtype=np.int64)
        for stride, size, now in zip(strides, sizes, self.strides, strict=True):
            moved += (keys // stride) % size * now
        return moved

    def _measure(self) -> None:
        self.strides, total = [], 1
        for axis in self.axes:
            axis.size = len(axis.codes)
            self.strides.append(total)
            total *= axis.size
        if total > MOST_KEYS:
            sizes = ", ".join(f"{axis.name}: {axis.size:,}" for axis in self.axes)
            raise GateRefusal(f"too many coordinates to tell apart over {self._source}: {sizes}")


def containing_codes(axis: Axis) -> tuple[Integers, Integers]:
    """Return pairs of codes, in order, of which the second is the first or a set that contains it."""
    having: dict[object, list[str]] = {}
    for code, members in axis.sets.items():
        for member in members if code != TOTAL else ():
            having.setdefault(member, []).append(code)
    pairs = {(number, number) for number in axis.codes.values()}
    for code, members in axis.sets.items():
        rarest = min((having.get(member, []) for member in members), key=len, default=[])
        larger = [other for other in rarest if members < axis.sets[other]]
        larger += [TOTAL] if members < axis.sets.get(TOTAL, frozenset()) else []
        pairs |= {(axis.codes[code], axis.codes[other]) for other in larger}
    found = np.array(sorted(pairs), dtype=np.int64)
    return found[:, 0], found[:, 1]


def patterns(keys: Integers, axis: Axis, stride: int) -> Iterator[tuple[tuple[str, ...], Integers]]:
    """Yield which sets of an axis are listed beside each other, and at which other coordinates they are.

    Args:
        keys: cells of one measure, sorted.
        axis: the axis.
        stride: the axis's.
    """
    number = (keys // stride) % axis.size
    names = list(axis.codes)[: axis.size]
    listed = np.array([code in axis.sets and code not in axis.made for code in names], dtype=bool)
    keys, number = keys[listed[number]], number[listed[number]]
    others, group = np.unique(keys - number * stride, return_inverse=True)
    mark = np.random.default_rng(0).integers(0, 2**64, axis.size, dtype=np.uint64)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(others)))
    digest = np.add.reduceat(mark[number[order]], starts) if len(others) else np.zeros(0, dtype=np.uint64)
    for one in np.unique(digest):
        members = np.flatnonzero(digest == one)
        first = order[starts[members[0]] : starts[members[0] + 1] if members[0] + 1 < len(starts) else None]
        yield tuple(names[n] for n in np.sort(number[first])), others[members]


def varying(keys: Integers, axes: Sequence[Axis], strides: Sequence[int], at: int) -> Booleans:
    """Return which cells have a code of another axis that means something else beside every other code: a rest."""
    found = np.zeros(len(keys), dtype=bool)
    for number, (axis, stride) in enumerate(zip(axes, strides, strict=True)):
        codes = [axis.codes[code] for tree in axis.trees for code in (*tree.rests, *tree.closing)]
        if number != at and codes:
            found |= np.isin((keys // stride) % axis.size, codes)
    return found


def pairs(keys: Integers, axis: Axis, stride: int, tree: Tree) -> tuple[Integers, Integers]:
    """Return the positions of cells, and of the cell that each is a part of by a tree, where both are there."""
    up = np.full(len(axis.codes), -1, dtype=np.int64)
    for code, parent in tree.parents.items():
        up[axis.codes[code]] = axis.codes[parent]
    number = (keys // stride) % axis.size
    child = np.flatnonzero(up[number] >= 0)
    wanted = keys[child] + (up[number[child]] - number[child]) * stride
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    there = keys[at] == wanted
    return child[there], at[there]


def _with_rests(keys: Integers, axis: Axis, stride: int) -> Integers:
    """The keys, and those of rests of trees, wherever a parent and a listed part are."""
    made = [keys]
    for tree in axis.trees:
        if not tree.rests:
            continue
        _, parent = pairs(keys, axis, stride, tree)
        rest_of = {tree.parents[rest]: axis.codes[rest] for rest in tree.rests}
        parents = keys[np.unique(parent)]
        number = (parents // stride) % axis.size
        for whole, rest in rest_of.items():
            at = axis.codes[whole]
            made.append(parents[number == at] + (rest - at) * stride)
    return np.unique(np.concatenate(made)) if len(made) > 1 else keys


def _names(sheets: Iterable[Sheet]) -> list[str]:
    """The names of the axes: time, filtered columns and dimensions in the order in which sheets name them."""
    found = {TIME: None}
    for sheet in sheets:
        found |= dict.fromkeys(f"column {column}" for column in sheet.measure.where)
        found |= dict.fromkeys(_name(dimension, sheet) for dimension in sheet.dimensions if not dimension.by_day)
    return list(found)


def _name(dimension: Dimension, sheet: Sheet) -> str:
    """The axis of a dimension; whose attribute it is depends on the links that persons are counted across."""
    name = dimension.concept or f"dimension {dimension.name}"
    links = sheet.measure.links if is_person(dimension) else None
    return name if links is None else f"{name}, across {links}"


def _on(axis: Axis, sheet: Sheet) -> list[Dimension]:
    return [d for d in sheet.dimensions if not d.by_day and _name(d, sheet) == axis.name]


def _filter(axis: Axis, sheet: Sheet) -> frozenset[str] | None:
    """The base codes that a sheet counts alone: those of its measure's filter, or of who is known by an attribute."""
    people = [d for d in _on(axis, sheet) if is_person(d)] if sheet.measure.known else []
    if people:
        return frozenset().union(*(m for of in base_codes(people) for m in of.values())) - {UNKNOWN}
    codes = sheet.measure.where.get(axis.name.removeprefix("column "))
    return None if codes is None or not axis.name.startswith("column ") else frozenset(codes)


def _listed(axis: Axis, numbered: Sequence[tuple[int, Sheet]]) -> dict[int, Rows | None]:
    """Give an axis its trees, sets and series, and return the codes of each sheet's rows."""
    dimensions = {id(d): d for _, sheet in numbered for d in _on(axis, sheet)}
    whole = {id(d) for _, sheet in numbered if not sheet.unlisted for d in _on(axis, sheet) if d.closed and not d.open}
    sets = dict(zip(dimensions, base_codes(list(dimensions.values())), strict=True))
    axis.person = any(is_person(dimension) for dimension in dimensions.values())
    axis.name_total(_everything(axis, numbered, sets.values(), closed=bool(whole)))
    named = {key: _named(axis, dimension, sets[key]) for key, dimension in dimensions.items()}
    trees = [
        tree_of(dimension, number, unlisted=sheet.unlisted).renamed(named[id(dimension)])
        for number, sheet in numbered
        for dimension in (_on(axis, sheet) if _filter(axis, sheet) is None else ())  # a filter's codes are a part
    ]
    axis.trees = apart_by_rests(merged(trees))
    for tree in axis.trees:
        for code in tree.parents:
            axis.add(code)
    shapes = {frozenset(set(tree.parents.items()) - {(r, tree.parents[r]) for r in tree.rests}) for tree in axis.trees}
    several = any(len(_on(axis, sheet)) > 1 for _, sheet in numbered)
    axis.parted = any(_on(axis, sheet) and _filter(axis, sheet) is not None for _, sheet in numbered)
    axis.linked = several or len(shapes) > 1 or any(_filter(axis, sheet) for _, sheet in numbered)
    return {number: _rows(axis, sheet, named, sets) for number, sheet in numbered}


def _rows(
    axis: Axis, sheet: Sheet, named: Mapping[int, Mapping[str, str]], sets: Mapping[int, Mapping[str, frozenset[str]]]
) -> Rows | None:
    """The code of each row: of a dimension, of a filter, or what several of them have in common."""
    dimensions, kept = _on(axis, sheet), _filter(axis, sheet)
    if not dimensions and kept is None:
        return None
    if not dimensions and kept is not None:
        code = axis.code_of(kept)
        axis.list_in(f"filters on {axis.name}: {code}", code)
        return np.zeros(len(sheet.codes), dtype=np.int64), (code,)
    columns = sheet.codes[[dimension.name for dimension in dimensions]].astype(object)
    for dimension in dimensions:
        if missing := set(columns[dimension.name].unique()) - {TOTAL, *dimension.parents}:
            raise GateRefusal(f"dimension {dimension.name!r}: {len(missing)} codes are in no code list")
    if len(dimensions) == 1 and kept is None:
        position, distinct = pd.factorize(columns.iloc[:, 0])
        return position, tuple(named[id(dimensions[0])][code] for code in distinct)
    position, rows = pd.factorize(pd.MultiIndex.from_frame(columns))
    codes = []
    for row in rows:
        found = axis.sets[TOTAL] if kept is None else kept
        for dimension, code in zip(dimensions, row, strict=True):
            if code != TOTAL and code not in sets[id(dimension)]:
                raise GateRefusal(f"dimension {dimension.name!r}: merged places beside a filter, or a second dimension")
            found = found if code == TOTAL else found & sets[id(dimension)][code]
        codes.append(axis.code_of(found))
        axis.list_in(f"{sheet.issue} {sheet.table} {sheet.measure.name}", codes[-1])
    return position, tuple(codes)


def _listed_by_day(axis: Axis, numbered: Sequence[tuple[int, Sheet]]) -> dict[int, Rows | None]:
    """Give the axis of time its sets and series, and return the days of each sheet's rows."""
    found: dict[int, Rows | None] = {}
    for number, sheet in numbered:
        position, sets = _day_sets(sheet)
        codes = []
        for days, by in sets:
            codes.append(axis.code_of(days))
            axis.list_in(f"{sheet.issue} by {by}" if by else "periods", codes[-1])
        found[number] = position, tuple(codes)
    axis.linked = len(axis.sets) > 1
    return found


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


def _everything(
    axis: Axis,
    numbered: Sequence[tuple[int, Sheet]],
    sets: Iterable[Mapping[str, frozenset[str]]],
    *,
    closed: bool,
) -> frozenset[str]:
    """Every base code of an axis, and whatever no closed code list names."""
    column = axis.name.removeprefix("column ")
    filters = [(sheet, kept) for _, sheet in numbered if (kept := _filter(axis, sheet)) is not None]
    lists = [frozenset(sheet.measure.lists[column]) for sheet, _ in filters if column in sheet.measure.lists]
    base = frozenset().union(*lists, *(kept for _, kept in filters), *(m for of in sets for m in of.values()))
    return base if closed or lists else base | {OTHER}


def _named(axis: Axis, dimension: Dimension, sets: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The axis's code of each code of a dimension; what is no set, or everything, goes by its own text."""
    found = {TOTAL: TOTAL}
    for code in sorted(dimension.parents, key=lambda code: (-len(dimension.ancestors(code)), code)):
        part = code in sets and sets[code] != axis.sets[TOTAL]
        found[code] = axis.code_of(sets[code], code) if part else code
        if part:
            axis.list_in(f"{CODES}{dimension.name}, {dimension.level_of[code]}", found[code])
    return found
