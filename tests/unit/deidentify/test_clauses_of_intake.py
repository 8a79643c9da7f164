"""What clauses of the policy do at the intake."""

from __future__ import annotations

from datetime import date

import pytest
from harness.pseudonyms import pseudonym
from test_intake import CANARY, CLICK, HEADER, SUBSCRIBER, changed, lines

pytestmark = pytest.mark.later_on_spark
PAGE_VIEW = {
    "time": "1759463696", "amp_client_id": CANARY, "page": f"/p/1?name={CANARY}", "seconds_on_page": "5",
    "referrer": f"https://mail.example.jp/{CANARY}", "access_source": "mail", "browser": "Chrome",
    "browser_version": "130.0.6723.92", "os": "Windows", "os_version": "10.0.19045",
}  # fmt: skip


def test_clause_5_mandatory_items(intake):
    """What is optional may be left out, and counts as unknown; a row without what is mandatory is rejected."""
    row = SUBSCRIBER.replace("1980-05-01", "").replace("〒100-0001 東京都千代田区1-1", "")
    taken = intake.take("subscribers", f"{HEADER}\n{row}\n{SUBSCRIBER.removesuffix('mail')}\n".encode(), "a.csv")
    (event,) = intake.events(taken)
    assert (event["age_band"], event["prefecture"], event["service"]) == ("unknown", "unknown", "mail")
    assert taken.quarantined == {"service: missing": 1}


def test_clause_6_a_cookie_that_is_permitted_counts(intake):
    """By its pseudonym of the month; without one there is nobody to count."""
    november = changed(time="2026-11-03T12:34:56+09:00")
    rows = lines(CLICK, november, changed(cookie_id=None), changed(cookie_id=""))
    taken = intake.take("clicks", rows, "a.jsonl", arrived=date(2026, 11, 30))
    people = [pseudonym(intake.around.keys, month, f"cookie\x1f{CANARY}") for month in ("2026-10", "2026-11")]
    assert [event["p"] for event in sorted(intake.events(taken), key=lambda one: one["day"])] == people
    assert len(set(people)) == 2
    assert taken.dropped == {"no identifier": 2}


def test_clause_7_nobody_is_named_by_analytics(intake):
    """The client id becomes a pseudonym, a version its major number, an address its host or path."""
    content = "\t".join(PAGE_VIEW) + "\n" + "\t".join(PAGE_VIEW.values()) + "\n"
    (event,) = intake.events(intake.take("analytics", content.encode(), "a.tsv"))
    month = "2025-10"
    assert event.pop("p") == pseudonym(intake.around.keys, month, f"client\x1f{CANARY}")
    assert (event["referrer_host"], event["browser_version"], event["os_version"]) == ("mail.example.jp", "130", "10")
    assert event["page"] == "/p/*"
    assert CANARY not in str(event)
