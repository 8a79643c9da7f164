"""Real web logs that nobody here wrote: 9,999 accepted, 1 quarantined, and a release with nothing below the threshold."""

from __future__ import annotations

from datetime import date

import pytest

from anonymization.release.package import read_package
from jobs.verbs.build import build
from jobs.verbs.gate import gate

pytestmark = pytest.mark.real

RELEASE = {
    "release": "visitors", "title": {"en": "Visitors", "ja": "訪問者"},
    "description": {"en": "Visitors by browser and hour.", "ja": "ブラウザ・時間別訪問者。"},
    "owner": "data-engineering", "recipient": "media-research", "purpose": "statistical_information", "period": "month",
    "policy_versions": [date(1995, 1, 1)], "sources": ["weblogs"],
    "dimensions": {
        "browser": {"kind": "event", "title": {"en": "Browser", "ja": "ブラウザ"}, "column": "browser", "levels": ["family"]},
        "hour": {"kind": "event", "title": {"en": "Hour", "ja": "時"}, "column": "hour", "levels": ["hour"], "codelist": "hour"},
    },
    "tables": {
        "visitors": {
            "title": {"en": "Visitors", "ja": "訪問者"}, "dimensions": ["browser", "hour"],
            "measures": {
                "visitors": {"kind": "persons", "source": "weblogs", "title": {"en": "Visitors", "ja": "訪問者数"}},
                "requests": {"kind": "total", "source": "weblogs", "title": {"en": "Requests", "ja": "リクエスト数"}},
            },
        }
    },
    "headlines": {"visitors": [[]]},
    "protection": {"method": "suppression", "minimum_count": 10, "suppression_limit": 0.99},
}  # fmt: skip


@pytest.fixture(scope="module")
def taken(real_data, take_real):
    log = real_data / "weblogs" / "apache_logs_combined.log"
    return take_real("weblogs", log, "2015-05-21", "UTC", RELEASE)


def test_9999_and_1(taken):
    _, run = taken
    (one,) = run.taken
    assert run.failures == ()
    assert (one.read, one.accepted, one.dropped) == (10_000, 9_999, {})
    assert one.quarantined == {"line: not of the combined log": 1}
    assert 1_500 < one.crawlers < 4_000


def test_the_release_passes_the_gate_with_nothing_below_the_threshold(taken):
    setting, _ = taken
    candidate = build(setting, "visitors", "2015-05")
    result = gate(setting, candidate.id)
    closed = [reason for reason in result.reasons if "volume" not in reason]
    assert closed == []
    (table,) = read_package(candidate.package).tables
    shown = table.frame["visitors"].dropna()
    assert ((shown == 0) | (shown >= 10)).all()
    assert (shown > 0).sum() > 50
    assert set(table.frame["browser"]) >= {"Chrome", "Firefox", "_T"}


@pytest.mark.spark
def test_spark_builds_the_same_bytes(taken):
    setting, _ = taken
    digests = {build(setting, "visitors", "2015-05", engine=engine).request.digest for engine in ("duckdb", "spark")}
    assert len(digests) == 1
