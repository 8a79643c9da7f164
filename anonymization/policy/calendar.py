"""The calendar: which days of a period are weekdays and which are days off."""

from __future__ import annotations

from datetime import timedelta

import holidays

from anonymization.policy.periods import EPOCH, Period

WEEKDAY, DAY_OFF = "weekday", "day-off"
SATURDAY = 5


def iso_day(day: int) -> str:
    """Return a day, in days since 1970-01-01, as `YYYY-MM-DD`."""
    return (EPOCH + timedelta(days=day)).isoformat()


def iso_week(day: int) -> str:
    """Return the ISO 8601 week that a day lies in, as `YYYY-Www`."""
    year, week, _ = (EPOCH + timedelta(days=day)).isocalendar()
    return f"{year}-W{week:02d}"


def days_off(period: Period) -> tuple[int, ...]:
    """Return the Saturdays, Sundays and Japanese public holidays of a period, in days since 1970-01-01."""
    years = range(period.first_date.year, period.last_date.year + 1)
    public = holidays.country_holidays("JP", years=years)
    return tuple(
        day
        for day in range(period.first, period.past)
        if (date := EPOCH + timedelta(days=day)).weekday() >= SATURDAY or date in public
    )
