"""Planted leaks: the gate stops each and tells where; the shipped releases pass."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest

import jobs.build
from anonymization.tables.model import FREE, TOTAL
from jobs.audit import attack
from jobs.build import build
from jobs.gate import gate

pytestmark = pytest.mark.xdist_group("world")


def plant(monkeypatch, change):
    """Let the build publish what `change` makes of the safe tables."""

    honest = jobs.build.protected_tables

    def leaky(setting, plan, privacy, tables):
        true = tables()
        done = honest(setting, plan, privacy, lambda: true)
        pairs = zip(done.tables, true, strict=True)
        return replace(done, tables=tuple(replace(s, frame=change(s.frame.copy(), t.frame)) for s, t in pairs))

    monkeypatch.setattr(jobs.build, "protected_tables", leaky)


def give_back(measure, row):
    def change(frame, true):
        frame.loc[row, measure] = true.loc[row, measure]
        frame.loc[row, f"{measure}_status"] = FREE
        return frame

    return change


def one_unsafe_under_its_total(frame, true):
    """Give back every margin of a class whose hidden cells are but one: the total gives it away."""
    for (age, service), rows in true.groupby(["age_band", "service"]):
        regions = rows[
            rows["region"].isin(
                ["kanto", "kinki", "chubu", "kyushu", "tohoku", "chugoku", "shikoku", "hokkaido", "unknown_region"]
            )
        ]
        hidden = frame.loc[regions.index, "users_status"] != FREE
        total = rows.index[rows["region"] == TOTAL][0]
        if hidden.sum() >= 1 and TOTAL not in (age, service):
            for index in regions.index[hidden][1:]:
                frame = give_back("users", index)(frame, true)
            return give_back("users", total)(frame, true)
    raise AssertionError("no class to plant in")


def shown_small(frame, true):
    small = true.index[true["subscribers"].between(1, 9)][0]
    return give_back("subscribers", small)(frame, true)


def wrong_figure(frame, true):
    row = frame.index[(frame["users_status"] == FREE) & (frame["users"] > 0)][0]
    frame.loc[row, "users"] += 1
    return frame


def margin_over_hidden(frame, true):
    """The margin over age bands in which one cell alone is left hidden: persons add up over them."""
    for (region, service), rows in true.groupby(["region", "service"]):
        hidden = rows.index[(frame.loc[rows.index, "users_status"] != FREE) & (rows["age_band"] != TOTAL)]
        total = rows.index[rows["age_band"] == TOTAL][0]
        unsafe = [row for row in hidden if 0 < true.loc[row, "users"] < 10]
        if unsafe and TOTAL not in (region, service):
            for row in (*(row for row in hidden if row != unsafe[0]), total):
                frame = give_back("users", row)(frame, true)
            return frame
    raise AssertionError("no margin to plant")


def figure_where_hidden(frame, true):
    row = frame.index[(frame["users_status"] != FREE)][0]
    frame.loc[row, "users"] = true.loc[row, "users"]
    return frame


def unknown_status(frame, true):
    frame.loc[0, "users_status"] = "X"
    return frame


def row_left_out(frame, true):
    return frame[~((frame["users_status"] == FREE) & (frame["users"] > 0))].reset_index(drop=True)


@pytest.mark.parametrize(
    ("change", "suite"),
    [
        pytest.param(one_unsafe_under_its_total, "candidate_audit", id="subtraction"),
        pytest.param(shown_small, "candidate_cells", id="a small cell shown"),
        pytest.param(wrong_figure, "candidate_cells", id="a figure that is not the events'"),
        pytest.param(margin_over_hidden, "candidate_audit", id="a margin over hidden cells"),
        pytest.param(figure_where_hidden, "candidate_cells", id="a figure beside C"),
        pytest.param(unknown_status, "candidate_cells", id="an unknown status"),
        pytest.param(row_left_out, "candidate_complete", id="rows left out"),
    ],
)
def test_a_planted_leak_closes_the_gate(setting, monkeypatch, change, suite):
    plant(monkeypatch, change)
    candidate = build(setting, "monthly-audience", "2026-10")
    result = gate(setting, candidate.id)
    assert not result.opened
    failed = {r.name for r in result.results if not r.success}
    assert suite in failed
    assert result.reasons


def test_a_subtraction_leak_is_told_by_its_cell(setting, monkeypatch):
    plant(monkeypatch, one_unsafe_under_its_total)
    candidate = build(setting, "monthly-audience", "2026-10")
    result = gate(setting, candidate.id)
    assert any("audience.users, region=" in reason and ", from this candidate" in reason for reason in result.reasons)
    assert attack([candidate.folder])


def without_a_rest(frame, true):
    """A hole in the map: the persons of a rest are nowhere but in the place above."""
    return frame[frame["mesh"] != frame["mesh"][frame["mesh"].str.endswith("~")].iloc[0]].reset_index(drop=True)


def without_an_hour(frame, true):
    """A place that is safe, and all of its hour, are kept back."""
    return frame[frame["hour"] != "12"].reset_index(drop=True)


def a_place_of_few(frame, true):
    """A place that is listed at other hours, listed with three persons beside the rest that holds it."""
    places = {code for code in frame["mesh"] if code.isdigit()}
    for _, row in frame[frame["mesh"] == "_T~"].iterrows():
        unlisted = sorted(places - set(frame["mesh"][frame["hour"] == row["hour"]]))
        if unlisted:
            more = row.to_frame().T.assign(mesh=unlisted[0], persons=3, person_days=4)
            frame = pd.concat([frame, more.astype(frame.dtypes)])
            return frame.sort_values(["mesh", "hour", "day_type"], ignore_index=True)
    raise AssertionError("no place to plant")


@pytest.mark.parametrize(
    ("change", "suite"),
    [
        pytest.param(without_a_rest, "candidate_complete", id="a rest left out"),
        pytest.param(without_an_hour, "candidate_complete", id="an hour left out"),
        pytest.param(a_place_of_few, "candidate_cells", id="a place of few"),
    ],
)
def test_a_planted_leak_of_places_closes_the_gate(setting, monkeypatch, change, suite):
    plant(monkeypatch, change)
    candidate = build(setting, "population-by-place", "2026-10")
    result = gate(setting, candidate.id)
    assert suite in {r.name for r in result.results if not r.success}


@pytest.mark.parametrize("name", ["monthly-audience", "population-by-place"])
def test_the_shipped_releases_pass(setting, name):
    candidate = build(setting, name, "2026-10")
    assert gate(setting, candidate.id).opened
    assert not attack([candidate.folder])


def test_no_raw_id_is_anywhere_outside_the_identified_zone(world, setting):
    for name in ("monthly-audience", "population-by-place"):
        gate(setting, build(setting, name, "2026-10").id)
    raw = world.home.landing
    devices = pq.read_table(next(raw.glob("source=locations/*/*.parquet"))).column("device_id").to_pylist()[:20]
    subscribers = next(raw.glob("source=subscribers/*/*.csv")).read_text().splitlines()[1:20]
    canaries = [*devices, *(field for line in subscribers for field in line.split(",")[1:7])]
    outside = [
        p
        for p in setting.home.root.rglob("*")
        if p.is_file() and not {"landing", "quarantine", "choices"} & set(p.relative_to(setting.home.root).parts)
    ]
    held = b"".join(path.read_bytes() for path in outside)
    assert len(canaries) > 100
    assert not [canary for canary in canaries if canary.encode() in held]


def test_pseudonyms_of_two_months_do_not_join(setting):
    from anonymization.keys import PeriodKeys

    keys = PeriodKeys(setting.home)
    message = "cookie\x1fsame"
    assert keys.pseudonym("2026-10", message) != keys.pseudonym("2026-11", message)


def test_an_opted_out_person_changes_no_byte(world, setting, policies, tmp_path):
    """Non-interference: with or without the events of an opted-out cookie, the package is the same."""
    events = [p for p in setting.home.events.rglob("*.json") if '"opted out"' in p.read_text()]
    assert events, "the generator plants opted-out cookies"
    first = build(setting, "monthly-audience", "2026-10").request.digest
    assert first == build(setting, "monthly-audience", "2026-10").request.digest
