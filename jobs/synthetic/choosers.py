"""Who opts out of a month: before its logs are taken in, and, by ids of every namespace, after that."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from anonymization.home import Home
from jobs.synthetic.files import write_csv
from jobs.synthetic.people import People

BEFORE, LATER = "optouts.csv", "optouts-later.csv"
BEFORE_SHARE, LATER_SHARE, MOST = 0.004, 0.02, 30
COLUMNS = ("namespace", "id")


def write_choices(home: Home, people: People, rng: np.random.Generator) -> tuple[int, int]:
    """Write both lists into landing/, columns `namespace,id`; return how many persons are in each."""
    chosen = rng.choice(len(people.cookies), max(1, int(len(people.cookies) * BEFORE_SHARE)), replace=False)
    before = [("cookie", people.cookies[i]) for i in sorted(chosen)]
    later = []
    for namespace, ids in _ids(home, people).items():
        number = min(MOST, max(1, int(len(ids) * LATER_SHARE)))
        later += [(namespace, ids[i]) for i in sorted(rng.choice(len(ids), number, replace=False))]
    for name, rows in ((BEFORE, before), (LATER, later)):
        write_csv(home.landing / name, COLUMNS, rows)
    return len(before), len(later)


def _ids(home: Home, people: People) -> dict[str, list[str]]:
    """Ids of every namespace; those that are nobody's property are read where they were written."""
    written = {
        "client": [line.split("\t")[1] for line in _lines(home, "analytics", "tsv")[1:]],
        "address": [line.split(" ")[0] for line in _lines(home, "weblogs", "log")],
        "attendee": [row[1] for row in csv.reader(_lines(home, "event_attendees", "csv", "cp932")[1:])],
        "inquirer": [json.loads(line)["inquirer_id"] for line in _lines(home, "inquiries", "jsonl")],
    }
    owned = {
        "cookie": people.cookies,
        "member": [people.member_ids[i] for i in people.members],
        "device": people.devices,
    }
    return owned | {namespace: sorted({one for one in ids if one}) for namespace, ids in written.items()}


def _lines(home: Home, source: str, suffix: str, encoding: str = "utf-8") -> list[str]:
    first: Path = min(home.landing.glob(f"source={source}/*/*.{suffix}"))
    return first.read_text(encoding=encoding).splitlines()
