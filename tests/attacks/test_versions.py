"""A corrected version minus its original: who came between is counted, not guessed from the figures."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.intake import arrivals, run_intake

MONTH = "2026-10"
CAME_LATE = "apart by fewer persons than the minimum"


@pytest.fixture
def used_again(world, setting, policies):
    """Lets somebody who is in the month's usage already, or some such persons, use the same service so often again."""

    def used_again(members, times):
        log = sorted((world.home.landing / "source=service_usage").rglob("*.parquet"))[3]
        rows = pq.read_table(log).to_pylist()
        active = {row["member_id"]: row for row in rows if row["status"] == "active" and row["service"] == "mail"}
        again = [
            {**active[member], "time": active[member]["time"] + timedelta(seconds=1 + n)}
            for member in sorted(active)[:members]
            for n in range(times)
        ]
        folder = setting.home.landing / "source=service_usage" / "arrived=2026-10-31"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(again, schema=pq.read_schema(log)), folder / "late.parquet")
        run = run_intake(setting.home, policies, arrivals(setting.home, policies), optouts=())
        assert [one.accepted for one in run.taken] == [members * times]

    return used_again


def test_thirty_seven_more_uses_by_one_member_close_the_gate(setting, release_it, used_again):
    release_it(setting, build(setting, "service-usage", MONTH))
    used_again(1, 37)
    second = build(setting, "service-usage", MONTH)
    result = gate(setting, second.id)
    assert not result.opened
    assert any(CAME_LATE in reason for reason in result.reasons), result.reasons


def test_the_same_logs_again_change_nothing(setting, release_it):
    release_it(setting, build(setting, "service-usage", MONTH))
    again = build(setting, "service-usage", MONTH)
    result = gate(setting, again.id)
    assert result.opened, result.reasons
