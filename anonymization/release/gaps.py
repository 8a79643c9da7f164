"""Days whose logs are missing: what nobody delivered is not zero.

Each source declares how often its logs come (`Arrives`). A day, or month, of a period without them is a gap: it closes
the gate until an officer has acknowledged it, by source and day, in the ledger. So is a day with far fewer events than
are usual, and one that has not come yet. What was published all the same says which days it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import median
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.deidentify.taken import Taken
from anonymization.deidentify.times import day_number, day_of_number
from anonymization.engine.base import Engine
from anonymization.errors import InputError
from anonymization.files import canonical
from anonymization.home import Home
from anonymization.keys import require_enrolled, sign, signature_holds
from anonymization.policy.calendar import SATURDAY, iso_day
from anonymization.policy.load import Policies
from anonymization.policy.periods import Period
from anonymization.policy.sources import Arrives
from anonymization.release.inputs import Days, Inputs, files_of_period, find_inputs, open_source, opened_events
from anonymization.release.ledger.ledger import Entry, EntryKind, Ledger
from anonymization.release.left_out import months_of
from anonymization.release.setting import Setting

USUAL = 0.4
"""Of the events of a usual day, so many must be there."""
TELLING = 100
"""Events of a usual day from which on fewer of them say that some are missing."""
NEVER_BY_CHANCE = 7
"""Where a usual day has so many, one without any comes by chance once in a thousand days (Poisson)."""
Gaps: TypeAlias = Mapping[str, Mapping[str, str]]
"""By source the days that it lacks, written YYYY-MM-DD, and how much of each is there: `nothing`, or a share."""
NOTHING = "nothing"
MENDED = "take its logs in and build again, or let an officer say that the gap is known: noren gaps"


def gaps_of(engine: Engine, home: Home, policies: Policies, inputs: Inputs, events: Mapping[str, str]) -> Gaps:
    """Return the gaps of each source that was read; `events` are its relations, as `opened_events` yields them.

    What is usual is told by the whole months that the period touches.
    """
    period, months = inputs.period, months_of(inputs.period)
    whole = replace(period, first=months[0].first, past=months[-1].past)
    found: dict[str, dict[str, str]] = {}
    for source, taken in inputs.taken.items():
        counted = _by_day(engine, events[source], period)
        if whole != period:
            files = [(paths, Days()) for paths, _ in files_of_period(home, source, whole)]
            around = _by_day(engine, open_source(engine, policies, source, files, f"months_{source}"), whole)
            counted = around | {day: counted.get(day, 0) for day in range(period.first, period.past)}
        lacking = missing(policies.sources[source].arrives, counted, days_delivered(taken), period)
        if gaps := {day: much for day, much in lacking.items() if day not in inputs.barred.get(source, ())}:
            found[source] = {iso_day(day): much for day, much in gaps.items()}
    return found


def _by_day(engine: Engine, rows: str, period: Period) -> dict[int, int]:
    days = f"day >= {period.first} AND day < {period.past}"
    counted = engine.fetch(f"SELECT day, count(*) AS n FROM {rows} WHERE {days} GROUP BY day").to_pylist()
    return {row["day"]: row["n"] for row in counted}


def missing(arrives: Arrives, counted: Mapping[int, int], delivered: frozenset[int], period: Period) -> dict[int, str]:
    """Return the days of a period that lack logs, and how much of each is there.

    A day without events is one, unless logs of it came and so few are usual that there may have been none; a day with
    less than 40 % of what is usual on working days, or at weekends, is one where a usual day has 100 or more.

    Args:
        arrives: how often logs come.
        counted: events a day, of days around the period as well; a day without events it may lack.
        delivered: days of which a log came, whatever was in it.
        period: the days.
    """
    days = range(period.first, period.past)
    if arrives is Arrives.DAILY:
        usual = {
            weekend: median([n for day, n in counted.items() if n and _weekend(day) is weekend] or [0])
            for weekend in (False, True)
        }
        there = {day: _there(counted.get(day, 0), usual[_weekend(day)], day in delivered) for day in days}
        return {day: much for day, much in there.items() if much is not None}
    empty = arrives is Arrives.MONTHLY and not any(counted.get(day) for day in days)
    return dict.fromkeys(days, NOTHING) if empty else {}


def _there(events: int, usual: float, delivered: bool) -> str | None:  # noqa: FBT001 - what is known of a day
    """How much of a day is there, if it lacks logs."""
    if not events:
        return NOTHING if usual >= NEVER_BY_CHANCE or not delivered else None
    return f"{events / usual:.0%}" if usual >= TELLING and events < USUAL * usual else None


def days_delivered(taken: tuple[Taken, ...]) -> frozenset[int]:
    """Return the days of which a log was taken in: those between its events, that of its arrival and the one before."""
    found: set[int] = set()
    for one in taken:
        arrived = day_number(date.fromisoformat(one.arrived))
        found |= {arrived - 1, arrived}
        if one.first_day is not None and one.last_day is not None:
            found |= {*range(one.first_day, one.last_day + 1)}
    return frozenset(found)


def _weekend(day: int) -> bool:
    return day_of_number(day).weekday() >= SATURDAY


def days_lacking(gaps: Gaps) -> dict[str, list[str]]:
    """Return the days alone, as a package tells them: how much of each is there would tell of totals."""
    return {source: sorted(days) for source, days in gaps.items()}


def told(gaps: Gaps) -> list[str]:
    """Return a line a source that lacks logs: which days, each run of days as its first and last."""
    return [f"{source} lacks {', '.join(_runs(days))}" for source, days in sorted(gaps.items())]


def whole_days(days: Iterable[int]) -> str:
    """Return days, since 1970-01-01, of which nothing counts, in words: each run of them as its first and last."""
    return ", ".join(_runs(dict.fromkeys(map(iso_day, days), NOTHING)))


def _runs(days: Mapping[str, str]) -> list[str]:
    runs: list[list[str]] = []
    for day in sorted(days):
        after = date.fromisoformat(day) - timedelta(days=1)
        if runs and date.fromisoformat(runs[-1][-1]) == after and days[runs[-1][-1]] == days[day] == NOTHING:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [
        f"{run[0]} to {run[-1]}"
        if len(run) > 1
        else run[0]
        if days[run[0]] == NOTHING
        else f"{run[0]} ({days[run[0]]})"
        for run in runs
    ]


@dataclass(frozen=True)
class Acknowledged:
    """Which gaps officers have acknowledged, by source."""

    days: Mapping[str, frozenset[str]]

    def without(self, gaps: Gaps) -> Gaps:
        """Return the gaps that nobody has acknowledged."""
        rest = {
            source: {day: much for day, much in days.items() if day not in self.days.get(source, frozenset())}
            for source, days in gaps.items()
        }
        return {source: days for source, days in rest.items() if days}


def acknowledged(ledger: Ledger, officers: Mapping[str, str]) -> Acknowledged:
    """Return what officers have acknowledged who are enrolled now; an entry that another key signed does not count."""
    days: dict[str, frozenset[str]] = {}
    with ledger.transaction() as transaction:
        entries = transaction.entries(kind=EntryKind.GAP)
    for entry in entries:
        content = {name: value for name, value in entry.payload.items() if name != "signature"}
        key = officers.get(content["officer"])
        if key is not None and signature_holds(key, entry.payload["signature"], canonical(content).encode()):
            days[entry.subject] = days.get(entry.subject, frozenset()) | frozenset(content["days"])
    return Acknowledged(days)


def acknowledge(
    ledger: Ledger, source: str, gaps: Gaps, *, officer: str, officers: Mapping[str, str], key: Ed25519PrivateKey
) -> Entry:
    """Record that an officer knows of the gaps of a source: what is built over them may be released, and tells them.

    Args:
        ledger: the home's ledger.
        source: whose gaps they are.
        gaps: what is missing now.
        officer: who signs.
        officers: enrolled officers and their public keys.
        key: the officer's.

    Raises:
        DecisionRefusal: the officer is not enrolled, or has another key.
        InputError: the source lacks nothing.
    """
    require_enrolled(officer, officers, key)
    if source not in gaps:
        raise InputError(f"{source!r} lacks nothing; gaps: {'; '.join(told(gaps)) or 'none'}")
    content = {"source": source, "days": sorted(gaps[source]), "officer": officer}
    with ledger.transaction() as transaction:
        signature = sign(key, canonical(content).encode())
        return transaction.append(EntryKind.GAP, source, {**content, "signature": signature})


def gaps_now(setting: Setting, source: str, period: Period) -> Gaps:
    """Return the gaps of a source in a period, as its logs are now.

    Raises:
        InputError: the source has no event in the period: nothing can be built of it.
    """
    inputs = find_inputs(setting.home, setting.policies, [source], period)
    with opened_events(setting.home, setting.policies, inputs, engine="duckdb") as (engine, events):
        return gaps_of(engine, setting.home, setting.policies, inputs, events)
