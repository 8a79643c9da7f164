"""Every statistic that the policy names, from logs written by hand whose figures can be counted on paper."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.houses import on_any_day

from anonymization.home import Home
from anonymization.policy.load import load_policies
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES

TOKYO = timezone(timedelta(hours=9))
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
)


def ids(prefix, past, first=0):
    return [f"{prefix}{n:02d}" for n in range(first, past)]


def at(day, hour=12):
    return datetime(2026, 10, day, hour, tzinfo=TOKYO)


def visit(cookie, agent):
    return {
        "time": at(6).isoformat(), "cookie_id": cookie, "ip_address": "198.18.0.1", "user_agent": agent,
        "url": "https://news.example.jp/p", "referrer": None, "service": "news",
    }  # fmt: skip


def sign_in(cookie, member, service):
    return {
        "time": at(5).isoformat(), "cookie_id": cookie, "member_id": member, "service": service,
        "ip_address": None, "user_agent": IPHONE,
    }  # fmt: skip


def shown(cookie, agent, partner, action="display", kind="ad", entry=None):
    return {
        "time": int(at(7).timestamp() * 1000), "cookie_id": cookie, "action": action, "kind": kind, "partner": partner,
        "entry": entry, "service": "news", "campaign": "k", "url": "https://news.example.jp/p",
        "ip_address": None, "user_agent": agent,
    }  # fmt: skip


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def delimited(mark, *rows):
    return "".join(mark.join(map(str, row)) + "\n" for row in rows).encode()


def parquet(columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def subscriber(member, born, address, service):
    return "2026-10-31", member, "n", "k", born, address, "0", "a", service


def usage(people, service, status, times):
    return [(at(8), member, service, status) for member in people for _ in range(times)]


MAIL, NEWS = ids("m", 48), ids("n", 48)
"""Subscribers of mail and of news: twelve each of every kind of people."""
PEOPLE = [
    (born, address) for address in ("東京都千代田区1-1", "大阪府大阪市北区1-1") for born in ("1990-01-01", "1980-05-01")
]
"""Of 36 and 46 years, in Tokyo and Osaka: no group is all in one class."""
COOKIES, GUESTS = ids("k", 48), ids("g", 12)
"""Cookies of the subscribers of mail, and cookies that nobody signed in with."""
SEARCHING = ids("s", 60)


def first_of_each(twelves, number):
    """The first of every twelve."""
    return [one for n, one in enumerate(twelves) if n % 12 < number]


TWICE = first_of_each(MAIL, 6)
SECOND = [f"x{member}" for member in TWICE]
"""Second cookies of half of the subscribers of mail."""
STOPPED = first_of_each(NEWS, 11)


def logs():
    used = [*usage(MAIL, "mail", "active", 2), *usage(STOPPED, "news", "stopped", 1)]
    places = [(at(day), f"d{n:02d}") for day in (5, 6) for n in range(25)]
    return {
        "source=subscribers/arrived=2026-10-31/subscribers.csv": delimited(
            ",", ["as_of", "member_id", "name", "kana", "birth_date", "postal_address", "phone", "email", "service"],
            *[subscriber(m, *PEOPLE[n // 12], "mail") for n, m in enumerate(MAIL)],
            *[subscriber(m, *PEOPLE[n // 12], "news") for n, m in enumerate(NEWS)],
        ),
        "source=links/arrived=2026-10-05/links.jsonl": jsonl(
            [
                *[sign_in(c, m, "mail") for c, m in zip(COOKIES, MAIL, strict=True)] * 2,
                *[sign_in(c, m, "mail") for c, m in zip(SECOND, TWICE, strict=True)],
                *[sign_in(f"y{m}", m, "news") for m in STOPPED],
            ]
        ),
        "source=clicks/arrived=2026-10-06/clicks.jsonl": jsonl(
            [visit(c, IPHONE) for c in [*COOKIES, *COOKIES, *SECOND]] + [visit(c, WINDOWS) for c in GUESTS]
        ),
        "source=displays/arrived=2026-10-07/displays.jsonl": jsonl(
            [
                *[shown(c, IPHONE, "recipes") for c in COOKIES] * 3,
                *[shown(c, IPHONE, "recipes", "click") for c in first_of_each(COOKIES, 10)],
                *[shown(c, IPHONE, "recipes", kind="page", entry="partner") for c in first_of_each(COOKIES, 11)],
                *[shown(c, WINDOWS, "sports") for c in GUESTS] * 2,
                *[shown(c, WINDOWS, "own", kind="page", entry="direct") for c in GUESTS],
            ]
        ),
        "source=searches/arrived=2026-10-13/searches.tsv": delimited(
            "\t", ("time", "cookie_id", "query", "category", "results"),
            *[(at(6).isoformat(), c, "天気", "web", 1) for c in SEARCHING],
            *[(at(13).isoformat(), c, "　天気 ", "web", 1) for c in SEARCHING[:55]],
            *[(at(6).isoformat(), c, "秘密", "web", 1) for c in SEARCHING[:49]],
        ),
        "source=service_usage/arrived=2026-10-08/usage.parquet": parquet({
            "time": pa.array([row[0].astimezone(UTC) for row in used], pa.timestamp("us", "UTC")),
            "member_id": [row[1] for row in used], "service": [row[2] for row in used],
            "status": [row[3] for row in used], "channel": ["app"] * len(used),
            **{name: pa.nulls(len(used), pa.string()) for name in ("voice_seconds", "voice_data", "error_message")},
        }),
        "source=analytics/arrived=2026-10-04/analytics.tsv": delimited(
            "\t", ["time", "amp_client_id", "page", "seconds_on_page", "referrer", "access_source", "browser", "browser_version", "os", "os_version"],
            *[(int(at(3).timestamp()), a, "https://a.example/p", 30, "", "search", "Safari", "17", "iOS", "17") for a in ids("a", 12)] * 2,
            *[(int(at(4).timestamp()), a, "https://a.example/p", 5, "", "direct", "Chrome", "130", "Windows", "10") for a in ids("a", 10)],
        ),
        "source=locations/arrived=2026-10-06/locations.parquet": parquet({
            "time": pa.array([moment.astimezone(UTC) for moment, _ in places], pa.timestamp("us", "UTC")),
            "device_id": [device for _, device in places],
            "latitude": [35.658581] * len(places), "longitude": [139.745433] * len(places),
        }),
    }  # fmt: skip


@pytest.fixture(scope="module")
def setting(policies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    policies = load_policies(on_any_day(shutil.copytree(policies.folder, folder / "policies")))
    home = Home(folder / "home")
    initialize(home, policies=policies.folder)
    for name, content in logs().items():
        path = home.landing / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    run = run_intake(home, policies, arrivals(home, policies), optouts=[])
    assert run.failures == ()
    assert all(taken.accepted == taken.read for taken in run.taken)
    ledger = Ledger.of(home)
    yield Setting(home, policies, ledger)
    ledger.close()


@pytest.fixture(scope="module")
def candidates(setting):
    return {name: build(setting, name, "2026-10") for name in RELEASES}


@pytest.fixture(scope="module")
def published(candidates):
    return {(name, table.name): table for name, one in candidates.items() for table in read_package(one.package).tables}


RECIPES = {"partner": "recipes", "device": "apple_mobile", "region": "kanto"}
STATISTICS = {
    "number of users": ("monthly-audience", "audience", "users", {}, 92),
    "number of users of a service": ("monthly-audience", "audience", "users", {"service": "mail"}, 48),
    "number of subscribers": ("monthly-audience", "audience", "subscribers", {}, 96),
    "number of subscribers by region, age and service": ("monthly-audience", "audience", "subscribers", {"region": "27", "age_band": "40-49", "service": "news"}, 12),
    "number of browsing persons: a member with two cookies is one": ("monthly-audience", "audience", "browsing_persons", {}, 60),
    "number of browsing persons of a region": ("monthly-audience", "audience", "browsing_persons", {"region": "kanto"}, 24),
    "number of inductions": ("media-and-ads", "media", "inductions", {}, 44),
    "number of inductions by partner, device family and region": ("media-and-ads", "media", "inductions", RECIPES, 22),
    "number of inductions: who came directly was not induced": ("media-and-ads", "media", "inductions", {"partner": "own"}, 0),
    "display count": ("media-and-ads", "media", "displays", {}, 4 * (36 + 11) + 24 + 12),
    "display count of an ad partner": ("media-and-ads", "media", "displays", {"partner": "sports"}, 24),
    "persons displayed to": ("media-and-ads", "media", "viewers", RECIPES, 24),
    "click count": ("media-and-ads", "media", "clicks", {}, 40),
    "click-through, numerator": ("media-and-ads", "media", "clicks", RECIPES, 20),
    "click-through, denominator": ("media-and-ads", "media", "displays", RECIPES, 94),
    "persons who clicked": ("media-and-ads", "media", "clickers", RECIPES, 20),
    "utilization by service: persons": ("service-usage", "usage", "users", {"service": "mail", "status": "active", "age_band": "30-39"}, 24),
    "utilization by service: uses": ("service-usage", "usage", "uses", {"service": "mail"}, 96),
    "utilization by service: who stopped": ("service-usage", "usage", "users", {"status": "stopped"}, 44),
    "population by place and hour": ("population-by-place", "population", "persons", {"mesh": "53393599", "hour": "12", "day_type": "weekday"}, 25),
    "population by place and hour: person-days": ("population-by-place", "population", "person_days", {"mesh": "533935", "hour": "12"}, 50),
    "search trends: persons by keyword": ("search-trends", "trends", "searchers", {"keyword": "天気"}, 60),
    "search trends: persons by keyword and week": ("search-trends", "trends", "searchers", {"keyword": "天気", "week": "2026-W42"}, 55),
    "search trends: fewer than 50 persons are not listed": ("search-trends", "trends", "searchers", {"keyword": "秘密"}, None),
    "search trends: all keywords": ("search-trends", "trends", "searchers", {}, 60),
    "web audience: visitors": ("web-audience", "visits", "visitors", {"access_source": "search", "browser": "Safari", "day": "2026-10-03"}, 12),
    "web audience: visitors of the month": ("web-audience", "visits", "visitors", {}, 12),
    "web audience: page views": ("web-audience", "visits", "page_views", {}, 34),
    "web audience: seconds on pages": ("web-audience", "visits", "seconds", {"access_source": "search"}, 720),
}  # fmt: skip


@pytest.mark.parametrize("name", STATISTICS)
def test_statistic(published, name):
    release, table, measure, codes, expected = STATISTICS[name]
    found = published[release, table]
    wanted = {key: codes.get(key, "_T") for key in found.keys}
    rows = found.frame[(found.frame[list(wanted)] == list(wanted.values())).all(axis=1)]
    assert list(rows[measure]) == ([] if expected is None else [expected])


def test_the_policys_list_is_covered():
    for words in (
        "number of users", "number of subscribers", "number of browsing persons", "number of inductions",
        "display count", "click count", "click-through", "utilization by service", "population by place and hour",
    ):  # fmt: skip
        assert any(name.startswith(words) for name in STATISTICS), words


@pytest.mark.parametrize("name", RELEASES)
def test_the_gate_recounts_each_release_and_opens(setting, candidates, name):
    assert gate(setting, candidates[name].id).reasons == ()
