"""Shipped releases of several months, and a corrected version, attacked together from their packages alone.

In short two months: of the first one web-audience alone, which is corrected. In long three: two hold what is quickly
protected, the third all six. `make bench` does it with all six of every month.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonymization.home import Home
from anonymization.release.issues import issue_of
from anonymization.release.package import read_package
from anonymization.tables.audit.audit import audit
from benchmarks.together import CORRECTED, LATE, MONTHS, corrected, released
from jobs.synthetic.month import generate
from jobs.verbs.audit import attack
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES, release

pytestmark = pytest.mark.slow
QUICK = ("monthly-audience", "search-trends", "web-audience", "population-by-place")
NAMES = {month: RELEASES if month == MONTHS[-1] else QUICK for month in MONTHS}
BESIDE = ("monthly-audience", "web-audience", "population-by-place")
EVENTS = 60_000


def of_two_months(setting):
    """A month before the world's, of which one release is out and corrected, and some of the world's."""
    home, policies = setting.home, setting.policies
    generate(home, EVENTS, 1, month=CORRECTED)
    run_intake(home, policies, arrivals(home, policies, "analytics"), optouts=[])
    months = [(CORRECTED, "web-audience"), *((MONTHS[-1], name) for name in BESIDE)]
    return [*(release(setting, name, month).folder for month, name in months), corrected(setting)]


def test_nothing_is_found_in_two_months_and_a_correction_together(setting):
    folders = of_two_months(setting)
    assert len(folders) == 1 + len(BESIDE) + 1
    found_by_no_attack(folders)


@pytest.mark.long("attacks")
def test_nothing_is_found_in_three_months_and_a_correction_together(tmp_path, policies):
    folders = released(Home(tmp_path / "home"), policies, EVENTS, NAMES)
    assert len(folders) == 2 * len(QUICK) + len(RELEASES) + 1
    found_by_no_attack(folders)


def found_by_no_attack(folders):
    """Nothing is found in releases, the last of which is a corrected version; what is planted in them is."""
    assert attack(folders) == ()
    # the correction told something new, and nothing of few persons
    here = folders[-1].parent
    assert (here.name, here.parent.name, folders[-1].name) == (CORRECTED, "web-audience", "v2")
    original, later = (issue_of(read_package(here / version / "package"), version) for version in ("v1", "v2"))
    apart = set((later.tables[0].frame["visitors"] - original.tables[0].frame["visitors"]).dropna().astype(int))
    assert max(apart) == LATE
    assert apart <= {0, *range(10, LATE + 1)}
    # the attack works: with three persons more in one class of the original, their difference is found
    frame = original.tables[0].frame.copy()
    frame.loc[frame.index[frame["visitors"].fillna(0) > 50][1], "visitors"] += 3
    changed = replace(original, name="v3", tables=(replace(original.tables[0], frame=frame),))
    assert any(finding.low == finding.high == 3 for finding in audit([original, changed]))
