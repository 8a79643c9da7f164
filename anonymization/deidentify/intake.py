"""Take log files in: raw rows become pseudonymous events, every row accounted for.

read = accepted + quarantined + dropped, exactly, for each file. A file is known by the SHA-256 of its content: taking
it in again changes nothing. What a run leaves behind is complete or absent: the metrics file beside the events of a
file is written last.

Small files go through the engine together: what it costs to ask it anything is the same for ten rows and for ten
thousand. Each file is looked at, accounted for and written by itself. What goes wrong with several is tried again with
half of them, so that it is told of the file whose fault it is and harms no other.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from anonymization.deidentify.accounts import Account, Accounts, told
from anonymization.deidentify.arrivals import Arrival, IntakeContext, Ready
from anonymization.deidentify.batch import Judged, judged
from anonymization.deidentify.delivered import content_digest
from anonymization.deidentify.events import ACCEPTED, event_schema
from anonymization.deidentify.identifiers import register_optouts
from anonymization.deidentify.look import looked_at
from anonymization.deidentify.notes import ROWS, SAID
from anonymization.deidentify.noting import note_all
from anonymization.deidentify.taken import Delivered, Taken, known_intake, taken_of
from anonymization.engine.base import NUMBER
from anonymization.errors import EngineError, NorenError, SourceError
from anonymization.files import PRIVATE, files_of, indented, private_folder, sweep, sync, write_private
from anonymization.home import Home
from anonymization.policy.sources import Source

TOGETHER = 32 << 20
"""Bytes of records that go through the engine together; a file with more goes by itself."""
FILES = 100
"""Files that do: as many as DuckDB keeps open to write into."""
QUARANTINED = pa.schema([("reason", pa.string()), ("line", pa.string())])
Done: TypeAlias = Taken | SourceError
"""What became of a file: of its rows, or why it was refused."""


def take_in(arrival: Arrival, around: IntakeContext) -> Taken:
    """Take one file in and return what became of its rows.

    Raises:
        SourceError: the file is not what its source declares; nothing of it was taken in.
    """
    ((_, done),) = take_all([arrival], around)
    if isinstance(done, SourceError):
        raise done
    return done


def take_all(arrivals: Iterable[Arrival], around: IntakeContext) -> Iterator[tuple[Arrival, Done]]:
    """Take files of one source in and yield, in their order, what became of each; of one that is refused nothing stays.

    A file of a content that another one of them has is known, once that one was taken in. Of stocks it is noted, then,
    who was there in months before (`noting.py`).
    """
    stocks = []
    with closing(_Waiting(around)) as waiting:
        for arrival in arrivals:
            yield from waiting.look(arrival)
            if arrival.source.stock:
                stocks.append(arrival)
        yield from waiting.take()
    note_all(stocks, around)


class _Waiting:
    """Files that were looked at, in order; those that are ready are taken in together."""

    def __init__(self, around: IntakeContext) -> None:
        self._around = around
        self._looked: list[tuple[Arrival, Ready | Done]] = []
        self._begun = False
        self._delivered = Delivered()

    @property
    def _ready(self) -> list[Ready]:
        return [found for _, found in self._looked if isinstance(found, Ready)]

    def look(self, arrival: Arrival) -> Iterator[tuple[Arrival, Done]]:
        """Look at one more file; what must be taken in before, or waits for nothing, is."""
        started = time.perf_counter()
        found: Ready | Done
        try:
            digest, named = _digest(arrival), arrival.named(self._around.home)
            if any(digest == file.screened.digest or named == file.named for file in self._ready):
                yield from self.take()  # only then is it said what is known of the file
            found = _look(arrival, digest, named, self._around, self._delivered)
        except SourceError as error:
            found = error
        if isinstance(found, Ready):
            found = replace(found, seconds=time.perf_counter() - started)
            ready = self._ready
            if len(ready) == FILES or found.size + sum(file.size for file in ready) > TOGETHER:
                yield from self.take()
        self._looked.append((arrival, found))
        if not self._ready:
            yield from self.take()

    def take(self) -> Iterator[tuple[Arrival, Done]]:
        """Take in what is ready, and yield what became of all that was looked at."""
        if self._ready and not self._begun:
            of = self._around
            register_optouts(of.engine, "optouts", of.optouts, of.spellings, of.covering)
            self._begun = True
        taken = _take(self._ready, self._around, self._delivered)
        for arrival, found in self._looked:
            yield arrival, next(taken) if isinstance(found, Ready) else found
        self._clear()

    def close(self) -> None:
        """Leave nothing of what was not taken in."""
        self._clear()
        self._around.engine.drop("optouts")

    def _clear(self) -> None:
        for file in self._ready:
            file.screened.readable.unlink(missing_ok=True)
        for folder in {_part(file, self._around.home).parent for file in self._ready}:
            for left in folder.glob("*.part"):  # of a file that failed
                left.unlink()
        self._looked.clear()


def _digest(arrival: Arrival) -> str:
    if arrival.path.is_symlink() or not arrival.path.is_file():
        raise SourceError(
            f"{arrival.path.name} is a link or a folder; allowed are files, and folders that Spark has written to their"
            " end (_SUCCESS)"
        )
    try:
        return content_digest(arrival.path)
    except PermissionError:
        raise SourceError(f"{arrival.path.name} may not be read by the user that this runs as") from None


def _look(arrival: Arrival, digest: str, named: str, around: IntakeContext, delivered: Delivered) -> Ready | Taken:
    """Look at a file: is it known, does it take another one's place, can it be read?"""
    home, source = around.home, arrival.source
    if digest in around.rewritten:
        raise SourceError(
            f"{arrival.name} is delivered again as it was before a person's request has changed it: it was taken in as"
            " it is now, and this holds what was deleted or corrected; remove it"
        )
    known = known_intake(home, source.source, digest)
    if known is not None:
        return replace(known, again=True)
    former = delivered.before(arrival.beside(home.events, digest, "").parent, named, digest)
    if former and not around.replacing:
        rows = ", ".join(f"{taken.read:,}" for taken in former.values())
        raise SourceError(
            f"{arrival.name} was taken in before with other content ({rows} rows): both would be counted. If that"
            " was an upload by half, noren intake --replace; if both count, deliver this one by another name"
        )
    return looked_at(arrival, digest, named, home)


def _take(files: Sequence[Ready], around: IntakeContext, delivered: Delivered) -> Iterator[Done]:
    """Take files in together; where that fails, each half by itself.

    Raises:
        EngineError: the engine was lost with a single file.
        Refusal: a month's key was destroyed.
    """
    if not files:
        return
    made = None
    try:
        made = _made(files, around)
    except NorenError as error:
        if len(files) == 1:
            yield _refused(files[0], error)
            return
    if made is None:
        half = len(files) // 2
        yield from _take(files[:half], around, delivered)
        yield from _take(files[half:], around, delivered)
        return
    for file, taken in zip(files, made, strict=True):
        _commit(file, taken, around.home, delivered)
        yield taken


def _refused(file: Ready, error: NorenError) -> SourceError:
    if isinstance(error, SourceError):
        return error
    if isinstance(error, EngineError) and not error.lost:
        return SourceError(f"{file.arrival.path.name} cannot be read: {error}")
    raise error


def _made(files: Sequence[Ready], around: IntakeContext) -> list[Taken]:
    """Make the events and the quarantine of files, account for every row, and return what is to be said of each."""
    started, source = time.perf_counter(), files[0].arrival.source
    numbered, linked = dict(enumerate(files)), source.source in around.linked
    with judged(numbered, source, around) as found:
        accounts = Accounts(around.engine, source, linked=linked).read()
        for number, file in numbered.items():
            _check(file, accounts[number], around.engine.name)
        parts = _write(numbered, source, around, accounts)
    took, records = time.perf_counter() - started, max(1, sum(file.screened.records for file in files))
    return [
        _taken(file, accounts[number], found, number, parts[number], took * file.screened.records / records)
        for number, file in numbered.items()
    ]


def _check(file: Ready, account: Account, engine: str) -> None:
    name, records = file.arrival.path.name, file.screened.records
    if account.rows != records:
        raise SourceError(
            f"{name} holds {records:,} records, of which {engine} reads {account.rows:,}:"
            " nothing of it was taken in; report it, with the file's format"
        )


def _write(
    files: Mapping[int, Ready], source: Source, around: IntakeContext, accounts: Mapping[int, Account]
) -> dict[int, int]:
    """Write the events of each file, as parts that are still to be committed, and its quarantine; count the parts."""
    schema, home = event_schema(source, linked=source.source in around.linked), around.home
    parts = {number: _part(file, home) for number, file in files.items()}
    for part in parts.values():
        private_folder(part.parent)
    columns = ", ".join([NUMBER, *(f'"{name}"' for name in schema.names)])
    counts = around.engine.write_each(f"SELECT {columns} FROM judged WHERE {ACCEPTED}", parts, schema)
    aside = {
        number: file.arrival.beside(home.quarantine, file.screened.digest, ".parquet")
        for number, file in files.items()
        if accounts[number].quarantined or file.screened.rejected
    }
    if aside:
        for path in aside.values():
            private_folder(path.parent)
        rows = f"SELECT {NUMBER}, reason, line FROM judged WHERE reason IS NOT NULL"
        for number, count in around.engine.write_each(rows, aside, QUARANTINED).items():
            for path in files_of(aside[number], count):
                path.chmod(PRIVATE)
                sync(path)
        for folder in {path.parent for path in aside.values()}:
            sync(folder)
    return counts


def _taken(file: Ready, account: Account, found: Judged, number: int, parts: int, seconds: float) -> Taken:
    """What is said of a file: what the engine made of its records, and what the screening kept from it."""
    arrival, screened = file.arrival, file.screened
    quarantined, dropped = account.quarantined + screened.rejected, account.dropped + screened.dropped
    return Taken(
        source=arrival.source.source,
        arrived=arrival.arrived.isoformat(),
        file=arrival.name,
        digest=screened.digest,
        read=account.accepted + quarantined.total() + dropped.total(),
        accepted=account.accepted,
        crawlers=account.crawlers,
        quarantined=told(quarantined),
        dropped=told(dropped),
        undeclared=found.undeclared[number],
        unknown=told(account.unknown),
        codes=account.codes,
        removed=told(account.removed),
        by_case=found.by_case.get(number, 0),
        unlisted=told(account.unlisted),
        first_day=min(account.days, default=None),
        last_day=max(account.days, default=None),
        seconds=round(file.seconds + seconds, 3),
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        parts=parts,
        named=file.named,
    )


def _part(file: Ready, home: Home) -> Path:
    return file.arrival.beside(home.events, file.screened.digest, ".part")


def _commit(file: Ready, taken: Taken, home: Home, delivered: Delivered) -> None:
    """Make the events visible, then the metrics that say they are whole; each on the disk before the next."""
    part = _part(file, home)
    for former, other in delivered.before(part.parent, taken.named, taken.digest).items():
        _forget(home, former, other)
    for path in files_of(part, taken.parts):
        path.chmod(PRIVATE)
        sync(path)
        path.replace(path.with_suffix(".parquet"))
    sync(part.parent)
    metrics = part.with_suffix(".json")
    sweep(metrics)
    write_private(metrics, indented(asdict(taken)))
    delivered.add(metrics, taken.named)


def forget(home: Home, source: str, digest: str) -> None:
    """Remove what was taken in of a content, under whatever name and day."""
    for said, taken in taken_of(home, source, digest):
        _forget(home, said, taken)


def _forget(home: Home, said: Path, taken: Taken) -> None:
    """Remove what was taken in of a content that another takes the place of; what says so goes last."""
    aside = home.quarantine / said.parent.relative_to(home.events)
    noted = (path for suffix in (SAID, ROWS) for path in said.parent.glob(f"{said.stem}*{suffix}"))
    for path in (*files_of(said.with_suffix(".parquet"), taken.parts), *noted, *aside.glob(f"{said.stem}*")):
        path.unlink(missing_ok=True)
    said.unlink()
