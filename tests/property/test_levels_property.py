"""Tables at pinned levels equal a naive count, and the gate's recount; on both engines."""

from __future__ import annotations

import itertools

import pytest
from harness.events import registered
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.hierarchies.cut import faults
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import Release
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.levels import Ladder, counted, kept, listed, proposed
from anonymization.tables.plan import resolve

DAY = 20_730
TITLE = {"en": "x", "ja": "x"}
REGIONS = {"12": "kanto", "13": "kanto", "14": "kanto", "02": "tohoku", "03": "tohoku", "27": "kinki"}
DEVICES = {"iPhone": "apple_mobile", "iPad": "apple_mobile", "iPod": "apple_mobile", "Sony": "other_mobile", "Sharp": "other_mobile",
           "Mac": "computer_or_other"}  # fmt: skip
REGION_PINS = (
    ["kanto", "13", "tohoku"], ["kanto", "12", "13", "14", "08", "kinki"], ["tohoku", "kinki"], ["kanto", "kinki", "tohoku", "02"],
)  # fmt: skip
DEVICE_PINS = (["apple_mobile", "iPhone", "other_mobile"], ["apple_mobile"], ["other_mobile", "Sony", "apple_mobile"])

members = st.lists(st.tuples(st.integers(101, 106), st.sampled_from([*REGIONS, "unknown"])), max_size=6)
displays = st.lists(
    st.tuples(st.integers(1, 8), st.sampled_from(list(DEVICES)), st.sampled_from(["own", "sports"])), max_size=20
)
links = st.lists(st.tuples(st.integers(1, 8), st.integers(101, 106)), max_size=8)


def declared(policies, region_pins, device_pins):
    content = policies.release("media-and-ads").model_dump(mode="json", by_alias=True)
    content["dimensions"]["region"] |= {"finest": 0, "levels": ["prefecture", "region"]}
    content["dimensions"]["device"] |= {"finest": 0, "levels": ["device", "family"]}
    viewers = {"viewers": {"kind": "persons", "source": "displays", "title": TITLE}}
    content["tables"] = {"media": {"title": TITLE, "dimensions": ["device", "region"], "measures": viewers}}
    content["pins"] = {0: {"region": region_pins, "device": device_pins}}
    release = Release.model_validate(content)
    return resolve(policies, release, parse_period(release.period, "2026-10"), expected=0)


def path(value, above, pins):
    """The codes that a value counts under, finest first, by the rule as the docs say it."""
    chain = [value, above[value]] if value in above else [value, f"{value}_region"]
    if value == "unknown":
        return ["unknown", "unknown_region"]
    if chain[0] in pins:
        return chain
    if chain[1] in pins:
        divided = any(below in pins for below, up in above.items() if up == chain[1])
        return [f"{chain[1]}_O", chain[1]] if divided else [chain[1]]
    return ["_O"]


def naive(given_displays, given_members, given_links, region_pins, device_pins):
    pairs = {}
    for cookie, member in given_links:
        pairs.setdefault(cookie, set()).add(member)
    member_of = {cookie: next(iter(found)) for cookie, found in pairs.items() if len(found) == 1}
    region_of = {}
    for member, region in given_members:
        if region != "unknown":
            region_of[member] = max(region, region_of.get(member, ""))
    cells = {}
    for cookie, device, _ in given_displays:
        person = member_of.get(cookie, cookie)
        regions = [*path(region_of.get(person, "unknown"), REGIONS, region_pins), "_T"]
        for cell in itertools.product([*path(device, DEVICES, device_pins), "_T"], regions):
            cells.setdefault(cell, set()).add(person)
    return {cell: len(people) for cell, people in cells.items()}


def events_of(engine, policies, rows, people=(), pairs=()):
    return {
        "displays": registered(engine, policies, "displays", rows, ["p", "device", "partner"], day=DAY),
        "subscribers": registered(engine, policies, "subscribers", people, ["p", "prefecture"], day=DAY),
        "links": registered(engine, policies, "links", pairs, ["p", "linked_p"], day=DAY),
    }


def counts(engine, policies, plan, rows, people, pairs):
    events = events_of(engine, policies, rows, people, pairs)
    (table,) = tabulate(engine, plan, events)
    assert not table.frame.duplicated(table.keys).any()
    made = {tuple(row[:2]): row[2] for row in table.frame[[*table.keys, "viewers"]].to_numpy() if row[2]}
    again = recount(engine, plan, events)
    assert not again.duplicated(["device", "region"]).any()
    return made, {tuple(row[:2]): row[2] for row in again[["device", "region", "recounted"]].to_numpy() if row[2]}


@examples(30)
@given(displays, members, links, st.sampled_from(REGION_PINS), st.sampled_from(DEVICE_PINS))
def test_pinned_tables_equal_a_naive_count(duckdb_engine, policies, rows, people, pairs, region_pins, device_pins):
    plan = declared(policies, region_pins, device_pins)
    made, again = counts(duckdb_engine, policies, plan, rows, people, pairs)
    assert made == again == naive(rows, people, pairs, region_pins, device_pins)


@pytest.mark.later_on_spark
def test_pinned_tables_on_both_engines(engine, policies):
    rows = [(1, "iPhone", "own"), (1, "Mac", "own"), (2, "iPad", "own"), (3, "Sony", "own"), (4, "Sharp", "own")]
    people, pairs = [(101, "13"), (102, "02"), (103, "27")], [(1, 101), (2, 102), (3, 103)]
    plan = declared(policies, REGION_PINS[0], DEVICE_PINS[0])
    made, again = counts(engine, policies, plan, rows, people, pairs)
    assert made == again == naive(rows, people, pairs, REGION_PINS[0], DEVICE_PINS[0])


@examples(30)
@given(displays, st.sampled_from([0.0, 0.2, 0.5]))
def test_proposed_pins_are_a_cut_and_keep_the_limit(duckdb_engine, policies, rows, limit):
    plan = declared(policies, REGION_PINS[0], DEVICE_PINS[0])
    whole = resolve(policies, plan.release, plan.period)
    ladders = {
        name: Ladder({v: (v, *up) for v, up in policies.hierarchies[name].items()}, frozenset(unknown))
        for name, unknown in (("device", ()), ("region", ("unknown", "unknown_region")))
    }
    cells = [
        counted(table, ladders) for table in tabulate(duckdb_engine, whole, events_of(duckdb_engine, policies, rows))
    ]
    pins = proposed(cells, ladders, 3, limit)
    chosen = listed(pins, ladders)
    for name, codes in chosen.items():
        spec = plan.release.dimensions[name]
        chains = spec.chains(policies.hierarchies, policies.codelists)
        assert faults(chains, spec.standing(chains, codes)) == []
    cannot_give_up = all(len(pins[name] - ladder.unknown) == 1 for name, ladder in ladders.items())
    assert cannot_give_up or (kept(cells, ladders, pins, 3).few <= limit).all()
