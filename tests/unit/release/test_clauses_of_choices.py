"""What clauses of the policy do about a person's choice: nothing is taken in, nothing that was is built of."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from harness.intakes import Intake
from harness.pseudonyms import pseudonym

from anonymization.deidentify.events import event_schema
from anonymization.keys import PeriodKeys
from anonymization.policy.periods import period_named
from anonymization.release.choices import Choices
from anonymization.release.left_out import register_left_out, without

pytestmark = pytest.mark.later_on_spark
SEEN = {
    "time": "2026-10-03T12:34:56+09:00", "ip_address": "198.18.7.9", "service": "news",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
}  # fmt: skip
SUBSCRIBERS = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service\n"


def click(cookie):
    return SEEN | {"cookie_id": cookie, "url": "https://news.example.jp/", "referrer": None}


def sign_in(cookie, member):
    return SEEN | {"cookie_id": cookie, "member_id": member}


def as_lines(*records):
    return "".join(json.dumps(one) + "\n" for one in records).encode()


def page_view(client):
    names = "time amp_client_id page seconds_on_page referrer access_source browser browser_version os os_version"
    row = ("1791003296", client, "/p", "", "", "mail", "", "", "", "")
    return f"{chr(9).join(names.split())}\n{chr(9).join(row)}\n".encode()


@pytest.fixture
def built_without(engine, home, policies):
    """Whose rows are built of, of ids of a namespace, once somebody chose; sign-ins are cookie and member."""
    keys = PeriodKeys(home)

    def keyed(person):
        return pseudonym(keys, "2026-10", "\x1f".join(person))

    def built_without(chosen, namespace, ids, sign_ins=()):
        intake = Intake(home, policies, engine)
        taken = (
            intake.take("links", as_lines(*(sign_in(*pair) for pair in sign_ins)), "sign-ins.jsonl")
            if sign_ins
            else None
        )
        links = {"links": sorted(home.events.glob("source=links/*/*.parquet"))} if taken else {}
        register_left_out(
            engine, "gone", policies, period_named("2026-10"), keys, Choices(tuple(enumerate(chosen, 1))), links
        )
        schema = event_schema(policies.sources["clicks"], linked=False)
        rows = [{name: keyed((namespace, one)) if name == "p" else None for name in schema.names} for one in ids]
        engine.register("rows_before", pa.Table.from_pylist(rows, schema))
        without(engine, "rows_before", "gone", "rows_built")
        names = {keyed((namespace, one)): one for one in ids}
        return sorted(names[row["p"]] for row in engine.fetch("SELECT p FROM rows_built").to_pylist())

    return built_without


def test_clause_6_whoever_refuses_cookies_is_in_nothing(engine, home, policies, built_without):
    chosen = [("cookie", "refused")]
    taken = Intake(home, policies, engine, optouts=chosen).take(
        "clicks", as_lines(click("refused"), click("other"), click(None)), "a.jsonl"
    )
    assert (taken.accepted, taken.dropped) == (1, {"opted out": 1, "no identifier": 1})
    assert built_without(chosen, "cookie", ["other", "refused"]) == ["other"]


def test_clause_7_whoever_opts_out_of_analytics_is_in_nothing(engine, home, policies, built_without):
    chosen = [("client", "amp-1")]
    intake = Intake(home, policies, engine, optouts=chosen)
    taken = [intake.take("analytics", page_view(one), f"{one}.tsv") for one in ("amp-1", "amp-2")]
    assert [(one.accepted, one.dropped) for one in taken] == [(0, {"opted out": 1}), (1, {})]
    assert built_without(chosen, "client", ["amp-1", "amp-2"]) == ["amp-2"]
    assert built_without(chosen, "cookie", ["amp-1"]) == ["amp-1"], "a cookie of the same text is somebody else's"


def test_clause_4_whoever_discontinues_is_in_nothing(engine, home, policies, built_without):
    chosen = [("member", "m1")]
    intake = Intake(home, policies, engine, optouts=chosen)
    rows = "".join(f"2026-10-31,{one},x,x,1980-05-01,,,,mail\n" for one in ("m1", "m2"))
    taken = intake.take("subscribers", (SUBSCRIBERS + rows).encode(), "a.csv")
    assert (taken.accepted, taken.dropped) == (1, {"opted out": 1})
    assert built_without(chosen, "member", ["m1", "m2"]) == ["m2"]
    sign_ins = [("hers", "m1"), ("shared", "m1"), ("shared", "m2"), ("his", "m2")]
    assert built_without(chosen, "cookie", ["hers", "shared", "his", "nobodys"], sign_ins) == ["his", "nobodys"]
