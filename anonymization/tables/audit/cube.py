"""A cube: all figures over one source, on the axes that its tables share.

Along an axis, cells are related in two ways: by the tree of a dimension, for what its own sheets list; and by sets
(`closure.py`), wherever codes of several trees, filters or days are listed at the same other coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from anonymization.disclosure.system import Booleans, Integers, Relations, at_most, at_most_sums, sums, weighted
from anonymization.policy.releases import MeasureKind
from anonymization.tables.audit.axes import Axis, Tree
from anonymization.tables.audit.closure import Closure, closure
from anonymization.tables.audit.coordinates import Coordinates, pairs, patterns, varying
from anonymization.tables.audit.sheets import Sheet
from anonymization.tables.measures import AT_MOST, KINDS
from anonymization.tables.model import TOTAL

MOST_KEYS = 2**62
"""A cell's coordinates are one 64-bit number."""


@dataclass(frozen=True)
class Family:
    """The cells of one measure of a cube.

    Attributes:
        column: the summed column of a total; null where rows are counted.
        links: the source that proves which ids are one person, where persons are counted across it. A total has none:
            the same is summed, whosever it is.
        keys: coordinates of each cell, sorted.
        first, past: the numbers of its cells.
        sheets: the sheets that list it.
    """

    kind: MeasureKind
    column: str | None
    links: str | None
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
    """All figures over one source.

    Attributes:
        axes, strides: with the factor by which a code's number counts in a key.
        places: of each of its sheets, the cell of each row.
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
        found = Coordinates([(number, sheets[number]) for number in numbers])
        by_family: dict[tuple[MeasureKind, str | None, str | None], list[int]] = {}
        for number in numbers:
            measure = sheets[number].measure
            links = None if measure.how.sums else measure.links
            by_family.setdefault((measure.kind, measure.column, links), []).append(number)
        ordered = sorted(by_family.items(), key=lambda item: tuple(part or "" for part in item[0]))
        families = [Family(*key, np.zeros(0, dtype=np.int64), 0, tuple(members)) for key, members in ordered]
        both = list(_at_most(families))
        people = [n for n, family in enumerate(families) if KINDS[family.kind].persons]
        every = found.completed([family.sheets for family in families], both, people)
        for n, keys in enumerate(every):
            families[n] = replace(families[n], keys=keys, first=first)
            first = families[n].past
        places = {n: family.locate(found.keys(n)) for family in families for n in family.sheets}
        return cls(tuple(found.axes), tuple(found.strides), tuple(families), places)

    def at_most(self) -> Iterator[tuple[Family, Family]]:
        """Yield the families of which the first is never more than the second where both have a cell."""
        for one, other in _at_most(self.families):
            yield self.families[one], self.families[other]

    def counting(self, family: Family) -> list[Family]:
        """Return the families that count the persons of another: those across links last, who are the fewest."""
        people = [f for f in self.families if KINDS[f.kind].persons]
        own = [f for f in people if KINDS[family.kind].sums or f.links == family.links]
        return sorted(own, key=lambda f: f.links is not None)

    def relations(self, cells: int) -> Iterator[Relations]:
        """Yield the relations along every axis."""
        for family in self.families:
            listed = np.zeros(len(family.keys), dtype=bool)
            for number in family.sheets:
                listed[self.places[number] - family.first] = True
            for at, axis in enumerate(self.axes):
                fixed = ~varying(family.keys, self.axes, self.strides, at)
                for tree in axis.trees:
                    yield from self._by_tree(family, at, tree, fixed, cells)
                for found, places in self._closures(family, at, listed, fixed):
                    yield from self._by_sets(family, at, found, places, cells)

    def inclusions(self, cells: int) -> Iterator[Relations]:
        """Yield, of sets along each axis, which are parts of others that no sum relates them to: part <= whole.

        Of figures that add up it follows of the sums; of who changed them it does not.
        """
        for family in self.families:
            everywhere = np.ones(len(family.keys), dtype=bool)
            for at in range(len(self.axes)):
                fixed = ~varying(family.keys, self.axes, self.strides, at)
                for found, places in self._closures(family, at, everywhere, fixed):
                    yield from self._within(family, at, found, places, cells)

    def _closures(
        self, family: Family, at: int, listed: Booleans, fixed: Booleans
    ) -> Iterator[tuple[Closure, Integers]]:
        """What follows of the sets along an axis, and at which other coordinates."""
        axis, stride = self.axes[at], self.strides[at]
        others = family.keys - family.keys // stride % axis.size * stride
        bare = np.isin(others, others[~listed])
        for keys, by_tree in ((family.keys[fixed & ~bare], True), (family.keys[fixed & bare], False)):
            if by_tree and not axis.linked:
                continue
            for codes, places in patterns(keys, axis, stride):
                yield closure(codes, axis, by_tree=by_tree), places

    def _by_tree(self, family: Family, at: int, tree: Tree, fixed: Booleans, cells: int) -> Iterator[Relations]:
        """What the sheets of a tree list along it, beside codes of other axes that are no rests."""
        axis, stride = self.axes[at], self.strides[at]
        child, parent = pairs(family.keys, axis, stride, tree)
        eligible = (fixed & self._spoken_of(family, at, tree))[child]
        child, parent = child[eligible], parent[eligible]
        if len(child) == 0:
            return
        number = (family.keys[child] // stride) % axis.size
        parents, group = np.unique(parent, return_inverse=True)
        closed = np.bincount(group, np.isin(number, [axis.codes[code] for code in tree.closing])) > 0
        leftover = np.isin(number, [axis.codes[code] for code in tree.rests])
        child, group = child[~(leftover & closed[group])], group[~(leftover & closed[group])]
        yield from self._summed(family, at, parents + family.first, group, child + family.first, cells)

    def _summed(
        self, family: Family, at: int, wholes: Integers, group: Integers, parts: Integers, cells: int
    ) -> Iterator[Relations]:
        """Parts that do not overlap make up wholes: they add up, or persons may be in several of them."""
        if self._adds_up(family, at):
            yield sums(cells, wholes, group, parts)
        else:
            yield at_most(cells, parts, wholes[group])
            yield at_most_sums(cells, wholes, group, parts)

    def _adds_up(self, family: Family, at: int) -> bool:
        axis = self.axes[at]
        return KINDS[family.kind].adds_up(person=axis.person, by_day=axis.by_time)

    def _by_sets(self, family: Family, at: int, found: Closure, others: Integers, cells: int) -> Iterator[Relations]:
        """What follows of sets at some other coordinates."""
        for whole, parts in found.sums:
            at_whole, at_parts = (self._cells(family, at, codes, others) for codes in ([whole], parts))
            there = (at_whole[:, 0] >= 0) & (at_parts >= 0).all(axis=1)
            if there.any():
                group = np.repeat(np.arange(int(there.sum())), len(parts))
                yield from self._summed(family, at, at_whole[there, 0], group, at_parts[there].ravel(), cells)
        if self._adds_up(family, at):
            return
        yield from self._within(family, at, found, others, cells)
        for one, other, union, common in found.overlaps:
            codes = [one, other, union, *([common] if common is not None else [])]
            four = self._cells(family, at, codes, others)
            four = four[(four >= 0).all(axis=1)]
            if len(four):
                rows = [np.arange(len(four))] * four.shape[1]
                yield weighted(cells, len(four), list(four.T), rows, [1, 1, -1, -1][: four.shape[1]], 0.0, np.inf)

    def _within(self, family: Family, at: int, found: Closure, others: Integers, cells: int) -> Iterator[Relations]:
        """Parts and wholes of which no sum says that they are."""
        for pair in found.within:
            both = self._cells(family, at, pair, others)
            both = both[(both >= 0).all(axis=1)]
            if len(both):
                yield at_most(cells, both[:, 0], both[:, 1])

    def _cells(self, family: Family, at: int, codes: Sequence[str], others: Integers) -> Integers:
        """The cells of codes of an axis, a column each, at other coordinates, a row each; -1 where there is none."""
        of = np.array([self.axes[at].codes[code] for code in codes], dtype=np.int64)
        keys = others[:, None] + of * self.strides[at]
        found = family.locate(keys.ravel()).reshape(keys.shape)
        return np.where(of < self.axes[at].size, found, -1)

    def _spoken_of(self, family: Family, at: int, tree: Tree) -> Booleans:
        """Which cells a tree speaks of: what its sheets list, whatever they count there, and its rests."""
        listed = [f.keys[self.places[n] - f.first] for f in self.families for n in sorted(tree.sheets & set(f.sheets))]
        spoken = np.isin(family.keys, np.concatenate(listed)) if listed else np.zeros(len(family.keys), dtype=bool)
        codes = [self.axes[at].codes[code] for code in tree.rests]
        return spoken | np.isin((family.keys // self.strides[at]) % self.axes[at].size, codes)

    def days(self, family: Family, cells: Integers) -> Integers:
        """Return the number of days that cells of a family are about."""
        at = next(i for i, axis in enumerate(self.axes) if axis.by_time)
        axis = self.axes[at]
        number = np.zeros(len(axis.codes), dtype=np.int64)
        for code, position in axis.codes.items():
            number[position] = len(axis.sets.get(code, ()))
        return number[(family.keys[cells - family.first] // self.strides[at]) % axis.size]

    def text(self, family: Family, cell: int) -> str:
        """Return the coordinates of a cell that no table lists."""
        key = int(family.keys[cell - family.first])
        parts = []
        for axis, stride in zip(self.axes, self.strides, strict=True):
            code = list(axis.codes)[(key // stride) % axis.size]
            if code != TOTAL:
                parts.append(f"{axis.name.removeprefix('column ')}={code}")
        return ", ".join(parts) or "everybody"


def _at_most(families: Sequence[Family]) -> Iterator[tuple[int, int]]:
    """Positions of what is never more: persons than their events and days, and persons across links than ids."""
    rows = [(n, family) for n, family in enumerate(families) if family.column is None]
    for (n, one), (m, other) in product(rows, rows):
        leaning = (one.kind, other.kind) in AT_MOST and (KINDS[other.kind].sums or one.links == other.links)
        across = one.kind is other.kind and one.links is not None and other.links is None
        if leaning or across:
            yield n, m
