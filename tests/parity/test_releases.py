"""The shipped releases have equal package digests on both engines, whatever the order of the event files."""

from __future__ import annotations

import pytest

import jobs.build
from jobs.build import Inputs, build
from jobs.demo import RELEASES

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("world")]


@pytest.mark.parametrize("name", RELEASES)
def test_equal_digests(setting, name, monkeypatch):
    first = build(setting, name, "2026-10").request
    found = jobs.build.find_inputs

    def reversed_inputs(*given):
        inputs = found(*given)
        return Inputs({source: paths[::-1] for source, paths in inputs.files.items()}, inputs.taken)

    monkeypatch.setattr(jobs.build, "find_inputs", reversed_inputs)
    assert build(setting, name, "2026-10", engine="spark").request.digest == first.digest
    assert first.engine == "duckdb"
