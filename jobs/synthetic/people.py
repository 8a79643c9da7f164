"""People who do not exist: names and addresses by Faker, habits by numpy; the same seed makes the same people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from faker import Faker

from anonymization.deidentify.places import PREFECTURES
from jobs.synthetic.places import Floats, Integers, Places

POOL = 1500
"""Names, towns and the like that Faker makes; people draw from them."""
SERVICES = ("search", "mail", "news", "maps", "shopping", "music")
SERVICE_SHARES = (0.30, 0.22, 0.20, 0.12, 0.11, 0.05)
AGE_SHARES = (0.02, 0.10, 0.17, 0.18, 0.18, 0.15, 0.10, 0.06, 0.03, 0.01)
"""Shares of the ten-year age bands among people, the youngest first."""
MEMBERS, EXTRA_SERVICE = 0.6, 0.22
FEWEST = 120


@dataclass(frozen=True)
class People:
    """Persons by position; a cookie, device or membership points to its person.

    Attributes:
        activity: cumulative share of the traffic, a person (Zipf-distributed).
        member_ids: of all persons; only those in `members` are members.
        cookies: cookie ids; person `i` has those from `cookie_start[i]` to `cookie_start[i + 1]`.
        shared: cookies through which two members sign in, with the second member.
    """

    count: int
    city: Integers
    home: Floats
    work: Floats
    activity: Floats
    members: Integers
    member_ids: list[str]
    cookies: list[str]
    cookie_start: Integers
    devices: list[str]
    shared: dict[int, int]
    agent: Integers
    network: Integers
    favourite: Integers

    def draw(self, rng: np.random.Generator, number: int) -> Integers:
        """Return persons as they come by: the busy ones often."""
        return np.searchsorted(self.activity, rng.random(number)).astype(np.int64)

    def cookie_of(self, rng: np.random.Generator, persons: Integers) -> Integers:
        """Return one of each person's cookies, the first one mostly."""
        owned = self.cookie_start[persons + 1] - self.cookie_start[persons]
        return self.cookie_start[persons] + (rng.random(len(persons)) ** 3 * owned).astype(np.int64)


def _ids(rng: np.random.Generator, number: int, prefix: str) -> list[str]:
    """Distinct ids that look random: a 64-bit permutation of a counter."""
    odd, start = 0x9E3779B97F4A7C15, int(rng.integers(1 << 62))
    return [f"{prefix}{(start + odd * i) % (1 << 64):016x}" for i in range(number)]


def persons_of(events: int) -> int:
    """Return how many persons make so many events: about one for 40."""
    return max(FEWEST, events // 40)


def make_people(rng: np.random.Generator, places: Places, events: int, agents: int) -> People:
    """Return people who make about so many events."""
    count = persons_of(events)
    city = rng.choice(len(places.weights), count, p=places.weights)
    rank = rng.permutation(count) + 1.0
    weights = 1.0 / (rank + 0.02 * count) ** 0.9
    owned = rng.choice([1, 2, 3], count, p=[0.6, 0.3, 0.1])
    start = np.concatenate([[0], np.cumsum(owned)])
    members = np.flatnonzero(rng.random(count) < MEMBERS)
    pairs = rng.choice(members, (max(2, count // 1000), 2), replace=False)
    return People(
        count=count,
        city=city,
        home=places.near(rng, city, hot_share=0.35),
        work=places.near(rng, city, hot_share=0.75),
        activity=np.cumsum(weights) / weights.sum(),
        members=members,
        member_ids=_ids(rng, count, "m"),
        cookies=_ids(rng, int(start[-1]), "c"),
        cookie_start=start.astype(np.int64),
        devices=_ids(rng, count, "d"),
        shared={int(start[a]): int(b) for a, b in pairs},
        agent=np.minimum(rng.geometric(0.02, count) - 1, agents - 1),
        network=rng.integers(0, 1 << 16, count),
        favourite=rng.choice(len(SERVICES), count, p=SERVICE_SHARES),
    )


@dataclass(frozen=True)
class Subscriber:
    """One row of the snapshot, as text."""

    member_id: str
    name: str
    kana: str
    birth_date: str
    postal_address: str
    phone: str
    email: str
    service: str


def make_subscribers(
    rng: np.random.Generator, people: People, places: Places, seed: int, year: int
) -> list[Subscriber]:
    """Return one row a member and service subscribed to."""
    fake = Faker("ja_JP")
    fake.seed_instance(seed)
    names = [(fake.last_name_pair(), fake.first_name_pair()) for _ in range(POOL)]
    towns = [f"{fake.city()}{fake.town()}" for _ in range(POOL)]
    phones = [fake.phone_number() for _ in range(POOL)]
    domains = ("example.com", "example.net", "example.org")
    number = len(people.members)
    picks = rng.integers(0, POOL, (number, 4))
    bands = rng.choice(len(AGE_SHARES), number, p=AGE_SHARES)
    births = np.datetime64(f"{year}-10-01") - (bands * 3652 + rng.integers(200, 3600, number)).astype("timedelta64[D]")
    lots = rng.integers(1, 30, (number, 3))
    extra = rng.random((number, len(SERVICES))) < EXTRA_SERVICE
    rows = []
    for i, person in enumerate(people.members):
        (family, family_kana, family_roman), _ = names[picks[i, 0]]
        _, (given, given_kana, given_roman) = names[picks[i, 1]]
        prefecture = PREFECTURES[places.prefectures[people.city[person]] - 1]
        address = f"{prefecture}{towns[picks[i, 2]]}{lots[i, 0]}丁目{lots[i, 1]}番{lots[i, 2]}号"
        mail = f"{given_roman}.{family_roman}{person}@{domains[person % 3]}".lower()
        services = sorted({int(people.favourite[person]), *np.flatnonzero(extra[i]).tolist()})
        rows += [
            Subscriber(
                people.member_ids[person], f"{family} {given}", f"{family_kana} {given_kana}", str(births[i]),
                address, phones[picks[i, 3]], mail, SERVICES[service],
            )
            for service in services
        ]  # fmt: skip
    return rows
