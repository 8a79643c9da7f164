"""Whatever small releases are published, whoever writes down every population that agrees with them learns nothing.

Populations of a few persons, and random releases of them: groupings, filters, periods, one after the other. What
`tests/harness/reader.py` finds shares no code with the product. A release that is refused, or whose gate stays closed, is
not out.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, replace

import pandas as pd
import pytest
from harness.forms import is_long
from harness.reader import Reader, Told, UndecidedError, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anonymization.errors import GateRefusal, ProtectionError
from anonymization.policy.calendar import iso_week
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.suppression_attack import unmet_needs
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import TOTAL, Dimension, Measure, Table

N = 3
RULES = Rules(N, None, 10)
TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
SERVICES = ("mail", "news", "maps")
DAYS = {"2026-10-07": "2026-W41", "the week's other days": "2026-W41", "the month's other days": ""}
WEEK = ("the week's other days", "the month's other days")
GROUPINGS = {
    "age": {"a": "young", "b": "young", "c": "old", "d": "old"},
    "age by work": {"a": "school", "b": "work", "c": "work", "d": "rest"},
    "sex": {"f": "f", "m": "m", "x": "x"},
    "service": {"mail": "words", "news": "words", "maps": "pictures"},
}
SHAPES = [
    pytest.param(("age", "sex"), (4, 3), ("any",), id="age and sex"),
    pytest.param(("age",), (4,), ("mail", "news"), id="age and two services"),
    pytest.param(("age",), (2,), SERVICES, id="two ages and three services"),
    pytest.param(("age",), (4,), WEEK, id="four ages, a week and other days"),
    pytest.param(("age",), (2,), tuple(DAYS), id="two ages, a day in a week and other days"),
]


@dataclass(frozen=True)
class Person:
    who: tuple[str, ...]
    did: dict[str, int]


@dataclass(frozen=True)
class Asked:
    """A release: its period, its dimensions as (attribute or event, grouping or none), its filters."""

    period: str
    dimensions: tuple[tuple[str, str | None], ...]
    filters: tuple[tuple[str, ...] | None, ...]
    totals: bool
    persons: bool = True


def codes_of(values, grouping):
    """Each code, and what it consists of."""
    if grouping is None:
        return {value: (value,) for value in values}
    found = {}
    for value in values:
        found.setdefault(GROUPINGS[grouping][value], []).append(value)
    return {code: tuple(of) for code, of in found.items()}


class Case:
    def __init__(self, attributes, sizes, atoms, people):
        values = tuple(tuple(GROUPINGS[a])[:size] for a, size in zip(attributes, sizes, strict=True))
        self.attributes, self.world, self.people = attributes, World(values, atoms), people
        self.by_day = set(atoms) <= set(DAYS)

    def measured(self, who, did):
        """Persons, what they did together, and the two who did most."""
        did_each = [sum(n for a, n in p.did.items() if a in did) for p in self.people if p.who in who]
        did_each = sorted((n for n in did_each if n), reverse=True)
        return len(did_each), sum(did_each), (*did_each, 0, 0)[:2]

    def dimension(self, name, grouping):
        """A dimension, and each of its codes as what it consists of."""
        if name in ("day", "week"):
            listed = {}
            for day in range(MONTH.first, MONTH.past):
                listed.setdefault(iso_week(day), set())
            listed["2026-W41"] = {atom for atom in self.world.atoms if DAYS[atom]}
            listed["2026-W44"] = {atom for atom in self.world.atoms if not DAYS[atom]}
            return self._made(name, listed, DimensionKind.EVENT, {}, by_day=True), listed
        values = self.world.of_each[self.attributes.index(name)] if name in self.attributes else self.world.atoms
        listed = codes_of(values, grouping)
        kind = DimensionKind.PERSON if name in self.attributes else DimensionKind.EVENT
        consists = {} if grouping is None else listed
        return self._made(name, listed, kind, consists), {code: set(of) for code, of in listed.items()}

    @staticmethod
    def _made(name, listed, kind, consists, *, by_day=False):
        return Dimension(
            name, TITLE, kind, ("one",), dict.fromkeys(listed, TOTAL), dict.fromkeys(listed, "one"), {}, complete=True,
            by_day=by_day, concept=f"column {name}", consists=consists,
        )  # fmt: skip

    def table(self, asked):
        """The true table, and for each row and measure what it is of."""
        period, within = self.period(asked.period)
        dimensions = [self.dimension(*d) for d in asked.dimensions]
        measures, of = [], []
        for number, kept in enumerate(asked.filters):
            where = {} if kept is None else {"service": kept}
            lists = {} if kept is None else {"service": self.world.atoms}
            for kind in [MeasureKind.PERSONS] * asked.persons + [MeasureKind.TOTAL] * (
                asked.totals or not asked.persons
            ):
                measures.append(Measure(f"{kind.value}{number}", TITLE, kind, "logs", where, lists=lists))
                of.append((kind is MeasureKind.PERSONS, within if kept is None else within & set(kept)))
        rows, told, largest, contributors = [], [], {}, {}
        for codes in itertools.product(*[(TOTAL, *listed) for _, listed in dimensions]):
            who, did = set(self.world.people), None
            for (dimension, listed), code in zip(dimensions, codes, strict=True):
                if code == TOTAL:
                    continue
                if dimension.kind is DimensionKind.PERSON:
                    at = self.attributes.index(dimension.name)
                    who = {w for w in who if w[at] in listed[code]}
                else:
                    did = listed[code]
            figures, sets = [], []
            for (persons, kept), measure in zip(of, measures, strict=True):
                atoms = kept if did is None else kept & did
                number, total, two = self.measured(who, atoms)
                figures.append(number if persons else total)
                sets.append((frozenset(who), frozenset(atoms), persons))
                if not persons:
                    largest.setdefault(measure.name, []).append(two)
                    contributors.setdefault(measure.name, []).append(number)
            rows.append([*codes, *figures])
            told.append(sets)
        frame = pd.DataFrame(rows, columns=[*(d.name for d, _ in dimensions), *(m.name for m in measures)])
        largest = {name: pd.DataFrame(two, columns=["first", "second"]) for name, two in largest.items()}
        contributors = {} if asked.persons else {n: pd.Series(c).to_numpy() for n, c in contributors.items()}
        table = Table(
            "t", TITLE, tuple(d for d, _ in dimensions), tuple(measures), frame, largest=largest,
            contributors=contributors,
        )  # fmt: skip
        return period, table, told

    def period(self, name):
        """A period, and the atoms within."""
        if not self.by_day or name == "month":
            return MONTH, set(self.world.atoms)
        kind = PeriodKind.WEEK if "W" in name else PeriodKind.DAY
        return parse_period(kind, name), {atom for atom in self.world.atoms if name in (atom, DAYS[atom])}


def passed(issue, out, also=lambda _: ()):
    """The issue as it is published beside what is out; None where it is refused, or its gate stays closed."""
    try:
        done = protect(issue.tables, issue, RULES, out)
        safe = replace(issue, tables=done.tables, standing=done.standing)
        gate = (*audit([safe, *out]), *unmet_needs(safe, issue.tables, RULES, out), *also(safe))
    except (ProtectionError, GateRefusal):
        return None
    return None if gate else safe


def told_by(safe, sets):
    """What each row of what is published tells."""
    (table,) = safe.tables
    for position, measure in enumerate(table.measures):
        for row, value in enumerate(table.frame[measure.name].array):
            who, did, persons = sets[row][position]
            yield Told(who, did, persons, None if value is pd.NA else int(value))


def published(case, releases):
    """What is out in the end, one release after another; and what each row tells."""
    out, told = [], []
    for number, asked in enumerate(releases):
        period, table, sets = case.table(asked)
        if safe := passed(Issue(f"release {number}", period, (table,), N), out):
            out.append(safe)
            told += told_by(safe, sets)
    return out, told


def unions(sets):
    """Every union of the smallest parts that no set cuts."""
    parts = Counter()
    for member in set().union(*sets):
        parts[frozenset(n for n, one in enumerate(sets) if member in one)] += 1
    atoms = [
        frozenset(m for m in set().union(*sets) if frozenset(n for n, one in enumerate(sets) if m in one) == part)
        for part in parts
    ]
    return [frozenset().union(*some) for n in range(1, len(atoms) + 1) for some in itertools.combinations(atoms, n)]


def evident(told, who, did):
    """How much was done at least, as it is known of so many parts that there is somebody in each."""
    taken, number = set(), 0
    for size in sorted((t for t in told if t.value != 0), key=lambda t: len(t.who) * len(t.did)):
        parts = {(w, a) for w in size.who for a in size.did}
        if size.who <= who and size.did <= did and not parts & taken:
            taken |= parts
            number += 1
    return number


def learnt(case, told):
    """What a reader learns who must not."""

    def most(parts):
        return sum(p.did.get(a, 0) for p in case.people for w, a in parts if w == p.who) + N

    reader = Reader(case.world, told, most_persons=len(case.people) + N, most_done=most)
    found = []
    for did in {t.did for t in told if t.persons}:
        for who in unions([t.who for t in told if t.persons and t.did == did]):
            low, high = reader.persons(who, did)
            if low >= 1 and high < N:
                found.append(f"{sorted(who)} in {sorted(did)}: {low} to {high} persons")
    listed = {(t.who, t.did) for t in told if not t.persons}
    for did in {t.did for t in told if not t.persons}:
        for who in unions([t.who for t in told if not t.persons and t.did == did]):
            persons, total, (first, second) = case.measured(who, did)
            level = -(-first // 10) - (total - first - second)
            if not total or (persons >= N and level <= 0):
                continue
            high, low = total, total
            if (who, did) in listed:
                high += max(1, level, -(-total // 10) if persons < N else 0)
                low = max(total - level, persons) if level > 0 else total
            seen = reader.done(who, did)
            low = max(low, evident(told, who, did))
            if seen is not None and (seen[1] < high or seen[0] > low or seen[0] == seen[1]):
                found.append(f"{sorted(who)} in {sorted(did)}: {seen} done by {persons}, {total} in truth")
    return found


@st.composite
def populations(draw, world):
    people = []
    for _ in range(draw(st.integers(3, 9))):
        who, did = draw(st.sampled_from(world.kinds))
        people.append(Person(who, {atom: draw(st.sampled_from([1, 1, 2, 4])) for atom in sorted(did)}))
    return people


@st.composite
def requests(draw, case):
    dimensions = []
    for name in case.attributes:
        grouping = draw(st.sampled_from(["no", None, *(g for g in GROUPINGS if g.split()[0] == name)]))
        if grouping != "no":
            dimensions.append((name, grouping))
    filters = [None]
    if set(case.world.atoms) <= set(SERVICES):
        grouping = draw(st.sampled_from(["no", "no", None, "service"]))
        if grouping != "no":
            dimensions.append(("service", grouping))
        else:
            sets = [s for n in range(1, len(case.world.atoms)) for s in itertools.combinations(case.world.atoms, n)]
            filters = draw(st.lists(st.sampled_from([None, *sets]), min_size=1, max_size=2, unique=True))
    period = "month"
    if case.by_day:
        days = [atom for atom in case.world.atoms if atom.startswith("2026")]
        period = draw(st.sampled_from(["month", "month", "2026-W41", *days]))
        if period == "month" and draw(st.booleans()):
            dimensions.append(("week", None))
    return Asked(
        period, tuple(dimensions), tuple(filters), draw(st.booleans()), draw(st.sampled_from([True, True, False]))
    )


DECIDED = Counter()
MOST_RELEASES = 4 if is_long("attacks") else 3


@pytest.fixture(autouse=True, scope="module")
def _decided():
    yield
    assert DECIDED["decided"] >= DECIDED["undecided"], "most cases are small enough to be written down"


@pytest.mark.both("attacks")
@pytest.mark.parametrize(("attributes", "sizes", "atoms"), SHAPES)
@settings(max_examples=1000 if is_long("attacks") else 40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_is_learnt(attributes, sizes, atoms, data):
    case = Case(attributes, sizes, atoms, [])
    case.people = data.draw(populations(case.world))
    releases = data.draw(st.lists(requests(case), min_size=1, max_size=MOST_RELEASES))
    out, told = published(case, releases)
    if not told:
        return
    try:
        found = learnt(case, told)
    except UndecidedError:
        DECIDED["undecided"] += 1
        return
    DECIDED["decided"] += 1
    assert found == [], [issue.tables[0].frame for issue in out]
