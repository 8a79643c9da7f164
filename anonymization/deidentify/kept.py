"""What is kept of a person beside raw logs: events and older rows of stocks, by pseudonym, and rejected lines.

What is taken out of these is what no raw log of `landing/` brings any more: where the raw log is there it is edited,
and taken in again (`edited.py`).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anonymization.deidentify.identifiers import Month, register_optouts, register_pads
from anonymization.deidentify.notes import beside, note_of
from anonymization.deidentify.taken import NAME, Taken, known_files
from anonymization.deidentify.whose import Person, Whose
from anonymization.engine.base import Engine
from anonymization.files import files_of, indented, private_stream, write_private
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.sources import Spelling

PSEUDONYMS = ("p", "linked_p")
"""The columns of events that hold one."""
UNREADABLE = ".unreadable.jsonl"
"""Of rejected lines that no engine should see."""


def pseudonyms_of(
    engine: Engine, keys: PeriodKeys, people: Iterable[Person], spellings: Mapping[str, Spelling]
) -> list[int]:
    """Return a person's pseudonyms of every month that has a key."""
    months = [Month(number, name, 0, 0) for number, name in enumerate(keys.periods())]
    register_optouts(engine, "people", people, spellings, ())
    register_pads(engine, "people_pads", months, keys)
    sql = "SELECT PSEUDONYM(k.ipad, k.opad, o.person) AS p FROM people AS o CROSS JOIN people_pads AS k"
    found = engine.fetch(sql).column("p").to_pylist()
    for name in ("people", "people_pads"):
        engine.drop(name)
    return sorted(found)


def rows_of(paths: Sequence[Path], pseudonyms: Collection[int], *, alone: bool) -> Iterator[dict[str, Any]]:
    """Yield a person's rows of some files of events, without any pseudonym.

    Args:
        paths: files of events, or of older rows.
        pseudonyms: the person's.
        alone: whether a sign-in is whose member it names, if it names one.
    """
    for path in paths:
        table = pq.read_table(path)
        own = table.filter(_own(table, pseudonyms, alone=alone))
        yield from own.drop_columns([name for name in PSEUDONYMS if name in own.column_names]).to_pylist()


def _own(table: pa.Table, pseudonyms: Collection[int], *, alone: bool) -> pa.ChunkedArray:
    """Which rows are a person's."""
    wanted = pa.array(sorted(pseudonyms), pa.int64())
    columns = [table.column(name) for name in PSEUDONYMS if name in table.column_names]
    if alone:
        return pc.is_in(pc.coalesce(*reversed(columns)), value_set=wanted)
    found = pc.is_in(columns[0], value_set=wanted)
    return found if len(columns) == 1 else pc.or_(found, pc.is_in(columns[1], value_set=wanted))


def noted_rows(home: Home, taken: Taken) -> tuple[Path, ...]:
    """Return the files of older rows that were noted of a file."""
    note = note_of(home, taken)
    return () if note is None else note.rows


def rejected_lines(folder: Path, whose: Whose) -> Iterator[dict[str, Any]]:
    """Yield a person's rejected lines of a folder of the quarantine, each with the reason."""
    for path in sorted(folder.glob("*.parquet")):
        yield from (row for row in pq.read_table(path).to_pylist() if row["line"] and whose.owns_line(row["line"]))
    for path in sorted(folder.glob(f"*{UNREADABLE}")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if whose.mentions(text := _unpacked(line)):
                yield {"reason": json.loads(line)["reason"], "line": text}


def _unpacked(line: str) -> str:
    return base64.b64decode(json.loads(line)["base64"]).decode("utf-8", errors="replace")


def rewritten_digest(digest: str, number: int) -> str:
    """Return how events are known of which a request took rows out, while nobody has their raw log any more."""
    return hashlib.sha256(f"{digest} without request {number}".encode()).hexdigest()


def holding(home: Home, pseudonyms: Collection[int]) -> list[tuple[tuple[Path, ...], Taken]]:
    """Return the files of events, or with notes beside them, that hold a row of a person."""
    found = []
    for paths, taken in known_files(home):
        every = [pq.read_table(path, columns=_there(path)) for path in (*paths, *noted_rows(home, taken))]
        if any(pc.any(_own(table, pseudonyms, alone=False)).as_py() for table in every):
            found.append((paths, taken))
    return found


def _there(path: Path) -> list[str]:
    return [name for name in PSEUDONYMS if name in pq.read_schema(path).names]


def write_without(home: Home, paths: Sequence[Path], taken: Taken, pseudonyms: Collection[int], digest: str) -> None:
    """Write the events of a file without a person's, known by another digest; what was there is to be forgotten.

    Notes are not written again: the next intake notes what it can.
    """
    target = beside(home, replace(taken, digest=digest), ".parquet")
    aside = home.quarantine / target.parent.relative_to(home.events)
    for rejected in sorted(aside.glob(f"{taken.digest[:NAME]}*")):
        write_private(aside / rejected.name.replace(taken.digest[:NAME], digest[:NAME], 1), rejected.read_bytes())
    gone = 0
    for path, new in zip(paths, files_of(target, len(paths)), strict=True):
        table = pq.read_table(path)
        own = _own(table, pseudonyms, alone=False)
        left = table.filter(pc.invert(pc.fill_null(own, fill_value=False)))
        gone += len(table) - len(left)
        with private_stream(new) as file:
            pq.write_table(left, file, compression="zstd")
    said = replace(taken, digest=digest, accepted=taken.accepted - gone, read=taken.read - gone, again=False)
    write_private(target.with_suffix(".json"), indented(asdict(said)))


def take_out_rejected(home: Home, folder: Path, whose: Whose) -> None:
    """Take a person's rejected lines out of a folder of the quarantine, and out of what is said of their files."""
    gone: dict[str, Counter[str]] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        own = [bool(row["line"]) and whose.owns_line(row["line"]) for row in table.to_pylist()]
        if any(own):
            reasons = table.column("reason").filter(pa.array(own)).to_pylist()
            gone.setdefault(path.name[:NAME], Counter()).update(reasons)
            with private_stream(path) as file:
                pq.write_table(table.filter(pa.array([not one for one in own])), file, compression="zstd")
    for path in sorted(folder.glob(f"*{UNREADABLE}")):
        lines = path.read_text(encoding="utf-8").splitlines()
        own = [whose.mentions(_unpacked(line)) for line in lines]
        if any(own):
            reasons = [json.loads(line)["reason"] for line, mine in zip(lines, own, strict=True) if mine]
            gone.setdefault(path.name[:NAME], Counter()).update(reasons)
            write_private(path, "".join(f"{line}\n" for line, mine in zip(lines, own, strict=True) if not mine))
    for name, reasons in gone.items():
        _say(home, folder, name, reasons)


def _say(home: Home, folder: Path, name: str, gone: Mapping[str, int]) -> None:
    """Say of a file that so many lines of it, by reason, are gone."""
    said = home.events / folder.relative_to(home.quarantine) / f"{name}.json"
    if not said.exists():
        return
    content = json.loads(said.read_text(encoding="utf-8"))
    before = content["quarantined"]
    left = {reason: max(0, number - gone.get(reason, 0)) for reason, number in before.items()}
    content["quarantined"] = {reason: number for reason, number in left.items() if number}
    content["read"] -= sum(before.values()) - sum(left.values())
    write_private(said, indented(content))
