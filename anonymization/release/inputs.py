"""What a release or k-anonymous rows are made of: which events, and whether they may be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from anonymization.deidentify.events import event_schema
from anonymization.deidentify.taken import Taken, known_files, touches
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.errors import InputError, PolicyRefusal, Refusal
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.allowed import check_release
from anonymization.policy.decide import Clause, versions_in_force
from anonymization.policy.load import Policies
from anonymization.policy.periods import Period, one_key_period, parse_period
from anonymization.release.choices import Choices, choices_of
from anonymization.release.left_out import (
    LEFT_OUT,
    LeftOut,
    count_left_out,
    months_of,
    register_left_out,
    without,
)
from anonymization.release.setting import Setting
from anonymization.tables.plan import Plan, resolve


@dataclass(frozen=True)
class Inputs:
    """What a release is made of, as it stood at one moment.

    Attributes:
        period: the days.
        files: the events that it reads, by source.
        taken: what the intake said of them.
        choices: who had opted out.
        links: where somebody had: by source that proves links, its files of the months that the period touches, each
            with the digest of its log.
    """

    period: Period
    files: Mapping[str, tuple[Path, ...]]
    taken: Mapping[str, tuple[Taken, ...]]
    choices: Choices = field(default_factory=Choices)
    links: Mapping[str, tuple[tuple[tuple[Path, ...], str], ...]] = field(default_factory=dict)

    @property
    def considered(self) -> dict[str, Any]:
        """Which choices are kept, and by which logs it is told what they cover: for `Request.choices`."""
        return {
            "last": self.choices.last,
            "links": {source: sorted(digest for _, digest in files) for source, files in self.links.items()},
        }

    def as_considered(self, considered: Mapping[str, Any]) -> Inputs:
        """Return the same events with the choices, and the logs of links, that an earlier release was built by."""
        known = {source: set(digests) for source, digests in considered.get("links", {}).items()}
        links = {
            source: tuple(one for one in files if one[1] in known.get(source, ()))
            for source, files in self.links.items()
        }
        return replace(self, choices=self.choices.until(considered.get("last", 0)), links=links)


def files_of_period(home: Home, source: str, period: Period) -> list[tuple[tuple[Path, ...], Taken]]:
    """Return the event files of a source that may hold events of a period, each with what the intake said of it."""
    return [(paths, one) for paths, one in known_files(home, source) if touches(one, period)]


def open_source(engine: Engine, policies: Policies, source: str, paths: Sequence[Path], name: str) -> None:
    """Give an engine some event files of a source as a relation."""
    engine.open_events(name, paths, _schema(policies, source))


def event_columns_of(policies: Policies, source: str) -> list[str]:
    """Return the columns of a source's events."""
    return list(_schema(policies, source).names)


def _schema(policies: Policies, source: str) -> pa.Schema:
    linked = any(link.source == source for link in policies.links)
    return event_schema(policies.sources[source], linked=linked)


def find_inputs(
    home: Home, policies: Policies, sources: Sequence[str], period: Period, *, judging: str | None = None
) -> Inputs:
    """Return the event files that hold events of the period, wherever they arrived, and who has opted out by now.

    Args:
        home: where the events are.
        policies: which sources prove links.
        sources: what is read.
        period: the days.
        judging: a log of links that is read beside, if it has events of the period (`Plan.judging`).

    Raises:
        InputError: a source has no event in the period.
    """
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
    choices = choices_of(home)
    return Inputs(period, files, taken, choices, _files_of_links(home, policies, period) if choices.made else {})


def _files_of_links(
    home: Home, policies: Policies, period: Period
) -> dict[str, tuple[tuple[tuple[Path, ...], str], ...]]:
    months = months_of(period)
    whole = replace(period, first=months[0].first, past=months[-1].past)
    return {
        link.source: tuple((paths, one.digest) for paths, one in files_of_period(home, link.source, whole))
        for link in policies.links
    }


def inputs_of(setting: Setting, sources: Sequence[str], period: Period, *, judging: str | None = None) -> Inputs:
    """Return what `find_inputs` finds in a home, if all of the period is still there.

    Raises:
        Refusal: the logs of the period were erased.
        InputError: a source has no event in the period.
    """
    kept_from = setting.kept_from
    if kept_from is not None and period.first_date < kept_from:
        raise Refusal(f"the logs from before {kept_from} were erased: nothing about {period.name} can be made of them")
    return find_inputs(setting.home, setting.policies, sources, period, judging=judging)


def plan_release(
    policies: Policies, name: str, period_text: str, *, expected: int | None = None
) -> tuple[Plan, tuple[Clause, ...]]:
    """Return a release's plan, at the levels for as many persons as are expected, and the clauses that allow it.

    Raises:
        DeclarationError: no such release, or its declaration is wrong.
        InputError: the period is none of the release's kind.
        PolicyRefusal: the policy does not allow it for a source, recipient or period, quoting the clause.
    """
    release = policies.release(name)
    period = parse_period(release.period, period_text)
    clauses = check_release(release, policies.policy, policies.sources, policies.links, policies.recipients)
    require_period(policies, f"release {name!r}", release.policy_versions, period)
    return resolve(policies, release, period, expected=expected), clauses


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
    """Open an engine with the events of everybody who did not opt out; yields it and the relation of each source."""
    with open_engine(engine, temporary=home.temporary, folders=[home.events], master=master) as opened:
        relations = {}
        for source, paths in inputs.files.items():
            open_source(opened, policies, source, paths, _every(source))
            relations[source] = _every(source)
        if inputs.choices.made:
            make_left_out(opened, home, policies, inputs, LEFT_OUT)
            relations = {s: without(opened, rows, LEFT_OUT, f"events_{s}") for s, rows in relations.items()}
        yield opened, relations


def make_left_out(engine: Engine, home: Home, policies: Policies, inputs: Inputs, name: str) -> None:
    """Create the relation `name` of everybody whom choices cover: see `register_left_out`."""
    links = {source: [path for paths, _ in files for path in paths] for source, files in inputs.links.items()}
    register_left_out(engine, name, policies, inputs.period, PeriodKeys(home), inputs.choices, links)


def left_out_of(engine: Engine, home: Home, inputs: Inputs, sources: Iterable[str]) -> LeftOut:
    """Return who was left out of the events of some sources, in the engine that `opened_events` yields."""
    if not inputs.choices.made:
        return LeftOut()
    return count_left_out(engine, LEFT_OUT, map(_every, sources), inputs.period, PeriodKeys(home))


def _every(source: str) -> str:
    return f"every_{source}"
