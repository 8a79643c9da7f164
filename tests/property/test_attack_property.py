"""The attack against all whole points of small systems, written down one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from harness.forms import examples
from harness.intervals import intervals
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from anonymization.disclosure.attack.attack import attack, insiders_attack
from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.system import Needs, Relations, System, reduced
from anonymization.errors import GateRefusal

LARGEST = 4


@st.composite
def systems(draw, *, boxes=True):
    """A true table of small figures, relations that hold for it, and what is published of it."""
    cells = draw(st.integers(2, 6))
    true = np.array(draw(st.lists(st.integers(0, LARGEST), min_size=cells, max_size=cells)))
    rows = draw(st.integers(0, 5))
    weights = np.array(draw(st.lists(st.lists(st.sampled_from([0, 0, 1, 1, -1, 2]), min_size=cells, max_size=cells), min_size=rows, max_size=rows)), dtype=np.int64).reshape(rows, cells)  # fmt: skip
    total = weights @ true
    below = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 1, 2, np.inf]), min_size=rows, max_size=rows)))
    above = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 1, np.inf]), min_size=rows, max_size=rows)))
    published = np.array(draw(st.lists(st.sampled_from([True, False, False]), min_size=cells, max_size=cells)))
    width = np.array(draw(st.lists(st.integers(0, LARGEST), min_size=cells, max_size=cells)))
    low = np.where(published, true, np.maximum(0, true - width))
    high = np.where(published, true, np.minimum(LARGEST, true + width) if boxes else LARGEST)
    system = System(
        Relations(sparse.csr_array(weights), total - below, total + above), low.astype(float), high.astype(float)
    )
    return system, true


def points(system):
    ranges = [range(int(low), int(high) + 1) for low, high in zip(system.low, system.high, strict=True)]
    every = list(product(*ranges))
    every = np.array(every, dtype=np.int64).reshape(len(every), system.cells)
    total = every @ system.relations.matrix.toarray().T
    return every[((total >= system.relations.low) & (total <= system.relations.high)).all(axis=1)]


def broken(every, needs):
    low, high = every.min(axis=0), every.max(axis=0)
    return [
        c
        for c, reach, width, floor in zip(needs.cell, needs.reach, needs.width, needs.floor, strict=True)
        if high[c] < reach or high[c] - low[c] < width or low[c] > floor
    ]


def needs_of(data, cells):
    figures = st.lists(st.integers(0, LARGEST), min_size=cells, max_size=cells)
    floors = st.lists(st.sampled_from([np.inf, np.inf, 0, 1, 2, LARGEST]), min_size=cells, max_size=cells)
    drawn = (np.array(data.draw(kind), dtype=float) for kind in (figures, figures, floors))
    return Needs(np.arange(cells), *drawn)


@given(systems())
@examples(300)
def test_intervals_are_those_of_all_whole_points(case):
    system, _ = case
    every = points(system)
    low, high = intervals(system, np.arange(system.cells))
    assert low.tolist() == every.min(axis=0).tolist()
    assert high.tolist() == every.max(axis=0).tolist()


@given(systems())
@examples(200)
def test_real_intervals_hold_the_whole_ones(case):
    system, _ = case
    every = points(system)
    low, high = intervals(system, np.arange(system.cells), integer=False)
    assert np.all(low <= every.min(axis=0) + 1e-6)
    assert np.all(high >= every.max(axis=0) - 1e-6)


@given(systems())
@examples(200)
def test_narrowed_bounds_hold_every_point(case):
    system, _ = case
    every, narrow = points(system), propagated(system)
    assert np.all(narrow.low <= every.min(axis=0))
    assert np.all(narrow.high >= every.max(axis=0))
    assert np.all((narrow.low >= system.low) & (narrow.high <= system.high))
    assert narrow.relations is system.relations


@given(systems())
@examples(200)
def test_a_reduced_system_has_the_same_points(case):
    system, _ = case
    part = reduced(system)
    every = points(system)
    assert {tuple(p) for p in every[:, part.cell]} == {tuple(p) for p in points(part.system)}
    dense = [tuple(row) for row in part.system.relations.matrix.toarray()]
    assert len(set(dense)) == len(dense)


@given(systems(), st.data(), st.booleans())
@examples(300)
def test_exactly_the_broken_needs_are_found(case, data, knows_truth):
    system, true = case
    every, needs = points(system), needs_of(data, system.cells)
    found = attack(system, needs, point=true if knows_truth else None)
    assert [e.cell for e in found] == broken(every, needs)
    for exposure in found:
        assert (exposure.low, exposure.high) == (every[:, exposure.cell].min(), every[:, exposure.cell].max())


@given(systems(), st.data())
@examples(300)
def test_the_rows_named_give_the_cell_away_by_themselves(case, data):
    system, _ = case
    needs = needs_of(data, system.cells)
    for exposure in attack(system, needs):
        told = np.zeros(system.cells, dtype=bool)
        told[exposure.published] = True
        start_low = np.where(system.known & ~told, 0, system.low)
        start_high = np.where(system.known & ~told, LARGEST, system.high)
        every = points(System(system.relations.take(exposure.rows), start_low, start_high))[:, exposure.cell]
        at = exposure.cell
        too_narrow = every.max() < needs.reach[at] or np.ptp(every) < needs.width[at]
        assert too_narrow or every.min() > needs.floor[at]


@given(systems(), st.data())
@examples(300)
def test_insiders_find_exactly_what_breaks_when_their_cell_is_known(case, data):
    system, true = case
    needs = needs_of(data, system.cells)
    insiders = np.array(sorted(data.draw(st.sets(st.integers(0, system.cells - 1)))), dtype=np.int64)
    every = points(system)
    needs = needs.take(~np.isin(needs.cell, broken(every, needs)))
    asked = needs.upward()  # minima are not asked for before insiders
    alike = st.sampled_from([0, 1, 7])
    whose = np.array(data.draw(st.lists(alike, min_size=len(insiders), max_size=len(insiders))), dtype=np.int64)
    for told, of_each in ((None, insiders), (whose, whose)):  # each another's, or several one person's
        own = [insiders[of_each == person] for person in np.unique(of_each)]
        expected = [(s[0], c) for s in own for c in broken(every[(every[:, s] == true[s]).all(axis=1)], asked)
                    if c not in s]  # fmt: skip
        found = insiders_attack(system, needs, insiders, true, whose=told)
        assert sorted((s, e.cell) for s, e in found) == sorted(expected)


@given(systems(), st.data())
@examples(100)
def test_figures_that_contradict_each_other_are_refused(case, data):
    system, _ = case
    if not system.relations.rows:
        return
    row = data.draw(st.integers(0, system.relations.rows - 1))
    wrong = system.relations.low.copy(), system.relations.high.copy()
    wrong[0][row] = wrong[1][row] = wrong[0][row] + data.draw(st.integers(1, 5)) if np.isfinite(wrong[0][row]) else 99
    other = System(Relations(system.relations.matrix, *wrong), system.low, system.high)
    if len(points(other)):
        return
    with pytest.raises(GateRefusal):
        attack(other, Needs(np.arange(system.cells), np.zeros(system.cells) + 1, np.ones(system.cells)))
    with pytest.raises(GateRefusal):
        intervals(other, np.arange(system.cells))
