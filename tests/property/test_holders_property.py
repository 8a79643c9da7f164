"""Properties: whom the threshold counts equals a naive count, in the build and in the gate's own."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import date

import pytest
from harness.forms import examples
from hypothesis import example, given
from hypothesis import strategies as st
from property.test_tables_property import FIRST, SERVICES, day, inside, links, registered

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import Release
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve

TITLE = {"en": "Clicks", "ja": "クリック"}
BROWSERS = ("Chrome", "Firefox")
CLICKS = {"kind": "persons", "source": "clicks", "title": TITLE}
DIMENSIONS = {
    "service": {"kind": "event", "title": TITLE, "column": "service", "levels": ["service"], "codelist": "service"},
    "browser": {"kind": "person", "title": TITLE, "attribute": "browser", "levels": ["browser"], "codelist": "browser"},
}
clicks = st.lists(
    st.tuples(st.integers(1, 9), day, st.sampled_from(SERVICES), st.sampled_from(BROWSERS)), min_size=1, max_size=25
)


def plan_of(policies, days, sources):
    declared = {
        "release": "clicks", "title": TITLE, "description": TITLE, "owner": "data-engineering",
        "recipient": "media-research", "purpose": "statistical_information", "period": "month",
        "policy_versions": [date(2018, 2, 1)], "sources": sources,
        "attributes": {"browser": {"source": "clicks", "column": "browser", "resolve": "latest"}},
        "dimensions": DIMENSIONS,
        "tables": {"t": {"title": TITLE, "dimensions": list(DIMENSIONS), "measures": {"clickers": CLICKS}}},
        "protection": {"method": "suppression", "minimum_count": 10, "established_days": days},
    }  # fmt: skip
    release = Release.model_validate(declared)
    return resolve(policies, release, parse_period(release.period, "2026-10"))


def naive(given_clicks, given_links, days, *, declared):
    """Persons and holders of each class, counted by sets."""
    members, seen, latest = defaultdict(set), defaultdict(set), {}
    for cookie, _, _, member in filter(inside, given_links):
        members[cookie].add(member)
    member_of = {cookie: min(of) for cookie, of in members.items() if len(of) == 1}
    for cookie, when, _, browser in filter(inside, given_clicks):
        who = member_of.get(cookie, cookie) if declared else cookie
        seen[who].add(when)
        latest[who] = max(latest.get(who, (0, "")), (when, browser))
    persons, holders = defaultdict(set), defaultdict(set)
    for cookie, _, service, _ in filter(inside, given_clicks):
        member = member_of.get(cookie)
        who = member if declared and member is not None else cookie
        for cell in itertools.product([service, TOTAL], [latest[who][1], TOTAL]):
            persons[cell].add(who)
            if member is not None or len(seen[who]) >= days:
                holders[cell].add(member if member is not None else who)
    return {cell: (len(who), len(holders[cell])) for cell, who in persons.items()}


def check(engine, policies, given_clicks, given_links, days, *, declared):
    plan = plan_of(policies, days, ["clicks", "links"] if declared else ["clicks"])
    assert (plan.judging, plan.linking) == ((None, "links") if declared else ("links", None))
    events = {
        "clicks": registered(engine, policies, "clicks", given_clicks, ["p", "day", "service", "browser"]),
        "links": registered(engine, policies, "links", given_links, ["p", "day", "service", "linked_p"]),
    }
    (table,) = tabulate(engine, plan, events)
    expected = naive(given_clicks, given_links, days, declared=declared)
    held = table.for_threshold.get("clickers", table.frame["clickers"])
    cells = zip(table.frame[table.keys].itertuples(index=False, name=None), table.frame["clickers"], held, strict=True)
    assert {cell: (persons, holders) for cell, persons, holders in cells if persons} == expected
    again = recount(engine, plan, events)
    again = again[again["recounted"] > 0].set_index(table.keys)
    assert dict(zip(again.index, zip(again["recounted"], again["for_threshold"], strict=True), strict=True)) == expected


ONE_MEMBER = [(cookie, FIRST, "mail", browser) for cookie, browser in ((1, "Chrome"), (2, "Firefox"), (3, "Firefox"))]
LINKED = [(1, FIRST, "mail", 101), (2, FIRST, "mail", 101)]


@examples(25)
@example(given_clicks=ONE_MEMBER, given_links=LINKED, days=1, declared=False)
@example(given_clicks=ONE_MEMBER, given_links=LINKED, days=2, declared=True)
@given(given_clicks=clicks, given_links=links, days=st.integers(1, 2), declared=st.booleans())
def test_holders_equal_a_naive_count(duckdb_engine, policies, given_clicks, given_links, days, declared):
    check(duckdb_engine, policies, given_clicks, given_links, days, declared=declared)


@pytest.mark.spark
def test_holders_on_spark(engines, policies):
    given_clicks = [*ONE_MEMBER, (4, FIRST, "news", "Chrome"), (4, FIRST + 1, "mail", "Chrome")]
    given_links = [*LINKED, (3, FIRST, "mail", 102), (3, FIRST, "mail", 103)]
    check(engines("spark"), policies, given_clicks, given_links, 2, declared=False)


@pytest.mark.spark
@pytest.mark.long("engines")
def test_holders_of_linked_persons_on_spark(engines, policies):
    given_clicks = [*ONE_MEMBER, (4, FIRST, "news", "Chrome"), (4, FIRST + 1, "mail", "Chrome")]
    check(engines("spark"), policies, given_clicks, LINKED, 2, declared=True)
