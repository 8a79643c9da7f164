"""Shipped releases of three months, and a corrected version, attacked together from their packages alone.

Two months hold what is quickly protected; the third all six. `make bench` does it with all six of every month.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonymization.home import Home
from anonymization.release.package import issue_of, read_package
from anonymization.tables.audit import audit
from benchmarks.together import CORRECTED, LATE, MONTHS, released
from jobs.audit import attack
from jobs.demo import RELEASES

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("together")]
QUICK = ("monthly-audience", "search-trends", "web-audience", "population-by-place")
NAMES = {month: RELEASES if month == MONTHS[-1] else QUICK for month in MONTHS}
EVENTS = 60_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory, policies):
    home = Home(tmp_path_factory.mktemp("together") / "home")
    return released(home, policies, EVENTS, NAMES)


@pytest.fixture(scope="module")
def versions(folders):
    """The corrected release and its original."""
    here = folders[-1].parent
    assert (here.name, here.parent.name, folders[-1].name) == (CORRECTED, "web-audience", "v2")
    return [issue_of(read_package(here / version / "package"), version) for version in ("v1", "v2")]


def test_nothing_is_found_in_three_months_and_a_correction_together(folders):
    assert len(folders) == 2 * len(QUICK) + len(RELEASES) + 1
    assert attack(folders) == ()


def test_three_persons_between_two_versions_are_found(versions):
    """The attack works: one class of the original with three persons more."""
    original, _ = versions
    frame = original.tables[0].frame.copy()
    row = frame.index[frame["visitors"].fillna(0) > 50][1]
    frame.loc[row, "visitors"] += 3
    changed = replace(original, name="v3", tables=(replace(original.tables[0], frame=frame),))
    assert any(finding.low == finding.high == 3 for finding in audit([original, changed]))


def test_the_correction_told_something_new(versions):
    original, corrected = (issue.tables[0].frame["visitors"] for issue in versions)
    apart = set((corrected - original).dropna().astype(int))
    assert max(apart) == LATE
    assert apart <= {0, *range(10, LATE + 1)}
