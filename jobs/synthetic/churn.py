"""From one month's subscribers to the next month's: most stay, some leave, join, move, or take and end services.

Shares of a month: of Japan's people about one in 500 moves to another prefecture, and with ten-year bands one in 120
comes into the next one, as every date of birth stays what it is.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anonymization.deidentify.places import PREFECTURES
from jobs.synthetic.people import SERVICE_SHARES, SERVICES, People, Subscriber, make_subscribers
from jobs.synthetic.places import Places

LEAVE, JOIN, MOVE = 0.01, 0.012, 0.002
TAKE, END = 0.015, 0.01
"""Shares of subscribers a month; of those with several services for the last."""


def subscribers_of(path: Path) -> list[Subscriber]:
    """Return the rows of a month's snapshot."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Subscriber(**{name: row[name] for name in Subscriber.__dataclass_fields__}) for row in csv.DictReader(file)
        ]


def a_month_later(
    rng: np.random.Generator, before: Sequence[Subscriber], people: People, places: Places, seed: int, year: int
) -> list[Subscriber]:
    """Return one row a member and service subscribed to, a month after `before`.

    Whoever joins was no member, as of `people`, or has left before.
    """
    own: dict[str, list[Subscriber]] = {}
    for row in before:
        own.setdefault(row.member_id, []).append(row)
    rows: list[Subscriber] = []
    for services in own.values():
        if rng.random() < LEAVE:
            continue
        kept = list(services)
        if len(kept) > 1 and rng.random() < END:
            del kept[int(rng.integers(len(kept)))]
        if rng.random() < TAKE:
            taken = SERVICES[int(rng.choice(len(SERVICES), p=SERVICE_SHARES))]
            kept += [replace(kept[0], service=taken)] * (taken not in {row.service for row in kept})
        if rng.random() < MOVE:
            city = int(rng.choice(len(places.weights), p=places.weights))
            prefecture = PREFECTURES[places.prefectures[city] - 1]
            old = next(name for name in PREFECTURES if kept[0].postal_address.startswith(name))
            address = prefecture + kept[0].postal_address.removeprefix(old)
            kept = [replace(row, postal_address=address) for row in kept]
        rows += kept
    others = np.array([n for n, member in enumerate(people.member_ids) if member not in own], dtype=np.int64)
    joining = rng.choice(others, min(len(others), round(JOIN * len(own))), replace=False)
    return rows + make_subscribers(rng, replace(people, members=np.sort(joining)), places, seed, year)
