"""Proofs against all whole points of small systems: whatever moves claim, nothing is believed that is not so."""

from __future__ import annotations

import numpy as np
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st
from property.test_attack_property import broken, needs_of, points, systems
from scipy import sparse

from anonymization.disclosure.proof import Proof, holding, unproven_by, unshown
from anonymization.disclosure.system import Needs

CASES = systems().map(lambda case: (*case, points(case[0])))
"""Systems, their true figures, and every point of them."""


def proof_of(data, cells):
    """Moves of any kind, most of which hold nothing."""
    number = data.draw(st.integers(0, 6))
    rows = st.lists(st.sampled_from([0, 0, 1, -1, 2]), min_size=cells, max_size=cells)
    moves = np.array([data.draw(rows) for _ in range(number)], dtype=np.int64).reshape(number, cells)
    witnesses = data.draw(st.integers(1, 3))
    witness = np.array([data.draw(st.integers(0, witnesses - 1)) for _ in range(number)], dtype=np.int64)
    cell = np.array([data.draw(st.integers(0, cells - 1)) for _ in range(witnesses)], dtype=np.int64)
    return Proof(sparse.csr_array(moves), witness, cell)


def to_every_point(system, true, every):
    """A proof that holds each other point as a move, each a witness of every cell."""
    moves = np.repeat(every - true, system.cells, axis=0)
    return Proof(sparse.csr_array(moves), np.arange(len(moves)), np.tile(np.arange(system.cells), len(every)))


@given(case=CASES, data=st.data())
@examples(300)
def test_what_holds_is_a_table_and_what_it_shows_is_so(case, data):
    system, true, every = case
    proof = proof_of(data, system.cells)
    held = holding(system, true, proof)
    tables = {tuple(point) for point in every.tolist()}
    assert [tuple(move) in tables for move in (held.moves.toarray() + true).tolist()] == [True] * len(held.witness)
    claimed = [tuple(move) in tables for move in (proof.moves.toarray() + true).tolist()]
    assert len(held.witness) == sum(claimed), "nothing that holds is left out"
    needs = needs_of(data, system.cells)
    assert set(broken(every, needs)) <= set(unshown(needs, true, held).cell.tolist())
    nobody = np.zeros(0, dtype=np.int64)
    assert set(broken(every, needs)) <= set(unproven_by(needs, true, held, nobody, nobody).cell.tolist())


@given(case=CASES, data=st.data())
@examples(200)
def test_all_points_show_all_that_is_so(case, data):
    system, true, every = case
    needs = needs_of(data, system.cells)
    proof = holding(system, true, to_every_point(system, true, every))
    assert sorted(unshown(needs, true, proof).cell.tolist()) == broken(every, needs)


@given(case=CASES, data=st.data())
@examples(200)
def test_before_an_insider_only_what_leaves_his_cell_alone_counts(case, data):
    system, true, every = case
    needs = needs_of(data, system.cells)
    insiders = np.array(sorted(data.draw(st.sets(st.integers(0, system.cells - 1), max_size=2))), dtype=np.int64)
    who = np.arange(system.cells)
    given_proof = to_every_point(system, true, every) if data.draw(st.booleans()) else proof_of(data, system.cells)
    left = unproven_by(needs, true, holding(system, true, given_proof), insiders, who).cell.tolist()
    upward = needs.upward()
    for insider in insiders:
        known = every[every[:, insider] == true[insider]]
        assert set(broken(known, upward)) - {insider} <= set(left)


@given(case=CASES, data=st.data())
@examples(100)
def test_other_figures_than_the_true_ones_hold_nothing(case, data):
    system, true, every = case
    other = true + np.array(data.draw(st.lists(st.integers(-1, 1), min_size=len(true), max_size=len(true))))
    held = holding(system, other, to_every_point(system, true, every))
    if tuple(other.tolist()) in {tuple(point) for point in every.tolist()}:
        return
    assert len(held.witness) == 0


@pytest.mark.parametrize(
    ("insiders", "who", "left"),
    [
        pytest.param([], [0, 1, 2], [], id="nobody knows a cell"),
        pytest.param([1], [0, 1, 2], [0], id="whose cell every witness moves"),
        pytest.param([1], [0, 0, 2], [], id="who is the need's own contributor"),
        pytest.param([2], [0, 1, 2], [], id="whose cell no witness moves"),
    ],
)
def test_an_insider_rules_out_what_moves_his_cell(insiders, who, left):
    needs = Needs(np.array([0]), np.array([3.0]), np.array([1.0]))
    proof = Proof(sparse.csr_array(np.array([[1, -1, 0], [-1, 1, 0]])), np.array([0, 0]), np.array([0]))
    found = unproven_by(needs, np.array([2, 2, 2]), proof, np.array(insiders, dtype=np.int64), np.array(who))
    assert found.cell.tolist() == left
