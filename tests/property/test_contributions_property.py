"""Properties: the two largest contributions of every cell, tabulated and recounted, equal a naive list of them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from harness.events import registered
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.policy.periods import parse_period
from anonymization.tables.counting.largest import largest_of_unions
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve

SLOW = examples(20)
FEW = examples(2)
DAY = 20_727
REGIONS = {"13": "kanto", "14": "kanto", "27": "kinki", "unknown": "unknown_region"}

persons = st.integers(1, 6)
views = st.lists(
    st.tuples(persons, st.just("display"), st.sampled_from(["iPhone", "iPad", "Mac"]), st.sampled_from(["own", "travel-guide"])),
    max_size=40,
)  # fmt: skip
homes = st.dictionaries(persons, st.sampled_from(["13", "14", "27"]))
pages = st.lists(st.tuples(persons, st.sampled_from(["direct", "search"]), st.integers(0, 50)), max_size=25)


def plan_of(policies, name):
    release = policies.release(name)
    return resolve(policies, release, parse_period(release.period, "2026-10"))


def naive(cells):
    """The two largest of each cell's contributions by person."""
    found = {}
    for cell, of_persons in cells.items():
        largest = sorted([*of_persons.values(), 0, 0], reverse=True)
        found[cell] = (sum(largest), largest[0], largest[1])
    return found


def check(engine, plan, events, measure, expected, *, again=True):
    """The table holds every cell, those without anybody too; the recount those with somebody."""
    (table,) = tabulate(engine, plan, events)
    frame = pd.concat([table.frame[[*table.keys, measure]], table.largest[measure]], axis=1)
    assert list(frame.dtypes.iloc[-3:]) == [np.dtype("int64")] * 3
    found = {row[:3]: row[3:] for row in frame.itertuples(index=False, name=None)}
    assert {cell: row for cell, row in found.items() if cell in expected} == expected
    assert {row for cell, row in found.items() if cell not in expected} <= {(0, 0, 0)}
    if not again:
        return
    counted = recount(engine, plan, events)
    counted = counted[(counted["measure"] == measure) & counted["recounted"].notna()]
    rows = counted[[*table.keys, "recounted", "first", "second"]].itertuples(index=False, name=None)
    assert {row[:3]: tuple(map(int, row[3:])) for row in rows} == expected


def check_displays(engine, policies, given_views, given_homes, *, again=True):
    plan = plan_of(policies, "media-and-ads")
    events = {
        "displays": registered(
            engine, policies, "displays", given_views, ["p", "action", "device", "partner"], day=DAY
        ),
        "links": registered(engine, policies, "links", [], ["p", "service", "linked_p"], day=DAY),
        "subscribers": registered(
            engine, policies, "subscribers", list(given_homes.items()), ["p", "prefecture"], day=DAY
        ),
    }
    cells = {}
    for who, _, device, partner in given_views:
        family = "computer_or_other" if device == "Mac" else "apple_mobile"
        region = REGIONS[given_homes.get(who, "unknown")]
        for cell in itertools.product([partner, TOTAL], [family, TOTAL], [region, TOTAL]):
            of_persons = cells.setdefault(cell, {})
            of_persons[who] = of_persons.get(who, 0) + 1
    check(engine, plan, events, "displays", naive(cells), again=again)


@SLOW
@given(given_views=views, given_homes=homes)
def test_largest_numbers_of_events(duckdb_engine, policies, given_views, given_homes):
    check_displays(duckdb_engine, policies, given_views, given_homes)


@pytest.mark.spark
@pytest.mark.long("fuzz")  # in short, tests/parity counts a whole month of it on both engines
@FEW
@given(given_views=views, given_homes=homes)
def test_largest_numbers_of_events_on_spark(engines, policies, given_views, given_homes):
    check_displays(engines("spark"), policies, given_views, given_homes, again=False)


@SLOW
@given(given_pages=pages)
def test_largest_sums_of_a_column(duckdb_engine, policies, given_pages):
    plan = plan_of(policies, "web-audience")
    rows = [(who, access, "Chrome", seconds) for who, access, seconds in given_pages]
    columns = ["p", "access_source", "browser", "seconds_on_page"]
    events = {"analytics": registered(duckdb_engine, policies, "analytics", rows, columns, day=DAY)}
    cells = {}
    for who, access, seconds in given_pages:
        for cell in itertools.product([access, TOTAL], ["Chrome", TOTAL], ["2026-10-01", TOTAL]):
            of_persons = cells.setdefault(cell, {})
            of_persons[who] = of_persons.get(who, 0) + seconds
    check(duckdb_engine, plan, events, "seconds", naive(cells))


@given(
    parts=st.lists(st.tuples(st.lists(st.integers(1, 9), max_size=4), st.integers(0, 3)), min_size=1, max_size=12)
)  # fmt: skip
def test_the_largest_of_a_union_are_those_of_its_parts(parts):
    pairs = [sorted([*values, 0, 0], reverse=True)[:2] for values, _ in parts]
    _, group = np.unique([union for _, union in parts], return_inverse=True)
    first, second = largest_of_unions(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), group)
    for union in range(group.max() + 1):
        everybody = [v for (values, _), g in zip(parts, group, strict=True) if g == union for v in values]
        assert [first[union], second[union]] == sorted([*everybody, 0, 0], reverse=True)[:2]
