"""`noren plan`: levels that are proposed are built first, and written into the release's file as they were told."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from anonymization.errors import InputError, ProtectionError
from anonymization.policy.load import load_policies
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.package import read_package
from anonymization.tables.model import TOTAL, level_columns
from anonymization.tables.utility import noted
from jobs.pins import with_pins
from jobs.verbs.build import build
from jobs.verbs.init import initialize
from jobs.verbs.plan import KEPT, command, lines, plan
from jobs.walk import release

PERIOD = "2026-10"
TEXT = "release: x\ntables: {}\nprotection: {method: suppression}\n"
PINNED = "release: x\npins:\n  0:\n    age: [old]  # as planned\n  50: {}\n\nprotection: {method: suppression}\n"

WRITTEN = {
    "the first": (TEXT, 50, {"age": ("old", "13")}, {0: {"age": ["old", "13"]}, 50: {"age": ["old", "13"]}}),
    "another size": (PINNED, 20, {"age": ("young",)}, {0: {"age": ["old"]}, 20: {"age": ["young"]}, 50: {}}),
    "in place of another": (PINNED, 0, {"place": ("a", "b")}, {0: {"place": ["a", "b"]}, 50: {}}),
    "every code stands": (PINNED, 0, {}, {0: {}, 50: {}}),
}


@pytest.mark.parametrize(("text", "persons", "pins", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_pins_are_written_and_all_else_stays(text, persons, pins, expected):
    written = with_pins(text, persons, pins)
    content = yaml.safe_load(written)
    assert content.pop("pins") == expected
    before = yaml.safe_load(text)
    before.pop("pins", None)
    assert content == before
    assert next(line for line in text.splitlines() if line.startswith("protection")) in written.splitlines()


def test_the_best_that_was_built_is_proposed(setting):
    made = plan(setting, "service-usage", PERIOD, persons=4_000)
    assert made.trials[0].name == "as declared"
    good = [trial for trial in made.trials if trial.whole and trial.share >= KEPT]
    assert good
    assert made.best in good
    assert made.best.bits == max(trial.bits for trial in good)
    assert made.best.codes["status"] == 4 or "status" in made.best.pins
    told = "\n".join(lines(made))
    assert f"→ {made.best.name}" in told
    assert "usage.users: headlines" in told


def test_what_is_kept_stays(setting):
    made = plan(setting, "service-usage", PERIOD, keep=("service", "status"), persons=4_000)
    assert made.best.codes["service"] == 6
    assert made.best.codes["status"] == 4
    assert set(made.best.pins) <= {"age_band"}


REFUSED = {
    "no such dimension": ("service-usage", ("colour",), "no dimensions of 'service-usage'"),
    "nothing to give up": ("service-usage", ("service", "status", "age_band"), "codes could be given up"),
    "places": ("population-by-place", (), "levels are planned where figures are hidden one by one"),
    "open words": ("search-trends", (), "codes could be given up"),
}


@pytest.mark.parametrize(("name", "keep", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_planned_is_told(setting, name, keep, told):
    with pytest.raises(InputError, match=told):
        plan(setting, name, PERIOD, keep=keep)


CELL_KEY = {"method": "cell_key", "minimum_count": 10, "most_per_person": {"uses": 300}}
TITLE = {"en": "x", "ja": "x"}
VISITS = {
    "visits": {
        "title": TITLE,
        "dimensions": ["access_source", "day"],
        "measures": {
            "visitors_bounded": {"kind": "persons", "source": "analytics", "title": TITLE},
            "page_views_bounded": {"kind": "total", "source": "analytics", "title": TITLE},
        },
    }
}
PRIVACY = {"method": "differential_privacy", "rho": "0.4", "max_cells": 4, "max_per_cell": 20, "consistent": False}


def test_what_cell_keys_leave_is_what_a_build_leaves(declared, monkeypatch):
    setting = declared("service-usage", "noisy", protection=CELL_KEY, pins={})
    monkeypatch.setattr("jobs.verbs.plan.LIMITS", ())
    (trial,) = plan(setting, "noisy", PERIOD).trials
    built = noted(build(setting, "noisy", PERIOD).request.utility)
    (left,), (users,) = trial.left, [one for one in built if one.measure == "users"]
    assert left.finest[0] == pytest.approx(users.finest[0], rel=0.05)
    assert (left.headlines, left.cells) == (users.headlines, users.cells)
    assert 0 < left.cells[0] < left.cells[1]


def test_a_bound_that_somebody_exceeds_is_no_matter_of_levels(declared):
    setting = declared("service-usage", "noisy", protection=CELL_KEY | {"most_per_person": {"uses": 2}})
    with pytest.raises(ProtectionError, match="measure 'uses': somebody contributes more than"):
        plan(setting, "noisy", PERIOD)


def test_drawn_noise_is_foreseen_without_an_event(declared, monkeypatch):
    setting = declared("web-audience", "noisy", tables=VISITS, protection=PRIVACY, pins={})
    (table,) = read_package(build(setting, "noisy", PERIOD).package).tables
    built = dict(zip(zip(*level_columns(table), strict=True), table.frame["page_views_bounded_error"], strict=True))
    rows = [levels.count(TOTAL) for levels in zip(*level_columns(table), strict=True)]
    monkeypatch.setenv("NOREN_HOME", str(setting.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(setting.policies.folder))
    monkeypatch.setattr("jobs.verbs.plan.opened_events", None)
    for logs in setting.home.events.iterdir():
        logs.rename(setting.home.root / f"away-{logs.name}")
    done = CliRunner().invoke(command, ["noisy", "--period", PERIOD], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"headlines {2 * sum(totals > 0 for totals in rows)} of" in done.output, "of two measures"
    finest = next(levels for levels in built if TOTAL not in levels)
    for levels, margin in {(TOTAL, TOTAL): "in all: 1", finest: f"by access_source × day: {rows.count(0)}"}.items():
        told = (
            f"visits.page_views_bounded {margin} cells, every one; 95 % of figures within {built[levels]:,}, or nearer"
        )
        assert told in done.output
    refused = CliRunner().invoke(command, ["noisy", "--period", PERIOD, "--write"])
    assert isinstance(refused.exception, InputError)


def test_what_is_written_is_what_was_told(setting, policy_folder, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(setting.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(policy_folder))
    words = ["service-usage", "--period", PERIOD, "--keep", "service,status", "--persons", "700", "--write"]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "from 700 persons on" in done.output
    written = load_policies(policy_folder).release("service-usage").pins
    told = next(line for line in done.output.splitlines() if line.startswith("  age_band: "))
    assert list(written[700]["age_band"]) == told.removeprefix("  age_band: ").split(", ")
    assert set(written) == {0, 700, 4_000, 20_000}


def test_a_version_keeps_the_levels_of_the_one_before(setting):
    initialize(setting.home, expected=5_000)
    published = release(setting, "service-usage", PERIOD)
    initialize(setting.home, expected=90_000)
    assert setting.expected_in("service-usage", PERIOD) == 5_000
    assert setting.expected_in("service-usage", "2026-11") == 90_000
    assert setting.expected_in("media-and-ads", PERIOD) == 90_000
    with setting.ledger.transaction() as transaction:
        declared = [one.payload["persons"] for one in transaction.entries(kind=EntryKind.EXPECTED)]
    assert declared == [5_000, 90_000]
    codes = (published.folder / "package" / "codelists" / "age_band.csv").read_text().splitlines()
    assert "20-29,_T,age_band,20 to 29,20〜29歳" in codes
    assert not any(code.startswith("60-69,") for code in codes)
