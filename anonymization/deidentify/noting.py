"""Noting: of a stock's newer month, how whoever is in it stood in months before, under the newer month's pseudonyms.

Pseudonyms of two months cannot be joined, so it is found where ids are at hand: once the older month is taken in, the
newer month's files are read once more. Kept beside their events are the older rows of their persons, by nobody's older
pseudonym; whoever has none has joined, and who left is told by the older month's rows that no note repeats: as numbers,
without any pseudonym. A note says of which files it was made; with more of them it is made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from anonymization.deidentify import times
from anonymization.deidentify.arrivals import Arrival, IntakeContext, Ready
from anonymization.deidentify.batch import judged
from anonymization.deidentify.delivered import content_digest
from anonymization.deidentify.events import event_schema
from anonymization.deidentify.identifiers import Month, register_optouts, register_pads
from anonymization.deidentify.look import looked_at
from anonymization.deidentify.notes import ROWS, SAID, beside, months_beside, note_of, pair
from anonymization.deidentify.taken import NAME, Taken, known_files, known_intake, touches
from anonymization.engine.base import NUMBER
from anonymization.files import PRIVATE, files_of, indented, sync, write_private
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.policy.sources import Source
from anonymization.quoting import literal

WRITTEN = ".before-part"
"""Of older rows that are being written."""
Known: TypeAlias = tuple[tuple[Path, ...], Taken]
"""The events of a file, and what the intake said of it."""
OF = "of"
"""The column of such a row that names the file it is of, by its content."""


def noted_schema(source: Source) -> pa.Schema:
    """Return the columns of older rows: those of events, `p` being the newer month's pseudonym, and `of`."""
    return event_schema(source).append(pa.field(OF, pa.string()))


def note_all(arrivals: Sequence[Arrival], around: IntakeContext) -> None:
    """Note what is not noted yet, or was made of other files of months before, of stocks that were taken in.

    Raises:
        EngineError: the engine was lost; what was not noted is by the next run.
    """
    every: dict[str, list[Known]] = {}
    for arrival in arrivals:
        digest = content_digest(arrival.path)
        if (taken := known_intake(around.home, arrival.source.source, digest)) is None:
            continue
        if taken.source not in every:
            every[taken.source] = list(known_files(around.home, taken.source))
        older = _older(around, taken, every[taken.source])
        files = {named: frozenset(one.digest for _, one in found) for named, found in older.items()}
        note = note_of(around.home, taken)
        if note.files != files if note is not None else files:
            _note(looked_at(arrival, digest, taken.named, around.home), taken, older, around)


def _older(around: IntakeContext, taken: Taken, every: Sequence[Known]) -> dict[str, list[Known]]:
    """By pair of months the files of months before those of a file that are kept; no pair of which nothing is."""
    found: dict[str, list[Known]] = {}
    if taken.first_day is None or taken.last_day is None:
        return found
    for name, _, _ in times.months_between(*map(times.day_of_number, (taken.first_day, taken.last_day))):
        month = parse_period(PeriodKind.MONTH, name)
        for before in months_beside(month, -1):
            erased = around.kept_from is not None and before.first_date < around.kept_from
            if not erased and (files := [known for known in every if touches(known[1], before)]):
                found[pair(month, before)] = files
    return found


def _note(file: Ready, taken: Taken, older: Mapping[str, Sequence[Known]], around: IntakeContext) -> None:
    """Read a file once more, and write the older rows of its persons; what says that they are whole goes last."""
    engine, source = around.engine, file.arrival.source
    rows, said = (beside(around.home, taken, suffix) for suffix in (ROWS, SAID))
    part = rows.with_suffix(WRITTEN)
    with ExitStack() as held:
        held.callback(file.screened.readable.unlink, missing_ok=True)
        for name in ("optouts", "there"):
            held.callback(engine.drop, name)
        register_optouts(engine, "optouts", (), around.spellings, around.covering)  # who opted out has no event there
        events = beside(around.home, taken, ".parquet")
        engine.open_events("there", files_of(events, taken.parts), event_schema(source))
        months = held.enter_context(judged({0: file}, source, around, ids_too=True)).months
        made = _open_older(source, months, older, around)
        for name in made:
            held.callback(engine.drop, name)
        parts = engine.write_each(_sql(source), {0: part}, noted_schema(source))[0]
    said.unlink(missing_ok=True)
    for path in files_of(part, parts):
        path.chmod(PRIVATE)
        sync(path)
        path.replace(path.with_suffix(ROWS))
    sync(rows.parent)
    files = {named: sorted(one.digest for _, one in found) for named, found in older.items()}
    write_private(said, indented({"files": files, "parts": parts}))


def _open_older(
    source: Source, months: Sequence[Month], older: Mapping[str, Sequence[Known]], around: IntakeContext
) -> list[str]:
    """Make the relations of older rows, of older keys and of whose they are before, by pair of months, numbered."""
    engine, made, parts = around.engine, ["older", "older_pads", "older_pairs"], []
    columns = ", ".join(f'e."{name}" AS "{name}"' for name in event_schema(source).names)
    index, pads, newer = {month.name: month.index for month in months}, [], []
    for number, (named, files) in enumerate(older.items()):
        after, before = named.split()
        month = parse_period(PeriodKind.MONTH, before)
        newer.append(index[after])
        pads.append(Month(number, before, month.first, month.past))
        for paths, one in files:
            name = f"older_{number}_{one.digest[:NAME]}"
            engine.open_events(name, paths, event_schema(source))
            made.append(name)
            of = f"CAST({number} AS INTEGER) AS pair, {literal(one.digest)} AS {OF}"
            days = f"e.day >= {month.first} AND e.day < {month.past} AND e.p IS NOT NULL"
            parts.append(f"SELECT {columns}, {of} FROM {name} AS e WHERE {days}")
    engine.view("older", " UNION ALL ".join(parts))
    numbers = [pa.array(column, pa.int32()) for column in (range(len(newer)), newer)]
    engine.register("older_pairs", pa.table(numbers, ["pair", "month"]))
    register_pads(engine, "older_pads", pads, around.keys)
    return made


def _sql(source: Source) -> str:
    """The older rows of everybody of whom an event was taken in, by the pseudonym of the newer month."""
    there = "SELECT DISTINCT e.p AS p FROM there AS e WHERE e.p IS NOT NULL"
    named = (
        "SELECT n.p AS p, w.pair AS pair, PSEUDONYM(k.ipad, k.opad, n.person) AS older_p FROM pseudonyms AS n"
        " INNER JOIN older_pairs AS w ON n.month = w.month INNER JOIN older_pads AS k ON w.pair = k.month"
        f" INNER JOIN ({there}) AS t ON n.p = t.p"
    )
    columns = "".join(f', o."{name}" AS "{name}"' for name in noted_schema(source).names if name != "p")
    return (
        f"SELECT CAST(0 AS INTEGER) AS {NUMBER}, m.p AS p{columns} FROM ({named}) AS m"
        " INNER JOIN older AS o ON o.pair = m.pair AND o.p = m.older_p"
    )
