"""The attack on systems of hundreds of cells, against an integer programme a bound by another interface."""

from __future__ import annotations

import numpy as np
import pytest
from harness.intervals import intervals
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from anonymization.disclosure.attack.attack import attack, insiders_attack
from anonymization.disclosure.attack.programmes import Programme, Solver, steps
from anonymization.disclosure.system import Needs, Relations, System, at_most, at_most_sums, joined, reduced, sums
from benchmarks.linked import linked_cells, never_alone


def bound(system, cell, sign):
    """The exact minimum (-1) or maximum (1) of a cell, infinite where there is none."""
    part = reduced(system)
    at = np.flatnonzero(part.cell == cell)
    if not len(at):
        return system.low[cell]
    cost = np.zeros(len(part.cell))
    cost[at] = -sign
    rows = part.system.relations
    limits = LinearConstraint(sparse.csr_array(rows.matrix, dtype=float), rows.low, rows.high)
    found = milp(
        cost, constraints=[limits] if rows.rows else [], integrality=np.ones(len(cost)),
        bounds=Bounds(part.system.low, part.system.high), options={"mip_rel_gap": 0},
    )  # fmt: skip
    return float(np.rint(found.x[at[0]])) if found.x is not None else sign * np.inf


def exposed(system, needs):
    found = []
    for cell, reach, width, floor in zip(needs.cell, needs.reach, needs.width, needs.floor, strict=True):
        low, high = bound(system, cell, -1), bound(system, cell, 1)
        if high < reach or high - low < width or low > floor:
            found.append((int(cell), low, high))
    return found


def published(seed, size, share, pattern):
    problem = linked_cells(seed, size, unsafe=share)
    hidden = {"unsafe alone": problem.hidden, "never one alone": never_alone(problem)}.get(pattern)
    if hidden is None:
        draw = np.random.default_rng(seed)
        hidden = problem.hidden | (problem.open & (draw.random(len(problem.value)) < float(pattern)))
    return problem, problem.seen(hidden)


def events(seed, codes=12, others=9):
    """Persons by code and by another one, who do not add up, their events, which do, and both margins."""
    draw = np.random.default_rng(seed)
    visits = [set(draw.integers(0, 40, draw.integers(1, 14)).tolist()) for _ in range(codes * others)]
    grid = np.arange(codes * others).reshape(codes, others)
    rows, columns, whole = (start + np.arange(n) for start, n in ((grid.size, codes), (grid.size + codes, others), (grid.size + codes + others, 1)))  # fmt: skip
    cells = int(whole[0]) + 1
    unions = [set().union(*(visits[c] for c in line)) for line in (*grid, *grid.T, grid.ravel())]
    persons = np.array([len(s) for s in (*visits, *unions)], dtype=np.int64)
    views = persons[: grid.size] + draw.integers(0, 5, grid.size)
    totals = np.concatenate([views, views.reshape(grid.shape).sum(1), views.reshape(grid.shape).sum(0), [views.sum()]])
    lines = [(rows, np.repeat(np.arange(codes), others), grid.ravel()), (columns, np.tile(np.arange(others), codes), grid.ravel()), (whole, np.zeros(codes, dtype=np.int64), rows), (whole, np.zeros(others, dtype=np.int64), columns)]  # fmt: skip
    parts = []
    for parent, group, child in lines:
        parts += [at_most(2 * cells, child, parent[group]), at_most_sums(2 * cells, parent, group, child)]
        parts.append(sums(2 * cells, parent + cells, group, child + cells))
    parts.append(at_most(2 * cells, np.arange(cells), np.arange(cells) + cells))
    value = np.concatenate([persons, totals])
    few = np.tile(persons < 8, 2)
    low, high = np.where(few, 1.0, value), np.where(few, np.inf, value.astype(float))
    at = np.flatnonzero(few)
    needs = Needs(at, np.where(at < cells, 8.0, 0.0), np.full(len(at), 3.0))
    return System(joined(2 * cells, parts), low, high), needs, value


SYSTEMS = {
    f"{size} cells, {share:.0%}, {pattern}": (seed, size, share, pattern)
    for seed, (size, share, pattern) in enumerate(
        [
            (250, 0.1, "unsafe alone"),
            (250, 0.1, "never one alone"),
            (250, 0.2, "0.3"),
            (400, 0.2, "0.4"),
            (400, 0.1, "0.5"),
            (400, 0.2, "0.6"),
        ]
    )
}


@pytest.mark.parametrize("known", [True, False], ids=["with true figures", "from outside"])
@pytest.mark.parametrize("case", SYSTEMS.values(), ids=SYSTEMS)
def test_what_is_exposed_in_linked_tables(case, known):
    problem, seen = published(*case)
    found = attack(seen, problem.needs, point=problem.value if known else None)
    assert [(e.cell, e.low, e.high) for e in found] == exposed(seen, problem.needs)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_exposed_where_persons_do_not_add_up(seed):
    seen, needs, value = events(seed)
    wanted = exposed(seen, needs)
    assert [(e.cell, e.low, e.high) for e in attack(seen, needs)] == wanted
    assert [e.cell for e in attack(seen, needs, point=value)] == [cell for cell, _, _ in wanted]


def test_intervals_of_linked_tables():
    problem, seen = published(5, 400, 0.2, "0.5")
    low, high = intervals(seen, problem.needs.cell)
    assert low.tolist() == [bound(seen, cell, -1) for cell in problem.needs.cell]
    assert high.tolist() == [bound(seen, cell, 1) for cell in problem.needs.cell]


def test_what_is_exposed_before_an_insider():
    problem, seen = published(4, 250, 0.2, "0.8")
    plain = np.array([exposure.cell for exposure in attack(seen, problem.needs, point=problem.value)])
    needs = problem.needs.take(~np.isin(problem.needs.cell, plain))
    wanted = set()
    for insider in problem.insiders:
        low, high = seen.low.copy(), seen.high.copy()
        low[insider] = high[insider] = problem.value[insider]
        knowing = System(seen.relations, low, high)
        wanted |= {(int(insider), cell) for cell, _, _ in exposed(knowing, needs.take(needs.cell != insider))}
    assert wanted, "the case is one with something to find"
    told = insiders_attack(seen, needs, problem.insiders, problem.value)
    assert {(insider, exposure.cell) for insider, exposure in told} == wanted


def test_the_shortest_move_is_not_a_step_there_and_back():
    """A cell adds up to 10 with each of two others: raising it to 8 means lowering both, which is more than 3 back."""
    relations = Relations(sparse.csr_array(np.array([[1, 1, 0], [1, 0, 1]])), np.full(2, 10.0), np.full(2, 10.0))
    programme = Programme(relations, np.zeros(3), np.full(3, 10.0), np.zeros(3))
    for goal in (8.0, 2.0):
        found = Solver(None).solve(steps(programme, np.full(3, 5.0), 0, goal)).point
        assert (5.0 + found[:3] - found[3:]).tolist() == [goal, 10.0 - goal, 10.0 - goal]
