"""Properties: whom the threshold counts equals a naive count, in the build and in the gate's own."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import date

import pytest
from harness.events import registered
from harness.forms import examples
from hypothesis import example, given
from hypothesis import strategies as st
from property.test_tables_property import FIRST, SERVICES, day, inside, links

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import Release
from anonymization.tables.counting.changes import changes
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
        "protection": {"method": "suppression", "minimum_count": 10, "established_days": days, "suppression_limit": 0.5},
    }  # fmt: skip
    release = Release.model_validate(declared)
    return resolve(policies, release, parse_period(release.period, "2026-10"))


def linked(given_links):
    """The one member of each cookie that has one."""
    members = defaultdict(set)
    for cookie, _, _, member in filter(inside, given_links):
        members[cookie].add(member)
    return {cookie: min(of) for cookie, of in members.items() if len(of) == 1}


def classes(given_clicks, given_links, days, *, declared):
    """The persons of each class, and whose each of them is, if the threshold counts them."""
    member_of, seen, latest = linked(given_links), defaultdict(set), {}
    for cookie, when, _, browser in filter(inside, given_clicks):
        who = member_of.get(cookie, cookie) if declared else cookie
        seen[who].add(when)
        latest[who] = max(latest.get(who, (0, "")), (when, browser))
    persons, holder_of = defaultdict(set), {}
    for cookie, _, service, _ in filter(inside, given_clicks):
        member = member_of.get(cookie)
        who = member if declared and member is not None else cookie
        for cell in itertools.product([service, TOTAL], [latest[who][1], TOTAL]):
            persons[cell].add(who)
        if member is not None or len(seen[who]) >= days:
            holder_of[who] = member if member is not None else who
    return persons, holder_of


def naive(given_clicks, given_links, days, *, declared):
    """Persons and holders of each class, counted by sets."""
    persons, holder_of = classes(given_clicks, given_links, days, declared=declared)
    return {cell: (len(who), len({holder_of[one] for one in who & set(holder_of)})) for cell, who in persons.items()}


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


def check_changes(engine, policies, before, after, days, *, declared):
    """Who is in a class in one of two states alone, each given as clicks and links, equals what sets say."""
    plan = plan_of(policies, days, ["clicks", "links"] if declared else ["clicks"])
    events = []
    for state, rows in (("then", before), ("now", after)):
        of_state = {}
        for source, given_rows, last in zip(("clicks", "links"), rows, ("browser", "linked_p"), strict=True):
            engine.create(
                f"{state}_{source}",
                f"SELECT e.* FROM {registered(engine, policies, source, given_rows, ['p', 'day', 'service', last])} AS e",
            )
            of_state[source] = f"{state}_{source}"
        events.append(of_state)
    (then, owned), (now, owns) = (classes(*rows, days, declared=declared) for rows in (before, after))
    owns |= {member if declared else cookie: member for cookie, member in linked(after[1]).items()}  # seen or not
    expected = {}
    for cell in {*then, *now}:
        if moved := then[cell] ^ now[cell]:
            whose = {**{who: owned[who] for who in owned if who not in owns}, **owns}
            held = {whose[who] for who in moved if who in whose}
            expected[cell] = (len(held), len(now[cell]) - len(then[cell]), len(moved))
    found = changes(engine, plan, *events).set_index(list(DIMENSIONS))
    told = zip(found["for_threshold"], found["apart"], found["moved"], strict=True)
    assert dict(zip(found.index, told, strict=True)) == expected


@examples(25)
@example(before=(ONE_MEMBER, LINKED), late=(ONE_MEMBER[:1], LINKED[:1]), gone=0, days=1, declared=False)
@example(before=(ONE_MEMBER, []), late=([], LINKED), gone=0, days=1, declared=True)
@example(  # a sign-in named somebody who was not seen yet; now two members have it
    before=([], [(1, FIRST, "search", 102)]),
    late=([(1, FIRST, "search", "Chrome")], [(1, FIRST, "search", 101)]),
    gone=0,
    days=2,
    declared=False,
)
@example(  # whoever is not seen any more has signed in: the cookie is a member's
    before=([(1, FIRST, "search", "Chrome")], []),
    late=([(1, FIRST - 1, "search", "Chrome")], [(1, FIRST, "search", 101)]),
    gone=1,
    days=2,
    declared=False,
)
@given(
    before=st.tuples(clicks, links),
    late=st.tuples(clicks, links),
    gone=st.integers(0, 3),
    days=st.integers(1, 2),
    declared=st.booleans(),
)
def test_who_changed_equals_a_naive_count(duckdb_engine, policies, before, late, gone, days, declared):
    after = (before[0][gone:] + late[0], before[1] + late[1])
    check_changes(duckdb_engine, policies, before, after, days, declared=declared)


@pytest.mark.spark
def test_who_changed_on_spark(engines, policies):
    late = [(4, FIRST, "news", "Chrome"), (4, FIRST + 1, "mail", "Chrome"), (1, FIRST + 2, "mail", "Firefox")]
    after = (ONE_MEMBER[1:] + late, [*LINKED, (3, FIRST, "mail", 102)])
    check_changes(engines("spark"), policies, (ONE_MEMBER, LINKED), after, 2, declared=True)


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
