"""Primary suppression: which cells are unsafe, and what each needs, as named cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anonymization.errors import GateRefusal
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import link
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.suppression_attack import unmet_needs
from anonymization.tables.methods.unsafe import Rules, unsafe_cells
from anonymization.tables.methods.unsafe_groups import may_tell_of_groups, told_groups
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable, Table

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
PERSONS = Measure("persons", TITLE, MeasureKind.PERSONS, "s", {})
EVENTS = Measure("events", TITLE, MeasureKind.TOTAL, "s", {})
SECONDS = Measure("seconds", TITLE, MeasureKind.TOTAL, "s", {}, "seconds")


def dimension(name, codes):
    parents = dict.fromkeys(codes, TOTAL)
    return Dimension(
        name, TITLE, DimensionKind.PERSON, ("one",), parents, dict.fromkeys(parents, "one"), {}, complete=True
    )


def table(counts, measures, **more):
    names = ["a", "b"][: len(next(iter(counts)))]
    dims = tuple(dimension(n, sorted({c[i] for c in counts} - {TOTAL})) for i, n in enumerate(names))
    frame = pd.DataFrame(list(counts), columns=names, dtype=object)
    for position, measure in enumerate(measures):
        frame[measure.name] = [figures[position] for figures in counts.values()]
    return Table("t", TITLE, dims, tuple(measures), frame, **more)


def found(given, rules):
    linked = link([Issue("i", MONTH, (given,), rules.minimum_count)])
    unsafe = unsafe_cells(linked, [given], rules, linked.value.astype(np.int64))

    def name(cell):
        return linked.name(int(cell))[2:]

    needs = unsafe.needs
    told = {name(c): (int(r), int(w)) for c, r, w in zip(needs.cell, needs.reach, needs.width, strict=True)}
    return told, {name(cell) for cell in unsafe.insiders}


def test_the_threshold_is_shared_by_contributions():
    given = table({("x",): (9, 40), ("y",): (10, 50), ("z",): (0, 0), (TOTAL,): (19, 90)}, (PERSONS, EVENTS))
    told, insiders = found(given, Rules(10))
    # persons may be as many as N; contributions p percent more, and N at least
    assert told == {("persons", "a=x"): (10, 3), ("events", "a=x"): (44, 3)}
    assert insiders == set()


def test_who_is_alone_knows_his_cell():
    given = table({("x",): (1, 4), ("y",): (10, 50), (TOTAL,): (11, 54)}, (PERSONS, EVENTS))
    assert found(given, Rules(10))[1] == {("persons", "a=x"), ("events", "a=x")}


@pytest.mark.parametrize(
    ("first", "second", "rules", "reach"),
    [
        pytest.param(60, 20, Rules(2), None, id="no rule hit"),
        pytest.param(70, 16, Rules(2, (2, 85), None), 102, id="two hold 86 of 100: 86/0.85 rounded up"),
        pytest.param(70, 15, Rules(2, (2, 85), None), None, id="two hold 85 of 100: not more than 85 percent"),
        pytest.param(80, 13, Rules(2, None, 10), 101, id="the second can tell the first within 7 of 80"),
        pytest.param(70, 23, Rules(2, None, 10), None, id="exactly 10 percent"),
    ],
)
def test_dominance_and_p_percent(first, second, rules, reach):
    counts = {("x",): (30, 100), (TOTAL,): (30, 100)}
    largest = {"seconds": pd.DataFrame({"first": [first, 0], "second": [second, 0]})}
    given = table(counts, (PERSONS, SECONDS), largest=largest)
    told, _ = found(given, rules)
    assert told.get(("seconds", "a=x"), (None,))[0] == reach
    linked = link([Issue("i", MONTH, (given,), rules.minimum_count)])
    needs = unsafe_cells(linked, [given], rules, linked.value.astype(np.int64)).needs
    down = {linked.name(int(c))[2:]: floor for c, floor in zip(needs.cell, needs.floor, strict=True)}
    # as far below as above, but no less than the 30 persons who all did something
    assert down.get(("seconds", "a=x")) == (None if reach is None else max(30, 100 - (reach - 100)))


def test_a_total_without_persons_beside_it_counts_its_contributors():
    given = table(
        {("x",): (100,), ("y",): (50,), (TOTAL,): (150,)}, (SECONDS,), contributors={"seconds": np.array([1, 3, 4])}
    )
    told, insiders = found(given, Rules(3, None, 10))
    assert told == {("seconds", "a=x"): (110, 3)}
    assert insiders == {("seconds", "a=x")}


def grouped(u, *, b=DimensionKind.PERSON, totals=None, classes=("ill", "well", "other")):
    """Persons of three groups by class, with margins; where persons are in several classes their totals are given."""
    of = {"u": u, "v": (20, 40, 15), "w": (12, 13, 14)}
    counts = {(g, c): (n,) for g, numbers in of.items() for c, n in zip(classes, numbers, strict=True)}
    of_group = dict(zip(of, totals or map(sum, of.values()), strict=True))
    counts |= {(g, TOTAL): (of_group[g],) for g in of}
    counts |= {(TOTAL, c): (sum(counts[g, c][0] for g in of),) for c in classes}
    counts[TOTAL, TOTAL] = (sum(of_group.values()),)
    given = table(counts, (PERSONS,))
    return replace(given, dimensions=(given.dimensions[0], replace(given.dimensions[1], kind=b)))


BY_EVENT = {"b": DimensionKind.EVENT, "totals": (30, 75, 39)}
SENSITIVE, GROUPS = Rules(10, sensitive=frozenset({"b"})), Rules(10, groups=True)
ILL_OR_WELL = {("persons", "a=u, b=ill"): (30, 3), ("persons", "a=u, b=well"): (3, 3)}


@pytest.mark.parametrize(
    ("given", "rules", "expected"),
    [
        pytest.param(grouped((30, 0, 0)), SENSITIVE, ILL_OR_WELL, id="sensitive: with its fullest empty class"),
        pytest.param(grouped((30, 0, 0)), GROUPS, ILL_OR_WELL, id="of persons: without being declared"),
        pytest.param(grouped((30, 0, 0)), Rules(10), {}, id="not asked for"),
        pytest.param(grouped((30, 0, 0), classes=("unknown", "well", "other")), GROUPS, {}, id="unknown is no class"),
        pytest.param(grouped((30, 0, 0), **BY_EVENT), GROUPS, {}, id="over events: only if declared"),
        pytest.param(grouped((30, 12, 0), **BY_EVENT), SENSITIVE, {("persons", "a=u, b=ill"): (30, 3)}, id="over events: all, and some elsewhere too"),
        pytest.param(grouped((21, 12, 0), **BY_EVENT), SENSITIVE, {("persons", "a=u, b=ill"): (21, 3)}, id="over events: all but nine"),
        pytest.param(grouped((20, 12, 0), **BY_EVENT), SENSITIVE, {}, id="over events: all but ten"),
    ],
)  # fmt: skip
def test_a_group_in_one_class(given, rules, expected):
    assert found(given, rules)[0] == expected


def test_a_group_of_too_few_is_hidden_at_any_rate():
    """Its zeros are not, unless a dimension is declared sensitive."""
    given = grouped((4, 0, 0))
    few = {("persons", "a=u, b=ill"): (10, 3), ("persons", "a=u, b=_T"): (10, 3)}
    assert found(given, GROUPS)[0] == few
    assert found(given, SENSITIVE)[0] == few | {("persons", "a=u, b=well"): (3, 3)}


def test_places_are_no_classes_of_regions():
    given = grouped((30, 0, 0))
    alike = tuple(replace(d, concept="attribute of one source") for d in given.dimensions)
    looked_at = [may_tell_of_groups(replace(given, dimensions=of), of[0]) for of in (given.dimensions, alike)]
    assert looked_at == [True, False]


def test_how_few_of_a_group_must_be_able_to_share_a_class():
    given = grouped((28, 12, 0), **BY_EVENT)
    linked = link([Issue("i", MONTH, (given,), 10)])
    needs = unsafe_cells(linked, [given], SENSITIVE, linked.value.astype(np.int64)).needs
    assert list(needs.floor) == [20], "ten of the thirty may be outside"


@pytest.mark.parametrize("rules", [SENSITIVE, GROUPS], ids=["sensitive", "groups"])
def test_a_group_stays_uncertain_and_what_is_given_back_is_found(rules):
    given = grouped((30, 0, 0))
    issue = Issue("i", MONTH, (given,), 10)
    (safe,) = protect([given], issue, rules).tables
    assert not safe.zeros_shown
    at = safe.frame.set_index(["a", "b"])["persons_status"]
    assert set(at["u"][["ill", "well"]]) == {"C"}
    assert unmet_needs(replace(issue, tables=(safe,)), [given], rules) == ()
    frame = safe.frame.copy()
    empty = (frame["a"] == "u") & (frame["b"] == "well")
    frame.loc[empty, ["persons", "persons_status"]] = [0, "F"]
    with pytest.raises(GateRefusal, match=r"unsafe cells are published, the first i, t\.persons, a=u, b=well"):
        unmet_needs(replace(issue, tables=(replace(safe, frame=frame),)), [given], rules)


def test_what_a_published_table_tells_of_groups_is_listed():
    given = grouped((28, 12, 0), **BY_EVENT)
    frame = given.frame.assign(persons=given.frame["persons"].astype("Int64"), persons_status="F")
    safe = SafeTable("t", TITLE, given.dimensions, (PERSONS,), frame, 10, method=Method.SUPPRESSION)
    told = told_groups(safe, PERSONS, given.dimensions[1])
    assert told[["a", "b"]].to_numpy().tolist() == [["u", "ill"]]
