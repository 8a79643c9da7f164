"""Hidden figures beside noise: named cases of what pins them, and what is hidden so that nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anonymization.policy.periods import parse_period
from anonymization.policy.protection import CellKey, Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import link, with_truth
from anonymization.tables.audit.two_states import Changed
from anonymization.tables.methods.cell_key_attack import pinned, unpinned
from anonymization.tables.methods.cell_key_states import pinned_between
from anonymization.tables.model import CONFIDENTIAL, FREE, TOTAL, Dimension, Measure, SafeTable, Table

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
PERSONS = Measure("persons", TITLE, MeasureKind.PERSONS, "logs", {})
NOISE = CellKey(method="cell_key", minimum_count=10, deviation=5)


def issue_of(counts, noise):
    """Regions with what is counted in them, the parent of each region, and the noise of figures that are shown."""
    parents = {code: parent for code, (_, parent) in counts.items() if code != TOTAL}
    levels = {code: "fine" if code not in parents.values() else "coarse" for code in parents}
    region = Dimension("region", TITLE, DimensionKind.PERSON, ("fine", "coarse"), parents, levels, {}, complete=True, concept="region")  # fmt: skip
    true = pd.DataFrame({"region": list(counts), "persons": [number for number, _ in counts.values()]})
    hidden = true["persons"].between(1, 9)
    frame = true.assign(persons=(true["persons"] + true["region"].map(noise).fillna(0)).astype("Int64").mask(hidden))
    frame["persons_status"] = hidden.map({True: CONFIDENTIAL, False: FREE})
    safe = SafeTable("t", TITLE, (region,), (PERSONS,), frame, 10, method=Method.CELL_KEY)
    issue = Issue("noisy", MONTH, (safe,), 10, noise=NOISE)
    return issue, (Table("t", TITLE, (region,), (PERSONS,), true),)


CROWDED = {TOTAL: (40, ""), "a": (9, TOTAL), "b": (31, TOTAL)} | {f"a{n}": (1, "a") for n in range(9)} | {"a9": (0, "a"), "b1": (31, "b")}  # fmt: skip
"""A hidden sum of nine persons over nine hidden regions, and an empty one."""
SQUEEZED = {TOTAL: (22, ""), "a": (10, TOTAL), "b": (10, TOTAL), "c": (2, TOTAL)}
"""A sum that shows 17, so that it is 22 at most, over two parts of ten persons at least, with noise at its end."""
LOOSE = {TOTAL: (60, ""), "a": (25, TOTAL), "b": (30, TOTAL), "c": (5, TOTAL), "d": (0, TOTAL)}


@pytest.mark.parametrize(
    ("counts", "noise", "hidden"),
    [
        pytest.param(CROWDED, {}, {"a9"}, id="a hidden sum over hidden parts: the empty one is hidden, too"),
        pytest.param(SQUEEZED, {TOTAL: -5}, {TOTAL}, id="a span that ends early: the sum is hidden"),
        pytest.param(LOOSE, {TOTAL: 2}, set(), id="nothing is pinned: nothing is hidden"),
    ],
)
def test_as_much_is_hidden_as_it_takes(counts, noise, hidden):
    issue, true = issue_of(counts, noise)
    assert bool(pinned(issue, true)) is bool(hidden)
    (table,) = unpinned(issue, true)
    before, after = (
        set(f.loc[f["persons_status"] == CONFIDENTIAL, "region"]) for f in (issue.tables[0].frame, table.frame)
    )
    assert after - before == hidden
    assert table.frame.loc[table.frame["persons_status"] == CONFIDENTIAL, "persons"].isna().all()
    assert pinned(Issue("noisy", MONTH, (table,), 10, noise=NOISE), true) == ()


def test_what_pins_is_told():
    issue, true = issue_of(SQUEEZED, {TOTAL: -5})
    (finding,) = pinned(issue, true)
    assert (finding.cell, finding.low, finding.high) == ("region=c", 1, 2)


BEFORE = {TOTAL: (89, ""), "a": (40, TOTAL), "b": (9, TOTAL), "c": (40, TOTAL)}
AFTER = BEFORE | {TOTAL: (81, ""), "b": (1, TOTAL)}
BY_TEN = {TOTAL: 10, "b": 10}
"""Nine went from b and one came: that the sum changed is told, as ten did."""


@pytest.mark.parametrize(
    ("noise", "noise_after", "changers", "told"),
    [
        pytest.param({"a": -5, TOTAL: 5}, {"a": -5, TOTAL: -5}, BY_TEN, {(9, 9), (1, 1)}, id="a sum that ends at both ends"),
        pytest.param({"a": -5, TOTAL: 5}, {"a": 0, TOTAL: -5}, BY_TEN | {"a": 12}, set(), id="others changed, too"),
        pytest.param({"a": -5, TOTAL: 1}, {"a": -5, TOTAL: -2}, BY_TEN, set(), id="nothing at an end"),
    ],
)  # fmt: skip
def test_what_noisy_figures_of_two_states_pin_together(noise, noise_after, changers, told):
    """Of a and c everybody knows that nobody came or went: they are the same persons in both sums."""
    (first, true_before), (second, true) = issue_of(BEFORE, noise), issue_of(AFTER, noise_after)
    assert pinned(first, true_before) == pinned(second, true) == ()
    first = replace(first, name="v1")
    spans, truth = with_truth(second, true, [first])
    assert spans.cells == link([first]).cells
    apart, persons = np.zeros(spans.cells), np.zeros(spans.cells)
    cells = dict(zip(true[0].frame["region"], spans.places[0], strict=True))
    for code, cell in cells.items():
        apart[cell], persons[cell] = AFTER[code][0] - BEFORE[code][0], changers.get(code, 0)
    found = pinned_between(spans, truth, {"noisy"}, Changed(apart, persons))
    assert {finding.cell for finding in found} == ({"region=b"} if told else set())
    assert {(finding.low, finding.high) for finding in found} == told
