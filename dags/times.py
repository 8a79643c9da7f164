"""When a period ends and its release begins, and how the period is written; days are those of the sources' zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from declared import start, zone

ZONE = zone()
START = start()
"""The policy's first day: nothing is scheduled or made up for before it."""
INTAKE = "0 2 * * *"
CHOICES = "0 1 * * *"
"""Before the intake: who opted out yesterday is not taken in today."""
RELEASES = {
    "month": ("0 6 3 * *", "%Y-%m"),
    "week": ("0 6 * * 3", "%G-W%V"),
    "day": ("0 6 * * *", "%Y-%m-%d"),
}
"""A period's release is begun a little after its end, so that late events are in."""
ANSWER_WITHIN = timedelta(hours=72)
"""An officer's answer; the same as a decision is good for."""


def period_of(kind: str, first: datetime) -> str:
    """Return the name of the period that a data interval begins in."""
    return first.astimezone(ZoneInfo(ZONE)).strftime(RELEASES[kind][1])
