"""What the intake says of the files that it took in: read by every step after it, so light to import."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from anonymization.errors import SourceError
from anonymization.files import files_of, locked
from anonymization.home import Home
from anonymization.policy.periods import Period

NAME = 16
"""Hex digits of a content digest that name a file's events."""
ARRIVED = re.compile(r"arrived=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class Taken:
    """What became of one file; the metrics file beside its events.

    Attributes:
        again: the content was taken in before, and nothing was done.
        unknown: event columns in which rows say `unknown`, with their number.
        codes: distinct codes seen in each coded column.
        removed: rows whose search keyword held personal data and was given up, by kind.
        by_case: how many persons fewer there would be if ids that differ by case alone were one.
        peak_memory: of the whole process so far, in bytes.
        parts: number of Parquet files that hold the events (see `files.files_of`).
    """

    source: str
    arrived: str
    file: str
    digest: str
    read: int
    accepted: int
    crawlers: int
    quarantined: dict[str, int]
    dropped: dict[str, int]
    undeclared: list[str]
    unknown: dict[str, int]
    codes: dict[str, list[str]]
    first_day: int | None
    last_day: int | None
    seconds: float
    peak_memory: int
    removed: dict[str, int] = field(default_factory=dict)
    by_case: int = 0
    again: bool = False
    parts: int = 1

    def __post_init__(self) -> None:
        """Refuse to exist unless every row is accounted for."""
        total = self.accepted + sum(self.quarantined.values()) + sum(self.dropped.values())
        if total != self.read:
            raise SourceError(f"{self.file}: {self.read} rows read, {total} accounted for; nothing was taken in")


@dataclass(frozen=True)
class IntakeRun:
    """What one run of the intake did.

    Attributes:
        taken: one entry a file, in order of arrival; files known before have `again` set.
        failures: files that were not taken in: name and why.
    """

    taken: tuple[Taken, ...]
    failures: tuple[tuple[str, str], ...]


def known_intake(home: Home, source: str, digest: str) -> Taken | None:
    """Return what became of a content that was taken in before, under whatever name and day."""
    for path in home.events.glob(f"source={source}/arrived=*/{digest[:NAME]}.json"):
        return Taken(**json.loads(path.read_text(encoding="utf-8")))
    return None


def known_files(home: Home, source: str | None = None) -> Iterator[tuple[tuple[Path, ...], Taken]]:
    """Yield the events of every file taken in, and what became of it."""
    for path in sorted(home.events.glob(f"source={source or '*'}/arrived=*/*.json")):
        taken = Taken(**json.loads(path.read_text(encoding="utf-8")))
        yield files_of(path.with_suffix(".parquet"), taken.parts), taken


def touches(taken: Taken, period: Period) -> bool:
    """Whether a file may hold events of a period."""
    first, last = taken.first_day, taken.last_day
    return first is not None and last is not None and first < period.past and last >= period.first


def totals(taken: Sequence[Taken]) -> tuple[int, int, int, int, int]:
    """Return files, rows read, accepted, quarantined and dropped."""
    return (
        len(taken),
        sum(t.read for t in taken),
        sum(t.accepted for t in taken),
        sum(sum(t.quarantined.values()) for t in taken),
        sum(sum(t.dropped.values()) for t in taken),
    )


def day_of(folder: Path) -> date | None:
    """Return the day that a folder of arrivals is named after, `arrived=YYYY-MM-DD`; None if it is not."""
    found = ARRIVED.fullmatch(folder.name)
    try:
        return None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None


def logs_held(home: Home, *, alone: bool = False, patience: float | None = None) -> AbstractContextManager[bool]:
    """Hold the logs of a home, with whoever takes logs in, or alone to erase some; see `locked`.

    An intake waits while logs are erased, which takes moments.
    """
    return locked(home.temporary / "logs.lock", shared=not alone, patience=patience)
