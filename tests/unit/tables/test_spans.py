"""Hidden figures beside noise: named cases of what pins them, and what is hidden so that nothing does."""

from __future__ import annotations

import pandas as pd
import pytest

from anonymization.policy.periods import parse_period
from anonymization.policy.protection import CellKey, Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.methods.cell_key_attack import pinned, unpinned
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
