"""Linked tables: which figures are one cell, and what ties them, as named cases and against counted events."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.suppress.feasible import feasible_point
from anonymization.errors import GateRefusal
from anonymization.policy.calendar import iso_day, iso_week
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.knowledge import seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import link, require_one_state
from anonymization.tables.model import TOTAL, Dimension, Measure, Table

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
ACTIONS, PARTNERS = ("click", "display", "other"), ("a", "b")


def column(name, codes, kind=DimensionKind.EVENT, parents=None):
    parents = parents or dict.fromkeys(codes, TOTAL)
    return Dimension(
        name, TITLE, kind, ("one",), parents, dict.fromkeys(parents, "one"), {}, complete=True,
        by_day=name in ("day", "week"), concept=f"column {name}",
    )  # fmt: skip


def days(period):
    return column("day", [iso_day(d) for d in range(period.first, period.past)])


def weeks(period):
    return column("week", sorted({iso_week(d) for d in range(period.first, period.past)}))


def measure(name, kind, where=None):
    return Measure(name, TITLE, kind, "logs", where or {})


def counted(events, period, dimensions, measures):
    """A table counted by sets from (person, day, action, partner)."""
    at = {"action": 2, "partner": 3}
    rows = []
    for codes in itertools.product(*[d.codes for d in dimensions]):
        row = list(codes)
        for m in measures:
            inside = [e for e in events if period.first <= e[1] < period.past]
            inside = [e for e in inside if all(e[at[c]] in allowed for c, allowed in m.where.items())]
            for d, code in zip(dimensions, codes, strict=True):
                if code != TOTAL:
                    texts = {"day": lambda e: iso_day(e[1]), "week": lambda e: iso_week(e[1])}
                    of = texts.get(d.name, lambda e, d=d: e[at[d.name]])
                    inside = [e for e in inside if of(e) == code]
            persons = [(e[0] // 2 if m.links else e[0], e[1]) for e in inside]  # two ids each are one person's
            number = {
                MeasureKind.TOTAL: len(inside),
                MeasureKind.PERSONS: len({person for person, _ in persons}),
                MeasureKind.PERSON_DAYS: len(set(persons)),
            }
            row.append(number[m.kind])
        rows.append(row)
    frame = pd.DataFrame(rows, columns=[*(d.name for d in dimensions), *(m.name for m in measures)])
    return Table("t", TITLE, tuple(dimensions), tuple(measures), frame)


PERSONS = measure("persons", MeasureKind.PERSONS)
EVENTS = measure("events", MeasureKind.TOTAL)
PERSON_DAYS = measure("person_days", MeasureKind.PERSON_DAYS)
CLICKERS = measure("clickers", MeasureKind.PERSONS, {"action": ("click",)})
CLICKS = measure("clicks", MeasureKind.TOTAL, {"action": ("click",)})
ACROSS = tuple(replace(m, name=f"{m.name}_across", links="links") for m in (PERSONS, EVENTS, PERSON_DAYS))
SEEN = measure("seen", MeasureKind.TOTAL, {"action": ("click", "display")})

event = st.tuples(
    st.integers(1, 6),
    st.integers(MONTH.first, MONTH.past - 1),
    st.sampled_from(ACTIONS),
    st.sampled_from(PARTNERS),
)


def issues_of(events):
    """Overlapping releases: a month by partner, by week, a single week of days, filters, and actions listed."""
    day = parse_period(PeriodKind.DAY, "2026-10-05")
    actions, partners = column("action", ACTIONS), column("partner", PARTNERS)
    return [
        Issue("month", MONTH, (counted(events, MONTH, [partners], [PERSONS, EVENTS, PERSON_DAYS]),), 3),
        Issue("weeks", MONTH, (counted(events, MONTH, [weeks(MONTH)], [PERSONS, EVENTS, PERSON_DAYS]),), 3),
        Issue("a day", day, (counted(events, day, [partners], [PERSONS, EVENTS]),), 3),
        Issue("clicks", MONTH, (counted(events, MONTH, [partners], [CLICKERS, CLICKS, SEEN]),), 3),
        Issue("across links", MONTH, (counted(events, MONTH, [partners], ACROSS),), 3),
        Issue("actions", MONTH, (counted(events, MONTH, [actions, partners], [PERSONS, EVENTS]),), 3),
    ]


@examples(30)
@given(events=st.lists(event, max_size=40))
def test_true_figures_satisfy_every_relation(events):
    linked = link(issues_of(events))
    assert len(linked.conflict) == 0
    values = feasible_point(seen_by_readers(linked))  # what nobody lists is completed; a wrong relation leaves nothing
    assert (values[linked.listed] == linked.value[linked.listed]).all()


def lone(events):
    return [(number, MONTH.first + day, action, partner) for number, (day, action, partner) in enumerate(events)]


@pytest.mark.parametrize(
    ("issues", "same"),
    [
        pytest.param(("clicks", "actions"), True, id="a filter and a table by its column"),
        pytest.param(("month", "weeks"), True, id="the month, whoever counts it"),
        pytest.param(("month", "a day"), False, id="a month and a day have no cell in common"),
    ],
)
def test_figures_of_several_releases_are_one_cell(issues, same):
    every = {issue.name: issue for issue in issues_of(lone([(4, "click", "a"), (9, "display", "b")]))}
    linked = link([every[name] for name in issues])
    cells = [
        {
            int(c)
            for sheet, places in zip(linked.sheets, linked.places, strict=True)
            if sheet.issue == name
            for c in places
        }
        for name in issues
    ]
    assert bool(cells[0] & cells[1]) is same


def test_a_total_is_one_cell_whoever_links_its_persons():
    """Persons across links are others than ids, and no more; and those of the total are the fewer ones."""
    events = [(n, MONTH.first, "click", "a") for n in range(6)]
    every = {issue.name: issue for issue in issues_of(events)}
    linked = link([every["month"], every["across links"]])
    of = {(sheet.issue, sheet.measure.kind): at for sheet, at in zip(linked.sheets, linked.places, strict=True)}
    ids, persons = (of[name, MeasureKind.PERSONS] for name in ("month", "across links"))
    assert (of["month", MeasureKind.TOTAL] == of["across links", MeasureKind.TOTAL]).all()
    assert not set(ids) & set(persons)
    assert (linked.counted[of["month", MeasureKind.TOTAL]] == persons).all()
    assert (linked.value[ids], linked.value[persons]) == (pytest.approx([6, 6, 0]), pytest.approx([3, 3, 0]))
    hidden = replace(linked, value=np.where(np.isin(np.arange(linked.cells), ids[:2]), np.nan, linked.value))
    assert (propagated(seen_by_readers(hidden)).low[ids[:2]] == 3).all()


def test_a_class_of_persons_is_another_one_across_links():
    person = column("partner", PARTNERS, kind=DimensionKind.PERSON)
    of_ids = counted(lone([(1, "click", "a")]), MONTH, [person], [EVENTS])
    across = counted(lone([(1, "click", "b")]), MONTH, [person], [ACROSS[1]])
    linked = link([Issue("ids", MONTH, (of_ids,), 3), Issue("across", MONTH, (across,), 3)])
    require_one_state(linked)
    assert len(set(linked.places[0]) & set(linked.places[1])) == 1, "the total is one cell, the classes are not"


def rows_between(linked):
    """Relations as text: weights and names of cells."""
    matrix = linked.relations.matrix.tocsr()
    found = []
    for row in range(matrix.shape[0]):
        at = slice(matrix.indptr[row], matrix.indptr[row + 1])
        found.append(
            {(int(w), linked.name(int(c))[2:]) for w, c in zip(matrix.data[at], matrix.indices[at], strict=True)}
        )
    return found


def test_a_month_is_its_weeks_and_a_week_its_days():
    first_week = parse_period(PeriodKind.DAY, "2026-10-07")
    events = lone([(6, "click", "a"), (9, "click", "a")])
    linked = link(
        [
            Issue("weeks", MONTH, (counted(events, MONTH, [weeks(MONTH)], [EVENTS]),), 3),
            Issue("one day", first_week, (counted(events, first_week, [column("partner", PARTNERS)], [EVENTS]),), 3),
        ]
    )
    names = rows_between(linked)
    month = (1, ("events", "week=_T"))
    assert any(month in row and len(row) == 6 for row in names), "five weeks make a month"
    assert any((1, ("events", "week=2026-W41")) in row and (-1, ("events", "partner=_T")) in row for row in names)
    implied = [linked.name(c)[3] for c in np.flatnonzero(~linked.listed)]
    assert any("2026-10-05..2026-10-06+2026-10-08..2026-10-11" in name for name in implied), implied


def test_what_a_filter_leaves_out_is_a_population():
    events = lone([(6, "click", "a"), (9, "display", "a"), (9, "other", "b")])
    month, clicks = (i for i in issues_of(events) if i.name in ("month", "clicks"))
    linked = link([month, clicks])
    implied = [linked.name(c)[3] for c in np.flatnonzero(~linked.listed)]
    assert any("without click" in name for name in implied), implied


def test_two_values_of_one_cell_are_told():
    one = Issue("one", MONTH, (counted(lone([(6, "click", "a")]), MONTH, [column("partner", PARTNERS)], [EVENTS]),), 3)
    two = Issue("two", MONTH, (counted(lone([(6, "click", "b")]), MONTH, [column("partner", PARTNERS)], [EVENTS]),), 3)
    with pytest.raises(GateRefusal, match="two states of the logs"):
        require_one_state(link([one, two]))


def test_codes_that_no_code_list_has_are_refused():
    table = counted(lone([(6, "click", "a")]), MONTH, [column("partner", PARTNERS)], [EVENTS])
    table.frame.loc[0, "partner"] = "c"
    with pytest.raises(GateRefusal, match="1 codes are in no code list"):
        link([Issue("one", MONTH, (table,), 3)])
