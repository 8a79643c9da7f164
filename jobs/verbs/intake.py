"""Take new files of landing/ in; a file known by its content changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import click

from anonymization.deidentify.arrivals import Arrival, IntakeContext
from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.frames import intake_frames
from anonymization.deidentify.intake import take_all
from anonymization.deidentify.keywords import Keywords
from anonymization.deidentify.look import workspace_of
from anonymization.deidentify.taken import IntakeRun, Taken, day_of, logs_held, totals, wipe_copies
from anonymization.engine import memory_share, open_engine
from anonymization.engine.base import wiped
from anonymization.errors import InputError, Refusal, SourceError
from anonymization.files import indented, locked, write_private
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.load import Policies
from anonymization.policy.sources import PersonColumn
from anonymization.release.choices import optouts
from anonymization.release.setting import opened
from expectations.gate import check_days, check_domains, check_intake, reasons
from expectations.run import SuiteResult
from jobs.console import OUT, bar, check_lines, print_intake
from jobs.options import engine_option, master_option
from jobs.own_suites import own_suites
from jobs.stage import tell

UNREAD = (".", "_")
WRITTEN = "_SUCCESS"
"""What Spark leaves in a folder that is whole."""


@click.command("intake", help=__doc__)
@click.option("--source", help="Only this source.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Only what arrived on this day.")
@engine_option
@master_option
@click.option("--replace", "replacing", is_flag=True, help="A file takes the place of its name and day.")
def command(source: str | None, day: datetime | None, engine: str, master: str | None, *, replacing: bool) -> None:
    only: date | None = day.date() if day is not None else None
    wipe_copies(Home.from_environment().require())
    # held before it is read which files there are, and from when on logs are kept
    with opened() as setting, logs_held(setting.home), bar(OUT) as progress:
        tell(policy_digest=setting.policies.digest)
        files = arrivals(setting.home, setting.policies, source, only)
        step = progress.add_task("Taking logs in", total=len(files))
        run = run_intake(
            setting.home, setting.policies, files, optouts=optouts(setting.home), kept_from=setting.kept_from,
            progress=lambda _: progress.advance(step), engine=engine, master=master, replacing=replacing,
        )  # fmt: skip
    print_intake(OUT, run)
    if not files:
        OUT.print("nothing to take in: landing/source=<name>/arrived=<YYYY-MM-DD>/ holds no file that was asked for")
    fresh = [taken for taken in run.taken if not taken.again]
    taken, read, accepted, quarantined, dropped = totals(fresh)
    tell(files=len(files), taken=taken, read=read, accepted=accepted, quarantined=quarantined, dropped=dropped)
    tell(failures=[{"file": name, "reason": why} for name, why in run.failures])
    if run.failures:
        raise InputError(f"{len(run.failures)} file(s) were not taken in; see above")
    checked, closed = intake_checks(fresh, setting.policies) if fresh else ((), [])
    for line in check_lines(checked):
        OUT.print(line, highlight=False, markup=False)
    if closed:
        tell(reasons=closed)
        raise Refusal("the intake's checks: " + "; ".join(closed))


def arrivals(home: Home, policies: Policies, source: str | None = None, day: date | None = None) -> list[Arrival]:
    """Return the files in landing/, in order of source, day and name.

    Raises:
        InputError: an unknown source, or a folder in landing/ that belongs to none.
    """
    if source is not None and source not in policies.sources:
        raise InputError(f"--source: no such source; declared: {sorted(policies.sources)}")
    found = list(_files(home, policies))
    return [a for a in found if source in (None, a.source.source) and day in (None, a.arrived)]


def _files(home: Home, policies: Policies) -> Iterator[Arrival]:
    for folder in sorted(home.landing.glob("source=*")):
        declared = policies.sources.get(folder.name.removeprefix("source="))
        if declared is None:
            raise InputError(f"landing/ has a folder of no declared source; declared: {sorted(policies.sources)}")
        for day in sorted(folder.iterdir()):
            arrived = day_of(day)
            if arrived is None:
                raise InputError(f"landing/{folder.name}: all in it are folders arrived=YYYY-MM-DD; one thing is not")
            parts = [part for path in sorted(day.iterdir()) for part in _parts(path)]
            yield from (Arrival(declared, arrived, part, number) for number, part in enumerate(parts, 1))


def _parts(path: Path) -> list[Path]:
    """A file, or those in a folder that Spark has written to its end, without names that begin with `.` or `_`.

    Whatever else lies there is handed on as it is, to be refused by name.
    """
    if path.name.startswith(UNREAD):
        return []
    if path.is_dir() and not path.is_symlink() and (path / WRITTEN).exists():
        return sorted(part for part in path.iterdir() if not part.name.startswith(UNREAD))
    return [path]


def run_intake(  # noqa: PLR0913 - what the verb is told, each by its name
    home: Home,
    policies: Policies,
    files: Sequence[Arrival],
    *,
    optouts: Sequence[tuple[str, str]],
    kept_from: date | None = None,
    progress: Callable[[Taken], None] | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    replacing: bool = False,
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
        replacing=replacing,
    )  # fmt: skip
    own = {name: [arrival for arrival in files if arrival.source.source == name] for name in sources}
    with logs_held(home), ThreadPoolExecutor(max_workers=side_by_side) as workers:
        # the largest begins first: nobody waits for it alone in the end
        largest_first = sorted(own, key=lambda name: -sum(arrival.path.lstat().st_size for arrival in own[name]))
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
    replacing: bool


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
    workspace = wiped(workspace_of(home, files[0].source.source))  # of what a run that was killed has left
    with open_engine(
        shared.engine,
        temporary=home.temporary,
        folders=[home.landing, home.events, home.quarantine],
        memory_limit=shared.memory,
        threads=shared.threads,
        master=shared.master,
    ) as engine:
        around = IntakeContext(
            home=home,
            engine=engine,
            keys=shared.keys,
            codelists=policies.codelists,
            linked=linked,
            first_day=policies.policy.first_day,
            kept_from=shared.kept_from,
            optouts=shared.optouts,
            covering=policies.policy.covering,
            devices=shared.devices,
            keywords=shared.keywords,
            spellings=policies.spellings,
            replacing=shared.replacing,
        )
        for arrival, done in take_all(files, around):
            if isinstance(done, SourceError):
                why = str(done).replace(arrival.path.name, arrival.name)
                failures.append((f"{arrival.source.source}/{arrival.arrived}/{arrival.name}", why))
                continue
            taken.append(done)
            if shared.progress is not None:
                shared.progress(done)
    wiped(workspace).rmdir()
    return IntakeRun(tuple(taken), tuple(failures))


def _write_metrics(home: Home, run: IntakeRun) -> None:
    path = home.metrics / f"intake-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.json"
    content = {"taken": [asdict(t) for t in run.taken], "failures": [list(f) for f in run.failures]}
    write_private(path, indented(content, as_given=True))


def intake_checks(taken: Sequence[Taken], policies: Policies) -> tuple[tuple[SuiteResult, ...], list[str]]:
    """Return what the intake's checks looked at, and what they found: with its source, and its day if it is of one."""
    days, domains = intake_frames(taken, policies)
    suites = own_suites(policies)
    results = check_intake(days, domains, suites)
    if not (everything := reasons(results)):
        return results, []
    by_day = [
        f"{source}, arrived {arrived}: {reason}"
        for source, of_source in days.groupby("source")
        if reasons(check_days(of_source, suites))  # a check of every day of every source would take seconds
        for arrived, of_day in of_source.groupby("arrived")
        for reason in reasons(check_days(of_day, suites))
    ]
    by_source = [
        f"{source}: {reason}"
        for source, codes in domains.groupby("source")
        for reason in reasons(check_domains(codes, suites))
    ]
    return results, by_day + by_source or everything
