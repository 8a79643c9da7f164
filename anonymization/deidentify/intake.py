"""Take one log file in: raw rows become pseudonymous events, every row accounted for.

read = accepted + quarantined + dropped, exactly. A file is known by the SHA-256 of its content: taking it
in again changes nothing. What a run leaves behind is complete or absent: the metrics file beside the
events is written last.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from anonymization.deidentify import times
from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.events import column_of, event_columns, event_schema, judged_sql, parsed_sql
from anonymization.deidentify.identifiers import Month, make_pseudonyms, register_optouts
from anonymization.deidentify.keywords import Keywords
from anonymization.deidentify.readers import Raw, compare_names, open_raw
from anonymization.deidentify.screening import Screened, content_digest, screen
from anonymization.deidentify.taken import NAME, Taken, delivered_before, known_intake
from anonymization.engine.base import Engine
from anonymization.errors import SourceError
from anonymization.files import PRIVATE, files_of, indented, private_folder, sweep, sync, write_private
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.sources import UNKNOWN, Format, PersonColumn, Source, Treatment

COUNTS = "SELECT reason, dropped, crawler, count(*) AS n FROM judged GROUP BY reason, dropped, crawler"
BLANK_LINE = "blank line"
ACCEPTED = "reason IS NULL AND dropped IS NULL"


@dataclass(frozen=True)
class Arrival:
    """A log file as it arrived."""

    source: Source
    arrived: date
    path: Path


@dataclass(frozen=True)
class IntakeContext:
    """What one run of the intake works with.

    Attributes:
        codelists: code lists of the policy folder, by name.
        linked: for a source that proves links: the column and namespace of the linked person, else null.
        first_day: the day on which the policy's first version came into force.
        kept_from: the first day of the months that were not erased, if any was.
        optouts: opted-out persons, as (namespace, id).
        replacing: whether a file takes the place of another content that was delivered by its name on its day.
    """

    home: Home
    engine: Engine
    keys: PeriodKeys
    codelists: Mapping[str, Mapping[str, object]]
    linked: Mapping[str, PersonColumn]
    first_day: date
    optouts: Sequence[tuple[str, str]]
    devices: DeviceFamilies
    keywords: Keywords
    kept_from: date | None = None
    replacing: bool = False

    @property
    def earliest(self) -> date:
        """The first day whose events are taken in."""
        return max(self.first_day, self.kept_from or self.first_day)


def take_in(arrival: Arrival, around: IntakeContext) -> Taken:
    """Take one file in and return what became of its rows.

    Raises:
        SourceError: the file is not what its source declares; nothing of it was taken in.
    """
    started = time.perf_counter()
    digest = content_digest(arrival.path)
    known = known_intake(around.home, arrival.source.source, digest)
    if known is not None:
        return replace(known, again=True)
    former = delivered_before(around.home, arrival.source.source, arrival.arrived, arrival.path.name, digest)
    if former and not around.replacing:
        rows = ", ".join(f"{taken.read:,}" for _, taken in former)
        raise SourceError(
            f"{arrival.path.name} was taken in before with other content ({rows} rows): both would be counted. If that"
            " was an upload by half, noren intake --replace; if both count, deliver this one by another name"
        )
    quarantine = _beside(around.home.quarantine, arrival, digest, ".unreadable.jsonl")
    if arrival.source.format is Format.PARQUET:
        screened = Screened(digest, arrival.path)
    else:
        screened = screen(
            arrival.path,
            digest,
            workspace=around.home.temporary,
            quarantine=quarantine,
            encoding=arrival.source.encoding,
        )
    try:
        taken = _through_engine(arrival, around, screened, started)
    finally:
        if screened.readable != arrival.path:
            screened.readable.unlink()
    return taken


def _through_engine(arrival: Arrival, around: IntakeContext, screened: Screened, started: float) -> Taken:
    engine, source = around.engine, arrival.source
    linked = around.linked.get(source.source)
    raw = open_raw(engine, source, screened.readable, "raw_rows")
    made = list(raw.relations)
    try:
        # a clock that runs a day ahead is forgiven; an event of next week is not
        last_day = pa.array([times.day_number(arrival.arrived) + 1], pa.int32())
        engine.register("arrival", pa.table({"last_day": last_day}))
        made.append("arrival")
        parsing = parsed_sql(source, raw.sql, codelists=around.codelists, linked=linked, named=raw.named)
        engine.create("parsed", parsing)
        made.append("parsed")
        if raw.named:
            names = engine.fetch("SELECT DISTINCT names FROM parsed").column("names").to_pylist()
            raw = replace(raw, undeclared=compare_names(source, names, arrival.path.name))
        months = _months(engine, around.earliest)
        register_optouts(engine, "optouts", around.optouts)
        made.append("optouts")
        made += _register_distinct(source, around)
        identities = ["person", *(["linked"] if linked else [])]
        make_pseudonyms(engine, "pseudonyms", "parsed", identities, months, around.keys)
        made.append("pseudonyms")
        judging = judged_sql(
            source, months, linked=linked is not None, first_day=around.first_day, kept_from=around.kept_from
        )
        engine.view("judged", judging)
        made.append("judged")
        return _settle(arrival, around, raw, screened, started)
    finally:
        for name in reversed(made):
            engine.drop(name)


def _settle(arrival: Arrival, around: IntakeContext, raw: Raw, screened: Screened, started: float) -> Taken:
    """Write the events and the quarantine, account for every row, and commit by the metrics file."""
    engine, source = around.engine, arrival.source
    quarantined, dropped, accepted, crawlers = _account(engine)
    for reason, number in screened.rejected.items():
        quarantined[reason] += number
    if screened.blank:
        dropped[BLANK_LINE] = screened.blank
    linked = source.source in around.linked
    columns = ", ".join(f'"{name}"' for name in event_columns(source, linked=linked))
    part = _beside(around.home.events, arrival, screened.digest, ".part")
    private_folder(part.parent)
    parts = engine.write_parquet(f"SELECT {columns} FROM judged WHERE {ACCEPTED}", part)
    if quarantined:
        aside = _beside(around.home.quarantine, arrival, screened.digest, ".parquet")
        private_folder(aside.parent)
        number = engine.write_parquet("SELECT reason, line FROM judged WHERE reason IS NOT NULL", aside)
        for path in files_of(aside, number):
            path.chmod(PRIVATE)
            sync(path)
        sync(aside.parent)
    first, last, unknown, codes = _look_at_events(engine, source, files_of(part, parts), linked=linked)
    taken = Taken(
        source=source.source,
        arrived=arrival.arrived.isoformat(),
        file=arrival.path.name,
        digest=screened.digest,
        read=accepted + quarantined.total() + dropped.total(),
        accepted=accepted,
        crawlers=crawlers,
        quarantined=dict(sorted(quarantined.items())),
        dropped=dict(sorted(dropped.items())),
        undeclared=list(raw.undeclared),
        unknown=unknown,
        codes=codes,
        removed=_removed(engine, source),
        first_day=first,
        last_day=last,
        seconds=round(time.perf_counter() - started, 3),
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        parts=parts,
    )
    for path, other in delivered_before(around.home, source.source, arrival.arrived, arrival.path.name, taken.digest):
        _forget(around.home, path, other)
    _commit(part, taken)
    return taken


def _forget(home: Home, said: Path, taken: Taken) -> None:
    """Remove what was taken in of a content that another takes the place of; what says so goes last."""
    aside = home.quarantine / said.parent.relative_to(home.events)
    for path in (*files_of(said.with_suffix(".parquet"), taken.parts), *aside.glob(f"{said.stem}*")):
        path.unlink(missing_ok=True)
    said.unlink()


def _account(engine: Engine) -> tuple[Counter[str], Counter[str], int, int]:
    quarantined: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    accepted = crawlers = 0
    for row in engine.fetch(COUNTS).to_pylist():
        if row["reason"] is not None:
            quarantined[row["reason"]] += row["n"]
        elif row["dropped"] is not None:
            dropped[row["dropped"]] += row["n"]
        else:
            accepted += row["n"]
            crawlers += row["n"] if row["crawler"] else 0
    return quarantined, dropped, accepted, crawlers


def _look_at_events(
    engine: Engine, source: Source, paths: Sequence[Path], *, linked: bool
) -> tuple[int | None, int | None, dict[str, int], dict[str, list[str]]]:
    """First and last day, the number of `unknown` a column, and the distinct codes a coded column."""
    schema = event_schema(source, linked=linked)
    texts = [field.name for field in schema if field.type == pa.string()]
    counts = ", ".join(
        ["min(day) AS first", "max(day) AS last"]
        + [f'count(*) FILTER (WHERE "{name}" = \'{UNKNOWN}\') AS "{name}"' for name in texts]
    )
    engine.open_events("written", paths, schema)
    try:
        row = engine.fetch(f"SELECT {counts} FROM written").to_pylist()[0]
        coded = sorted({c.into or n for n, c in source.columns.items() if c.treatment is Treatment.CODE})
        codes: dict[str, list[str]] = {name: [] for name in coded}
        if coded:
            each = [f"SELECT DISTINCT '{name}' AS name, \"{name}\" AS code FROM written" for name in coded]
            for found in engine.fetch(f"{' UNION ALL '.join(each)} ORDER BY name, code").to_pylist():
                codes[found["name"]].append(found["code"])
    finally:
        engine.drop("written")
    unknown = {name: int(row[name]) for name in texts if row[name]}
    return row["first"], row["last"], unknown, codes


def _commit(part: Path, taken: Taken) -> None:
    """Make the events visible, then the metrics that say they are whole; each on the disk before the next."""
    for path in files_of(part, taken.parts):
        path.chmod(PRIVATE)
        sync(path)
        path.replace(path.with_suffix(".parquet"))
    sync(part.parent)
    metrics = part.with_suffix(".json")
    sweep(metrics)
    write_private(metrics, indented(asdict(taken)))


def _beside(zone: Path, arrival: Arrival, digest: str, suffix: str) -> Path:
    day = f"arrived={arrival.arrived.isoformat()}"
    return zone / f"source={arrival.source.source}" / day / f"{digest[:NAME]}{suffix}"


def _months(engine: Engine, earliest: date) -> list[Month]:
    """The months of the file's events; of one without any, the first month of all, so that there is a key at hand."""
    span = engine.fetch(
        "SELECT min(day) AS first, max(day) AS last FROM parsed"
        f" WHERE reason IS NULL AND day >= {times.day_number(earliest)}"
    ).to_pylist()[0]
    first, last = (earliest if day is None else times.day_of_number(day) for day in (span["first"], span["last"]))
    found = times.months_between(first, last)
    return [Month(index, *month) for index, month in enumerate(found)]


def _register_distinct(source: Source, around: IntakeContext) -> list[str]:
    """Work on each distinct user agent and keyword of the file; return the relations made."""
    made = []
    for name, treatment, column, work in (
        ("agents", Treatment.USER_AGENT, "user_agent", around.devices),
        ("keywords", Treatment.KEYWORD, "raw_keyword", around.keywords),
    ):
        if column_of(source, treatment) is not None:
            distinct = f"SELECT DISTINCT {column} FROM parsed WHERE reason IS NULL AND {column} IS NOT NULL"
            around.engine.work_out(name, distinct, work.relation, work.schema)
            made.append(name)
    return made


def _removed(engine: Engine, source: Source) -> dict[str, int]:
    """The rows whose keyword was given up, by the kind of personal data in it."""
    if column_of(source, Treatment.KEYWORD) is None:
        return {}
    rows = engine.fetch(
        "SELECT k.removed AS kind, count(*) AS n FROM parsed AS r INNER JOIN keywords AS k ON r.raw_keyword = k.raw"
        " WHERE r.reason IS NULL AND k.removed IS NOT NULL GROUP BY k.removed"
    ).to_pylist()
    return {row["kind"]: row["n"] for row in sorted(rows, key=lambda row: str(row["kind"]))}
