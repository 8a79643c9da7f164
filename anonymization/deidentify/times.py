"""Times: how each encoding becomes an instant or a day, and why a row's time is refused."""

from __future__ import annotations

from datetime import date, timedelta

from anonymization.engine.intrinsics import gaps
from anonymization.policy.periods import EPOCH
from anonymization.policy.sources import Clock, Source, TimeEncoding

WALL = (
    "^[12][0-9]{3}-[01][0-9]-[0-3][0-9][T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"
    "(Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
"""Date and time with or without an offset, which is not looked at."""


LAST_SECOND = 4_102_444_799
"""2099-12-31T23:59:59Z: a greater number of seconds is another unit, or no time."""
FIRST_MILLISECOND = 100_000_000_000
"""1973-03-03: a smaller number of milliseconds is one of seconds, which would put every event into January 1970."""


def day_number(day: date) -> int:
    """Return the days from 1970-01-01 to `day`."""
    return (day - EPOCH).days


def day_of_number(number: int) -> date:
    """Return the date that lies `number` days after 1970-01-01."""
    return EPOCH + timedelta(days=number)


def month_of(day: date) -> str:
    """Return the key period of a day: its calendar month, `YYYY-MM`."""
    return f"{day:%Y-%m}"


def months_between(first: date, last: date) -> list[tuple[str, int, int]]:
    """Return the months that touch [first, last]: name, first day's number, number of the day after."""
    months = []
    start = first.replace(day=1)
    while start <= last:
        following = (start + timedelta(days=32)).replace(day=1)
        months.append((month_of(start), day_number(start), day_number(following)))
        start = following
    return months


def moment(source: Source, raw: str) -> str:
    """Return the SQL of the time column's value: epoch seconds, or a day number.

    A wall clock's seconds are counted as if it ran in UTC.
    """
    if source.time.clock is Clock.WALL and source.time.encoding is TimeEncoding.ISO8601:
        read = f"EPOCH_OF(substr({raw}, 1, 10) || 'T' || substr({raw}, 12, 8) || 'Z')"
        return f"CASE WHEN regexp_matches({raw}, '{WALL}') THEN {read} END"
    return {
        TimeEncoding.ISO8601: f"EPOCH_OF({raw})",
        TimeEncoding.COMMON_LOG: f"EPOCH_OF_COMMON_LOG({raw})",
        TimeEncoding.TIMESTAMP: f"EPOCH_OF_TIMESTAMP({raw})",
        TimeEncoding.DATE: f"DAY_OF_DATE({raw})",
        TimeEncoding.EPOCH_SECONDS: _epoch(raw, 0, LAST_SECOND),
        TimeEncoding.EPOCH_MILLISECONDS: f"INT_DIV({_epoch(raw, FIRST_MILLISECOND, 1000 * LAST_SECOND)}, 1000)",
    }[source.time.encoding]


def _epoch(raw: str, first: int, last: int) -> str:
    return f"CASE WHEN SAFE_INT({raw}) BETWEEN {first} AND {last} THEN SAFE_INT({raw}) END"


def day_and_hour(source: Source, value: str) -> tuple[str, str]:
    """Return the SQL of the local day number and hour; a snapshot's date has the hour 0."""
    if source.time.encoding is TimeEncoding.DATE:
        return f"CAST({value} AS INTEGER)", "CAST(0 AS INTEGER)"
    zone = "UTC" if source.time.clock is Clock.WALL else source.zone
    return f"DAY_OF({value}, '{zone}')", f"HOUR_OF({value}, '{zone}')"


def faults(source: Source, raw: str, value: str, day: str, last_day: str) -> list[tuple[str, str]]:
    """Return the reasons to refuse a row's time, each with its SQL condition, in order."""
    name = source.time.column
    found = [(f"{name}: missing", f"{raw} IS NULL")]
    if source.time.encoding is TimeEncoding.ISO8601 and source.time.clock is Clock.INSTANT:
        # a time that is whole but for its zone: which hour it was, nobody can say
        bare = f"regexp_matches({raw}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ][0-9:.]+)?$')"
        found.append((f"{name}: no zone or offset", f"{value} IS NULL AND {bare}"))
    found.append((f"{name}: not a time of the declared encoding", f"{value} IS NULL"))
    skipped = gaps(source.zone) if source.time.clock is Clock.WALL else []
    if skipped:
        never = " OR ".join(f"({value} >= {first} AND {value} < {past})" for first, past in skipped)
        found.append((f"{name}: a time that the clocks of {source.zone} passed over", never))
    found.append((f"{name}: after its arrival", f"{day} > {last_day}"))
    return found
