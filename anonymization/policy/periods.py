"""Periods: which days an issue of a release covers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from anonymization.errors import InputError
from anonymization.policy.releases import PeriodKind

EPOCH = date(1970, 1, 1)
SHAPES = {
    PeriodKind.MONTH: r"\d{4}-\d{2}",
    PeriodKind.WEEK: r"\d{4}-W\d{2}",
    PeriodKind.DAY: r"\d{4}-\d{2}-\d{2}",
}
WRITTEN = {PeriodKind.MONTH: "YYYY-MM", PeriodKind.WEEK: "YYYY-Www", PeriodKind.DAY: "YYYY-MM-DD"}


@dataclass(frozen=True)
class Period:
    """A half-open span of days, in the sources' own zones.

    Attributes:
        name: `2026-10`, `2026-W41` or `2026-10-05`.
        first: its first day, in days since 1970-01-01.
        past: the day after its last.
    """

    kind: PeriodKind
    name: str
    first: int
    past: int

    @property
    def days(self) -> int:
        """Its number of days."""
        return self.past - self.first

    @property
    def first_date(self) -> date:
        """Its first day as a date."""
        return EPOCH + timedelta(days=self.first)

    @property
    def last_date(self) -> date:
        """Its last day as a date."""
        return EPOCH + timedelta(days=self.past - 1)


def parse_period(kind: PeriodKind, text: str) -> Period:
    """Return the period that a text names.

    Raises:
        InputError: the text names no period of this kind.
    """
    first = _first_day(kind, text)
    if first is None:
        raise InputError(f"--period {text!r}: a period of this release is a {kind.value}, written {WRITTEN[kind]}")
    past = {
        PeriodKind.MONTH: (first + timedelta(days=32)).replace(day=1),
        PeriodKind.WEEK: first + timedelta(days=7),
        PeriodKind.DAY: first + timedelta(days=1),
    }[kind]
    return Period(kind, text, (first - EPOCH).days, (past - EPOCH).days)


def one_key_period(period: Period) -> bool:
    """Whether a period lies inside one calendar month, the key period."""
    first, last = period.first_date, period.last_date
    return (first.year, first.month) == (last.year, last.month)


def period_named(text: str) -> Period | None:
    """Return the period of any kind that a text names, if it names one."""
    for kind in PeriodKind:
        if _first_day(kind, text) is not None:
            return parse_period(kind, text)
    return None


def _first_day(kind: PeriodKind, text: str) -> date | None:
    if re.fullmatch(SHAPES[kind], text) is None:
        return None
    try:
        return date.fromisoformat({PeriodKind.MONTH: f"{text}-01", PeriodKind.WEEK: f"{text}-1"}.get(kind, text))
    except ValueError:
        return None
