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
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from anonymization.deidentify import addresses, times
from anonymization.deidentify.addresses import Cleaned
from anonymization.deidentify.delivered import content_digest
from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.events import (
    cleaned_columns,
    column_of,
    event_columns,
    event_schema,
    judged_sql,
    open_columns,
    parsed_sql,
)
from anonymization.deidentify.identifiers import (
    IdColumn,
    Month,
    id_columns,
    identified_sql,
    make_pseudonyms,
    register_optouts,
    spell_others,
)
from anonymization.deidentify.keywords import Keywords
from anonymization.deidentify.readers import Raw, compare_names, doubled_names, open_raw, without_doubled
from anonymization.deidentify.screening import Screened, screen
from anonymization.deidentify.screening_parquet import screen_parquet
from anonymization.deidentify.taken import NAME, Taken, delivered_before, known_intake, spoken
from anonymization.deidentify.treatments import cleaned_from, unlisted
from anonymization.engine.base import Engine
from anonymization.errors import EngineError, SourceError
from anonymization.files import PRIVATE, files_of, indented, private_folder, sweep, sync, write_private
from anonymization.home import Home
from anonymization.keys import PeriodKeys, master_seal
from anonymization.policy.sources import UNKNOWN, Format, PersonColumn, Source, Spelling, Treatment

ACCEPTED = "reason IS NULL AND dropped IS NULL"


@dataclass(frozen=True)
class Arrival:
    """A log file as it arrived, and which of its folder it is, by name."""

    source: Source
    arrived: date
    path: Path
    number: int = 1

    @property
    def name(self) -> str:
        """Its name, as it may be told."""
        return spoken(self.path.name, self.source.source, self.number)

    def named(self, home: Home) -> str:
        """Return what is equal for files of one name on one day, to a home alone: a name may be a person's."""
        return master_seal(home, f"log {self.source.source} {self.arrived} {self.path.name}")


@dataclass(frozen=True)
class IntakeContext:
    """What one run of the intake works with.

    Attributes:
        codelists: code lists of the policy folder, by name.
        linked: for a source that proves links: the column and namespace of the linked person, else null.
        first_day: the day on which the policy's first version came into force.
        kept_from: the first day of the months that were not erased, if any was.
        optouts: opted-out persons, as (namespace, id).
        spellings: how ids of each namespace are spelt.
        covering: namespaces of choices that cover the ids, too, that a log of links names beside one of theirs.
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
    spellings: Mapping[str, Spelling]
    kept_from: date | None = None
    covering: frozenset[str] = frozenset()
    paths: Cleaned = field(default_factory=lambda: Cleaned(addresses.path))
    hosts: Cleaned = field(default_factory=lambda: Cleaned(addresses.host))
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
    if arrival.path.is_symlink() or not arrival.path.is_file():
        raise SourceError(
            f"{arrival.path.name} is a link or a folder; allowed are files, and folders that Spark has written to their"
            " end (_SUCCESS)"
        )
    try:
        digest = content_digest(arrival.path)
    except PermissionError:
        raise SourceError(f"{arrival.path.name} may not be read by the user that this runs as") from None
    known = known_intake(around.home, arrival.source.source, digest)
    if known is not None:
        return replace(known, again=True)
    former = delivered_before(around.home, arrival.source.source, arrival.arrived, arrival.named(around.home), digest)
    if former and not around.replacing:
        rows = ", ".join(f"{taken.read:,}" for _, taken in former)
        raise SourceError(
            f"{arrival.name} was taken in before with other content ({rows} rows): both would be counted. If that"
            " was an upload by half, noren intake --replace; if both count, deliver this one by another name"
        )
    workspace = private_folder(workspace_of(around.home, arrival.source.source))
    if arrival.source.format is Format.PARQUET:
        screened = screen_parquet(arrival.path, digest, arrival.source, workspace=workspace)
    else:
        screened = screen(
            arrival.path,
            digest,
            arrival.source.format,
            workspace=workspace,
            quarantine=_beside(around.home.quarantine, arrival, digest, ".unreadable.jsonl"),
            encoding=arrival.source.encoding,
        )
    try:
        return _through_engine(arrival, around, screened, started)
    except EngineError as error:
        if error.lost:
            raise
        raise SourceError(f"{arrival.path.name} cannot be read: {error}") from None
    finally:
        screened.readable.unlink()
        part = _beside(around.home.events, arrival, digest, ".part")
        for left in part.parent.glob(f"{part.stem}*.part"):  # of a file that failed
            left.unlink()


def workspace_of(home: Home, source: str) -> Path:
    """Return where the files of a source lie as engines read them, one at a time, while it is taken in."""
    return home.temporary / f"records-{source}"


def _through_engine(arrival: Arrival, around: IntakeContext, screened: Screened, started: float) -> Taken:
    engine, source = around.engine, arrival.source
    linked = around.linked.get(source.source)
    made: list[str] = []
    try:
        raw = open_raw(engine, source, screened, arrival.path.name, "raw_rows")
        made += raw.relations
        # a clock that runs a day ahead is forgiven; an event of next week is not
        last_day = pa.array([times.day_number(arrival.arrived) + 1], pa.int32())
        engine.register("arrival", pa.table({"last_day": last_day}))
        made.append("arrival")

        ids = id_columns(source.persons, linked, around.spellings)

        def parse(rows: Raw) -> None:
            parsing = parsed_sql(source, rows.sql, codelists=around.codelists, ids=ids, named=rows.named)
            engine.create("parsed", parsing)

        parse(raw)
        made.append("parsed")
        if raw.named:
            names = engine.fetch("SELECT DISTINCT names FROM parsed").column("names").to_pylist()
            raw = replace(raw, undeclared=compare_names(source, names, arrival.path.name, screened.rejected))
            if doubled := doubled_names(names):
                raw = without_doubled(engine, source, raw, doubled)
                made.append("doubled")
                parse(raw)
        months, odd = _months(engine, around.earliest, ids)
        register_optouts(engine, "optouts", around.optouts, around.spellings, around.covering)
        made.append("optouts")
        made += _register_distinct(source, around)
        made += (others := spell_others(engine, "parsed", ids) if odd else [])
        to = None if linked is None else [column.column for column in ids].index(linked.column)
        engine.view("identified", identified_sql("parsed", ids, len(source.persons), to, others))
        made.append("identified")
        identities = ["person", *(["linked"] if linked else [])]
        by_case = make_pseudonyms(engine, "pseudonyms", "identified", identities, months, around.keys)
        made.append("pseudonyms")
        judging = judged_sql(
            source, months, linked=linked is not None, first_day=around.first_day, kept_from=around.kept_from
        )
        engine.view("judged", judging)
        made.append("judged")
        return _settle(arrival, around, raw, screened, started, by_case)
    finally:
        for name in reversed(made):
            engine.drop(name)


def _settle(
    arrival: Arrival, around: IntakeContext, raw: Raw, screened: Screened, started: float, by_case: int
) -> Taken:
    """Write the events and the quarantine, account for every row, and commit by the metrics file."""
    engine, source = around.engine, arrival.source
    quarantined, dropped, accepted, crawlers, unlisted_codes = _account(engine, source)
    counted = accepted + quarantined.total() + dropped.total()
    if counted != screened.records:
        raise SourceError(
            f"{arrival.path.name} holds {screened.records:,} records, of which {engine.name} reads {counted:,}:"
            " nothing of it was taken in; report it, with the file's format"
        )
    quarantined.update(screened.rejected)
    dropped.update(screened.dropped)
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
        file=arrival.name,
        digest=screened.digest,
        read=accepted + quarantined.total() + dropped.total(),
        accepted=accepted,
        crawlers=crawlers,
        quarantined=dict(sorted(quarantined.items())),
        dropped=dict(sorted(dropped.items())),
        undeclared=raw.undeclared,
        unknown=unknown,
        codes=codes,
        removed=_removed(engine, source),
        by_case=by_case,
        unlisted={name: number for name, number in sorted(unlisted_codes.items()) if number},
        first_day=first,
        last_day=last,
        seconds=round(time.perf_counter() - started, 3),
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        parts=parts,
        named=arrival.named(around.home),
    )
    for path, other in delivered_before(around.home, source.source, arrival.arrived, taken.named, taken.digest):
        _forget(around.home, path, other)
    _commit(part, taken)
    return taken


def _forget(home: Home, said: Path, taken: Taken) -> None:
    """Remove what was taken in of a content that another takes the place of; what says so goes last."""
    aside = home.quarantine / said.parent.relative_to(home.events)
    for path in (*files_of(said.with_suffix(".parquet"), taken.parts), *aside.glob(f"{said.stem}*")):
        path.unlink(missing_ok=True)
    said.unlink()


def _account(engine: Engine, source: Source) -> tuple[Counter[str], Counter[str], int, int, Counter[str]]:
    """Rows quarantined and dropped, by reason; accepted; of crawlers; with a code that is not listed, by column."""
    quarantined: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    others: Counter[str] = Counter()
    accepted = crawlers = 0
    told = "".join(
        f', count(*) FILTER (WHERE "{unlisted(name)}") AS "{unlisted(name)}"' for name in open_columns(source)
    )
    counts = f"SELECT reason, dropped, crawler, count(*) AS n{told} FROM judged GROUP BY reason, dropped, crawler"
    for row in engine.fetch(counts).to_pylist():
        if row["reason"] is not None:
            quarantined[row["reason"]] += row["n"]
        elif row["dropped"] is not None:
            dropped[row["dropped"]] += row["n"]
        else:
            accepted += row["n"]
            crawlers += row["n"] if row["crawler"] else 0
            others.update({name: row[unlisted(name)] for name in open_columns(source)})
    return quarantined, dropped, accepted, crawlers, others


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


def _months(engine: Engine, earliest: date, ids: Sequence[IdColumn]) -> tuple[list[Month], int]:
    """The months of the file's events, and how many ids are not plain.

    Of a file without events it is the first month of all, so that there is a key at hand.
    """
    kept = f"FILTER (WHERE reason IS NULL AND day >= {times.day_number(earliest)})"
    odd = " + ".join(f"count(odd_{column.number})" for column in ids)
    span = engine.fetch(
        f"SELECT min(day) {kept} AS first, max(day) {kept} AS last, {odd} AS odd FROM parsed"
    ).to_pylist()[0]
    first, last = (earliest if day is None else times.day_of_number(day) for day in (span["first"], span["last"]))
    found = times.months_between(first, last)
    return [Month(index, *month) for index, month in enumerate(found)], span["odd"]


def _register_distinct(source: Source, around: IntakeContext) -> list[str]:
    """Work on each distinct user agent, keyword, path and host of the file; return the relations made."""
    made = []
    for name, treatment, column, work in (
        ("agents", Treatment.USER_AGENT, "user_agent", around.devices),
        ("keywords", Treatment.KEYWORD, "raw_keyword", around.keywords),
    ):
        if column_of(source, treatment) is not None:
            distinct = f"SELECT DISTINCT {column} FROM parsed WHERE reason IS NULL AND {column} IS NOT NULL"
            around.engine.work_out(name, distinct, work.relation, work.schema)
            made.append(name)
    for column in cleaned_columns(source):
        name, text = f"cleaned_{column}", f'"{cleaned_from(column)}"'
        cleaned = around.paths if source.columns[column].treatment is Treatment.URL_PATH else around.hosts
        distinct = f"SELECT DISTINCT {text} FROM parsed WHERE reason IS NULL AND {text} IS NOT NULL"
        around.engine.work_out(name, distinct, cleaned.relation, cleaned.schema)
        made.append(name)
    return made


def _removed(engine: Engine, source: Source) -> dict[str, int]:
    """The rows whose keyword was given up, by the kind of personal data in it."""
    if column_of(source, Treatment.KEYWORD) is None:
        return {}
    rows = engine.fetch(
        "SELECT k.removed AS kind, count(*) AS n FROM identified AS r INNER JOIN keywords AS k ON r.raw_keyword = k.raw"
        " WHERE r.reason IS NULL AND r.refused IS NULL AND k.removed IS NOT NULL GROUP BY k.removed"
    ).to_pylist()
    return {row["kind"]: row["n"] for row in sorted(rows, key=lambda row: str(row["kind"]))}
