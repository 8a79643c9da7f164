"""Properties: margins equal a naive count, protection is closed and passes the audit, what is given back is found."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pandas as pd
import pytest
from harness.events import registered
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.audit import audit, margins
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.suppression_attack import unmet_needs
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, Table
from anonymization.tables.plan import resolve

SLOW = examples(25)
FEW = examples(4)
FIRST = 20_727
SERVICES = ("search", "mail", "news")

person = st.one_of(st.none(), st.integers(1, 9))
day = st.integers(FIRST - 1, FIRST + 31)
clicks = st.lists(st.tuples(person, day, st.sampled_from(SERVICES)), max_size=25)
links = st.lists(st.tuples(st.integers(1, 9), day, st.sampled_from(SERVICES), st.integers(101, 104)), max_size=15)
subscribers = st.lists(
    st.tuples(st.integers(101, 105), day, st.sampled_from(SERVICES), st.sampled_from(["13", "14", "27", "unknown"]),
              st.sampled_from(["20-29", "30-39", "unknown"])), max_size=12,
)  # fmt: skip
positions = st.lists(
    st.tuples(person, day, st.integers(0, 3), st.sampled_from([533935992, 533935991, 533936001])), max_size=25
)


def plan_of(policies, name):
    release = policies.release(name)
    return resolve(policies, release, parse_period(release.period, "2026-10"))


def inside(row):
    return row[0] is not None and FIRST <= row[1] < FIRST + 31


def naive_audience(given_clicks, given_links, given_subscribers, regions):
    """The audience, counted by sets."""
    pairs = {}
    for cookie, when, _, member in given_links:
        if FIRST <= when < FIRST + 31:
            pairs.setdefault(cookie, set()).add(member)
    member_of = {cookie: next(iter(members)) for cookie, members in pairs.items() if len(members) == 1}

    def attribute(member, position):
        known = [
            (r[1], r[position]) for r in given_subscribers if r[0] == member and inside(r) and r[position] != "unknown"
        ]
        return max(known)[1] if known else "unknown"

    persons = {
        "subscribers": {(r[0], r[2]) for r in given_subscribers if inside(r)},
        "users": {(r[3], r[2]) for r in given_links if inside(r)},
        "browsing_persons": {(member_of.get(r[0], r[0]), r[2]) for r in given_clicks if inside(r)},
    }
    counts = {}
    for measure, seen in persons.items():
        cells = {}
        for who, service in seen:
            prefecture = attribute(who, 3)
            if measure == "users" and "unknown" in (prefecture, attribute(who, 4)):
                continue  # `known`
            region = [prefecture, regions[prefecture][0], TOTAL]
            for cell in itertools.product(region, [attribute(who, 4), TOTAL], [service, TOTAL]):
                cells.setdefault(cell, set()).add(who)
        counts[measure] = {cell: len(who) for cell, who in cells.items()}
    return counts


def check_audience(engine, policies, given_clicks, given_links, given_subscribers):
    plan = plan_of(policies, "monthly-audience")
    events = {
        "clicks": registered(engine, policies, "clicks", given_clicks, ["p", "day", "service"]),
        "links": registered(engine, policies, "links", given_links, ["p", "day", "service", "linked_p"]),
        "subscribers": registered(
            engine, policies, "subscribers", given_subscribers, ["p", "day", "service", "prefecture", "age_band"]
        ),
    }
    (table,) = tabulate(engine, plan, events)
    expected = naive_audience(given_clicks, given_links, given_subscribers, policies.hierarchies["region"])
    recounted = recount(engine, plan, events)
    for measure, cells in expected.items():
        rows = table.frame.set_index(table.keys)[measure]
        assert {cell: n for cell, n in rows.items() if n} == cells
        again = recounted[(recounted["measure"] == measure) & (recounted["recounted"] > 0)]
        assert again.set_index(table.keys)["recounted"].to_dict() == cells


@SLOW
@given(given_clicks=clicks, given_links=links, given_subscribers=subscribers)
def test_audience_equals_a_naive_count(duckdb_engine, policies, given_clicks, given_links, given_subscribers):
    check_audience(duckdb_engine, policies, given_clicks, given_links, given_subscribers)


@pytest.mark.spark
@pytest.mark.long("fuzz")  # in short, tests/parity counts a whole month of it on both engines
@FEW
@given(given_clicks=clicks, given_links=links, given_subscribers=subscribers)
def test_audience_on_spark(engines, policies, given_clicks, given_links, given_subscribers):
    check_audience(engines("spark"), policies, given_clicks, given_links, given_subscribers)


def naive_population(rows, off):
    cells, days = {}, {}
    for p, when, hour, mesh in filter(inside, rows):
        kind = "day-off" if when in off else "weekday"
        levels = [str(mesh // 10), str(mesh // 1000), TOTAL]
        for cell in itertools.product(levels, [f"{hour:02d}", TOTAL], [kind, TOTAL]):
            cells.setdefault(cell, set()).add(p)
            days.setdefault(cell, set()).add((p, when))
    return {c: len(v) for c, v in cells.items()}, {c: len(v) for c, v in days.items()}


def not_merged(plan):
    tables = tuple(replace(t, dimensions=tuple(replace(d, merged=False) for d in t.dimensions)) for t in plan.tables)
    return replace(plan, tables=tables)


@SLOW
@given(rows=positions)
def test_population_equals_a_naive_count(duckdb_engine, policies, rows):
    plan = not_merged(plan_of(policies, "population-by-place"))
    events = {"locations": registered(duckdb_engine, policies, "locations", rows, ["p", "day", "hour", "mesh"])}
    (table,) = tabulate(duckdb_engine, plan, events)
    persons, person_days = naive_population(rows, plan.off)
    frame = table.frame.set_index(table.keys)
    assert frame["persons"].to_dict() == persons
    assert frame["person_days"].to_dict() == person_days
    assert set(frame["days"]) <= {31, 21, 10}
    again = recount(duckdb_engine, plan, events)
    again = again[again["recounted"] > 0]
    assert again[again["measure"] == "persons"].set_index(table.keys)["recounted"].to_dict() == persons
    assert again[again["measure"] == "person_days"].set_index(table.keys)["recounted"].to_dict() == person_days


def test_the_order_of_events_changes_nothing(duckdb_engine, policies):
    plan = plan_of(policies, "monthly-audience")
    rows = [(101, FIRST + d, "mail", pref, "20-29") for d, pref in ((0, "13"), (9, "27"), (9, "14"), (5, "13"))]
    seen = []
    for order in (rows, rows[::-1]):
        events = {
            "clicks": registered(duckdb_engine, policies, "clicks", [], ["p", "day", "service"]),
            "links": registered(duckdb_engine, policies, "links", [], ["p", "day", "service", "linked_p"]),
            "subscribers": registered(
                duckdb_engine, policies, "subscribers", order, ["p", "day", "service", "prefecture", "age_band"]
            ),
        }
        (table,) = tabulate(duckdb_engine, plan, events)
        seen.append(table.frame)
    assert seen[0].equals(seen[1])
    # the latest day has two: the greater code stands
    assert seen[0].set_index(["region", "age_band", "service"]).loc[("27", "20-29", "mail"), "subscribers"] == 1


PERSONS = Measure("persons", {"en": "", "ja": ""}, MeasureKind.PERSONS, "s", {})


@st.composite
def cubes(draw):
    """A table of two person dimensions, one of them with two levels, every margin."""
    a = {"a1": "A", "a2": "A", "a3": "B", "a4": "B", "A": TOTAL, "B": TOTAL}
    b = dict.fromkeys(["b1", "b2", "b3"], TOTAL)
    leaves = {(x, y): draw(st.integers(0, 40)) for x in list(a)[:4] for y in b}

    def covers(code, leaf, parents):
        return code in (leaf, TOTAL, parents[leaf])

    rows = [
        (x, y, sum(n for (u, v), n in leaves.items() if covers(x, u, a) and covers(y, v, b)))
        for x in [*a, TOTAL] for y in [*b, TOTAL]
    ]  # fmt: skip
    level = {code: "fine" if code[0] == "a" else "coarse" for code in a}
    title = {"en": "", "ja": ""}
    dims = (
        Dimension("a", title, DimensionKind.PERSON, ("fine", "coarse"), a, level, {}, complete=True),
        Dimension("b", title, DimensionKind.PERSON, ("one",), b, dict.fromkeys(b, "one"), {}, complete=True),
    )
    frame = pd.DataFrame(rows, columns=["a", "b", "persons"])
    return Table("t", title, dims, (PERSONS,), frame)


def protected(table, least):
    issue = Issue("t", parse_period(PeriodKind.MONTH, "2026-10"), (table,), least)
    safe = protect([table], issue, Rules(least)).tables
    return safe, replace(issue, tables=safe)


@SLOW
@given(table=cubes(), least=st.integers(2, 25))
def test_protection_gives_nothing_away(table, least):
    (safe,), issue = protected(table, least)
    shown = safe.frame["persons"].dropna()
    assert ((shown == 0) | (shown >= least)).all()
    assert audit([issue]) == ()
    assert unmet_needs(issue, [table], Rules(least)) == ()
    assert margins(issue)["consistent"].all()


@SLOW
@given(table=cubes(), data=st.data())
def test_what_is_given_back_is_found(table, data):
    """Every mutant that shows one more cell is caught, by somebody who knows which cells are unsafe."""
    (safe,), issue = protected(table, 10)
    true = table.frame["persons"]
    secondary = safe.frame.index[(safe.frame["persons_status"] != FREE) & ~true.between(1, 9)]
    if len(secondary) == 0:
        return
    row = data.draw(st.sampled_from(list(secondary)))
    frame = safe.frame.copy()
    frame.loc[row, ["persons", "persons_status"]] = [true[row], FREE]
    mutant = replace(issue, tables=(replace(safe, frame=frame),))
    assert unmet_needs(mutant, [table], Rules(10))
