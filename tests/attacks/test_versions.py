"""A corrected version minus its original: who came between is counted, not guessed from the figures."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anonymization.release.choices import add_optouts
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.intake import arrivals, run_intake

MONTH = "2026-10"
TITLE = {"en": "Uses", "ja": "利用"}
BY_SERVICE = {
    "usage": {
        "title": TITLE, "dimensions": ["service"],
        "measures": {
            "users": {"kind": "persons", "source": "service_usage", "title": TITLE},
            "uses": {"kind": "total", "source": "service_usage", "title": TITLE},
        },
    }
}  # fmt: skip
CAME_LATE = "apart by fewer persons than the minimum"


@pytest.fixture
def used_again(world, setting, policies):
    """Lets somebody who is in the month's usage already, or some such persons, use the same service so often again."""

    def used_again(members, times, *, who="{}"):
        log = sorted((world.home.landing / "source=service_usage").rglob("*.parquet"))[3]
        rows = pq.read_table(log).to_pylist()
        active = {row["member_id"]: row for row in rows if row["status"] == "active" and row["service"] == "mail"}
        again = [
            {
                **active[member],
                "member_id": who.format(member),
                "time": active[member]["time"] + timedelta(seconds=1 + n),
            }
            for member in sorted(active)[:members]
            for n in range(times)
        ]
        folder = setting.home.landing / "source=service_usage" / "arrived=2026-10-31"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(again, schema=pq.read_schema(log)), folder / "late.parquet")
        run = run_intake(setting.home, policies, arrivals(setting.home, policies), optouts=())
        assert [one.accepted for one in run.taken] == [members * times]

    return used_again


def test_thirty_seven_more_uses_by_one_member_close_the_gate(declared, release_it, used_again):
    setting = declared("service-usage", "by-service", tables=BY_SERVICE)
    release_it(setting, build(setting, "by-service", MONTH))
    again = gate(setting, build(setting, "by-service", MONTH).id)
    assert again.opened, "the same logs again change nothing"
    used_again(1, 37)
    late = gate(setting, build(setting, "by-service", MONTH).id)
    assert not late.opened
    assert any(CAME_LATE in reason for reason in late.reasons), late.reasons


def test_thirty_seven_uses_by_thirty_seven_members_do_not(declared, release_it, used_again):
    setting = declared("service-usage", "by-service", tables=BY_SERVICE)
    release_it(setting, build(setting, "by-service", MONTH))
    used_again(37, 1)
    late = gate(setting, build(setting, "by-service", MONTH).id)
    assert late.opened, late.reasons


CELL_KEY = {"method": "cell_key", "minimum_count": 10, "deviation": 5, "variance": 2}
PEOPLE = {
    "usage": BY_SERVICE["usage"]
    | {
        "dimensions": ["service", "status", "age_band"],  # many figures: that one more person changes none is unlikely
        "measures": {"users": BY_SERVICE["usage"]["measures"]["users"]},
    }
}


@pytest.mark.parametrize(("members", "opened"), [(1, False), (37, True)])
def test_the_noisy_figures_that_one_new_member_changes_close_the_gate(
    declared, release_it, used_again, members, opened
):
    setting = declared("service-usage", "noisy", tables=PEOPLE, protection=CELL_KEY)
    release_it(setting, build(setting, "noisy", MONTH))
    used_again(members, 1, who="{}-and-another")
    late = gate(setting, build(setting, "noisy", MONTH).id)
    assert late.opened is opened, late.reasons
    if not opened:
        assert any("two versions of this noisy figure" in reason for reason in late.reasons), late.reasons


@pytest.fixture
def opted_out(world, setting):
    """Lets so many members choose who use mail alone, and so change no other service's figures."""

    def opted_out(members):
        used = {}
        for log in (world.home.landing / "source=service_usage").rglob("*.parquet"):
            for row in pq.read_table(log, columns=["member_id", "service", "status"]).to_pylist():
                used.setdefault(row["member_id"], set()).add((row["service"], row["status"]))
        chosen = sorted(member for member, of in used.items() if member and {service for service, _ in of} == {"mail"})
        people = [("member", member) for member in chosen[:members]]
        assert len(people) == members
        add_optouts(setting.home, setting.ledger, people, namespaces=setting.policies.namespaces)

    return opted_out


@pytest.mark.parametrize(("members", "opened"), [(1, False), (11, True)])
def test_persons_who_opted_out_after_a_version_leave_as_many_as_may_be_told_or_the_gate_closes(
    declared, release_it, opted_out, members, opened
):
    setting = declared("service-usage", "by-service", tables=BY_SERVICE)
    release_it(setting, build(setting, "by-service", MONTH))
    opted_out(members)
    result = gate(setting, build(setting, "by-service", MONTH).id)
    assert result.opened is opened, result.reasons


def test_the_noisy_figures_that_one_who_opted_out_changes_close_the_gate(declared, release_it, opted_out):
    setting = declared("service-usage", "noisy", protection=CELL_KEY, tables=PEOPLE)
    release_it(setting, build(setting, "noisy", MONTH))
    opted_out(1)
    result = gate(setting, build(setting, "noisy", MONTH).id)
    assert not result.opened
    assert any("two versions of this noisy figure" in reason for reason in result.reasons), result.reasons
