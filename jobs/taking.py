"""Takes logs of `landing/` in: which files lie there, and what becomes of them, source by source, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from anonymization.deidentify.arrivals import Arrival, IntakeContext
from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.intake import take_all
from anonymization.deidentify.keywords import Keywords
from anonymization.deidentify.look import workspace_of
from anonymization.deidentify.taken import IntakeRun, Taken, day_of, logs_held
from anonymization.engine import memory_share, open_engine
from anonymization.engine.base import wiped
from anonymization.errors import InputError, SourceError
from anonymization.files import indented, locked, write_private
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.load import Policies
from anonymization.policy.sources import PersonColumn

UNREAD = (".", "_")
WRITTEN = "_SUCCESS"
"""What Spark leaves in a folder that is whole."""


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
    rewritten: Mapping[str, str] | None = None,
    held: bool = False,
) -> IntakeRun:
    """Take the files in; a file that fails leaves nothing behind and stops no other.

    Sources are taken side by side, one a core, or on Spark all at once; files of a source one after another, so that a
    file delivered twice in one run is known the second time. Several runs may work in one home, on different sources:
    a source that another run is taking in is left to that run, and told among the failures. A run that was ended at
    any moment is taken up by the next one.

    Args:
        home: the home.
        policies: its policies.
        files: of `arrivals`.
        optouts: persons whose rows are dropped.
        kept_from: the first day of the months that were not erased, if any was.
        progress: called after each file.
        engine: on which it is done.
        master: Spark's.
        replacing: whether a file takes the place of another content of its name and day.
        rewritten: contents that a person's request has changed since, by digest; delivered again, they are refused.
        held: whether the caller holds the logs alone.
    """
    sources = {arrival.source.source: arrival.source for arrival in files}
    cores = os.cpu_count() or 1
    side_by_side = max(1, len(sources) if engine == "spark" else min(cores, len(sources)))
    shared = _Shared(
        home, policies, PeriodKeys(home), optouts, kept_from, DeviceFamilies(), Keywords(), progress,
        memory=memory_share(side_by_side), threads=max(1, cores // side_by_side), engine=engine, master=master,
        replacing=replacing, rewritten=rewritten or {},
    )  # fmt: skip
    own = {name: [arrival for arrival in files if arrival.source.source == name] for name in sources}
    with nullcontext() if held else logs_held(home), ThreadPoolExecutor(max_workers=side_by_side) as workers:
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
    rewritten: Mapping[str, str]


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
            rewritten=shared.rewritten,
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
