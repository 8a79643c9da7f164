"""A release protected by cell keys, from build to verification; what a declaration may not say; planted faults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

import anonymization.tables.methods.cell_key
import jobs.verbs.build
from anonymization.errors import DeclarationError, ProtectionError
from anonymization.release.package import read_package
from anonymization.release.verify import verify
from anonymization.tables.methods.cell_key import METHOD, perturbed
from anonymization.tables.methods.unlisted import withhold
from anonymization.tables.model import FREE, TOTAL
from jobs.dossier import review
from jobs.verbs.audit import attack
from jobs.verbs.build import build
from jobs.verbs.gate import gate

NAME, PERIOD = "audience-with-noise", "2026-10"
CELL_KEY = {"method": "cell_key", "minimum_count": 10}


@pytest.fixture
def noisy(declared, by_region):
    return declared("monthly-audience", NAME, protection=CELL_KEY, dimensions=by_region)


def test_from_build_to_verification(noisy, release_it):
    candidate = build(noisy, NAME, PERIOD)
    done = release_it(noisy, candidate)
    dossier = review(noisy, candidate.id)
    assert (
        "Cell keys: nothing about 1 to 9 persons is published; all other figures carry noise, 95 % of them of 5 persons at most."
        in dossier
    )
    assert "| browsing_persons | browsing_persons_error |" in dossier
    assert verify(done.folder, noisy.home).withdrawn is False
    assert not attack([done.folder])
    block = json.loads((done.folder / "package" / "datapackage.json").read_text())["noren"]
    assert block["protection"] == {"method": "cell_key", "minimum_publishable_count": 10}
    notice = (done.folder / "package" / "NOTICE.md").read_text()
    assert "every figure counts at least 10 distinct persons" in notice
    assert "do not add up" in notice


def test_parameters_are_in_no_file_of_the_package(declared, by_region):
    changes = {"deviation": 29, "variance": "23.57", "forbidden": [27, 28]}
    setting = declared("monthly-audience", NAME, protection=CELL_KEY | changes, dimensions=by_region)
    package = build(setting, NAME, PERIOD).package
    texts = [p.read_text() for p in package.rglob("*") if p.suffix in (".json", ".md") and p.name != "MANIFEST.json"]
    assert len(texts) > 2
    assert not [text for text in texts if any(word in text for word in ("23.57", "deviation", "forbidden", "variance"))]


def frames(setting, name):
    (table,) = read_package(build(setting, name, PERIOD).package).tables
    return table.frame.set_index(table.keys)


def test_figures_against_the_exact_ones(noisy, monkeypatch):
    true = []
    exact = jobs.verbs.build.tabulate
    monkeypatch.setattr(jobs.verbs.build, "tabulate", lambda *given: true.append(exact(*given)) or true[-1])
    figures = frames(noisy, NAME)
    ((counted,),) = true
    counts = counted.frame.set_index(counted.keys).reindex(figures.index)
    noise, within = [], []
    for measure in ("subscribers", "users", "browsing_persons"):
        shown, count = figures[measure].notna(), counts[measure]
        assert not shown[count.between(1, 9)].any()
        assert shown[count >= 10].all(), "no sum need be hidden here"
        assert (figures.loc[shown & (count == 0), measure] == 0).all()
        apart = (figures[measure] - count)[shown & (count > 0)]
        assert apart.abs().max() <= 5
        noise += apart.tolist()
        within += (apart.abs() <= figures[f"{measure}_error"][apart.index]).tolist()
    assert len(noise) > 100
    assert sum(within) / len(within) >= 0.95
    assert 1.2 < pd.Series(noise).astype(float).var() < 3.0
    assert abs(sum(noise)) / len(noise) < 0.5


def test_equal_persons_are_an_equal_figure_in_another_table_and_in_another_run(noisy, declared):
    content = {"title": {"en": "By age band", "ja": "年代別"}, "dimensions": ["age_band"]}
    people = {
        "users": {"kind": "persons", "source": "links", "known": True, "title": {"en": "Users", "ja": "利用者数"}}
    }
    other = declared(
        "monthly-audience",
        "by-age-band",
        protection=CELL_KEY,
        tables={"ages": content | {"measures": people}},
        pins={},
    )
    cube, ages = frames(other, NAME), frames(other, "by-age-band")
    margin = cube.xs(TOTAL, level="region").xs(TOTAL, level="service")
    assert margin["users"].equals(ages["users"].reindex(margin.index))
    assert frames(other, NAME).equals(cube)


def plant(monkeypatch, change):
    """Let the build publish what `change` makes of the safe tables."""

    def leaky(tables, protection, *, withheld=False):
        safe = perturbed(tables, protection, withheld=withheld)
        return tuple(replace(s, frame=change(s.frame.copy(), t.frame)) for s, t in zip(safe, tables, strict=True))

    monkeypatch.setattr(anonymization.tables.methods.cell_key, "perturbed", leaky)


def shown_small(frame, true):
    row = true.index[true["users"].between(1, 9)][0]
    frame.loc[row, ["users", "users_status"]] = [true.loc[row, "users"], FREE]
    return frame


def true_figures(frame, true):
    shown = frame["users_status"] == FREE
    frame.loc[shown, "users"] = true.loc[shown, "users"]
    return frame


def off_by_one(frame, true):
    row = frame.index[(frame["users_status"] == FREE) & (frame["users"] > 10)][0]
    frame.loc[row, "users"] += 1
    return frame


def test_errors_that_are_not_the_methods_close_the_gate(noisy, monkeypatch):
    """The package would tell how far off a figure really is."""
    stated = type(METHOD).errors

    def leaky(self, plan, protection, tables):
        (table,) = stated(self, plan, protection, tables)
        frame = table.frame.copy()
        frame.loc[frame.index[frame["users_error"] > 0][0], "users_error"] = 1
        return (replace(table, frame=frame),)

    monkeypatch.setattr(type(METHOD), "errors", leaky)
    candidate = build(noisy, NAME, PERIOD)
    monkeypatch.setattr(type(METHOD), "errors", stated)
    result = gate(noisy, candidate.id)
    assert {r.name for r in result.results if not r.success} == {"candidate_schema"}


@pytest.mark.parametrize("change", [shown_small, true_figures, off_by_one])
def test_a_planted_fault_closes_the_gate(noisy, monkeypatch, change):
    plant(monkeypatch, change)
    result = gate(noisy, build(noisy, NAME, PERIOD).id)
    assert not result.opened
    assert {r.name for r in result.results if not r.success} == {"candidate_cells"}


def test_exact_figures_under_the_name_of_cell_keys_close_the_gate(noisy, monkeypatch):
    monkeypatch.setattr(
        anonymization.tables.methods.cell_key,
        "with_noise",
        lambda tables, protection, *_, **__: withhold(tables, protection.minimum_count),
    )
    assert not gate(noisy, build(noisy, NAME, PERIOD).id).opened


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"deviation": 0}, "greater than or equal to 1", id="no deviation"),
        pytest.param({"variance": 11}, "`variance` is at most 10.00", id="more than uniform"),
        pytest.param({"variance": 0}, "greater than 0", id="no variance"),
        pytest.param({"forbidden": [2, 1]}, "in order, each once", id="out of order"),
        pytest.param({"forbidden": [0]}, "from 1 on", id="zero is no choice"),
        pytest.param({"forbidden": [1, 2, 3, 4, 5, 6]}, "more than D=5 figures in a row", id="too many"),
        pytest.param({"minimum_count": 5}, "below the house rule, 10", id="below the house rule"),
        pytest.param({"devation": 3}, "unknown key; allowed here.*did you mean 'deviation'", id="unknown key"),
        pytest.param({"method": "cellkey"}, "'suppression', 'cell_key', 'differential_privacy'", id="unknown method"),
    ],
)  # fmt: skip
def test_a_wrong_declaration(declared, changes, message):
    setting = declared("monthly-audience", NAME, protection=CELL_KEY | changes)
    with pytest.raises(DeclarationError, match=message):
        setting.policies.release(NAME)


BOUNDS = {"page_views": 50, "seconds": 3000}
TOTALS = {
    "no bound": ({"most_per_person": {"page_views": 50}}, "measure 'seconds': a total needs `protection.most_per_person`"),
    "a bound of nothing": ({"most_per_person": BOUNDS | {"views": 9}}, "`most_per_person` names .'views'., which are no totals"),
    "a bound of persons": ({"most_per_person": BOUNDS | {"visitors": 9}}, "names .'visitors'., which are no totals"),
    "too small a share": ({"most_per_person": BOUNDS, "share": "0.07"}, "`share` times the root of `variance` is 10 percent at least"),
    "too far a reach": ({"most_per_person": BOUNDS, "deviation": 30}, "`variance` is at least 9.30 for totals"),
    "nothing listed": ({"most_per_person": BOUNDS, "zeros": "withheld"}, "is for persons alone"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), TOTALS.values(), ids=TOTALS)
def test_a_wrong_declaration_of_totals(declared, changes, message):
    setting = declared("web-audience", NAME, protection=CELL_KEY | changes)
    with pytest.raises(DeclarationError, match=message):
        setting.policies.release(NAME)


@pytest.fixture
def totals(declared):
    """Page views and seconds by access source, browser and day type, with noise."""
    day_type = {"kind": "event", "title": {"en": "x", "ja": "x"}, "column": "day_type", "levels": ["day_type"], "codelist": "day_type"}  # fmt: skip
    dimensions = yaml.safe_load(Path("policies/releases/web-audience.yaml").read_text())["dimensions"]
    tables = yaml.safe_load(Path("policies/releases/web-audience.yaml").read_text())["tables"]
    tables["visits"]["dimensions"] = ["access_source", "day_type"]
    tables["visits"]["measures"]["person_days"] = {"kind": "person_days", "source": "analytics", "title": {"en": "x", "ja": "x"}}  # fmt: skip

    def totals(**bounds):
        protection = CELL_KEY | {"most_per_person": BOUNDS | bounds}
        return declared(
            "web-audience", NAME, protection=protection, dimensions=dimensions | {"day_type": day_type}, tables=tables
        )

    return totals


def test_totals_from_build_to_verification(totals, release_it, monkeypatch):
    setting, true = totals(), []
    exact = jobs.verbs.build.tabulate
    monkeypatch.setattr(jobs.verbs.build, "tabulate", lambda *given: true.append(exact(*given)) or true[-1])
    done = release_it(setting, build(setting, NAME, PERIOD))
    assert verify(done.folder, setting.home).withdrawn is False
    (table,) = read_package(done.folder / "package").tables
    ((counted,),) = true
    figures, counts = table.frame.set_index(table.keys), counted.frame.set_index(counted.keys)
    for measure in ("page_views", "seconds", "person_days"):
        shown = figures[measure].notna() & (figures["visitors"] > 0)
        apart = (figures[measure] - counts[measure].reindex(figures.index))[shown].abs()
        assert shown.sum() > 15
        assert (apart > 0).mean() > 0.5, "they carry noise"
        assert (apart <= figures[f"{measure}_error"][shown]).mean() >= 0.95
        assert figures[f"{measure}_error"][shown].max() < counts[measure].max() / 10
    assert not {"first", "second"} & set(figures.columns)


def test_more_than_anybody_may_contribute_is_refused_without_a_figure_of_anybody(totals):
    with pytest.raises(
        ProtectionError, match=r"measure 'seconds': somebody contributes more than .* says, 30; declare"
    ):
        build(totals(seconds=30), NAME, PERIOD)


def true_totals(frame, true):
    shown = frame["seconds_status"] == FREE
    frame.loc[shown, "seconds"] = true.loc[shown, "seconds"]
    return frame


def test_exact_totals_close_the_gate(totals, monkeypatch):
    setting = totals()
    plant(monkeypatch, true_totals)
    result = gate(setting, build(setting, NAME, PERIOD).id)
    assert {r.name for r in result.results if not r.success} == {"candidate_cells"}
