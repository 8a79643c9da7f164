"""NASA's web server in August 1995: another layout, host names for persons, no user agents; and what it publishes."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from anonymization.release.package import read_package
from jobs.verbs.build import build
from jobs.verbs.gate import gate

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]

RELEASE = {
    "release": "visitors", "title": {"en": "Visitors", "ja": "訪問者"},
    "description": {"en": "Visitors by hour.", "ja": "時間別訪問者。"},
    "owner": "data-engineering", "recipient": "media-research", "purpose": "statistical_information", "period": "month",
    "policy_versions": [date(1995, 1, 1)], "sources": ["partner_sites"],
    "dimensions": {
        "hour": {"kind": "event", "title": {"en": "Hour", "ja": "時"}, "column": "hour", "levels": ["hour"], "codelist": "hour"},
        "day": {"kind": "event", "title": {"en": "Day", "ja": "日"}, "column": "day", "levels": ["day"]},
    },
    "tables": {
        "visitors": {
            "title": {"en": "Visitors", "ja": "訪問者"}, "dimensions": ["hour", "day"],
            "measures": {
                "visitors": {"kind": "persons", "source": "partner_sites", "title": {"en": "Visitors", "ja": "訪問者数"}},
                "requests": {"kind": "total", "source": "partner_sites", "title": {"en": "Requests", "ja": "リクエスト数"}},
            },
        }
    },
    "headlines": {"visitors": [[]]},
    "protection": {"method": "suppression", "minimum_count": 10, "suppression_limit": 0.99},
}  # fmt: skip
EASTERN = timezone(timedelta(hours=-4))
"""Florida's summer."""


@pytest.fixture(scope="module")
def log(real_data):
    return real_data / "nasa" / "nasa_19950801.tsv"


@pytest.fixture(scope="module")
def taken(log, take_real):
    return take_real("partner_sites", log, "1995-08-02", "America/New_York", RELEASE)


@pytest.fixture(scope="module")
def requests(log):
    """Hour and host of each request, read by Python alone."""
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(datetime.fromtimestamp(int(row["time"]), UTC).astimezone(EASTERN).hour, row["host"]) for row in rows]


def test_every_request_is_accounted_for(taken):
    _, run = taken
    (one,) = run.taken
    assert run.failures == ()
    assert (one.read, one.accepted, one.quarantined, one.dropped) == (30_969, 30_969, {}, {})
    assert one.unknown["browser"] == 30_969


def test_the_release_says_what_a_count_by_hand_says(taken, requests):
    setting, _ = taken
    candidate = build(setting, "visitors", "1995-08")
    closed = [reason for reason in gate(setting, candidate.id).reasons if "volume" not in reason]
    assert closed == []
    (table,) = read_package(candidate.package).tables
    hosts, counts = defaultdict(set), defaultdict(int)
    for hour, host in requests:
        for cell in (f"{hour:02d}", "_T"):
            hosts[cell].add(host)
            counts[cell] += 1
    shown = table.frame[(table.frame["day"] == "1995-08-01") & (table.frame["visitors"] != 0)].set_index("hour")
    assert dict(shown["visitors"]) == {cell: len(found) for cell, found in hosts.items()}
    assert dict(shown["requests"]) == dict(counts)
