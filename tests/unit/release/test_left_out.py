"""Whom a choice covers: its own id, and every id that a log of links names beside one whose choice covers those."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.pseudonyms import pseudonym

from anonymization.deidentify.events import event_schema
from anonymization.keys import PeriodKeys
from anonymization.policy.load import load_policies
from anonymization.policy.periods import parse_period, period_named
from anonymization.policy.releases import PeriodKind
from anonymization.release.choices import Choices
from anonymization.release.left_out import LeftOut, count_left_out, register_left_out, rounded_down, without

SIGN_INS = [
    ("cookie:a", "member:1", "2026-10-03"),
    ("cookie:b", "member:1", "2026-10-20"),
    ("cookie:b", "member:2", "2026-10-21"),  # in conflict
    ("cookie:c", "member:2", "2026-10-21"),
    ("cookie:d", "member:1", "2026-09-30"),
    (None, None, "2026-10-03"),  # a crawler
]
PEOPLE = ("cookie:a", "cookie:b", "cookie:c", "cookie:d", "member:1", "member:2", "client:a", "device:1")


def person(name):
    namespace, _, identity = name.partition(":")
    return namespace, identity


def keyed(keys, name, day="2026-10-01"):
    return None if name is None else pseudonym(keys, day[:7], "\x1f".join(person(name)))


def day_of(text):
    return parse_period(PeriodKind.DAY, text).first


def rows(policies, source, records):
    schema = event_schema(policies.sources[source], linked=source == "links")
    return pa.Table.from_pylist([{name: record.get(name) for name in schema.names} for record in records], schema)


@pytest.fixture
def links(home, policies, tmp_path):
    """Events of sign-ins, in a file."""
    keys = PeriodKeys(home)
    events = [
        {"p": keyed(keys, cookie, day), "linked_p": keyed(keys, member, day), "day": day_of(day)}
        for cookie, member, day in SIGN_INS
    ]
    path = tmp_path / "links.parquet"
    pq.write_table(rows(policies, "links", events), path)
    return path


@pytest.fixture
def left_out(engine, home, policies, links):
    """The names of those whom choices cover, and of each whose ids they are."""

    def left_out(chosen, period="2026-10", *, by=policies):
        keys = PeriodKeys(home)
        choices = Choices(tuple(enumerate(map(person, chosen), 1)))
        register_left_out(engine, "gone", by, period_named(period), keys, choices, {"links": [links]})
        found = engine.fetch("SELECT p, holder FROM gone").to_pylist()
        names = {keyed(keys, name): name for name in PEOPLE}
        return {names[row["p"]]: names[row["holder"]] for row in found}

    return left_out


@pytest.mark.once_on_spark
@pytest.mark.parametrize(
    ("chosen", "covered"),
    [
        pytest.param(["cookie:a"], {"cookie:a": "cookie:a"}, id="a cookie: itself, and nobody's account"),
        pytest.param(["client:a"], {"client:a": "client:a"}, id="a client id: not the cookie of the same text"),
        pytest.param(
            ["member:1"],
            {"member:1": "member:1", "cookie:a": "member:1", "cookie:b": "member:1"},
            id="a member: every cookie of the month, one in conflict too, and no other month's",
        ),
        pytest.param(
            ["cookie:b", "member:2"],
            {"member:2": "member:2", "cookie:b": "member:2", "cookie:c": "member:2"},
            id="a member, and a cookie that the choice covers anyway: one person",
        ),
        pytest.param(["device:1", "member:2"], {
            "device:1": "device:1", "member:2": "member:2", "cookie:b": "member:2", "cookie:c": "member:2",
        }, id="two persons"),
    ],
)  # fmt: skip
def test_whom_a_choice_covers(left_out, chosen, covered):
    assert left_out(chosen) == covered


def test_the_links_of_the_whole_month_count_for_one_of_its_days(left_out):
    assert sorted(left_out(["member:1"], "2026-10-31")) == ["cookie:a", "cookie:b", "member:1"]


def test_a_cookie_covers_its_member_where_the_policy_says_so(left_out, policy_folder):
    path = policy_folder / "policy.yaml"
    path.write_text(path.read_text().replace("namespaces: [cookie]", "namespaces: [cookie]\n    covers_linked: true"))
    covered = left_out(["cookie:a"], by=load_policies(policy_folder))
    assert covered == {"cookie:a": "member:1", "cookie:b": "member:1", "member:1": "member:1"}


def test_who_was_left_out_is_counted_by_person(engine, home, policies, left_out):
    left_out(["member:1", "client:a"])
    keys = PeriodKeys(home)
    every = [(name, day) for name in ("cookie:a", "cookie:b", "cookie:c", None) for day in ("2026-10-01", "2026-11-01")]
    events = [{"p": keyed(keys, name), "day": day_of(day)} for name, day in every]
    engine.register("every_clicks", rows(policies, "clicks", events))
    counted = count_left_out(engine, "gone", ["every_clicks"], period_named("2026-10"), keys)
    assert (counted.rows, counted.persons) == (2, 1)
    without(engine, "every_clicks", "gone", "clicks")
    kept = engine.fetch("SELECT p FROM clicks WHERE day < 20758").column("p").to_pylist()
    assert sorted(kept, key=str) == sorted([keyed(keys, "cookie:c"), None], key=str), "a crawler is nobody's"


@pytest.mark.parametrize(("number", "told"), [(0, "fewer than 10"), (9, "fewer than 10"), (10, "10"), (1_239, "1,230")])
def test_what_is_told_of_it_is_the_same_for_one_more(number, told):
    assert rounded_down(number, 10) == told
    assert LeftOut(number, number).told(10) == {"rows": told, "persons": told}
