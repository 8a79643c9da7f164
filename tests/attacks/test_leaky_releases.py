"""Planted leaks: each is what a plausible fault would publish; the gate stops every one and says where."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from harness.forms import long_only

import jobs.verbs.build
from anonymization.disclosure.proof import Proof
from anonymization.disclosure.suppress.suppress import Pattern
from anonymization.tables.audit import system_of
from anonymization.tables.audit.cube import Cube
from anonymization.tables.counting import merged_places
from anonymization.tables.methods import suppression
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import CONFIDENTIAL, FREE, TOTAL
from anonymization.tables.plan import with_codes
from jobs.verbs.audit import attack
from jobs.verbs.build import build
from jobs.verbs.gate import gate

PERIOD = "2026-10"
POLICIES = Path(__file__).parents[2] / "policies"


# What a fault would publish: changes of a protected table's frame, given its true one.


def hidden(frame, measure):
    return frame.index[frame[f"{measure}_status"] == CONFIDENTIAL]


def give_back(frame, true, measure, rows):
    frame.loc[rows, measure] = true.loc[rows, measure]
    frame.loc[rows, f"{measure}_status"] = FREE
    return frame


def shown_small(measure):
    """A class of few persons is shown."""

    def change(frame, true):
        return give_back(frame, true, measure, true.index[true[measure].between(1, 9)][:1])

    return change


def every_secondary(measure, persons):
    """What is hidden for the sake of others is shown: primary suppression alone."""

    def change(frame, true):
        rows = hidden(frame, measure)
        return give_back(frame, true, measure, rows[~true.loc[rows, persons].between(1, 9)])

    return change


def every_margin(measure):
    """All totals are shown, but those of few persons."""

    def change(frame, true):
        keys = [name for name in true.columns if not pd.api.types.is_numeric_dtype(true[name])]
        rows = hidden(frame, measure)
        rows = rows[(true.loc[rows, keys] == TOTAL).any(axis=1) & (true.loc[rows, measure] >= 10)]
        assert len(rows)
        return give_back(frame, true, measure, rows)

    return change


def one_unsafe_under_its_total(frame, true):
    """Of a class all is shown but its one small cell: the total less the others is that cell."""
    regions = frame[frame["region"].str.fullmatch(r"[a-z_]+")]
    for (age, service), rows in regions.groupby(["age_band", "service"]):
        here = [row for row in rows.index if frame.loc[row, "users_status"] != FREE]
        if here and TOTAL not in (age, service):
            total = frame.index[(frame[["region", "age_band", "service"]] == [TOTAL, age, service]).all(axis=1)]
            return give_back(frame, true, "users", [*here[1:], *total])
    raise AssertionError("no class to plant in")


def margin_over_hidden(frame, true):
    """The margin over age bands in which one cell alone is left hidden: persons add up over them."""
    for (region, service), rows in true.groupby(["region", "service"]):
        here = rows.index[(frame.loc[rows.index, "users_status"] != FREE) & (rows["age_band"] != TOTAL)]
        unsafe = [row for row in here if 0 < true.loc[row, "users"] < 10]
        if unsafe and TOTAL not in (region, service):
            total = rows.index[rows["age_band"] == TOTAL]
            return give_back(frame, true, "users", [*(row for row in here if row != unsafe[0]), *total])
    raise AssertionError("no margin to plant")


def one_more(frame, true):
    row = frame.index[(frame["users_status"] == FREE) & (frame["users"] > 0)][0]
    frame.loc[row, "users"] += 1
    return frame


def rounded(frame, true):
    """Rounding in the place of hiding: figures to fives, small ones as five."""
    frame["users"] = (true["users"] / 5).round().astype("Int64").mul(5).mask(true["users"].between(1, 9), 5)
    frame["users_status"] = FREE
    return frame


def at_the_minimum(frame, true):
    """Small figures are raised to the minimum, and shown."""
    rows = true.index[true["users"].between(1, 9)]
    frame.loc[rows, "users"], frame.loc[rows, "users_status"] = 10, FREE
    return frame


def nobody_where_somebody_is(frame, true):
    row = true.index[true["users"].between(1, 9)][0]
    frame.loc[row, "users"], frame.loc[row, "users_status"] = 0, FREE
    return frame


def figure_beside_its_status(frame, true):
    row = hidden(frame, "users")[0]
    frame.loc[row, "users"] = true.loc[row, "users"]
    return frame


def nothing_beside_free(frame, true):
    frame.loc[hidden(frame, "users")[0], "users_status"] = FREE
    return frame


def unknown_status(frame, true):
    frame.loc[0, "users_status"] = "X"
    return frame


def primary_or_secondary(frame, true):
    """The status tells why a figure is hidden."""
    rows = hidden(frame, "users")
    frame.loc[rows[true.loc[rows, "users"] >= 10], "users_status"] = "D"
    return frame


def row_left_out(frame, true):
    return frame[~((frame["users_status"] == FREE) & (frame["users"] > 0))].reset_index(drop=True)


def true_column(frame, true):
    return frame.assign(users_counted=true["users"])


def flag_of_the_hidden(frame, true):
    """A further column tells which hidden figures are large."""
    return frame.assign(note=np.where(true["users"] >= 10, "enough", "few"))


def events_of_few(frame, true):
    """The persons are hidden, what they did is not."""
    rows = true.index[true["users"].between(1, 9)]
    return give_back(frame, true, "uses", rows[:1])


def keyword_of_49(frame, true):
    """A keyword of 49 persons is listed."""
    row = frame.iloc[[0]].assign(keyword="zz rare", searchers=49, days=31)
    return pd.concat([frame, row.astype(frame.dtypes)], ignore_index=True)


def keyword_that_calls(frame, true):
    return frame.assign(keyword=frame["keyword"].replace(frame["keyword"].iloc[-1], "090-1234-5678"))


def without_a_rest(frame, true):
    """A hole in the map: the persons of a rest are nowhere but in the place above."""
    return frame[frame["mesh"] != frame["mesh"][frame["mesh"].str.endswith("~")].iloc[0]].reset_index(drop=True)


def without_an_hour(frame, true):
    """A place that is safe, and all of its hour, are kept back."""
    return frame[frame["hour"] != "12"].reset_index(drop=True)


def place_of_few(frame, true):
    """A place that is listed at other hours, listed with three persons beside the rest that holds it."""
    places = {code for code in frame["mesh"] if code.isdigit()}
    for _, row in frame[frame["mesh"] == "_T~"].iterrows():
        unlisted = sorted(places - set(frame["mesh"][frame["hour"] == row["hour"]]))
        if unlisted:
            more = row.to_frame().T.assign(mesh=unlisted[0], persons=3, person_days=4)
            frame = pd.concat([frame, more.astype(frame.dtypes)])
            return frame.sort_values(["mesh", "hour", "day_type"], ignore_index=True)
    raise AssertionError("no place to plant")


def person_days_by_one(frame, true):
    return frame.assign(person_days=frame["person_days"] + 1)


@dataclass(frozen=True)
class Leak:
    release: str
    change: object
    suite: str


LEAKS = {
    "a small cell shown": Leak("monthly-audience", shown_small("subscribers"), "candidate_cells"),
    "subtraction": Leak("monthly-audience", one_unsafe_under_its_total, "candidate_audit"),
    "a margin over hidden cells": Leak("monthly-audience", margin_over_hidden, "candidate_audit"),
    "primary suppression alone": Leak("service-usage", every_secondary("users", "users"), "candidate_audit"),
    "every margin": Leak("web-audience", every_margin("page_views"), "candidate_audit"),
    "a figure that is not the events'": Leak("monthly-audience", one_more, "candidate_cells"),
    "rounding": Leak("monthly-audience", rounded, "candidate_cells"),
    "small figures raised to the minimum": Leak("monthly-audience", at_the_minimum, "candidate_cells"),
    "nobody where somebody is": Leak("monthly-audience", nobody_where_somebody_is, "candidate_cells"),
    "a figure beside C": Leak("monthly-audience", figure_beside_its_status, "candidate_cells"),
    "nothing beside F": Leak("monthly-audience", nothing_beside_free, "candidate_cells"),
    "an unknown status": Leak("monthly-audience", unknown_status, "candidate_cells"),
    "a status that tells why": Leak("monthly-audience", primary_or_secondary, "candidate_cells"),
    "rows left out": Leak("monthly-audience", row_left_out, "candidate_complete"),
    "a column of true figures": Leak("monthly-audience", true_column, "candidate_schema"),
    "a column that sorts the hidden": Leak("monthly-audience", flag_of_the_hidden, "candidate_schema"),
    "uses of few persons": Leak("service-usage", events_of_few, "candidate_cells"),
    "every secondary total": Leak("service-usage", every_secondary("uses", "users"), "candidate_audit"),
    "clicks of hidden persons": Leak("media-and-ads", every_secondary("clicks", "clickers"), "candidate_audit"),
    "page views of a day": Leak("web-audience", every_secondary("page_views", "visitors"), "candidate_audit"),
    "seconds of a day": Leak("web-audience", every_secondary("seconds", "visitors"), "candidate_audit"),
    "a keyword of few": Leak("search-trends", keyword_of_49, "candidate_cells"),
    "a keyword that is a telephone number": Leak("search-trends", keyword_that_calls, "candidate_identifiers"),
    "a rest left out": Leak("population-by-place", without_a_rest, "candidate_complete"),
    "an hour left out": Leak("population-by-place", without_an_hour, "candidate_complete"),
    "a place of few": Leak("population-by-place", place_of_few, "candidate_cells"),
    "person-days by one": Leak("population-by-place", person_days_by_one, "candidate_cells"),
}  # fmt: skip

ONCE_MORE = ("every secondary total", "clicks of hidden persons", "page views of a day")
"""What others do too, of other releases: in short, of one."""


MORE_CODES = {
    "web-audience": {"day": ["week"]},
    "service-usage": {"age_band": ["0-39", "0-19", "20-39", "40-over", "40-59"]},
}
"""Which codes stand: those of every other dimension, and these."""


@pytest.fixture
def hiding(setting, declared):
    """A setting, and the name of a release in it that hides figures: of the smaller ones one with more codes."""

    def hiding(release):
        if release not in MORE_CODES:
            return setting, release
        return declared(release, name := f"{release}-in-full", pins={0: MORE_CODES[release]}), name

    return hiding


def with_codes_of_rows(table):
    """The table with every code that its rows hold in its open dimensions' code lists."""
    dimensions = [with_codes(d, set(table.frame[d.name])) if d.open else d for d in table.dimensions]
    return replace(table, dimensions=tuple(dimensions))


@pytest.fixture
def plant(monkeypatch):
    """Lets the build publish what a change makes of the safe tables."""

    def plant(change):
        honest = jobs.verbs.build.protected_tables

        def leaky(setting, plan, privacy, inputs, tables):
            true = tables()
            done = honest(setting, plan, privacy, inputs, lambda: true)
            pairs = zip(done.tables, true, strict=True)
            changed = [replace(s, frame=change(s.frame.copy(), t.frame)) for s, t in pairs]
            return replace(done, tables=tuple(with_codes_of_rows(table) for table in changed))

        monkeypatch.setattr(jobs.verbs.build, "protected_tables", leaky)

    return plant


@pytest.mark.parametrize(
    "leak",
    [long_only("attacks", leak, id=n) if n in ONCE_MORE else pytest.param(leak, id=n) for n, leak in LEAKS.items()],
)
def test_a_planted_leak_closes_the_gate(hiding, plant, failed, leak):
    setting, release = hiding(leak.release)
    plant(leak.change)
    result = gate(setting, build(setting, release, PERIOD).id)
    assert not result.opened
    assert leak.suite in failed(result)
    assert result.reasons


def test_a_subtraction_leak_is_told_by_its_cell(setting, plant):
    plant(one_unsafe_under_its_total)
    candidate = build(setting, "monthly-audience", PERIOD)
    result = gate(setting, candidate.id)
    assert any("audience.users, region=" in reason and ", from this candidate" in reason for reason in result.reasons)
    assert attack([candidate.folder]), "anybody finds it, from the package alone"


# Faults of the protector itself: a part of it does nothing, or does it by other rules.


@contextmanager
def swapped(*changes):
    with pytest.MonkeyPatch.context() as patch:
        for target, name, value in changes:
            patch.setattr(target, name, value)
        yield


def rules(**changes):
    return suppression, "rules_of", lambda plan: replace(Rules(plan.minimum_count), **changes)


def primary_alone(problem, **_):
    return Pattern(problem.hidden, optimal=False, proof=Proof.none(len(problem.value)))


def with_problem(**changes):
    """The protector solves another problem than its own."""

    def suppress(problem, **more):
        made = {name: change(problem) for name, change in changes.items()}
        return SOLVED(replace(problem, **made), **more)

    return suppression, "suppress", suppress


SOLVED = suppression.suppress
UNWATCHED = (suppression, "exposures", lambda *_, **__: ())
"""The protector's own look at what is published, which would make up for a part that does nothing."""


def no_insiders(problem):
    return problem.insiders[:0]


def of_no_width(problem):
    return replace(problem.needs, width=0 * problem.needs.width, reach=0 * problem.needs.reach)


ALL_AXES, SAFE_PLACES, EXACT = Cube.relations, merged_places.safe_places, jobs.verbs.build.tabulate


def first_axis_alone(cube, cells):
    return list(ALL_AXES(cube, cells))[:1]


def half_as_safe(candidates, minimum_count, *more):
    return SAFE_PLACES(candidates, minimum_count // 2, *more)


def sketched(*given):
    """Distinct persons by a sketch: a percent off where they are many."""
    (table,) = EXACT(*given)
    return (replace(table, frame=table.frame.assign(searchers=(table.frame["searchers"] * 1.01).astype("int64"))),)


@dataclass(frozen=True)
class Fault:
    """What is broken in the build: attributes of the protector's own parts, and what they become."""

    release: str
    changes: tuple
    suite: str
    """Empty where the gate refuses before any suite: an unsafe cell is published."""


FAULTS = {
    "half the threshold": Fault("service-usage", (rules(minimum_count=5), UNWATCHED), "candidate_cells"),
    "no dominance, no p%": Fault("web-audience", (rules(dominance=None, p_percent=None),), ""),
    "no secondary suppression": Fault("service-usage", ((suppression, "suppress", primary_alone), UNWATCHED), "candidate_audit"),
    "insiders forgotten": Fault("web-audience", (with_problem(insiders=no_insiders),), "candidate_inside"),
    "any other figure is enough": Fault("media-and-ads", (with_problem(needs=of_no_width), UNWATCHED), "candidate_audit"),
    "measures taken apart": Fault("service-usage", ((system_of, "_between_measures", lambda *_: []), UNWATCHED), "candidate_audit"),
    "one axis alone": Fault("service-usage", ((Cube, "relations", first_axis_alone), UNWATCHED), "candidate_audit"),
    "places from half the threshold on": Fault("population-by-place", ((merged_places, "safe_places", half_as_safe),), "candidate_cells"),
    "persons counted by a sketch": Fault("search-trends", ((jobs.verbs.build, "tabulate", sketched),), "candidate_cells"),
}  # fmt: skip


@pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in FAULTS.items()])
def test_a_fault_of_the_protector_closes_the_gate(hiding, failed, fault):
    setting, release = hiding(fault.release)
    with swapped(*fault.changes):
        candidate = build(setting, release, PERIOD)
    result = gate(setting, candidate.id)
    assert not result.opened
    assert fault.suite in {"", *failed(result)}
    assert result.reasons


def test_there_are_thirty_leaks_and_more():
    assert len(LEAKS) + len(FAULTS) > 30
