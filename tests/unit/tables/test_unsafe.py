"""Primary suppression: which cells are unsafe, and what each needs, as named cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import link
from anonymization.tables.methods.unsafe import Rules, unsafe_cells
from anonymization.tables.model import TOTAL, Dimension, Measure, Table

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


def test_a_group_of_one_class_is_hidden_with_its_fullest_empty_class():
    counts = {("u", "ill"): (30,), ("u", "well"): (0,), ("u", "other"): (0,)}
    counts |= {("v", "ill"): (20,), ("v", "well"): (40,), ("v", "other"): (15,)}
    for code in ("u", "v"):
        counts[code, TOTAL] = (sum(counts[code, c][0] for c in ("ill", "well", "other")),)
    for code in ("ill", "well", "other", TOTAL):
        counts[TOTAL, code] = (counts["u", code][0] + counts["v", code][0],)
    told, _ = found(table(counts, (PERSONS,)), Rules(10, sensitive=frozenset({"b"})))
    assert told == {("persons", "a=u, b=ill"): (30, 3), ("persons", "a=u, b=well"): (3, 3)}
    assert found(table(counts, (PERSONS,)), Rules(10))[0] == {}
