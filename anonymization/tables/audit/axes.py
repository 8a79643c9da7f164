"""Axes: what several tables, and several releases, classify alike.

A dimension of a table becomes an axis; every axis has the total at the top, and trees that say which codes
add up to which. Two axes are made of sets, so that codes of different releases find together:

* **time**, of days: a release's period, and the codes of days, weeks and day types within it. A month is
  made of its weeks and days, whoever publishes them;
* **a filter** of a measure (`action = click`), of codes of that column: the filtered population is a part of
  the whole one, and of one that a table lists by the same column.

Where listed parts do not cover their whole, what is left is a population as well, and nobody published it:
it gets a code of its own, a *rest*. The audit bounds it like a hidden cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from anonymization.policy.calendar import DAY_OFF, days_off, iso_day, iso_week
from anonymization.policy.crosscheck import DAY, DAY_TYPE, WEEK
from anonymization.policy.periods import EPOCH, Period
from anonymization.policy.releases import DimensionKind
from anonymization.tables.model import TOTAL, Dimension

TIME = "time"
REST = "rest of "
CODES = "codes of a table"
"""The series of the codes that a dimension lists on an axis of filters."""
Members = frozenset[int] | frozenset[str]


@dataclass(frozen=True)
class Tree:
    """One way in which codes of an axis make up others.

    Attributes:
        parents: code to the code that it is a part of.
        rests: codes that nobody lists, one a parent at most; they exist wherever a parent and another part do.
        closing: codes of merged places: where one is listed, nothing is left over.
        sheets: numbers of the sheets it holds for; empty for every sheet.
    """

    parents: Mapping[str, str]
    rests: frozenset[str] = frozenset()
    closing: frozenset[str] = frozenset()
    sheets: frozenset[int] = frozenset()


@dataclass
class Axis:
    """One axis of a cube, while it is put together.

    Attributes:
        person: whether persons add up over it.
        codes: every code, the total first.
        sets: for an axis of sets, what each code consists of; the total is everything.
        series: for an axis of sets, codes that one publication lists beside each other.
    """

    name: str
    person: bool = False
    codes: dict[str, int] = field(default_factory=lambda: {TOTAL: 0})
    trees: list[Tree] = field(default_factory=list)
    sets: dict[str, Members] = field(default_factory=dict)
    series: dict[str, list[str]] = field(default_factory=dict)

    @property
    def by_time(self) -> bool:
        """Whether it is the axis of days, over which contributions and person-days add up."""
        return self.name == TIME

    def add(self, code: str) -> int:
        """Return a code's number; a new code gets the next."""
        return self.codes.setdefault(code, len(self.codes))

    def add_set(self, members: Members, series: str) -> str:
        """Return the code of a set, listed in a series."""
        code = set_code(members)
        self.add(code)
        self.sets[code] = members
        listed = self.series.setdefault(series, [])
        if code not in listed:
            listed.append(code)
        return code

    def close(self) -> None:
        """Make the trees of an axis of sets: each set, and the parts of it that a series lists."""
        everything = [TOTAL] if not self.by_time else []
        known: set[tuple[str, tuple[str, ...]]] = set()
        for whole in [*everything, *self.sets]:
            for series, listed in list(self.series.items()):
                if whole == TOTAL and series == CODES:
                    continue  # the dimension's own tree says it
                parts = [code for code in listed if code != whole and self._within(code, whole)]
                parts = self._apart(parts)
                if not parts or (whole, tuple(parts)) in known:
                    continue
                known.add((whole, tuple(parts)))
                self._part(whole, parts)

    def _part(self, whole: str, parts: Sequence[str]) -> None:
        union = frozenset().union(*(self.sets[code] for code in parts))
        left = None if whole == TOTAL else self.sets[whole] - union
        rests: frozenset[str] = frozenset()
        if left is None or left:
            code = f"{REST}{whole}, without {'; '.join(parts)}" if left is None else set_code(left)
            if left is not None and code not in self.sets:
                self.sets[code] = left
            self.add(code)
            rests = frozenset([code])
        self.trees.append(Tree(dict.fromkeys([*parts, *rests], whole), rests))

    def _within(self, part: str, whole: str) -> bool:
        return whole == TOTAL or self.sets[part] <= self.sets[whole]

    def _apart(self, parts: Sequence[str]) -> list[str]:
        """The largest of some sets, and what does not overlap them."""
        chosen: list[str] = []
        taken: set[int | str] = set()
        for code in sorted(parts, key=lambda code: (-len(self.sets[code]), code)):
            if not taken & self.sets[code]:
                chosen.append(code)
                taken |= self.sets[code]
        return sorted(chosen)


def set_code(members: Members) -> str:
    """Return the canonical text of a set: codes, or days as spans."""
    if not members or isinstance(next(iter(members)), str):
        return "|".join(sorted(str(code) for code in members))
    days = sorted(int(day) for day in members)
    starts = [day for day in days if day - 1 not in members]
    ends = [day for day in days if day + 1 not in members]
    return "+".join(
        iso_day(start) if start == end else f"{iso_day(start)}..{iso_day(end)}"
        for start, end in zip(starts, ends, strict=True)
    )


def days_of(dimension: Dimension, period: Period) -> dict[str, frozenset[int]]:
    """Return the days of the period that each code of a dimension of days, weeks or day types stands for."""
    column = dimension.concept.removeprefix("column ")
    off = frozenset(days_off(period)) if column == DAY_TYPE else frozenset()
    found: dict[str, set[int]] = {}
    for day in range(period.first, period.past):
        if column == DAY_TYPE:
            code = DAY_OFF if day in off else "weekday"
        else:
            code = {DAY: iso_day, WEEK: iso_week}.get(column, _unknown)(day)
        found.setdefault(code, set()).add(day)
    return {code: frozenset(days) for code, days in found.items()}


def _unknown(day: int) -> str:
    return f"not a day of a known kind: {EPOCH} + {day}"


def tree_of(dimension: Dimension, sheet: int, *, unlisted: bool) -> Tree:
    """Return a dimension's tree as one sheet lists it.

    Args:
        dimension: the dimension.
        sheet: the sheet's number.
        unlisted: whether classes that are not listed may have persons.
    """
    parents = dict(dimension.parents)
    closing = frozenset(code for code in parents if code in dimension.rests)
    if not (unlisted or dimension.open):
        return Tree(parents, closing=closing, sheets=frozenset([sheet]))
    rests = {f"{REST}{parent}": parent for parent in sorted({*parents.values()})}
    return Tree({**parents, **rests}, frozenset(rests), closing, frozenset([sheet]))


def merged(trees: Iterable[Tree]) -> list[Tree]:
    """Return the trees with equal ones made one, for all their sheets."""
    found: list[Tree] = []
    for tree in trees:
        for at, other in enumerate(found):
            if (tree.parents, tree.rests, tree.closing) == (other.parents, other.rests, other.closing):
                found[at] = Tree(tree.parents, tree.rests, tree.closing, tree.sheets | other.sheets)
                break
        else:
            found.append(tree)
    return found


def is_person(dimension: Dimension) -> bool:
    """Whether persons add up over a dimension."""
    return dimension.kind is DimensionKind.PERSON
