"""The home that Airflow is started for: made or completed, and which month its logs are of."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from anonymization.home import DEMO_OFFICERS, Home, policy_folder
from anonymization.policy.load import load_policies
from anonymization.release.setting import enrol_in_demo
from jobs.services.roles import DEMO_LOGINS
from jobs.synthetic.people import persons_of
from jobs.verbs.init import initialize
from jobs.walk import open_demo

DEMO_OFFICER = "airflow-officer"


def open_home(home: Home, *, demo: bool, events: int) -> None:
    """Make or complete the home; a demo's has an officer who answers in Airflow.

    Args:
        home: where.
        demo: whether a new one becomes a demo's.
        events: how many rows of logs a demo's will hold, about; 0 where none are made.
    """
    new = not (home.root / "keys" / "master.key").exists()
    if demo and (new or (home.root / DEMO_OFFICERS).exists()):
        open_demo(home, persons_of(events) if events else None)
        enrol_in_demo(home, DEMO_OFFICER, airflow_user=DEMO_LOGINS[0].name)
    else:
        initialize(home)


def scheduled_month(now: datetime) -> str:
    """Return the month that the last run on schedule of a monthly release is about: it begins on the third, at six."""
    begun = now.astimezone(ZoneInfo(load_policies(policy_folder()).zone)) - timedelta(days=2, hours=6)
    return f"{begun.replace(day=1) - timedelta(days=1):%Y-%m}"
