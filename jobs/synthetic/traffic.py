"""Traffic of one day: who comes when, and the log lines that it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.synthetic.agents import CRAWLERS, browser_columns, system_columns
from jobs.synthetic.people import SERVICES, People
from jobs.synthetic.places import Integers, Places

HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 8, 9, 7, 6, 7, 9, 7, 6, 6, 7, 8, 9, 10, 11, 10, 7, 4], float)
"""How a day's traffic spreads over its hours."""
PAGES = 4000
CRAWLER_SHARE, REFUSED_SHARE, FAVOURITE_SHARE = 0.03, 0.01, 0.7
FIRST_SCATTERED_NIGHT, LAST_SCATTERED_NIGHT = 21, 7
WORKDAY = range(9, 18)
REFERRERS = ("https://www.google.co.jp/", "https://search.example.jp/?q=news", "https://social.example.com/feed", None)


@dataclass(frozen=True)
class World:
    """What every day of the month shares."""

    people: People
    places: Places
    agents: list[str]

    @cached_property
    def clock(self) -> pa.Array:
        """The text HH:MM:SS of every second of a day."""
        return pa.array([f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)])

    @cached_property
    def texts(self) -> dict[str, pa.Array]:
        """Ids, agents, pages and networks as Arrow arrays, ready to be taken from."""
        pages = [f"https://{service}.example.jp/p/{n:04d}?from=top" for service in SERVICES for n in range(PAGES)]
        return {
            "cookie": pa.array(self.people.cookies),
            "member": pa.array(self.people.member_ids),
            "device": pa.array(self.people.devices),
            "agent": pa.array([*self.agents, *CRAWLERS]),
            "browser": pa.array([*map(browser_columns, self.agents), "\t"]),
            "os": pa.array([*map(system_columns, self.agents), "\t"]),
            "page": pa.array(pages),
            "path": pa.array([page.split("example.jp", 1)[1] for page in pages]),
            "service": pa.array(SERVICES),
            "octet": pa.array([str(n) for n in range(256)]),
            "referrer": pa.array([f'"{r}"' if r else "null" for r in REFERRERS]),
            "status": pa.array(["200", "304", "404"]),
            "bytes": pa.array([str(n) for n in range(200, 60_000, 37)]),
        }


@dataclass(frozen=True)
class Visits:
    """Web requests of a day, by position: person, cookie, second of day, page and service; crawlers marked."""

    person: Integers
    cookie: Integers
    second: Integers
    service: Integers
    page: Integers
    agent: Integers
    crawler: np.ndarray[tuple[int], np.dtype[np.bool_]]
    refused: np.ndarray[tuple[int], np.dtype[np.bool_]]


def seconds(rng: np.random.Generator, number: int) -> Integers:
    """Return seconds of a day, sorted, spread over its hours as traffic is."""
    hours = rng.choice(24, number, p=HOURS / HOURS.sum())
    return np.asarray(np.sort(hours * 3600 + rng.integers(0, 3600, number)), dtype=np.int64)


def zipf(rng: np.random.Generator, number: int, size: int) -> Integers:
    """Return positions 0 to size - 1, the first ones often (density about 1/x)."""
    positions: Integers = (np.exp(rng.random(number) * np.log(size)) - 1).astype(np.int64)
    return np.minimum(positions, size - 1)


def visits(rng: np.random.Generator, world: World, number: int) -> Visits:
    """Return a day's web requests, in order of time."""
    people = world.people
    person = people.draw(rng, number)
    other = rng.choice(len(SERVICES), number, p=[0.28, 0.2, 0.22, 0.12, 0.12, 0.06])
    service = np.where(rng.random(number) < FAVOURITE_SHARE, people.favourite[person], other)
    crawler = rng.random(number) < CRAWLER_SHARE
    bot = len(world.agents) + rng.integers(0, len(CRAWLERS), number)
    return Visits(
        person=person,
        cookie=people.cookie_of(rng, person),
        second=seconds(rng, number),
        service=service,
        page=service * PAGES + zipf(rng, number, PAGES),
        agent=np.where(crawler, bot, people.agent[person]),
        crawler=crawler,
        refused=rng.random(number) < REFUSED_SHARE,
    )


def joined(*parts: pa.Array | str) -> pa.Array:
    """Return the parts side by side, a text a row."""
    return pc.binary_join_element_wise(*parts, "")


def network_addresses(world: World, network: Integers, host: Integers) -> pa.Array:
    """Return addresses that are nobody's."""
    octet = world.texts["octet"]
    # 198.18.0.0/15 is set apart for tests (RFC 2544): nobody's address.
    return joined(
        pa.array(np.where(network & 1, "198.18.", "198.19.")),
        octet.take((network >> 8) % 256),
        ".",
        octet.take(host % 256),
    )


def click_lines(world: World, day: date, v: Visits) -> pa.Array:
    """Return the click log's JSON lines."""
    text = world.texts
    cookie = pc.if_else(pa.array(v.refused | v.crawler), "null", joined('"', text["cookie"].take(v.cookie), '"'))
    return joined(
        f'{{"time": "{day}T', world.clock.take(v.second), '+09:00", "cookie_id": ', cookie,
        ', "ip_address": "', network_addresses(world, world.people.network[v.person], v.cookie), '", "user_agent": "',
        text["agent"].take(v.agent), '", "url": "', text["page"].take(v.page), '", "referrer": ',
        text["referrer"].take(v.page % len(REFERRERS)), ', "service": "', text["service"].take(v.service), '"}',
    )  # fmt: skip


def combined_lines(world: World, day: date, v: Visits) -> pa.Array:
    """Return the web servers' lines in the combined log format."""
    text = world.texts
    status = text["status"].take(np.select([v.page % 29 == 0, v.page % 11 == 0], [2, 1], 0))
    return joined(
        network_addresses(world, world.people.network[v.person], v.cookie), f" - - [{day:%d/%b/%Y}:",
        world.clock.take(v.second),
        ' +0900] "GET ', text["path"].take(v.page), ' HTTP/1.1" ', status, " ",
        text["bytes"].take(v.page % len(text["bytes"])), ' "-" "', text["agent"].take(v.agent), '"',
    )  # fmt: skip


def sign_in_lines(rng: np.random.Generator, world: World, day: date, number: int) -> pa.Array:
    """Return the login log's JSON lines; through a shared cookie sometimes the second member signs in."""
    people, text = world.people, world.texts
    person = people.draw(rng, number * 2)
    person = person[np.isin(person, people.members)][:number]
    cookie = people.cookie_of(rng, person)
    second = np.array([people.shared.get(int(c), -1) for c in cookie])
    member = np.where((second >= 0) & (rng.random(len(person)) < 0.5), second, person)  # noqa: PLR2004 - half
    service = rng.choice(len(SERVICES), len(person), p=[0.05, 0.4, 0.1, 0.05, 0.3, 0.1])
    return joined(
        f'{{"time": "{day}T', world.clock.take(seconds(rng, len(person))), '+09:00", "cookie_id": "',
        text["cookie"].take(cookie), '", "member_id": "', text["member"].take(member), '", "service": "',
        text["service"].take(service), '", "ip_address": "', network_addresses(world, people.network[person], cookie),
        '", "user_agent": "', text["agent"].take(people.agent[person]), '"}',
    )  # fmt: skip


def location_rows(rng: np.random.Generator, world: World, day: date, number: int, *, working: bool) -> pa.Table:
    """Return the day's positions: at home by night, at work on working days, elsewhere in town else."""
    people = world.people
    person = people.draw(rng, number)
    second = seconds(rng, number)
    hour = second // 3600
    night = (hour < LAST_SCATTERED_NIGHT) | (hour >= FIRST_SCATTERED_NIGHT)
    at_work = working & np.isin(hour, WORKDAY) & (rng.random(number) < 0.8)  # noqa: PLR2004 - most of them
    anywhere = world.places.near(rng, people.city[person], hot_share=0.8)
    at_home = night | (rng.random(number) < 0.25)  # noqa: PLR2004 - some stay
    point = np.where(at_work[:, None], people.work[person], np.where(at_home[:, None], people.home[person], anywhere))
    point = point + rng.normal(0, 0.0004, point.shape)
    start = np.datetime64(day, "us") - np.timedelta64(9, "h")
    moments = start + second * np.timedelta64(1_000_000, "us")
    return pa.table(
        {
            "time": pa.array(moments).cast(pa.timestamp("us", "UTC")),
            "device_id": world.texts["device"].take(person),
            "latitude": pa.array(np.round(point[:, 0], 6)),
            "longitude": pa.array(np.round(point[:, 1], 6)),
        }
    )


def broken(
    rng: np.random.Generator, lines: list[str], kinds: Sequence[str], share: float
) -> tuple[list[str], dict[str, int]]:
    """Break a share of JSON lines, one at least; return them with the number of each kind."""
    counts = dict.fromkeys(kinds, 0)
    for position in rng.choice(len(lines), max(1, int(len(lines) * share)), replace=False):
        kind = kinds[int(rng.integers(len(kinds)))]
        lines[position] = BREAKS[kind](lines[position])
        counts[kind] += 1
    return lines, counts


BREAKS = {
    "cut": lambda line: line[: len(line) // 2],
    "no zone": lambda line: line.replace("+09:00", "", 1),
    "bad code": lambda line: line.replace('"service": "', '"service": "no-', 1),
}


def days_of(month: str) -> list[date]:
    """Return the days of a month `YYYY-MM`."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=32)).replace(day=1)
    return [first + timedelta(days=n) for n in range((following - first).days)]
