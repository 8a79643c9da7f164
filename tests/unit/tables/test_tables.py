"""Periods, the calendar and withheld classes, as tables of named cases."""

from __future__ import annotations

import pandas as pd
import pytest

from anonymization.errors import InputError, IntegrityError
from anonymization.policy.calendar import days_off
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.methods.unlisted import closure, withhold
from anonymization.tables.model import TOTAL, Dimension, Measure, Table
from anonymization.tables.plan import with_codes

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


def test_withheld_cells_are_not_listed_nor_what_covers_them():
    (safe,) = withhold([table({"x": 9, "y": 20, TOTAL: 29})], 10)
    assert published(safe) == {"y": 20}


def test_withheld_tables_of_one_population_are_one_cube():
    fine = table(
        {("x", "u"): 5, ("x", "v"): 20, ("x", TOTAL): 25, (TOTAL, "u"): 5, (TOTAL, "v"): 20, (TOTAL, TOTAL): 25}
    )
    coarse = table({"x": 25, TOTAL: 25})
    one, other = withhold([fine, coarse], 10)
    assert published(one) == {("x", "v"): 20, (TOTAL, "v"): 20}
    assert published(other) == {}


def test_meshes_bring_their_ancestors_along():
    mesh = Dimension("mesh", TITLE, DimensionKind.EVENT, ("mesh3", "mesh2"), {}, {}, {}, complete=False)
    known = with_codes(mesh, {"53393599", TOTAL})
    assert known.parents == {"53393599": "533935", "533935": TOTAL}
    assert known.ancestors("53393599") == ("533935", TOTAL)


def test_a_code_without_a_place_is_an_error_not_an_endless_search():
    with pytest.raises(IntegrityError, match="no place in its hierarchy"):
        closure([dimension("a", ["x"])], pd.DataFrame({"a": ["y"]}, dtype=object))
