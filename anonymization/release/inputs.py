"""What a release or k-anonymous rows are made of: which events, and whether they may be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from anonymization.deidentify.events import event_schema
from anonymization.deidentify.taken import Taken, known_files, require_whole, touches
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.errors import InputError, PolicyRefusal, Refusal
from anonymization.home import Home
from anonymization.policy.crosscheck import check_release
from anonymization.policy.decide import Clause, versions_in_force
from anonymization.policy.load import Policies
from anonymization.policy.periods import Period, one_key_period, parse_period
from anonymization.release.setting import Setting
from anonymization.tables.plan import Plan, resolve


@dataclass(frozen=True)
class Inputs:
    """The events that a release reads: files by source, and what the intake said of them."""

    files: Mapping[str, tuple[Path, ...]]
    taken: Mapping[str, tuple[Taken, ...]]


def files_of_period(home: Home, source: str, period: Period) -> list[tuple[tuple[Path, ...], Taken]]:
    """Return the event files of a source that may hold events of a period, each with what the intake said of it."""
    return [(paths, one) for paths, one in known_files(home, source) if touches(one, period)]


def open_source(engine: Engine, policies: Policies, source: str, paths: Sequence[Path], name: str) -> None:
    """Give an engine some event files of a source as a relation."""
    linked = any(link.source == source for link in policies.links)
    engine.open_events(name, paths, event_schema(policies.sources[source], linked=linked))


def find_inputs(home: Home, sources: Sequence[str], period: Period, *, judging: str | None = None) -> Inputs:
    """Return the event files that hold events of the period, wherever they arrived.

    Args:
        home: where the events are.
        sources: what is read.
        period: the days.
        judging: a log of links that is read beside, if it has events of the period (`Plan.judging`).

    Raises:
        InputError: a source has no event in the period, or events are damaged.
    """
    require_whole(home, sources)
    files: dict[str, tuple[Path, ...]] = {}
    taken: dict[str, tuple[Taken, ...]] = {}
    for source in (*sources, *([judging] if judging is not None else [])):
        found = files_of_period(home, source, period)
        if not found and source == judging:
            continue
        if not found:
            raise InputError(f"source {source!r} has no events in {period.name}: take its logs in by `noren intake`")
        files[source] = tuple(path for paths, _ in found for path in paths)
        taken[source] = tuple(one for _, one in found)
    return Inputs(files, taken)


def inputs_of(setting: Setting, sources: Sequence[str], period: Period, *, judging: str | None = None) -> Inputs:
    """Return what `find_inputs` finds in a home, if all of the period is still there.

    Raises:
        Refusal: the logs of the period were erased.
        InputError: a source has no event in the period.
    """
    kept_from = setting.kept_from
    if kept_from is not None and period.first_date < kept_from:
        raise Refusal(f"the logs from before {kept_from} were erased: nothing about {period.name} can be made of them")
    return find_inputs(setting.home, sources, period, judging=judging)


def plan_release(policies: Policies, name: str, period_text: str) -> tuple[Plan, tuple[Clause, ...]]:
    """Return a release's plan and the clauses that allow it.

    Raises:
        DeclarationError: no such release, or its declaration is wrong.
        InputError: the period is none of the release's kind.
        PolicyRefusal: the policy does not allow it for a source, recipient or period, quoting the clause.
    """
    release = policies.release(name)
    period = parse_period(release.period, period_text)
    clauses = check_release(release, policies.policy, policies.sources, policies.links, policies.recipients)
    require_period(policies, f"release {name!r}", release.policy_versions, period)
    return resolve(policies, release, period), clauses


def require_period(policies: Policies, what: str, versions: Sequence[date], period: Period) -> None:
    """Refuse a period that falls under other versions of the policy than declared, or into two key periods.

    Raises:
        PolicyRefusal: it does.
    """
    in_force = versions_in_force(policies.policy, period.first_date, period.last_date)
    if tuple(sorted(versions)) != in_force:
        named = ", ".join(map(str, in_force))
        raise PolicyRefusal(f"{what} names other policy versions than those in force in {period.name}: {named}")
    if not one_key_period(period):
        raise PolicyRefusal(
            f"{period.name} crosses a key period (a calendar month): persons cannot be told across months"
        )


@contextmanager
def opened_events(
    home: Home, policies: Policies, inputs: Inputs, *, engine: str, master: str | None = None
) -> Iterator[tuple[Engine, dict[str, str]]]:
    """Open an engine with the events of every source; yields it and the relation of each source."""
    with open_engine(engine, temporary=home.temporary, folders=[home.events], master=master) as opened:
        relations = {}
        for source, paths in inputs.files.items():
            open_source(opened, policies, source, paths, f"events_{source}")
            relations[source] = f"events_{source}"
        yield opened, relations
