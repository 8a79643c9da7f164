"""Intake: every file in landing/ that is not known yet becomes events, or an error that says why not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.intake import Arrival, Surroundings, Taken, take_in
from anonymization.deidentify.keywords import Keywords
from anonymization.deidentify.treatments import UNKNOWN
from anonymization.engine import memory_share, open_engine
from anonymization.engine.base import files_of
from anonymization.errors import InputError, SourceError
from anonymization.home import Home, locked
from anonymization.keys import PeriodKeys
from anonymization.policy.load import Policies
from anonymization.policy.sources import PersonColumn
from anonymization.tables.period import Period
from expectations.gate import check_days, check_domains, check_intake, reasons

FEW_DAYS = 3
FEW_ROWS = 100
"""A share of rejected rows is that of so many at least: one of the nine stragglers of a day is no sign."""
ARRIVED = re.compile(r"arrived=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class IntakeRun:
    """What one run of the intake did.

    Attributes:
        taken: one entry a file, in order of arrival; files known before have `again` set.
        failures: files that were not taken in: name and why.
    """

    taken: tuple[Taken, ...]
    failures: tuple[tuple[str, str], ...]


def arrivals(home: Home, policies: Policies, source: str | None = None, day: date | None = None) -> list[Arrival]:
    """Return the files in landing/, in order of source, day and name.

    Raises:
        InputError: an unknown source, or a folder in landing/ that belongs to none.
    """
    if source is not None and source not in policies.sources:
        raise InputError(f"unknown source {source!r}; declared: {sorted(policies.sources)}")
    found = list(_files(home, policies))
    return [a for a in found if source in (None, a.source.source) and day in (None, a.arrived)]


def _files(home: Home, policies: Policies) -> Iterator[Arrival]:
    for folder in sorted(home.landing.glob("source=*")):
        declared = policies.sources.get(folder.name.removeprefix("source="))
        if declared is None:
            raise InputError(f"landing/{folder.name}: no such source; declared: {sorted(policies.sources)}")
        for day in sorted(folder.iterdir()):
            arrived = day_of(day)
            if arrived is None:
                raise InputError(f"landing/{folder.name}/{day.name}: expected a folder arrived=YYYY-MM-DD")
            for path in sorted(day.iterdir()):
                if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    yield Arrival(declared, arrived, path)


def day_of(folder: Path) -> date | None:
    """Return the day that a folder of arrivals is named after, `arrived=YYYY-MM-DD`; None if it is not."""
    found = ARRIVED.fullmatch(folder.name)
    try:
        return None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None


def run_intake(
    home: Home,
    policies: Policies,
    files: Sequence[Arrival],
    *,
    optouts: Sequence[tuple[str, str]],
    kept_from: date | None = None,
    progress: Callable[[Taken], None] | None = None,
    engine: str = "duckdb",
    master: str | None = None,
) -> IntakeRun:
    """Take the files in; a file that fails leaves nothing behind and stops no other.

    Sources are taken side by side, one a core, or on Spark all at once; files of a source one after another, so that a
    file delivered twice in one run is known the second time. Several runs may work in one home, on different sources:
    a source that another run is taking in is left to that run, and told among the failures. A run that was ended at
    any moment is taken up by the next one.
    """
    sources = {arrival.source.source: arrival.source for arrival in files}
    cores = os.cpu_count() or 1
    side_by_side = max(1, len(sources) if engine == "spark" else min(cores, len(sources)))
    shared = _Shared(
        home, policies, PeriodKeys(home), optouts, kept_from, DeviceFamilies(), Keywords(), progress,
        memory=memory_share(side_by_side), threads=max(1, cores // side_by_side), engine=engine, master=master,
    )  # fmt: skip
    own = {name: [arrival for arrival in files if arrival.source.source == name] for name in sources}
    with logs_held(home), ThreadPoolExecutor(max_workers=side_by_side) as workers:
        # the largest begins first: nobody waits for it alone in the end
        largest_first = sorted(own, key=lambda name: -sum(arrival.path.stat().st_size for arrival in own[name]))
        begun = {name: workers.submit(_take_source, shared, own[name]) for name in largest_first}
        parts = [begun[name].result() for name in own]
    run = IntakeRun(tuple(t for part in parts for t in part.taken), tuple(f for part in parts for f in part.failures))
    _write_metrics(home, run)
    return run


@dataclass(frozen=True)
class _Shared:
    """What the sources of one run share."""

    home: Home
    policies: Policies
    keys: PeriodKeys
    optouts: Sequence[tuple[str, str]]
    kept_from: date | None
    devices: DeviceFamilies
    keywords: Keywords
    progress: Callable[[Taken], None] | None
    memory: str
    threads: int
    engine: str
    master: str | None


def logs_held(home: Home, *, alone: bool = False, patience: float | None = None) -> AbstractContextManager[bool]:
    """Hold the logs of a home, with whoever takes logs in, or alone to erase some; see `locked`.

    An intake waits while logs are erased, which takes moments.
    """
    return locked(home.temporary / "logs.lock", shared=not alone, patience=patience)


def _alone(home: Home, source: str) -> AbstractContextManager[bool]:
    """Hold a source for this run, unless another one holds it; see `locked`."""
    return locked(home.temporary / f"intake-{source}.lock", patience=0)


def _take_source(shared: _Shared, files: Sequence[Arrival]) -> IntakeRun:
    source = files[0].source.source
    with _alone(shared.home, source) as held:
        if not held:
            return IntakeRun((), ((source, "another intake is taking this source in; it was left to that one"),))
        return _take_files(shared, files)


def _take_files(shared: _Shared, files: Sequence[Arrival]) -> IntakeRun:
    """Take the files of one source in, with an engine of its own."""
    home, policies = shared.home, shared.policies
    linked = {link.source: PersonColumn(column=link.to.column, namespace=link.to.namespace) for link in policies.links}
    taken: list[Taken] = []
    failures: list[tuple[str, str]] = []
    with open_engine(
        shared.engine,
        temporary=home.temporary,
        folders=[home.landing, home.events, home.quarantine],
        memory_limit=shared.memory,
        threads=shared.threads,
        master=shared.master,
    ) as engine:
        around = Surroundings(
            home=home,
            engine=engine,
            keys=shared.keys,
            codelists=policies.codelists,
            linked=linked,
            first_day=policies.policy.first_day,
            kept_from=shared.kept_from,
            optouts=shared.optouts,
            devices=shared.devices,
            keywords=shared.keywords,
        )
        for arrival in files:
            try:
                done = take_in(arrival, around)
            except SourceError as error:
                failures.append((f"{arrival.source.source}/{arrival.arrived}/{arrival.path.name}", str(error)))
                continue
            taken.append(done)
            if shared.progress is not None:
                shared.progress(done)
    return IntakeRun(tuple(taken), tuple(failures))


def _write_metrics(home: Home, run: IntakeRun) -> None:
    path = home.metrics / f"intake-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.json"
    content = {"taken": [asdict(t) for t in run.taken], "failures": [list(f) for f in run.failures]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o600)


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


def intake_frames(taken: Sequence[Taken], policies: Policies) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what the intake suites look at: one row a source and day of arrival, and one row a code seen.

    The volume of a day is compared with the median day of its source, where at least three days are known;
    a day on which only late events arrived is not compared.
    """
    columns = ["source", "arrived", "read", "accepted", "quarantined", "dropped", "last_day"]
    rows = [
        (t.source, t.arrived, t.read, t.accepted, sum(t.quarantined.values()), sum(t.dropped.values()), t.last_day)
        for t in taken
    ]
    days = (
        pd.DataFrame(rows, columns=columns)
        .groupby(["source", "arrived"], as_index=False)
        .agg({"read": "sum", "accepted": "sum", "quarantined": "sum", "dropped": "sum", "last_day": "max"})
    )
    days["balance"] = days["read"] - days["accepted"] - days["quarantined"] - days["dropped"]
    days["rejected_share"] = days["quarantined"] / days["read"].clip(lower=FEW_ROWS)
    days["lag_days"] = [
        (date.fromisoformat(arrived) - date(1970, 1, 1)).days - (last if pd.notna(last) else 0)
        for arrived, last in zip(days["arrived"], days["last_day"], strict=True)
    ]
    on_time = days["lag_days"] <= 0
    median = days[on_time].groupby("source")["read"].median().where(days[on_time].groupby("source").size() >= FEW_DAYS)
    days["volume_ratio"] = (days["read"] / days["source"].map(median)).where(on_time)
    coded = {
        (source.source, column.into or name): set(policies.codelists[column.codes]) | {UNKNOWN}
        for source in policies.sources.values()
        for name, column in source.columns.items()
        if column.codes is not None
    }
    seen = {(t.source, column, code) for t in taken for column, codes in t.codes.items() for code in codes}
    domains = [(s, column, code, code in coded[s, column]) for s, column, code in sorted(seen)]
    return days, pd.DataFrame(domains, columns=["source", "column", "code", "in_domain"])


def intake_reasons(taken: Sequence[Taken], policies: Policies) -> list[str]:
    """Return what the intake's checks find, each with its source, and its day of arrival where it is about a day."""
    days, domains = intake_frames(taken, policies)
    if not reasons(check_intake(days, domains)):
        return []
    by_day = [
        f"{source}, arrived {arrived}: {reason}"
        for (source, arrived), one in days.groupby(["source", "arrived"])
        for reason in reasons([check_days(one)])
    ]
    by_source = [
        f"{source}: {reason}"
        for source, codes in domains.groupby("source")
        for reason in reasons([check_domains(codes)])
    ]
    return by_day + by_source


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("intake")
