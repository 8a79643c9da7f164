"""Every shipped release of three months and a corrected version: released one after another, then attacked together."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from anonymization.home import Home, policy_folder
from anonymization.policy.load import Policies, load_policies
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from anonymization.tables.model import TOTAL
from benchmarks.measure import now, since
from jobs.synthetic.month import generate
from jobs.verbs.audit import attack
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES, open_demo, release

MONTHS, CORRECTED = ("2026-08", "2026-09", "2026-10"), "2026-09"
SEEDS = (2, 1, 0)
LATE = 30
"""Visitors who come to light after a month's release: more of one class than may be told apart."""
TOKYO = timezone(timedelta(hours=9))


def late_visits(home: Home, folder: Path) -> None:
    """Deliver visits of the class that has most visitors in a release of the web's audience, as of two days after.

    Args:
        home: whose landing/ takes the file.
        folder: of the release.
    """
    (table,) = read_package(folder / "package").tables
    frame = table.frame
    inner = frame[(frame[table.keys] != TOTAL).all(axis=1) & frame["visitors"].notna()]
    busiest = inner.loc[inner["visitors"].astype(int).idxmax()]
    day = date.fromisoformat(busiest["day"])
    at = int(datetime(day.year, day.month, day.day, 12, tzinfo=TOKYO).timestamp())
    header = "time amp_client_id page seconds_on_page referrer access_source browser browser_version os os_version"
    rest = f"https://a.example/p\t30\t\t{busiest['access_source']}\t{busiest['browser']}\t1\tiOS\t17"
    lines = [header.replace(" ", "\t"), *(f"{at}\tamp-late-{number}\t{rest}" for number in range(LATE))]
    arrived = home.landing / "source=analytics" / f"arrived={day + timedelta(days=2)}" / "late.tsv"
    arrived.write_text("\n".join(lines) + "\n", encoding="utf-8")


def released(home: Home, policies: Policies, events: int, names: Mapping[str, Sequence[str]]) -> list[Path]:
    """Generate, take in and release three months, then late visits and a corrected version; return the folders.

    Args:
        home: made here, with the demo's officer.
        policies: the shipped ones.
        events: of each month.
        names: the releases of each month.
    """
    open_demo(home)
    ledger = Ledger.of(home)
    try:
        setting = Setting(home, policies, ledger)
        folders = []
        for seed, month in zip(SEEDS, MONTHS, strict=True):
            generate(home, events, seed, month=month)
            run_intake(home, policies, arrivals(home, policies), optouts=[])
            folders += [release(setting, name, month).folder for name in names[month]]
        return [*folders, corrected(setting)]
    finally:
        ledger.close()


def corrected(setting: Setting) -> Path:
    """Take in late visits of a month whose web-audience is out; return the folder of its corrected version."""
    home = setting.home
    late_visits(home, home.releases / "web-audience" / CORRECTED / "v1")
    run_intake(home, setting.policies, arrivals(home, setting.policies, "analytics"), optouts=[])
    return release(setting, "web-audience", CORRECTED).folder


def show(events: int) -> None:
    """Print how long the attack on everything together takes, and what it finds."""
    with tempfile.TemporaryDirectory(prefix="noren-together-") as folder:
        home = Home(Path(folder) / "home")
        before = now()
        folders = released(home, load_policies(policy_folder()), events, dict.fromkeys(MONTHS, RELEASES))
        making, before = since(before), now()
        found = attack(folders)
        print(
            f"\nthree months of all releases and a corrected version, {events:,} events each: {len(folders)} releases, "
            f"made in {making.cpu:.0f} CPU s, attacked together in {since(before).cpu:.1f} CPU s, {len(found)} findings"
        )
