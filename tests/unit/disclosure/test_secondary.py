"""Secondary suppression by itself: known answers, insiders, what is watched, what cannot be met, and leaky patterns."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.disclosure.attack.attack import attack, insiders_attack
from anonymization.disclosure.suppress import suppress as module
from anonymization.disclosure.suppress.bounds import ground
from anonymization.disclosure.suppress.suppress import suppress
from anonymization.disclosure.system import Needs, Problem, joined, sums
from anonymization.errors import GateRefusal, ProtectionError
from benchmarks.linked import linked_cells

N, WIDTH = 10, 3


def table(grid, **changes):
    """The problem of one table with its margins; cell (i, j) is number i * columns + j, the total the last."""
    grid = np.asarray(grid)
    full = np.vstack([np.hstack([grid, grid.sum(1, keepdims=True)]), np.append(grid.sum(0), grid.sum())])
    number = np.arange(full.size).reshape(full.shape)
    lines = [(row[-1], row[:-1]) for row in number] + [(column[-1], column[:-1]) for column in number.T]
    parts = [sums(full.size, np.array([whole]), np.zeros(len(of), dtype=np.int64), of) for whole, of in lines]
    value = full.ravel().astype(np.int64)
    unsafe = np.flatnonzero((value > 0) & (value < N))
    problem = Problem(
        relations=joined(full.size, parts), value=value, least=np.ones(full.size), most=np.full(full.size, np.inf),
        cost=value, open=value > 0, hidden=np.isin(np.arange(full.size), unsafe),
        needs=Needs(unsafe, np.full(len(unsafe), float(N)), np.full(len(unsafe), float(WIDTH))),
        insiders=np.flatnonzero(value == 1),
    )  # fmt: skip
    return replace(problem, **changes)


def exposed(problem, hidden):
    """Cells that anybody, or else the only person of another cell, can tell."""
    seen, who = problem.seen(hidden), ground(problem).twin
    found = {e.cell for e in attack(seen, problem.needs, point=problem.value)}
    if not found:
        told = insiders_attack(seen, problem.needs, problem.insiders, problem.value)
        found = {e.cell for insider, e in told if who[insider] != who[e.cell]}
    return found


SQUARE = [[5, 30, 40], [50, 20, 60], [70, 80, 25]]
"""The cheapest rectangle through the 5 has corners 30, 50 and 20."""
TWO = [[4, 50, 60, 11], [70, 6, 12, 80], [90, 20, 100, 110], [120, 130, 140, 150]]
ALONE = [[1, 1, 40], [30, 50, 60], [70, 80, 90]]
"""Two persons who know their own cells: each other's must stay uncertain."""


@pytest.mark.parametrize(
    ("grid", "hidden"),
    [
        pytest.param([[50, 60], [70, 80]], set(), id="nothing is unsafe"),
        pytest.param(SQUARE, {0, 1, 4, 5}, id="the cheapest rectangle"),
        pytest.param([[5, 0, 40], [50, 20, 60], [0, 80, 25]], {0, 2, 4, 6}, id="zeros are published"),
        pytest.param([[3, 4, 5], [60, 70, 80], [90, 100, 110]], None, id="three unsafe cells in a row"),
        pytest.param(TWO, None, id="two unsafe cells share a pattern"),
        pytest.param(ALONE, None, id="two singletons"),
        pytest.param([[2, 300], [400, 500]], {0, 1, 3, 4}, id="no choice"),
    ],
)
def test_known_answers(grid, hidden):
    problem = table(grid)
    pattern = suppress(problem)
    assert pattern.optimal
    assert exposed(problem, pattern.hidden) == set()
    if hidden is not None:
        assert set(np.flatnonzero(pattern.hidden).tolist()) == hidden


def every_pattern(problem):
    """The cost of the cheapest pattern in which nothing is exposed, by trying all."""
    choices = np.flatnonzero(problem.open & ~problem.hidden)
    best = np.inf
    for bits in range(1 << len(choices)):
        hidden = problem.hidden.copy()
        hidden[choices[[bool(bits >> k & 1) for k in range(len(choices))]]] = True
        cost = problem.cost[hidden].sum()
        if cost < best and not exposed(problem, hidden):
            best = cost
    return best


def both_ways(problem, level):
    """The same, with unsafe cells that must be as uncertain downward as upward."""
    needs = problem.needs
    value = problem.value[needs.cell]
    down = Needs(needs.cell, np.maximum(needs.reach, value + level), needs.width, np.maximum(value - level, 1.0))
    return replace(problem, needs=down)


@pytest.mark.parametrize("grid", [SQUARE, TWO, ALONE, [[5, 30], [12, 20], [70, 15]]])
@pytest.mark.parametrize("exact", [True, False])
def test_what_must_stay_possible_below_is_protected_too(grid, exact):
    problem = both_ways(table(grid), 4)
    pattern = suppress(problem, exact_up_to=300 if exact else 0)
    assert exposed(problem, pattern.hidden) == set()
    if exact and grid is not TWO:
        assert pattern.optimal
        assert problem.cost[pattern.hidden].sum() == every_pattern(problem)


def test_a_pattern_that_is_safe_above_alone_is_found():
    """The 9 may be any number up to the 29 beside it, but not below 8: with another cell hidden it may."""
    problem = table([[9, 1], [1, 29]])
    problem = replace(problem, needs=Needs(np.array([0]), np.array([10.0]), np.array([1.0]), np.array([3.0])))
    grid = np.isin(np.arange(9), [0, 1, 3, 4])
    assert [e.cell for e in attack(problem.seen(grid), problem.needs)] == [0]
    pattern = suppress(replace(problem, insiders=problem.insiders[:0]))
    assert exposed(replace(problem, insiders=problem.insiders[:0]), pattern.hidden) == set()
    assert pattern.hidden[[2, 6]].all()


@pytest.mark.parametrize(
    "grid",
    [
        pytest.param([[5, 30], [12, 20], [70, 15]], id="one unsafe cell"),
        pytest.param([[1, 30], [2, 20], [70, 15]], id="a singleton and its neighbour"),
        pytest.param([[1, 14], [1, 20], [13, 15]], id="two singletons in a column"),
        pytest.param([[4, 30], [12, 9], [70, 15]], id="unsafe cells on a diagonal"),
    ],
)
def test_the_optimum_is_the_cheapest_of_all_patterns(grid):
    problem = table(grid)
    pattern = suppress(problem)
    assert pattern.optimal
    assert problem.cost[pattern.hidden].sum() == every_pattern(problem)


def test_the_heuristic_protects_as_the_optimum_does():
    for grid in (SQUARE, TWO, ALONE):
        problem = table(grid)
        pattern = suppress(problem, exact_up_to=0)
        assert not pattern.optimal
        assert exposed(problem, pattern.hidden) == set()


@examples(60)
@given(
    st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=4), min_size=2, max_size=4),
    st.booleans(),
    st.sampled_from([0, 0, 2, 5]),
)
def test_whatever_the_table_nothing_is_exposed(rows, exact, level):
    problem = both_ways(table([row[: len(min(rows, key=len))] for row in rows]), level)
    try:
        pattern = suppress(problem, exact_up_to=300 if exact else 0)
    except ProtectionError:
        assert exposed(problem, problem.hidden | problem.open), "hiding all that may be hidden does not help either"
    else:
        assert exposed(problem, pattern.hidden) == set()
        assert not (pattern.hidden & ~problem.hidden & ~problem.open).any()


def test_equal_problems_have_equal_patterns():
    one, other = (suppress(linked_cells(5, 400, unsafe=0.1)).hidden for _ in range(2))
    assert np.array_equal(one, other)


def test_sums_are_hidden_in_large_components_only_where_that_helps(monkeypatch):
    """Rays prove nothing in these tables: hiding every sum over an unsafe cell would cost all and gain nothing."""
    problem = linked_cells(0, 400, unsafe=0.1)
    searched = suppress(problem).hidden
    monkeypatch.setattr(module, "MANY", 20)
    assert len(problem.needs.cell) > module.MANY
    assert np.array_equal(suppress(problem).hidden, searched)
    monkeypatch.setattr(module, "STUBBORN", 1.0)
    assert problem.cost[suppress(problem).hidden].sum() > 2 * problem.cost[searched].sum()


def test_an_insider_is_protected_from_and_not_from_himself():
    """Of two singletons in a column each knows his own; if they are one person, nothing more is hidden for it."""
    grid = [[1, 14], [1, 20], [13, 15]]
    apart = table(grid)
    same = table(grid, contributor=np.where(apart.value == 1, 0, -1))
    assert apart.cost[suppress(apart).hidden].sum() >= same.cost[suppress(same).hidden].sum()
    assert suppress(same).optimal


def test_what_is_watched_is_protected_where_it_is_hidden():
    """A secondary cell of 11 persons is told within two; watched, the pattern leaves it as uncertain as it must be."""
    problem = table([[5, 11, 60], [12, 200, 70], [80, 90, 100]])
    plain = suppress(problem).hidden
    others = np.flatnonzero((problem.value >= N) & problem.open)
    watch = Needs(others, np.zeros(len(others)), np.full(len(others), 20.0))
    watched = suppress(problem, watch=watch).hidden
    at = others[watched[others]]
    for hidden, held in ((plain, False), (watched, True)):
        here = others[hidden[others]]
        wide = Needs(here, np.zeros(len(here)), np.full(len(here), 20.0))
        assert (not attack(problem.seen(hidden), wide)) is held
    assert len(at)


def test_what_cannot_be_met_is_said():
    """Everything else in its row is out already: the cell follows from the total."""
    problem = table(SQUARE)
    closed = problem.open.copy()
    closed[[1, 2, 3]] = False
    with pytest.raises(ProtectionError) as told:
        suppress(replace(problem, open=closed))
    assert list(told.value.cells) == [0]


def test_past_its_deadline_nothing_is_decided():
    with pytest.raises(GateRefusal):
        suppress(linked_cells(0, 1000), deadline=time.monotonic() - 1)


@pytest.mark.parametrize(("seed", "size", "share"), [(0, 250, 0.1), (1, 250, 0.1), (0, 400, 0.1), (2, 400, 0.1)])
def test_a_pattern_without_one_of_its_cells_leaks(seed, size, share):
    """Every mutant of a pattern, one others cell published, is found."""
    problem = linked_cells(seed, size, unsafe=share)
    pattern = suppress(problem)
    others = np.flatnonzero(pattern.hidden & ~problem.hidden)
    assert exposed(problem, pattern.hidden) == set()
    assert len(others) > 40
    for cell in others:
        leaky = pattern.hidden.copy()
        leaky[cell] = False
        assert exposed(problem, leaky), f"cell {cell} could have been published"
