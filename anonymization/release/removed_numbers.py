"""Where the numbers of who was deleted lie, and how they are read: see `removed.py`; light to import."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from anonymization.home import Home
from anonymization.policy.periods import period_named

FOLDER = "removed"
APART_IDS = 1_000
"""Ids of one person that a request may have, at most, for their numbers to stay apart."""


def folder_of(home: Home, publication: str) -> Path:
    """Return the folder of the numbers beside a publication."""
    return home.requests / FOLDER / publication.replace(" ", "_")


def removed_rows(home: Home, release: str, publications: Iterable[str]) -> list[dict[str, Any]]:
    """Return what deleted persons contributed to a release that is out, of one state: `person` is a number below zero.

    Args:
        home: where the numbers are.
        release: whose cells they are of.
        publications: that are out, of one state of the logs: of each person one says it.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for publication in publications:
        if publication.partition(" ")[0] == release:
            for path in sorted(folder_of(home, publication).glob("*.json")):
                found.setdefault(path.stem, json.loads(path.read_text(encoding="utf-8")))
    return [
        {**row, "person": -(10**12) - APART_IDS * int(number) - int(row["person"])}
        for number, rows in found.items()
        for row in rows
    ]


def numbers_before(home: Home, first: date) -> list[Path]:
    """Return the files of numbers about periods that ended before a day."""
    found = []
    for folder in sorted((home.requests / FOLDER).glob("*_*_v*")):
        period = period_named(folder.name.split("_")[-2])
        if period is not None and period.last_date < first:
            found += sorted(folder.glob("*.json"))
    return found
