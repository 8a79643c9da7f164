"""Periods, the calendar, suppression, the audit and versions, as tables of named cases."""

from __future__ import annotations

import pandas as pd
import pytest

from anonymization.errors import GateRefusal, InputError, IntegrityError
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit import audit, differences, margins
from anonymization.tables.calendar import days_off
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable, Table
from anonymization.tables.period import parse_period
from anonymization.tables.spec import with_codes
from anonymization.tables.suppression import closure, protect, uncovered

TITLE = {"en": "x", "ja": "x"}


def dimension(name, codes, kind=DimensionKind.PERSON, *, by_day=False):
    return Dimension(
        name,
        TITLE,
        kind,
        ("one",),
        dict.fromkeys(codes, TOTAL),
        dict.fromkeys(codes, "one"),
        {},
        complete=True,
        by_day=by_day,
    )


PERSONS = Measure("persons", TITLE, MeasureKind.PERSONS, "s", {})
DAYS = Measure("person_days", TITLE, MeasureKind.PERSON_DAYS, "s", {})


def table(counts, kind=DimensionKind.PERSON, dimensions=None, measures=(PERSONS,)):
    """A table from {codes: persons}, one dimension or several."""
    rows = [(codes if isinstance(codes, tuple) else (codes,), value) for codes, value in counts.items()]
    width = len(rows[0][0])
    names = ["a", "b", "c"][:width]
    dims = dimensions or tuple(
        dimension(name, sorted({codes[i] for codes, _ in rows} - {TOTAL}), kind) for i, name in enumerate(names)
    )
    frame = pd.DataFrame([codes for codes, _ in rows], columns=names, dtype=object)
    for position, measure in enumerate(measures):
        frame[measure.name] = [v[position] if isinstance(v, tuple) else v for _, v in rows]
    return Table("t", TITLE, dims, tuple(measures), frame)


def published(safe, measure="persons"):
    keys = safe.keys
    rows = zip(safe.frame[keys].itertuples(index=False, name=None), safe.frame[measure], strict=True)
    return {codes[0] if len(keys) == 1 else codes: None if pd.isna(v) else int(v) for codes, v in rows}


@pytest.mark.parametrize(
    ("kind", "text", "days"),
    [
        pytest.param("month", "2026-10", 31, id="month"),
        pytest.param("month", "2024-02", 29, id="leap February"),
        pytest.param("week", "2026-W53", 7, id="the 53rd week"),
        pytest.param("day", "2026-10-05", 1, id="day"),
    ],
)
def test_periods(kind, text, days):
    assert parse_period(PeriodKind(kind), text).days == days


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("month", "2026-13"),
        ("month", "2026-10-01"),
        ("day", "2026-10"),
        ("week", "2025-W53"),
        ("week", "2026-41"),
        ("day", "2026-02-30"),
        ("month", ""),
    ],
)
def test_wrong_periods_are_refused(kind, text):
    with pytest.raises(InputError, match="a period of this release is"):
        parse_period(PeriodKind(kind), text)


def test_days_off_of_october_2026():
    period = parse_period(PeriodKind.MONTH, "2026-10")
    # Saturdays and Sundays, and Sports Day on Monday the 12th
    assert [day - period.first + 1 for day in days_off(period)] == [3, 4, 10, 11, 12, 17, 18, 24, 25, 31]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({"_T": 30, "x": 10, "y": 20}, {"_T": 30, "x": 10, "y": 20}, id="nothing to hide"),
        pytest.param({"_T": 29, "x": 9, "y": 20}, {"_T": None, "x": None, "y": 20}, id="the total goes with the cell"),
        pytest.param({"_T": 20, "x": 0, "y": 20}, {"_T": 20, "x": 0, "y": 20}, id="zero is a figure"),
        pytest.param({"_T": 9, "x": 9, "y": 0}, {"_T": None, "x": None, "y": 0}, id="all of too few"),
    ],
)
def test_the_threshold_and_the_margins_above(counts, expected):
    (safe,) = protect([table(counts)], 10)
    assert published(safe) == expected
    assert audit([safe]) == ()
    assert uncovered([safe]).empty


def test_only_margins_above_the_hidden_cell_go():
    counts = {("x", "u"): 5, ("x", "v"): 20, ("y", "u"): 30, ("y", "v"): 40}
    counts |= {("x", TOTAL): 25, ("y", TOTAL): 70, (TOTAL, "u"): 35, (TOTAL, "v"): 60, (TOTAL, TOTAL): 95}
    (safe,) = protect([table(counts)], 10)
    hidden = {codes for codes, value in published(safe).items() if value is None}
    assert hidden == {("x", "u"), ("x", TOTAL), (TOTAL, "u"), (TOTAL, TOTAL)}


def test_tables_of_one_population_are_one_cube():
    fine = table(
        {("x", "u"): 5, ("x", "v"): 20, ("x", TOTAL): 25, (TOTAL, "u"): 5, (TOTAL, "v"): 20, (TOTAL, TOTAL): 25}
    )
    coarse = table({"x": 25, TOTAL: 25})
    _, safe = protect([fine, coarse], 10)
    assert published(safe) == {"x": None, TOTAL: None}


def test_measures_of_a_population_share_their_state():
    (safe,) = protect([table({"x": (9, 200), "y": (20, 300), TOTAL: (29, 500)}, measures=(PERSONS, DAYS))], 10)
    assert published(safe, "person_days") == {"x": None, "y": 300, TOTAL: None}


def test_withheld_cells_are_not_listed():
    (safe,) = protect([table({"x": 9, "y": 20, TOTAL: 29})], 10, withheld=True)
    assert published(safe) == {"y": 20}


def leaked(counts, hidden, kind=DimensionKind.PERSON, **more):
    """A published table in which only the cells in `hidden` are hidden."""
    true = table(counts, kind, **more)
    frame = true.frame.copy()
    for measure in true.measures:
        at = [
            codes in hidden
            for codes in (c if len(c) > 1 else c[0] for c in frame[true.keys].itertuples(index=False, name=None))
        ]
        frame[f"{measure.name}_status"] = ["C" if h else "F" for h in at]
        frame[measure.name] = frame[measure.name].astype("Int64").mask(pd.Series(at))
    return SafeTable("t", TITLE, true.dimensions, true.measures, frame, 10, days="days" in frame)


@pytest.mark.parametrize(
    ("counts", "hidden", "exposed"),
    [
        pytest.param({"_T": 29, "x": 9, "y": 20}, {"x"}, {"x"}, id="one cell under a published total"),
        pytest.param({"_T": 31, "x": 9, "y": 12, "z": 10}, {"x", "y"}, set(), id="two cells, room enough"),
        pytest.param({"_T": 16, "x": 3, "y": 3, "z": 10}, {"x", "y"}, {"x", "y"}, id="two cells, together too few"),
        pytest.param({"_T": 29, "x": 9, "y": 20}, {"x", "_T"}, set(), id="the total hidden too"),
    ],
)
def test_subtraction_is_found(counts, hidden, exposed):
    found = {finding.cell.removeprefix("a=") for finding in audit([leaked(counts, hidden)])}
    assert found == exposed


def test_a_chain_of_subtractions_is_found():
    counts = {("x", "u"): 5, ("x", "v"): 20, ("y", "u"): 30, ("y", "v"): 40}
    counts |= {("x", TOTAL): 25, ("y", TOTAL): 70, (TOTAL, "u"): 35, (TOTAL, "v"): 60, (TOTAL, TOTAL): 95}
    (finding,) = audit([leaked(counts, {("x", "u"), ("x", TOTAL)})])[:1]
    assert (finding.low, finding.high) == (5, 5)
    assert finding.cell in ("a=x, b=u", "a=x, b=_T")


def test_event_dimensions_bound_less():
    exposed = leaked({"_T": 9, "x": 9, "y": 5}, {"x"}, DimensionKind.EVENT)
    assert [(f.cell, f.high) for f in audit([exposed])] == [("a=x", 9)]
    assert audit([leaked({"_T": 29, "x": 9, "y": 25}, {"x"}, DimensionKind.EVENT)]) == ()


def test_contributions_bound_persons():
    safe = leaked({"x": (5, 7), "y": (20, 30), TOTAL: (25, 37)}, {"x", TOTAL}, measures=(PERSONS, DAYS))
    frame = safe.frame.copy()
    frame.loc[frame["a"] == "x", "person_days"] = 7
    frame.loc[frame["a"] == "x", "person_days_status"] = "F"
    opened = SafeTable(safe.name, TITLE, safe.dimensions, safe.measures, frame, 10)
    assert [(f.cell, f.high) for f in audit([opened])] == [("a=x", 7)]


def test_the_rest_of_a_withheld_margin_is_found():
    frame = pd.DataFrame({"a": ["y", TOTAL], "persons": pd.array([20, 29], "Int64"), "persons_status": ["F", "F"]})
    safe = SafeTable("t", TITLE, (dimension("a", ["y"]),), (PERSONS,), frame, 10, withheld=True)
    assert [(f.cell, f.low) for f in audit([safe])] == [("rest of a=_T", 9)]


def test_margins_that_contradict_each_other_close_the_gate():
    safe = leaked({"_T": 30, "x": 10, "y": 21}, {"x"})
    with pytest.raises(GateRefusal, match="contradict"):
        audit([leaked({"_T": 10, "x": 5, "y": 21}, {"x"})])
    assert not margins([leaked({"_T": 30, "x": 10, "y": 21}, set())])["consistent"].all()
    assert margins([safe]).empty


@pytest.mark.parametrize(
    ("later", "given"),
    [
        pytest.param({"_T": 60, "x": 20, "y": 40}, set(), id="unchanged"),
        pytest.param({"_T": 57, "x": 17, "y": 40}, {"a=_T", "a=x"}, id="three persons less"),
        pytest.param({"_T": 75, "x": 35, "y": 40}, set(), id="fifteen persons more"),
        pytest.param({"_T": 49, "x": 9, "y": 40}, {"a=_T", "a=x"}, id="a cell became too small"),
    ],
)
def test_versions_may_differ_by_nothing_or_by_many(later, given):
    old, new = protect([table({"_T": 60, "x": 20, "y": 40})], 10), protect([table(later)], 10)
    assert set(differences(old, new)["cell"]) == given


def test_meshes_bring_their_ancestors_along():
    mesh = Dimension("mesh", TITLE, DimensionKind.EVENT, ("mesh3", "mesh2"), {}, {}, {}, complete=False)
    known = with_codes(mesh, {"53393599", TOTAL})
    assert known.parents == {"53393599": "533935", "533935": TOTAL}
    assert known.ancestors("53393599") == ("533935", TOTAL)


def test_a_code_without_a_place_is_an_error_not_an_endless_search():
    with pytest.raises(IntegrityError, match="no place in its hierarchy"):
        closure([dimension("a", ["x"])], pd.DataFrame({"a": ["y"]}, dtype=object))
