"""The shipped releases have equal package digests on both engines, from the same logs, however packed and ordered."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from harness.forms import is_long

from anonymization.deidentify.taken import known_files
from jobs.verbs.build import build
from jobs.walk import RELEASES

pytestmark = pytest.mark.spark


def totals(home):
    """Records read and accepted by source; a file delivered twice counts once."""
    counted = defaultdict(Counter)
    for _, taken in known_files(home):
        counted[taken.source].update(read=taken.read, accepted=taken.accepted)
    return counted


@pytest.mark.both("engines")
def test_the_logs_were_repacked(setting, retaken):
    every = totals(setting.home)
    assert totals(retaken) == {source: every[source] for source in totals(retaken)}
    assert len(totals(retaken)) == len(every) if is_long("engines") else len(totals(retaken)) > 7
    files, before = ([paths for paths, _ in known_files(home)] for home in (retaken, setting.home))
    assert len(files) == len(set(totals(retaken))) < len(before)
    assert max(map(len, files)) > 1


@pytest.mark.parametrize("name", RELEASES)
def test_equal_digests(setting, retaken, name):
    first = build(setting, name, "2026-10").request
    again = build(replace(setting, home=retaken), name, "2026-10", engine="spark").request
    assert again.digest == first.digest
    assert (first.engine, again.engine) == ("duckdb", "spark")
    assert first.inputs != again.inputs
