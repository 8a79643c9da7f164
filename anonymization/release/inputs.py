"""What a release or k-anonymous rows are made of: which events, and whether they may be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from anonymization.deidentify.events import event_schema
from anonymization.deidentify.taken import Taken, known_files, require_whole, touches
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.errors import InputError, IntegrityError, PolicyRefusal
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.allowed import check_release
from anonymization.policy.decide import Clause, versions_in_force
from anonymization.policy.in_force import Barred
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
from anonymization.tables.plan import Plan, resolve

Days = frozenset[int]
EVERY = "every"
"""Before a source: the relation of its events, of those who opted out as well."""
BUT = " but "
"""Between a file's digest and the days of it that were not read."""


@dataclass(frozen=True)
class Inputs:
    """What a release is made of, as it stood at one moment.

    Attributes:
        period: the days.
        files: the event files of each log file, by source.
        taken: what the intake said of these, in the same order.
        left: by source and digest the days of a log file whose events are not read.
        states: the number of the state that was read of each source (`release/states.py`).
        choices: who had opted out.
        links: where somebody had: by source that proves links, its files of the months that the period touches, each
            with the digest of its log.
        barred: by source the days that are left out of every log, as the policy does not allow it (`Plan.barred`).
    """

    period: Period
    files: Mapping[str, tuple[tuple[Path, ...], ...]]
    taken: Mapping[str, tuple[Taken, ...]]
    left: Mapping[str, Mapping[str, Days]] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)
    links: Mapping[str, tuple[tuple[tuple[Path, ...], str], ...]] = field(default_factory=dict)
    barred: Mapping[str, Days] = field(default_factory=dict)

    def days_left(self, source: str, digest: str) -> Days:
        """Return the days of a log file whose events are not read."""
        return self.left.get(source, {}).get(digest, Days())

    @property
    def read(self) -> dict[str, list[str]]:
        """By source the digest of each log file, with the days that are left out of it: what `inputs_again` finds."""
        return {
            source: sorted(_as_text(one.digest, self.days_left(source, one.digest)) for one in taken)
            for source, taken in self.taken.items()
        }

    def apart(self, other: Inputs) -> tuple[Inputs, Inputs]:
        """Return what another one reads alike, and the rest: the log files that it does not read, or of other days."""
        alike: tuple[dict[str, list[int]], ...] = ({}, {})
        for source, taken in self.taken.items():
            texts = set(other.read.get(source, ()))
            for n, one in enumerate(taken):
                text = _as_text(one.digest, self.days_left(source, one.digest))
                alike[text not in texts].setdefault(source, []).append(n)
        return self._take(alike[0]), self._take(alike[1])

    def _take(self, at: Mapping[str, Sequence[int]]) -> Inputs:
        files = {source: tuple(paths[n] for n in at.get(source, ())) for source, paths in self.files.items()}
        taken = {source: tuple(found[n] for n in at.get(source, ())) for source, found in self.taken.items()}
        return replace(self, files=files, taken=taken)

    def without(self, left: Mapping[str, Mapping[str, Days]]) -> Inputs:
        """Return the same with other days of log files left out; a file of which no day is read is none of them."""
        there: dict[str, list[int]] = {}
        kept: dict[str, dict[str, Days]] = {}
        for source, taken in self.taken.items():
            for n, one in enumerate(taken):
                days = days_of(one, self.period)
                out = days & left.get(source, {}).get(one.digest, Days())
                if days - out:
                    there.setdefault(source, []).append(n)
                if out:
                    kept.setdefault(source, {})[one.digest] = out
        return replace(self._take(there), left=kept)

    def allowed(self, barred: Mapping[str, Barred]) -> Inputs:
        """Return the same without the days that the policy does not allow to be used.

        Raises:
            PolicyRefusal: nothing is left of a source, quoting the clause.
        """
        if not barred:
            return self
        left: dict[str, dict[str, Days]] = {source: dict(days) for source, days in self.left.items()}
        for source, one in barred.items():
            for taken in self.taken.get(source, ()):
                left.setdefault(source, {})[taken.digest] = self.days_left(source, taken.digest) | one.days
        rest = self.without(left)
        refused = [
            f"nothing is left of source {source!r} in {self.period.name}: {one.why}"
            for source, one in barred.items()
            if self.taken.get(source) and not rest.taken[source]
        ]
        if refused:
            raise PolicyRefusal("\n".join(refused))
        return replace(rest, barred={source: one.days for source, one in barred.items()})

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


def days_of(taken: Taken, period: Period) -> Days:
    """Return the days of a period that a log file may hold events of."""
    if not touches(taken, period):
        return Days()
    return Days(range(max(taken.first_day or 0, period.first), min((taken.last_day or 0) + 1, period.past)))


def _as_text(digest: str, left: Days) -> str:
    return digest + (BUT + " ".join(map(str, sorted(left))) if left else "")


def read_of(texts: Sequence[str]) -> dict[str, Days]:
    """Return the days that were left out of each log file, by its digest, from what `Inputs.read` says of a source."""
    found = {}
    for text in texts:
        digest, _, days = text.partition(BUT)
        found[digest] = Days(map(int, days.split()))
    return found


def now_read(texts: Sequence[str], changed: Mapping[str, str]) -> list[str]:
    """Return what `Inputs.read` says of a source, of what is there now in the place of contents that were changed."""
    now = {changed.get(digest, digest): left for digest, left in read_of(texts).items()}
    return sorted(_as_text(digest, left) for digest, left in now.items() if digest)


def files_of_period(home: Home, source: str, period: Period) -> list[tuple[tuple[Path, ...], Taken]]:
    """Return the event files of a source that may hold events of a period, each with what the intake said of it."""
    return [(paths, one) for paths, one in known_files(home, source) if touches(one, period)]


def open_inputs(engine: Engine, policies: Policies, inputs: Inputs, prefix: str = "events") -> dict[str, str]:
    """Give an engine the events of every source; return the relation of each."""
    relations = {}
    for source, taken in inputs.taken.items():
        left = [inputs.days_left(source, one.digest) for one in taken]
        files = list(zip(inputs.files[source], left, strict=True))
        relations[source] = open_source(engine, policies, source, files, f"{prefix}_{source}")
    return relations


def open_source(
    engine: Engine, policies: Policies, source: str, files: Sequence[tuple[Sequence[Path], Days]], name: str
) -> str:
    """Give an engine some event files of a source, each without the events of some days, as one relation."""
    linked = any(link.source == source for link in policies.links)
    schema = event_schema(policies.sources[source], linked=linked)
    groups: dict[Days, list[Path]] = {Days(): []}
    for paths, left in files:
        groups.setdefault(left, []).extend(paths)
    if len(groups) == 1:
        engine.open_events(name, groups[Days()], schema)
        return name
    parts = []
    for n, (left, paths) in enumerate(groups.items()):
        engine.open_events(f"{name}_{n}", paths, schema)
        but = f" WHERE NOT e.day IN ({', '.join(map(str, sorted(left)))})" if left else ""
        parts.append(f"SELECT e.* FROM {name}_{n} AS e{but}")
    engine.view(name, " UNION ALL ".join(parts))
    return name


def find_inputs(
    home: Home, policies: Policies, sources: Sequence[str], period: Period, *, judging: str | None = None
) -> Inputs:
    """Return all event files that hold events of the period, wherever they arrived, and who has opted out by now.

    Args:
        home: where the events are.
        policies: which sources prove links.
        sources: what is read.
        period: the days.
        judging: a log of links that is read beside, if it has events of the period (`Plan.judging`).

    Raises:
        InputError: a source has no event in the period, or events are damaged.
    """
    require_whole(home, sources)
    found = {}
    for source in (*sources, *([judging] if judging is not None else [])):
        found[source] = files_of_period(home, source, period)
        if not found[source] and source == judging:
            del found[source]
        elif not found[source]:
            raise InputError(f"source {source!r} has no events in {period.name}: take its logs in by `noren intake`")
    return _as_inputs(home, policies, found, period)


def inputs_again(
    home: Home,
    policies: Policies,
    read: Mapping[str, Sequence[str]],
    period: Period,
    considered: Mapping[str, Any] | None = None,
) -> Inputs:
    """Return the inputs of an earlier build.

    Args:
        home: where the events are.
        policies: which sources prove links.
        read: as of `Inputs.read`.
        period: of the build.
        considered: as of `Inputs.considered`; nobody had opted out if it is not given.

    Raises:
        IntegrityError: a file of them is not there any more.
    """
    left = {source: read_of(texts) for source, texts in read.items()}
    found = {
        source: [(paths, one) for paths, one in files_of_period(home, source, period) if one.digest in digests]
        for source, digests in left.items()
    }
    gone = [source for source, files in found.items() if {one.digest for _, one in files} != set(left[source])]
    if gone:
        raise IntegrityError(f"events of {', '.join(gone)} that a build of {period.name} has read are gone")
    inputs = _as_inputs(home, policies, found, period).without(left)
    return inputs.as_considered(considered or {})


def _as_inputs(
    home: Home, policies: Policies, found: Mapping[str, Collection[tuple[tuple[Path, ...], Taken]]], period: Period
) -> Inputs:
    choices = choices_of(home)
    return Inputs(
        period,
        {source: tuple(paths for paths, _ in files) for source, files in found.items()},
        {source: tuple(one for _, one in files) for source, files in found.items()},
        choices=choices,
        links=_files_of_links(home, policies, period) if choices.made else {},
    )


def _files_of_links(
    home: Home, policies: Policies, period: Period
) -> dict[str, tuple[tuple[tuple[Path, ...], str], ...]]:
    months = months_of(period)
    whole = replace(period, first=months[0].first, past=months[-1].past)
    return {
        link.source: tuple((paths, one.digest) for paths, one in files_of_period(home, link.source, whole))
        for link in policies.links
    }


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
        relations = open_inputs(opened, policies, inputs, EVERY)
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
    every = [f"{EVERY}_{source}" for source in sources]
    return count_left_out(engine, LEFT_OUT, every, inputs.period, PeriodKeys(home))
