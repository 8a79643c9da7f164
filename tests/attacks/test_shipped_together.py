"""Shipped releases of three months, and a corrected version, attacked together from their packages alone.

Two months hold what is quickly protected; the third all six. `make bench` does it with all six of every month.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonymization.home import Home
from anonymization.release.issues import issue_of
from anonymization.release.package import read_package
from anonymization.tables.audit.audit import audit
from benchmarks.together import CORRECTED, LATE, MONTHS, released
from jobs.verbs.audit import attack
from jobs.walk import RELEASES

pytestmark = pytest.mark.slow
QUICK = ("monthly-audience", "search-trends", "web-audience", "population-by-place")
NAMES = {month: RELEASES if month == MONTHS[-1] else QUICK for month in MONTHS}
EVENTS = 60_000


def test_nothing_is_found_in_three_months_and_a_correction_together(tmp_path, policies):
    folders = released(Home(tmp_path / "home"), policies, EVENTS, NAMES)
    assert len(folders) == 2 * len(QUICK) + len(RELEASES) + 1
    assert attack(folders) == ()
    # the correction told something new, and nothing of few persons
    here = folders[-1].parent
    assert (here.name, here.parent.name, folders[-1].name) == (CORRECTED, "web-audience", "v2")
    original, corrected = (issue_of(read_package(here / version / "package"), version) for version in ("v1", "v2"))
    apart = set((corrected.tables[0].frame["visitors"] - original.tables[0].frame["visitors"]).dropna().astype(int))
    assert max(apart) == LATE
    assert apart <= {0, *range(10, LATE + 1)}
    # the attack works: with three persons more in one class of the original, their difference is found
    frame = original.tables[0].frame.copy()
    frame.loc[frame.index[frame["visitors"].fillna(0) > 50][1], "visitors"] += 3
    changed = replace(original, name="v3", tables=(replace(original.tables[0], frame=frame),))
    assert any(finding.low == finding.high == 3 for finding in audit([original, changed]))
