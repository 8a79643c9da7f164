"""Noisy figures that were made to fit each other: they do, they are the nearest that do, and as near as is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from harness.forms import examples
from harness.people import EVENTS, PERSONS, PLACES, REGIONS, SECONDS, counted, declared, flat, noisy, published
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from anonymization.disclosure.least_squares import nearest
from anonymization.errors import GateRefusal, InputError
from anonymization.policy.releases import DimensionKind
from anonymization.tables.methods import consistent
from anonymization.tables.methods.consistent import errors_of, fitted, require_solvable
from anonymization.tables.model import ERROR_LEVEL, TOTAL, figures

BY_PERSON, BY_EVENT = DimensionKind.PERSON, DimensionKind.EVENT
PLANS = {
    "of events": declared([flat("a", BY_EVENT, 4), flat("b", BY_EVENT, 3)], [PERSONS, EVENTS, SECONDS]),
    "of persons": declared([REGIONS, flat("age", BY_PERSON, 4)], [PERSONS, EVENTS]),
    "of both": declared([flat("b", BY_EVENT, 3), REGIONS], [EVENTS, PERSONS]),
    "of places": declared([PLACES, flat("k", BY_EVENT, 2)], [PERSONS, EVENTS]),
    "of one": declared([flat("a", BY_EVENT, 5)], [PERSONS]),
}
SCALES = {"persons_bounded": 6.3, "events_bounded": 40.0, "seconds_bounded": 400.0}


def scales(plan, true):
    """Larger in finer cells."""
    depth = (true[[d.name for d in plan.dimensions]] != TOTAL).sum(axis=1).to_numpy()
    return {m.name: SCALES[m.name] * (0.7 + 0.3 * depth) for m in plan.measures}


def faults(plan, frame):
    """What does not fit, by a walk from each cell to those below it."""
    cells = frame.set_index([d.name for d in plan.dimensions])
    found = []
    for m in plan.measures:
        values = cells[m.name].astype(int).to_dict()
        values = {key if isinstance(key, tuple) else (key,): value for key, value in values.items()}
        found += [("negative", m.name, cell) for cell, value in values.items() if value < 0]
        for at, d in enumerate(plan.dimensions):
            for cell, value in values.items():
                parts = [
                    values[(*cell[:at], c, *cell[at + 1 :])] for c, above in d.parents.items() if above == cell[at]
                ]
                if not parts:
                    continue
                adds_up = not m.how.persons or d.kind is BY_PERSON
                if value != sum(parts) if adds_up else not max(parts) <= value <= sum(parts):
                    found.append((d.name, m.name, cell))
    if EVENTS in plan.measures:
        found += [
            ("fewer events", "", cell) for cell in cells.index[cells["persons_bounded"] > cells["events_bounded"]]
        ]
    return found


@pytest.mark.parametrize("name", PLANS)
def test_figures_fit_are_nearer_and_equal_every_time(name):
    plan = PLANS[name]

    @examples(12)
    @given(seed=st.integers(0, 10**6), people=st.integers(0, 60), laplace=st.booleans(), wide=st.booleans())
    def check(seed, people, laplace, wide):
        random, kind = np.random.default_rng(seed), "laplace" if laplace else "gaussian"
        true = counted(plan, random, people)
        assert faults(plan, true) == []
        scale = {name: one * (1 if wide else 0.05) for name, one in scales(plan, true).items()}
        drawn = noisy(plan, true, scale, random, kind)
        made = fitted(plan, drawn, scale, kind)
        assert faults(plan, made.table.frame) == []
        assert made.improbable == ()
        assert fitted(plan, drawn, scale, kind).table.frame.equals(made.table.frame)
        exact = fitted(plan, published(plan, true), scale, kind).table.frame
        pd.testing.assert_frame_equal(exact, published(plan, true).frame)

    check()


@pytest.mark.parametrize("name", PLANS)
def test_made_to_fit_figures_are_nearer_the_true_ones(name):
    plan, random = PLANS[name], np.random.default_rng(3)
    true = counted(plan, random, 120)
    scale = scales(plan, true)
    before, after = np.zeros(len(plan.measures)), np.zeros(len(plan.measures))
    for _ in range(20):
        drawn = noisy(plan, true, scale, random)
        made = fitted(plan, drawn, scale, "gaussian").table
        for at, m in enumerate(plan.measures):
            before[at] += ((figures(drawn, m) - true[m.name]) ** 2).sum()
            after[at] += ((figures(made, m) - true[m.name]) ** 2).sum()
    assert (after < before).all()


def test_the_real_answer_is_another_solvers():
    """Of a total alone: sums of quantities that are not negative."""
    plan, random = declared([flat("a", BY_EVENT, 6), REGIONS], [EVENTS, PERSONS]), np.random.default_rng(4)
    true = counted(plan, random, 40)
    drawn, scale = noisy(plan, true, scales(plan, true), random), scales(plan, true)
    alone = declared(plan.dimensions, [SECONDS])
    given = published(alone, true.assign(seconds_bounded=figures(drawn, EVENTS).astype(int)))
    (problem,) = consistent._problems(alone, given, {"seconds_bounded": scale["events_bounded"]})
    wanted = figures(given, SECONDS)[problem.rows]
    real, whole = nearest(problem.fit, wanted)
    root = np.sqrt(problem.fit.weights)
    other = lsq_linear(problem.fit.sums.toarray() * root[:, None], wanted * root, bounds=(0, np.inf), tol=1e-12).x
    assert np.abs(real - other).max() < 1e-3
    assert (other == 0).any() or (other < 1e-3).any(), "some bound holds"

    def far(quantities):
        return (((problem.fit.sums @ quantities - wanted) * root) ** 2).sum()

    assert far(real) <= far(whole) <= far(np.floor(real + 0.5))


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("name", PLANS)
def test_what_noise_does_not_explain_is_noticed(name, kind):
    plan, random = PLANS[name], np.random.default_rng(5)
    true = counted(plan, random, 50)
    scale = scales(plan, true)
    drawn = noisy(plan, true, scale, random, kind)
    for m in plan.measures:
        frame = drawn.frame.copy()
        frame.loc[(true[[d.name for d in plan.dimensions]] == TOTAL).all(axis=1), m.name] += int(400 * SCALES[m.name])
        assert m.name in fitted(plan, published(plan, frame), scale, kind).improbable


FEW = {"of both": 60, "of places": 40}


@pytest.mark.parametrize("name", FEW)
def test_as_near_as_is_said(name):
    """Over many draws, of small figures and of large ones; a margin of one cell too."""
    plan, random = PLANS[name], np.random.default_rng(6)
    true = counted(plan, random, FEW[name])
    scale, inside = scales(plan, true), {m.name: [] for m in plan.measures}
    for _ in range(12):
        made = fitted(plan, noisy(plan, true, scale, random), scale, "gaussian").table
        errors = errors_of(plan, made, scale, "gaussian")
        for m in plan.measures:
            inside[m.name].append(np.abs(figures(made, m) - true[m.name]) <= errors[m.name])
            assert (errors[m.name] < 3.5 * scale[m.name]).all()
    for draws in inside.values():
        assert np.mean(draws) >= ERROR_LEVEL - 0.02


def test_errors_follow_from_the_figures_and_are_equal_every_time():
    plan, random = PLANS["of both"], np.random.default_rng(7)
    true = counted(plan, random, 60)
    scale = scales(plan, true)
    made = fitted(plan, noisy(plan, true, scale, random), scale, "laplace").table
    first, again = (errors_of(plan, made, scale, "laplace") for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_selected_classes_are_as_they_were_drawn_but_not_below_persons():
    mesh = flat("mesh", BY_EVENT, 4)
    plan = declared([mesh, flat("k", BY_EVENT, 2)], [PERSONS, EVENTS])
    random = np.random.default_rng(8)
    true = counted(plan, random, 80)
    scale = scales(plan, true)
    drawn = noisy(plan, true, scale, random)
    shown = drawn.frame["mesh"].isin([TOTAL, "mesh0"]).to_numpy()
    frame = drawn.frame[shown].reset_index(drop=True)
    frame.loc[frame["mesh"] != TOTAL, ["persons_bounded", "events_bounded"]] = [30, -7]
    scale = {name: one[shown] for name, one in scale.items()}
    unlisted = declared([flat_open(mesh), plan.dimensions[1]], plan.measures)
    made = fitted(unlisted, published(unlisted, frame), scale, "gaussian").table.frame
    of_class = made[made["mesh"] != TOTAL]
    assert (of_class["persons_bounded"] == 30).all()
    assert (of_class["events_bounded"] == 30).all()
    whole = made[made["mesh"] == TOTAL].reset_index(drop=True)
    assert faults(declared([plan.dimensions[1]], plan.measures), whole) == []


def flat_open(dimension):
    """The dimension as a plan has it whose codes are not known beforehand."""
    return type(dimension)(dimension.name, {}, dimension.kind, dimension.levels, {}, {}, {}, complete=False)


def test_a_cell_that_is_missing_is_noticed():
    plan = PLANS["of one"]
    true = counted(plan, np.random.default_rng(9), 10)
    scale = {name: one[1:] for name, one in scales(plan, true).items()}
    with pytest.raises(GateRefusal, match="known beforehand has no figure"):
        fitted(plan, published(plan, true[1:]), scale, "gaussian")


def test_too_many_figures_are_refused():
    require_solvable(PLANS.values())
    many = declared([flat("day", BY_EVENT, 31), flat("a", BY_EVENT, 7), flat("b", BY_EVENT, 6)], [PERSONS])
    with pytest.raises(
        InputError, match=r"table 't': 1,792 figures of 'persons_bounded' .* `protection.consistent: false`"
    ):
        require_solvable([many])
