"""Shipped releases of three months, and a corrected version, attacked together from their packages alone.

Two months hold what is quickly protected; the third all six. `make bench` does it with all six of every month.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest

from anonymization.home import Home
from anonymization.keys import load_private_key
from anonymization.release.decision import Outcome, decide
from anonymization.release.ledger import Ledger
from anonymization.release.package import issue_of, read_package
from anonymization.release.publish import publish
from anonymization.tables.audit import audit
from jobs.audit import attack
from jobs.build import build
from jobs.demo import RELEASES
from jobs.gate import gate
from jobs.generate import generate
from jobs.init import initialize
from jobs.intake import arrivals, run_intake
from jobs.setting import Setting

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("together")]
MONTHS, CORRECTED = ("2026-08", "2026-09", "2026-10"), "2026-09"
QUICK = ("monthly-audience", "search-trends", "web-audience", "population-by-place")
EVENTS, LATE = 60_000, 30
SEEDS = (2, 1, 0)
OFFICER = "demo-officer"


class Releasing:
    """A home in which months are taken in and released."""

    def __init__(self, home, policies):
        self.home, self.ledger = home, Ledger.of(home)
        self.setting = Setting(home, policies, self.ledger)
        self.key = load_private_key(home.keys / f"{OFFICER}.key")
        self.folders = []

    def take_in(self):
        run = run_intake(self.home, self.setting.policies, arrivals(self.home, self.setting.policies), optouts=[])
        assert not run.failures

    def release(self, name, period):
        candidate = build(self.setting, name, period)
        result = gate(self.setting, candidate.id)
        assert result.opened, (name, period, result.reasons)
        officers = self.setting.officers
        decide(self.ledger, candidate, outcome=Outcome.APPROVED, officer=OFFICER, officers=officers, key=self.key)
        digest = self.setting.policies.digest
        done = publish(self.home, self.ledger, candidate.id, officers=officers, policy_digest=digest, demo=True)
        self.folders.append(done.folder)
        return done.folder


def late_visits(home, folder):
    """A file that arrives after the release: visitors of a class that many have, more of them than may be told."""
    (table,) = read_package(folder / "package").tables
    inner = table.frame[(table.frame[table.keys] != "_T").all(axis=1) & table.frame["visitors"].notna()]
    busiest = inner.loc[inner["visitors"].astype(int).idxmax()]
    day = date.fromisoformat(busiest["day"])
    at = int(datetime(day.year, day.month, day.day, 12, tzinfo=timezone(timedelta(hours=9))).timestamp())
    header = "time amp_client_id page seconds_on_page referrer access_source browser browser_version os os_version"
    lines = [header.replace(" ", "\t")]
    lines += [
        "\t".join([str(at), f"amp-late-{n}", "https://a.example/p", "30", "", busiest["access_source"], busiest["browser"], "1", "iOS", "17"])
        for n in range(LATE)
    ]  # fmt: skip
    arrived = home.landing / "source=analytics" / f"arrived={day + timedelta(days=2)}" / "late.tsv"
    arrived.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def released(tmp_path_factory, policies, enrol):
    home = Home(tmp_path_factory.mktemp("together") / "home")
    initialize(home)
    enrol(home)
    made = Releasing(home, policies)
    for seed, month in zip(SEEDS, MONTHS, strict=True):
        generate(home, EVENTS, seed, month=month)
        made.take_in()
        for name in RELEASES if month == MONTHS[-1] else QUICK:
            made.release(name, month)
    corrected = home.releases / "web-audience" / CORRECTED / "v1"
    late_visits(home, corrected)
    made.take_in()
    made.release("web-audience", CORRECTED)
    yield made
    made.ledger.close()


def test_nothing_is_found_in_three_months_and_a_correction_together(released):
    assert len(released.folders) == 2 * len(QUICK) + len(RELEASES) + 1
    assert (released.home.releases / "web-audience" / CORRECTED / "v2").is_dir()
    assert attack(released.folders) == ()


def test_three_persons_between_two_versions_are_found(released):
    """The attack works: one class of the corrected version with three persons more than it should have."""
    issues = [
        issue_of(read_package(folder / "package"), folder.name)
        for folder in released.folders
        if folder.parent.name == CORRECTED
    ]
    original = next(n for n, issue in enumerate(issues) if issue.name == "v1" and "visitors" in issue.tables[0].frame)
    changed = replace(issues[original], name="v3")
    frame = changed.tables[0].frame.copy()
    row = frame.index[frame["visitors"].fillna(0) > 50][1]
    frame.loc[row, "visitors"] += 3
    changed = replace(changed, tables=(replace(changed.tables[0], frame=frame),))
    assert any(finding.low == finding.high == 3 for finding in audit([issues[original], changed]))


def test_the_correction_told_something_new(released):
    original, corrected = (
        next(iter(read_package(released.home.releases / "web-audience" / CORRECTED / v / "package").tables)).frame
        for v in ("v1", "v2")
    )
    apart = (corrected["visitors"] - original["visitors"]).dropna()
    assert apart.max() == LATE
    assert set(apart.astype(int)) <= {0, *range(10, LATE + 1)}
