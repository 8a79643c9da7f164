"""What the intake says of the files that it took in: read by every step after it, so light to import."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from anonymization.errors import InputError, SourceError
from anonymization.files import files_of, locked
from anonymization.home import Home
from anonymization.policy.periods import Period

NAME = 16
"""Hex digits of a content digest that name a file's events."""
WORDS = frozenset(
    (
        "a", "access", "all", "b", "c", "csv", "data", "day", "error", "export", "file", "gz", "gzip", "hour", "json",
        "jsonl", "jst", "late", "log", "logs", "ndjson", "parquet", "part", "snappy", "ssl", "tsv", "txt", "utc", "web",
        "x", "zstd",
    )
)  # fmt: skip
"""Words of file names that are nobody's; a source's own name is one too."""
NUMBERED = re.compile(r"(part|file|export|hour|day|c)?[0-9]{1,5}|20[0-9]{2}[01][0-9][0-3][0-9]([T]?[0-9]{2,6}Z?)?")
"""Numbers of parts and rotations, and dates."""
COPY = re.compile(r"[0-9a-f]{16}(\.\w+)*")
"""The name of a cleaned copy of a raw log, in `temporary/`."""
MARK = b"PAR1"
"""Parquet's mark, at a file's beginning and at its end."""
REPAIR = ", after `noren doctor --repair` has set aside what is damaged"
ARRIVED = re.compile(r"arrived=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class Taken:
    """What became of one file; the metrics file beside its events.

    Attributes:
        again: the content was taken in before, and nothing was done.
        file: its name, as it may be told (see `spoken`).
        named: what is equal for files that were delivered by one name on one day, and tells nobody else the name.
        undeclared: how many of its columns the source does not declare; their names may be a person's value.
        unknown: event columns in which rows say `unknown`, with their number.
        codes: distinct codes seen in each coded column.
        removed: rows whose search keyword held personal data and was given up, by kind.
        unlisted: accepted rows with a code that its list does not have, by column (`unlisted: other`).
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
    undeclared: int
    unknown: dict[str, int]
    codes: dict[str, list[str]]
    first_day: int | None
    last_day: int | None
    seconds: float
    peak_memory: int
    removed: dict[str, int] = field(default_factory=dict)
    by_case: int = 0
    unlisted: dict[str, int] = field(default_factory=dict)
    again: bool = False
    parts: int = 1
    named: str = ""

    def __post_init__(self) -> None:
        """Refuse to exist unless every row is accounted for."""
        total = self.accepted + sum(self.quarantined.values()) + sum(self.dropped.values())
        if total != self.read:
            raise SourceError(f"{self.file}: {self.read} rows read, {total} accounted for; nothing was taken in")


def spoken(name: str, source: str, number: int) -> str:
    """Return a file's name as it may be printed and kept: words of logs, the source's, dates and small numbers.

    Any other word may be a person's; what holds one is told by its place among the files of its folder, in order.
    """
    known = WORDS | set(source.split("_"))
    words = re.split(r"([^0-9A-Za-z]+)", name)
    told = "".join(w if NUMBERED.fullmatch(w) or w.lower() in known or not w.isalnum() else "*" for w in words)
    told = re.sub(r"[^ -~]+", "*", told)
    return told if told == name else f"{told} (file {number} of its folder, by name)"


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
    """Return what became of a content that was taken in before, under whatever name and day.

    What is damaged was not taken in: the same file is, once more, and its events take their places.
    """
    for path in home.events.glob(f"source={source}/arrived=*/{digest[:NAME]}.json"):
        if (taken := _read(path)) is not None and not _damaged(path, taken):
            return taken
    return None


def taken_of(home: Home, source: str, digest: str) -> list[tuple[Path, Taken]]:
    """Return what is said of a content that was taken in, each with the file that says it."""
    found = (
        (path, _read(path)) for path in sorted(home.events.glob(f"source={source}/arrived=*/{digest[:NAME]}.json"))
    )
    return [(path, taken) for path, taken in found if taken is not None and taken.digest == digest]


class Delivered:
    """Which files of a source were taken in by which name, as it is sealed; the folder of each day is read once.

    The source is held alone: what is taken in meanwhile is told by `add`.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, set[Path]]] = {}

    def before(self, folder: Path, named: str, digest: str) -> dict[Path, Taken]:
        """Return what became of other contents that were delivered on a day by the same name: half an upload, for one.

        Args:
            folder: with the events of the day.
            named: the name, sealed.
            digest: of the content at hand.
        """
        found = {path: _read(path) for path in sorted(self._of(folder).get(named, ())) if path.exists()}
        return {p: taken for p, taken in found.items() if taken and taken.named == named and taken.digest != digest}

    def add(self, path: Path, named: str) -> None:
        """Take note of a file that was taken in, as the file at `path` says."""
        self._of(path.parent).setdefault(named, set()).add(path)

    def _of(self, folder: Path) -> dict[str, set[Path]]:
        if folder not in self._folders:
            found: dict[str, set[Path]] = {}
            for path in folder.glob("*.json"):
                if (taken := _read(path)) is not None:
                    found.setdefault(taken.named, set()).add(path)
            self._folders[folder] = found
        return self._folders[folder]


def known_files(home: Home, source: str | None = None) -> Iterator[tuple[tuple[Path, ...], Taken]]:
    """Yield the events of every file taken in, and what became of it.

    Raises:
        InputError: the file that says what became of it is damaged.
    """
    for path in sorted(home.events.glob(f"source={source or '*'}/arrived=*/*.json")):
        if (taken := _read(path)) is None:
            raise InputError(f"{_named(home, path)} is damaged: take its log in again by `noren intake`{REPAIR}")
        yield files_of(path.with_suffix(".parquet"), taken.parts), taken


def damaged_events(home: Home, source: str | None = None) -> Iterator[tuple[Path, str]]:
    """Yield the files of events, or beside them, that are not as an intake leaves them, and what is wrong."""
    for folder in sorted(home.events.glob(f"source={source or '*'}/arrived=*")):
        whole = set()
        for path in sorted(folder.glob("*.json")):
            if (taken := _read(path)) is None:
                yield path, "it cannot be read"
                continue
            whole |= set(files_of(path.with_suffix(".parquet"), taken.parts))
            yield from ((one, "it is no whole Parquet file") for one in _damaged(path, taken))
        for path in sorted(folder.glob("*.parquet")):
            if path not in whole:
                yield path, "it was not taken in whole: nothing says what became of its log"


def require_whole(home: Home, sources: Sequence[str]) -> None:
    """Check that the events of sources are as the intake left them: a day that is missing is not left out silently.

    Raises:
        InputError: which file is not, and what mends it.
    """
    for source in sources:
        for path, fault in damaged_events(home, source):
            raise InputError(f"{_named(home, path)}: {fault}; take its log in again by `noren intake`{REPAIR}")


def _read(path: Path) -> Taken | None:
    """What the intake said of a file; null if that is damaged."""
    try:
        return Taken(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, SourceError):
        return None


def _damaged(path: Path, taken: Taken) -> list[Path]:
    """The files of events that are no whole Parquet files: they begin and end with its mark."""
    found = []
    for one in files_of(path.with_suffix(".parquet"), taken.parts):
        try:
            with one.open("rb") as file:
                head, length = file.read(len(MARK)), file.seek(0, 2)
                file.seek(max(0, length - len(MARK)))
                whole = length > 2 * len(MARK) and head == file.read() == MARK
        except OSError:
            whole = False
        if not whole:
            found.append(one)
    return found


def _named(home: Home, path: Path) -> str:
    return path.relative_to(home.root).as_posix()


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


def wipe_copies(home: Home, *, held: bool = False) -> list[str]:
    """Remove the cleaned copies of raw logs that intakes left which were killed; return their names.

    Nothing is removed while logs are being taken in, unless the caller holds them alone.
    """
    with contextlib.nullcontext(True) if held else logs_held(home, alone=True, patience=0) as alone:  # noqa: FBT003
        found = copies_left(home) if alone else []
        for path in found:
            path.unlink(missing_ok=True)
        return [path.name for path in found]


def copies_left(home: Home) -> list[Path]:
    """Return the cleaned copies of raw logs in `temporary/`; those of no living intake if nobody holds the logs."""
    return sorted(path for path in home.temporary.glob("*") if path.is_file() and COPY.fullmatch(path.name))


def logs_held(home: Home, *, alone: bool = False, patience: float | None = None) -> AbstractContextManager[bool]:
    """Hold the logs of a home, with whoever takes logs in, or alone to erase some; see `locked`.

    An intake waits while logs are erased, which takes moments.
    """
    return locked(home.temporary / "logs.lock", shared=not alone, patience=patience)
