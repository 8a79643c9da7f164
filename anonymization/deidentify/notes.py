"""Notes that the intake made of a stock (`noting.py`): where they lie, and what they were made of; light to import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from anonymization.deidentify.taken import NAME, Taken
from anonymization.errors import NorenError
from anonymization.files import files_of
from anonymization.home import Home
from anonymization.policy.periods import Period, parse_period
from anonymization.policy.releases import PeriodKind

MONTHS = 3
"""How many months before it a month of a stock is compared with: a figure that one month hides, the next may show."""
ROWS, SAID = ".before", ".noted"
"""Beside the events of a file: older rows of its persons, and what says that they are whole and of which files."""


@dataclass(frozen=True)
class Note:
    """What was noted of one file.

    Attributes:
        rows: files of older rows: see `noted_schema`.
        files: by a newer and an older month (see `pair`) the digests of all files of the older one that were there.
    """

    rows: tuple[Path, ...]
    files: Mapping[str, frozenset[str]]


def months_beside(period: Period, way: int) -> list[Period]:
    """Return the calendar months before the one that a period lies in, or after it, that it is compared with.

    Args:
        period: of any kind, within a month.
        way: -1 for those before, the nearest first; 1 for those after.
    """
    number = 12 * period.first_date.year + period.first_date.month - 1
    beside = (divmod(number + way * distance, 12) for distance in range(1, MONTHS + 1))
    return [parse_period(PeriodKind.MONTH, f"{year}-{month + 1:02}") for year, month in beside]


def month_of(period: Period) -> Period:
    """Return the calendar month that a period lies in."""
    return parse_period(PeriodKind.MONTH, f"{period.first_date:%Y-%m}")


def pair(newer: Period, older: Period) -> str:
    """Return what the months of two periods are called together."""
    return f"{month_of(newer).name} {month_of(older).name}"


def note_of(home: Home, taken: Taken) -> Note | None:
    """Return what was noted of a file that was taken in, if anything was."""
    said = beside(home, taken, SAID)
    try:
        content = json.loads(said.read_text(encoding="utf-8"))
        files = {named: frozenset(digests) for named, digests in content["files"].items()}
        rows = files_of(said.with_suffix(ROWS), content["parts"])
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return Note(rows, files) if all(path.is_file() for path in rows) else None


def notes_about(home: Home, first: date) -> list[Path]:
    """Return the files of notes that tell of months before a day: what says that rows are whole stands first."""
    found = []
    for said in sorted(home.events.glob(f"source=*/arrived=*/*{SAID}")):
        try:
            pairs = json.loads(said.read_text(encoding="utf-8"))["files"]
            told = any(parse_period(PeriodKind.MONTH, named.split()[1]).first_date < first for named in pairs)
        except (ValueError, KeyError, IndexError, NorenError):
            told = True
        found += [said, *sorted(said.parent.glob(f"{said.stem}*{ROWS}"))] if told else []
    return found


def beside(home: Home, taken: Taken, suffix: str) -> Path:
    """Return where something of a file that was taken in lies beside its events."""
    return home.events / f"source={taken.source}" / f"arrived={taken.arrived}" / f"{taken.digest[:NAME]}{suffix}"
