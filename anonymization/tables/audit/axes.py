"""Axes: what several tables, and several releases, classify alike.

A dimension of a table becomes an axis; every axis has the total at the top, and trees that say which codes of one table
add up to which. Each code is also a **set**, so that codes of different tables and releases find each other:

* on the axis of **time**, of days: a release's period, and the codes of days, weeks and day types within it;
* on any other, of base codes: those of the finest level of the hierarchies and code lists over one concept. A region is
  a set of prefectures and a generation one of age bands, whoever publishes them; a filter of a measure (`action =
  click`) is a set of codes of its column. Codes that are merged places are none: what a rest holds differs by row.

Two codes of one set are one code. What follows of sets that are not one tree is worked out in `closure.py`, where the
sets are listed at the same other coordinates.
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
CODES = "codes of "
"""Before what a dimension's tree lists at one depth: the name of its series."""
OTHER = "any other"
"""The base code of what no code list of an axis names; below a code, what is not listed there."""
NOBODY = "nobody"
"""The code of an empty set: what a filter and a code have in common that exclude each other."""
Members = frozenset[int] | frozenset[str]


@dataclass(frozen=True)
class Tree:
    """One way in which codes of an axis make up others.

    Attributes:
        parents: code to the code that it is a part of.
        rests: codes that nobody lists, one a parent at most; they exist wherever a parent and another part do.
        closing: codes of merged places: where one is listed, nothing is left over.
        sheets: numbers of the sheets it holds for.
    """

    parents: Mapping[str, str]
    rests: frozenset[str] = frozenset()
    closing: frozenset[str] = frozenset()
    sheets: frozenset[int] = frozenset()

    def renamed(self, names: Mapping[str, str]) -> Tree:
        """Return the tree with other codes; one that has the same name as its parent is the parent."""
        edges = ((names.get(code, code), names.get(parent, parent)) for code, parent in self.parents.items())
        parents = {code: parent for code, parent in edges if code not in (parent, TOTAL)}
        return Tree(parents, self.rests, self.closing, self.sheets)


@dataclass
class Axis:
    """One axis of a cube, while it is put together.

    Attributes:
        person: whether persons add up over it.
        codes: every code, the total first.
        trees: of its dimensions, as sheets list them.
        sets: what each code consists of; every base code for the total. Codes without a set are not linked by sets.
        series: codes that one publication lists beside each other.
        linked: whether its codes are not one tree alone, and sets say more than the tree.
        parted: whether a sheet lists a dimension on it of which its measure counts a part alone: no tree says so.
        made: codes that nobody lists.
        size: of how many codes the numbers of cells tell; codes that came later are of no cell.
    """

    name: str
    person: bool = False
    codes: dict[str, int] = field(default_factory=lambda: {TOTAL: 0})
    trees: list[Tree] = field(default_factory=list)
    sets: dict[str, Members] = field(default_factory=dict)
    series: dict[str, list[str]] = field(default_factory=dict)
    linked: bool = False
    parted: bool = False
    made: set[str] = field(default_factory=set)
    size: int = 1
    _named: dict[Members, str] = field(default_factory=dict)

    @property
    def by_time(self) -> bool:
        """Whether it is the axis of days, over which contributions and person-days add up."""
        return self.name == TIME

    def add(self, code: str) -> int:
        """Return a code's number; a new code gets the next."""
        return self.codes.setdefault(code, len(self.codes))

    def code_of(self, members: Members, name: str = "") -> str:
        """Return the code of a set; a new set gets a name, its own text unless that is free."""
        if members not in self._named:
            free = name if name and name not in self.codes else self._text(members)
            self._named[members] = free
            self.sets[free] = members
            self.add(free)
        return self._named[members]

    def make(self, members: Members) -> str:
        """Return the code of a set that follows of others."""
        if members not in self._named:
            self.made.add(self.code_of(members))
        return self._named[members]

    def name_total(self, everything: Members) -> None:
        """Say what the total consists of."""
        self.sets[TOTAL] = everything
        self._named[everything] = TOTAL

    def list_in(self, series: str, code: str) -> None:
        """Note that a publication lists a code beside the others of a series."""
        listed = self.series.setdefault(series, [])
        if code not in listed:
            listed.append(code)

    def _text(self, members: Members) -> str:
        everything = self.sets.get(TOTAL, frozenset())
        if OTHER in members and members <= everything:
            return f"{REST}{TOTAL}, without {'; '.join(sorted(str(code) for code in everything - members))}"
        return set_code(members)


def set_code(members: Members) -> str:
    """Return the canonical text of a set: codes, or days as spans."""
    if not members:
        return NOBODY
    if isinstance(next(iter(members)), str):
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


def base_codes(dimensions: Sequence[Dimension]) -> list[dict[str, frozenset[str]]]:
    """Return, for each dimension of one axis, what its codes consist of: base codes. Merged places consist of none.

    What a closed code list says holds by itself. Of the others each may list but a part of what is below a code: they
    are put together, and there may be more.
    """
    parts: dict[str, set[str]] = {}
    for dimension in dimensions:
        if not dimension.closed:
            for code in set(dimension.parents) - dimension.rests:
                parts.setdefault(code, set())
                parts.setdefault(dimension.parents[code], set()).add(code)

    def together(code: str) -> frozenset[str]:
        below = [together(part) for part in parts[code]]
        return frozenset([f"{OTHER} of {code}" if below else code]).union(*below)

    found = []
    for dimension in dimensions:
        if dimension.closed:
            found.append(_by_own_list(dimension))
        else:
            found.append({code: together(code) for code in set(dimension.parents) - dimension.rests})
    return found


def _by_own_list(dimension: Dimension) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for code in set(dimension.parents) - dimension.inner - dimension.rests:
        for above in (code, *dimension.ancestors(code)[:-1]):
            found.setdefault(above, set()).update(dimension.consists.get(code, (code,)))
    return {code: frozenset(base) for code, base in found.items()}


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


def apart_by_rests(trees: Sequence[Tree]) -> list[Tree]:
    """Return the trees with rests that no two of them share: what one leaves is not what another leaves."""
    found = []
    for number, tree in enumerate(trees):
        names = {rest: f"{rest}, {number + 1}" for rest in tree.rests} if number else {}
        parents = {names.get(code, code): parent for code, parent in tree.parents.items()}
        found.append(Tree(parents, frozenset(names.get(r, r) for r in tree.rests), tree.closing, tree.sheets))
    return found


def is_person(dimension: Dimension) -> bool:
    """Whether persons add up over a dimension."""
    return dimension.kind is DimensionKind.PERSON
