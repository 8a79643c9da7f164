"""Who joined, left or moved between two months, by notes: what the raw ids say, which no build knows."""

from __future__ import annotations

import contextlib
import csv
from collections import Counter

import numpy as np
import pytest

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.release.choices import add_optouts
from anonymization.release.inputs import find_inputs
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.neighbours import changed_between, part_of
from anonymization.release.setting import Setting
from anonymization.tables.counting.changes import APART
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve
from jobs.verbs.intake import arrivals, run_intake

OCTOBER, NOVEMBER = (parse_period(PeriodKind.MONTH, month) for month in ("2026-10", "2026-11"))
PLACES = {"東京都千代田区1-1": ("13", "kanto"), "大阪府大阪市1-1": ("27", "kinki"), "": ("unknown", "unknown_region")}
BORN = {"1985-01-01": "40-49", "1955-01-01": "70-79"}
SERVICES = ("mail", "news", "maps")
HEADER = ["as_of", "member_id", "name", "kana", "birth_date", "postal_address", "phone", "email", "service"]


def drawn(rng):
    """Where somebody lives, of what age, and with which services."""
    services = rng.choice(SERVICES, rng.integers(1, 4), replace=False)
    return str(rng.choice([*PLACES])), str(rng.choice([*BORN])), frozenset(services.tolist())


def cells(person):
    """Every cell that somebody is in."""
    if person is None:
        return set()
    place, born, services = person
    return {
        (region, age, service)
        for region in (*PLACES[place], TOTAL)
        for age in (BORN[born], TOTAL)
        for service in (*services, TOTAL)
    }


@pytest.fixture
def deliver(home, policies):
    def deliver(people, day, name):
        folder = home.landing / "source=subscribers" / f"arrived={day}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            for member, (place, born, services) in people.items():
                writer.writerows(
                    [day, member, "名", "メイ", born, place, "", "", service] for service in sorted(services)
                )
        run = run_intake(home, policies, arrivals(home, policies), optouts=())
        assert not run.failures

    return deliver


def test_whoever_changed_is_counted_in_every_cell(home, policies, deliver):
    rng = np.random.default_rng(7)
    before = {f"m{n:04d}": drawn(rng) for n in range(120)}
    after = {
        member: drawn(rng) if rng.random() < 0.2 else person for member, person in before.items() if rng.random() > 0.1
    } | {f"j{n:04d}": drawn(rng) for n in range(12)}
    early, late = ({m: p for m, p in before.items() if (m < "m0100") is first} for first in (True, False))
    deliver(early, "2026-10-31", "early")
    deliver(after, "2026-11-30", "all")
    deliver(late, "2026-10-31", "late")
    chose = rng.choice(sorted(before), 5, replace=False).tolist()
    with contextlib.closing(Ledger.of(home)) as ledger:
        setting = Setting(home, policies, ledger)
        then = find_inputs(home, policies, ["subscribers"], OCTOBER)
        add_optouts(home, ledger, [("member", member) for member in chose], namespaces=policies.namespaces)
        now = find_inputs(home, policies, ["subscribers"], NOVEMBER)
        plan = resolve(policies, policies.release("monthly-audience"), NOVEMBER)
        changed = changed_between(setting, part_of(plan, "subscribers"), policies.sources["subscribers"], (then, now))
    left_out = dict.fromkeys(chose)
    expected, net = Counter(), Counter()
    for member in before.keys() | after.keys():
        was, is_now = (cells((people | gone).get(member)) for people, gone in ((before, {}), (after, left_out)))
        expected.update(was ^ is_now)
        net.update(is_now - was)
        net.subtract(was - is_now)
    keys = changed[["region", "age_band", "service"]].itertuples(index=False, name=None)
    told = changed.assign(cell=list(keys)).groupby("cell")
    wanted = {cell: number for cell, number in expected.items() if cell[1] in ("40-49", "70-79", TOTAL)}
    assert told["person"].nunique().to_dict() == wanted
    assert told[APART].sum().to_dict() == {cell: net[cell] for cell in wanted}


def test_who_changed_is_not_known_of_what_came_after_the_note(home, policies, deliver):
    deliver({"m1": drawn(np.random.default_rng(1))}, "2026-10-31", "first")
    deliver({"m1": drawn(np.random.default_rng(1))}, "2026-11-30", "first")
    for path in home.events.rglob("*.noted"):
        path.write_text(path.read_text().replace("2026-10", "2026-09"))
    with contextlib.closing(Ledger.of(home)) as ledger:
        states = tuple(find_inputs(home, policies, ["subscribers"], period) for period in (OCTOBER, NOVEMBER))
        plan = resolve(policies, policies.release("monthly-audience"), NOVEMBER)
        part, source = part_of(plan, "subscribers"), policies.sources["subscribers"]
        assert changed_between(Setting(home, policies, ledger), part, source, states) is None


def test_of_a_month_in_which_everybody_left_all_are_counted(home, policies, deliver):
    """Whoever chose is in no build, so that of the newer month nobody is left."""
    people = {f"m{n}": ("東京都千代田区1-1", "1985-01-01", frozenset(["mail"])) for n in range(12)}
    deliver(people, "2026-10-31", "all")
    deliver(people, "2026-11-30", "all")
    with contextlib.closing(Ledger.of(home)) as ledger:
        then = find_inputs(home, policies, ["subscribers"], OCTOBER)
        add_optouts(home, ledger, [("member", member) for member in people], namespaces=policies.namespaces)
        now = find_inputs(home, policies, ["subscribers"], NOVEMBER)
        plan = resolve(policies, policies.release("monthly-audience"), NOVEMBER)
        part, source = part_of(plan, "subscribers"), policies.sources["subscribers"]
        changed = changed_between(Setting(home, policies, ledger), part, source, (then, now))
        assert set(changed[APART]) == {-1}
        assert changed["person"].nunique() == 12
        back = changed_between(Setting(home, policies, ledger), part, source, (then, then))
        assert back is None, "October is no month before October"
