"""Logs of pages and ads: displays and clicks, web analytics, beacons, and the access logs of partners' sites."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from jobs.synthetic.places import Integers
from jobs.synthetic.traffic import PAGES, World, joined, network_addresses, seconds, visits

PARTNERS = ("own", "travel-guide", "recipes", "sports", "finance")
PARTNER_SHARES = (0.40, 0.20, 0.18, 0.13, 0.09)
ENTRIES = ("direct", "search_engine", "other_service", "partner", "ad")
ENTRY_SHARES = (0.40, 0.25, 0.13, 0.12, 0.10)
SOURCES = ("search", "direct", "social", "partner", "ad", "mail")
SOURCE_SHARES = (0.30, 0.25, 0.16, 0.11, 0.10, 0.08)
BEACONS = ("page_view", "mail_opened", "scrolled")
AD_SHARE, CLICK_SHARE, NO_BROWSER_SHARE = 0.6, 0.06, 0.01
REFERRING = (
    "https://www.google.co.jp/search?q=x",
    "https://social.example.com/feed",
    "https://recipes.example/p/1",
    "",
)


def _midnight(day: date) -> int:
    """The day's first second in Tokyo, since 1970-01-01."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 9 * 3600


def _texts(numbers: Integers) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _choice(rng: np.random.Generator, codes: tuple[str, ...], shares: tuple[float, ...], number: int) -> pa.Array:
    return pa.array(codes).take(pa.array(rng.choice(len(codes), number, p=shares)))


def display_lines(rng: np.random.Generator, world: World, day: date, number: int) -> list[str]:
    """Return the display log's JSON lines: pages and ads, shown and clicked."""
    text, v = world.texts, visits(rng, world, number)
    ad = rng.random(number) < AD_SHARE
    entry = np.where(ad, len(ENTRIES), rng.choice(len(ENTRIES), number, p=ENTRY_SHARES))
    clicked = pa.array(np.where(rng.random(number) < CLICK_SHARE, "click", "display"))
    when = _texts((_midnight(day) + v.second) * 1000 + rng.integers(0, 1000, number))
    lines = joined(
        '{"time": ', when, ', "cookie_id": "', text["cookie"].take(v.cookie), '", "action": "', clicked,
        '", "kind": "', pa.array(np.where(ad, "ad", "page")), '", "partner": "',
        _choice(rng, PARTNERS, PARTNER_SHARES, number), '", "entry": ',
        pa.array([f'"{e}"' for e in ENTRIES] + ["null"]).take(pa.array(entry)), ', "service": "',
        text["service"].take(v.service), '", "campaign": ', _texts(v.page % 97), ', "url": "',
        text["page"].take(v.page), '", "ip_address": "',
        network_addresses(world, world.people.network[v.person], v.cookie), '", "user_agent": "',
        text["agent"].take(v.agent), '"}',
    )  # fmt: skip
    return list(lines.to_pylist())


def analytics_lines(rng: np.random.Generator, world: World, day: date, number: int) -> list[str]:
    """Return the analytics export's tab-separated lines, its header first."""
    people, text = world.people, world.texts
    person = people.draw(rng, number)
    agent = people.agent[person]
    page = rng.integers(0, PAGES, number)
    known = pa.array(np.where(rng.random(number) < NO_BROWSER_SHARE, len(world.agents), agent))
    lines = joined(
        _texts(_midnight(day) + seconds(rng, number)), "\tamp-", text["device"].take(person), "\t",
        text["path"].take(page), "\t", _texts(rng.geometric(0.02, number)), "\t",
        pa.array(REFERRING).take(pa.array(page % len(REFERRING))), "\t",
        _choice(rng, SOURCES, SOURCE_SHARES, number), "\t", text["browser"].take(known), "\t", text["os"].take(known),
    )  # fmt: skip
    header = "time amp_client_id page seconds_on_page referrer access_source browser browser_version os os_version"
    return [header.replace(" ", "\t"), *lines.to_pylist()]


def beacon_lines(rng: np.random.Generator, world: World, day: date, number: int) -> list[str]:
    """Return the beacon server's JSON lines, in Tokyo's clock with a wrong `Z`."""
    text, v = world.texts, visits(rng, world, number)
    lines = joined(
        f'{{"time": "{day}T', world.clock.take(v.second), 'Z", "cookie_id": "', text["cookie"].take(v.cookie),
        '", "beacon": "', _choice(rng, BEACONS, (0.7, 0.2, 0.1), number), '", "page": "', text["page"].take(v.page),
        '", "ip_address": "', network_addresses(world, world.people.network[v.person], v.cookie), '", "user_agent": "',
        text["agent"].take(v.agent), '"}',
    )  # fmt: skip
    return list(lines.to_pylist())


def partner_lines(rng: np.random.Generator, world: World, day: date, number: int) -> list[str]:
    """Return a partner's access log, tab-separated, its header first."""
    text, v = world.texts, visits(rng, world, number)
    lines = joined(
        network_addresses(world, world.people.network[v.person], v.cookie), "\t-\t", _texts(_midnight(day) + v.second),
        "\tGET\t", text["path"].take(v.page), "\t200\t", text["bytes"].take(v.page % len(text["bytes"])), "\t\t",
        text["agent"].take(v.agent),
    )  # fmt: skip
    header = "host logname time method url response bytes referer useragent"
    return [header.replace(" ", "\t"), *lines.to_pylist()]


def usage_table(rng: np.random.Generator, world: World, day: date, number: int) -> pa.Table:
    """Return the service usage of a day; of voice sessions the length, and a stand-in for the voice."""
    people, text = world.people, world.texts
    person = people.draw(rng, number * 2)
    person = person[np.isin(person, people.members)][:number]
    count = len(person)
    voice = rng.random(count) < 0.1  # noqa: PLR2004 - one in ten speaks
    start = np.datetime64(day, "us") - np.timedelta64(9, "h")
    spoken = np.where(voice, rng.geometric(0.01, count), 0)
    moments = pa.array(start + seconds(rng, count) * np.timedelta64(1_000_000, "us"))
    return pa.table(
        {
            "time": moments.cast(pa.timestamp("us", "UTC")),
            "member_id": text["member"].take(person),
            "service": text["service"].take(rng.choice(6, count, p=[0.28, 0.22, 0.18, 0.12, 0.12, 0.08])),
            "status": _choice(rng, ("active", "started", "failed", "stopped"), (0.80, 0.08, 0.07, 0.05), count),
            "channel": pa.array(np.where(voice, "voice", np.where(rng.random(count) < 0.6, "app", "web"))),  # noqa: PLR2004
            "voice_seconds": pa.array([str(n) if n else None for n in spoken.tolist()], pa.string()),
            "voice_data": pa.array([f"voice:{n:08x}" if n else None for n in spoken.tolist()], pa.string()),
            "error_message": pa.nulls(count, pa.string()),
        }
    )
