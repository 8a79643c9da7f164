"""The audit: what tables, releases and versions give away, as named cases."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from anonymization.errors import GateRefusal
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.audit import audit, margins
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import independent, of_one_state, states
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, SafeTable

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
PERSONS = Measure("persons", TITLE, MeasureKind.PERSONS, "s", {})
DAYS = Measure("person_days", TITLE, MeasureKind.PERSON_DAYS, "s", {})
EVENTS = Measure("events", TITLE, MeasureKind.TOTAL, "s", {})


def dimension(name, codes, kind=DimensionKind.PERSON, **more):
    parents = codes if isinstance(codes, dict) else dict.fromkeys(codes, TOTAL)
    return Dimension(name, TITLE, kind, ("one",), parents, dict.fromkeys(parents, "one"), {}, complete=True, **more)


def published(counts, hidden=(), kind=DimensionKind.PERSON, dimensions=None, measures=(PERSONS,), **more):
    """A published table from {codes: figures}, in which the cells of `hidden` are hidden in every measure."""
    rows = [(codes if isinstance(codes, tuple) else (codes,), value) for codes, value in counts.items()]
    names = ["a", "b", "c"][: len(rows[0][0])]
    dims = dimensions or tuple(
        dimension(name, sorted({codes[i] for codes, _ in rows} - {TOTAL}), kind) for i, name in enumerate(names)
    )
    frame = pd.DataFrame([codes for codes, _ in rows], columns=names, dtype=object)
    at = pd.Series([(codes[0] if len(codes) == 1 else codes) in hidden for codes, _ in rows])
    for position, measure in enumerate(measures):
        figures = pd.Series([v[position] if isinstance(v, tuple) else v for _, v in rows])
        frame[measure.name] = figures.astype("Int64").mask(at)
        frame[f"{measure.name}_status"] = pd.Series(FREE, index=frame.index).mask(at, "C")
    return SafeTable("t", TITLE, dims, tuple(measures), frame, 10, method=Method.SUPPRESSION, **more)


def issue(*tables, name="one", period=MONTH):
    return Issue(name, period, tables, 10)


def found(*issues):
    return {f.cell.replace("a=", "").replace("b=", ""): (f.low, f.high) for f in audit(issues)}


SQUARE = {("x", "u"): 5, ("x", "v"): 20, ("y", "u"): 30, ("y", "v"): 40}
SQUARE |= {("x", TOTAL): 25, ("y", TOTAL): 70, (TOTAL, "u"): 35, (TOTAL, "v"): 60, (TOTAL, TOTAL): 95}


@pytest.mark.parametrize(
    ("counts", "hidden", "exposed"),
    [
        pytest.param({"_T": 29, "x": 9, "y": 20}, {"x"}, {"x": (9, 9)}, id="one cell under a published total"),
        pytest.param({"_T": 31, "x": 9, "y": 12, "z": 10}, {"x", "y"}, {}, id="two cells, room enough"),
        pytest.param(
            {"_T": 16, "x": 3, "y": 3, "z": 10}, {"x", "y"}, {"x": (1, 5), "y": (1, 5)}, id="together too few"
        ),
        pytest.param({"_T": 29, "x": 9, "y": 20}, {"x", "_T"}, {}, id="the total hidden too"),
        pytest.param({"_T": 25, "x": 9, "y": 16}, set(), {}, id="nothing hidden"),
        pytest.param(SQUARE, {("x", "u"), ("x", TOTAL)}, {"x, u": (5, 5), "x, _T": (25, 25)}, id="a chain"),
        pytest.param(SQUARE, {("x", "u"), ("x", "v"), ("y", "u"), ("y", "v")}, {}, id="a rectangle"),
    ],
)
def test_persons_who_add_up(counts, hidden, exposed):
    shown = {cell for cell, (low, _) in exposed.items() if low < 10}
    assert set(found(issue(published(counts, hidden)))) == shown
    assert all(found(issue(published(counts, hidden)))[cell] == exposed[cell] for cell in shown)


def test_what_several_relations_solved_together_give():
    """No single relation narrows anything: the sum of two rows less a column does."""
    counts = {("x", "u"): 4, ("x", "v"): 12, ("x", "w"): 30, ("y", "u"): 11, ("y", "v"): 12, ("y", "w"): 30}
    counts |= {("z", "u"): 13, ("z", "v"): 20, ("z", "w"): 31}
    rows = {x: sum(v for (a, _), v in counts.items() if a == x) for x in "xyz"}
    columns = {u: sum(v for (_, b), v in counts.items() if b == u) for u in "uvw"}
    counts |= {(x, TOTAL): v for x, v in rows.items()} | {(TOTAL, u): v for u, v in columns.items()}
    counts[TOTAL, TOTAL] = sum(rows.values())
    hidden = {("x", "u"), ("x", "v"), ("y", "u"), ("y", "v"), ("z", "v")}
    # column v tells z, v only together with rows x and y, and column u
    assert "x, u" in found(issue(published(counts, hidden - {("y", "u")})))
    assert found(issue(published(counts, hidden | {("z", "u")}))) == {}


def test_the_source_of_a_finding_is_told():
    (finding,) = audit([issue(published({"_T": 29, "x": 9, "y": 20}, {"x"}))])
    assert sorted(finding.derived_from) == ["one, t.persons, a=_T: 29", "one, t.persons, a=y: 20"]


def test_event_dimensions_bound_less():
    event = DimensionKind.EVENT
    assert found(issue(published({"_T": 9, "x": 9, "y": 5}, {"x"}, event)))["x"] == (4, 9)
    assert found(issue(published({"_T": 29, "x": 9, "y": 25}, {"x"}, event))) == {}


@pytest.mark.parametrize(
    ("measures", "figures", "exposed"),
    [
        pytest.param((PERSONS, DAYS), (5, 7), (1, 7), id="person-days"),
        pytest.param((PERSONS, EVENTS), (5, 9), (1, 9), id="events"),
    ],
)
def test_contributions_bound_persons(measures, figures, exposed):
    safe = published({"x": figures, "y": (20, 40), TOTAL: (25, 49)}, {"x", TOTAL}, measures=measures)
    name = measures[1].name
    safe.frame.loc[safe.frame["a"] == "x", [name, f"{name}_status"]] = [figures[1], FREE]
    assert found(issue(safe)) == {"x": exposed}


def test_a_hidden_total_that_can_be_recomputed_is_found():
    counts = {"x": (5, 700), "y": (20, 300), "z": (30, 400), TOTAL: (55, 1400)}
    safe = published(counts, {"x"}, measures=(PERSONS, EVENTS))
    at = safe.frame["a"] == TOTAL
    safe.frame.loc[at, ["persons", "persons_status"]] = [pd.NA, "C"]
    told = [(f.measure, f.low, f.high) for f in audit([issue(safe)])]
    assert told == [("events", 700, 700)]


def test_the_rest_of_a_withheld_margin_is_found():
    frame = pd.DataFrame({"a": ["y", TOTAL], "persons": pd.array([20, 29], "Int64"), "persons_status": ["F", "F"]})
    safe = SafeTable(
        "t", TITLE, (dimension("a", ["y"]),), (PERSONS,), frame, 10, withheld=True, method=Method.SUPPRESSION
    )
    assert found(issue(safe)) == {"dimension rest of _T": (9, 9)} or list(found(issue(safe)).values()) == [(9, 9)]


def test_margins_that_contradict_each_other_close_the_gate():
    with pytest.raises(GateRefusal, match="contradict"):
        audit([issue(published({"_T": 10, "x": 5, "y": 21}, {"x"}))])
    assert not margins(issue(published({"_T": 30, "x": 10, "y": 21})))["consistent"].all()
    assert margins(issue(published({"_T": 30, "x": 10, "y": 20})))["consistent"].all()


def test_more_persons_than_contributions_close_the_gate():
    safe = published({"x": (20, 12), TOTAL: (20, 12)}, measures=(PERSONS, EVENTS))
    with pytest.raises(GateRefusal, match="contradict"):
        audit([issue(safe)])


@pytest.mark.parametrize(
    ("later", "given"),
    [
        pytest.param({"_T": 60, "x": 20, "y": 40}, {}, id="unchanged"),
        pytest.param({"_T": 57, "x": 17, "y": 40}, {"_T": (3, 3), "x": (3, 3)}, id="three persons less"),
        pytest.param({"_T": 75, "x": 35, "y": 40}, {}, id="fifteen persons more"),
        pytest.param({"_T": 83, "x": 31, "y": 52}, {}, id="eleven and twelve more"),
    ],
)
def test_versions_may_differ_by_nothing_or_by_many(later, given):
    old = issue(published({"_T": 60, "x": 20, "y": 40}), name="v1")
    assert found(old, issue(published(later), name="v2")) == given


def test_a_cell_that_is_hidden_in_one_version_alone_is_found():
    old = issue(published({"_T": 60, "x": 20, "y": 40}), name="v1")
    new = issue(published({"_T": 72, "x": 20, "y": 40, "z": 12}, {"x", "y"}), name="v2")
    assert set(found(old, new)) == {"x", "y"}


def test_what_is_left_of_a_difference_is_found():
    """The total gains twelve, one part ten: the two others have gained two together."""
    old = issue(published({"_T": 60, "x": 20, "y": 20, "z": 20}, {"y", "z"}), name="v1")
    new = issue(published({"_T": 72, "x": 30, "y": 21, "z": 21}, {"y", "z"}), name="v2")
    assert found(old, new) == {"rest of _T": (2, 2)}


def test_an_audit_without_time_or_whose_solver_fails_is_no_pass(monkeypatch):
    """Cells in a square, all hidden: bounds alone do not settle them, so the solver is asked."""
    safe = issue(published(SQUARE, {codes for codes in SQUARE if TOTAL not in codes}))
    assert audit([safe]) == ()
    with pytest.raises(GateRefusal, match="did not finish"):
        audit([safe], seconds=-1)
    status = type("Status", (), {"name": "kSolveError"})
    monkeypatch.setattr("anonymization.disclosure.solver._Highs.getModelStatus", lambda _: status)
    with pytest.raises(GateRefusal, match="ended with kSolveError"):
        audit([safe])


def test_another_order_of_rows_and_codes_changes_nothing():
    """Tables of two releases that list the same classes in other orders are linked by their codes."""
    counts = {"x": 5, "y": 20, "z": 30, TOTAL: 55}
    first = published(counts, {"x", "y"})
    other = published(dict(reversed(counts.items())), {"x"})
    for tables in ((first, other), (other, first)):
        assert found(*(issue(table, name=str(n)) for n, table in enumerate(tables))) == {"x": (5, 5)}


def monthly(number):
    """So many months of one release, each over attributes of its own, with one hidden cell that its total gives away."""
    found = []
    for at in range(number):
        month = parse_period(PeriodKind.MONTH, f"{2024 + at // 12}-{at % 12 + 1:02}")
        of = (dimension("a", ["x", "y", "z"], concept=f"attribute a, as of {month.name}"),)
        table = published({TOTAL: 95, "x": 25, "y": 30, "z": 40}, dimensions=of)
        found.append(issue(table, name=month.name, period=month))
    return found


def test_months_that_share_no_persons_are_solved_apart():
    """All axes of forty months together have more coordinates than a number can tell apart; no relation joins them."""
    months = monthly(40)
    assert audit(months) == ()
    careless = published({TOTAL: 95, "x": 5, "y": 90}, {"x"})
    assert [finding.release for finding in audit([*months, issue(careless, period=months[7].period)])] == ["one"]
    assert [[one.name for one in group] for group in independent(months[:2])] == [["2024-01"], ["2024-02"]]


DAY = parse_period(PeriodKind.DAY, "2026-10-07")
OTHER_DAY = parse_period(PeriodKind.DAY, "2026-10-08")


def test_days_are_joined_by_their_month():
    days = [issue(name="a day", period=DAY), issue(name="another", period=OTHER_DAY)]
    of = replace(days[0], tables=(published({TOTAL: 20, "x": 20}),))
    other = replace(days[1], tables=(published({TOTAL: 20, "x": 20}),))
    month = issue(published({TOTAL: 60, "x": 60}), name="the month")
    assert [len(group) for group in independent([of, other])] == [1, 1]
    assert [len(group) for group in independent([of, other, month])] == [3]


def of_services(figure, *services, name, state):
    """The uses of some services by forty persons, of a state of the logs."""
    measure = replace(EVENTS, where={"service": services}, lists={"service": ("mail", "news", "maps")})
    persons = replace(PERSONS, where=measure.where, lists=measure.lists)
    table = published({TOTAL: (40, figure)}, measures=(persons, measure))
    return Issue(name, MONTH, (table,), 10, inputs={"s": (state,)})


def test_figures_that_contradict_each_other_are_of_two_states():
    """The uses of mail are of the state before; those of news and of both together say that there were less."""
    mail = of_services(300, "mail", name="mail", state="before")
    news = of_services(200, "news", name="news", state="after")
    both = of_services(450, "mail", "news", name="both", state="after")
    assert [[one.name for one in state.issues] for state in states([both, mail, news])] == [["both", "news"], ["mail"]]
    assert of_one_state(both, [mail, news]) == [news]
    assert of_one_state(both, [replace(mail, inputs={}), replace(news, inputs={})])[0].name == "news"
    agreeing = of_services(500, "mail", "news", name="both", state="after")
    assert len(states([agreeing, mail, news])) == 1, "nothing tells that anything changed"
