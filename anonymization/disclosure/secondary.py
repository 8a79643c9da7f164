"""Secondary suppression: which cells must be hidden beside the unsafe ones.

Every need is proven by witnesses: moves of whole numbers among hidden cells that no published figure contradicts. The
cheapest witness of each need hides the cells it moves; then what the needs together can do without is given back.
Small components are solved as an integer programme instead. The attack has the last word: what it finds becomes a
need that is proven, too, until it finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from anonymization.disclosure.attack import attack, insiders_attack
from anonymization.disclosure.giveback import give_back, reroute
from anonymization.disclosure.ground import ground
from anonymization.disclosure.moves import Mover, Search
from anonymization.disclosure.optimum import Component, Optimum
from anonymization.disclosure.programmes import Solver
from anonymization.disclosure.system import Booleans, Integers, Needs, Problem, components
from anonymization.disclosure.witnesses import Witnesses
from anonymization.errors import ProtectionError

NEAR = (Search(4, 60, 0), Search(8, 240, 0), Search(40, 1500, 50), Search(10**9, 10**9, None))
"""How far a witness is looked for: first where it is cheap to look, at last everywhere."""
AGAIN = (Search(4, 60, 0), Search(8, 240, 0))
"""How far other witnesses are looked for when cells are given back."""
CASES = 2_000
"""Needs and insiders of a component, at most, for which the optimum is searched."""


@dataclass(frozen=True)
class Pattern:
    """What is hidden.

    Attributes:
        hidden: a superset of the problem's hidden cells.
        optimal: whether no pattern costs less.
    """

    hidden: Booleans
    optimal: bool


def suppress(
    problem: Problem, *, watch: Needs | None = None, exact_up_to: int = 300, deadline: float | None = None
) -> Pattern:
    """Return a pattern of little cost that meets every need, also before every insider. Deterministic.

    Guarantees that `attack` finds nothing over whole numbers, for the needs and for those of `watch` whose cell is
    hidden, and that `insiders_attack` finds nothing for the needs.

    Args:
        problem: cells, relations and needs.
        watch: needs of cells that apply only where the pattern hides them.
        exact_up_to: cells of a component for which the optimum is searched.
        deadline: of `time.monotonic()`.

    Raises:
        ProtectionError: some needs cannot be met, whatever is hidden; its `cells` says which.
        GateRefusal: past the deadline, or the true values contradict the relations.
    """
    solver = Solver(deadline)
    earth = ground(problem)
    usable = ~earth.closed
    needs, guarded = problem.needs, np.ones(len(problem.needs.cell), dtype=bool)
    while True:
        witnesses = Witnesses(Mover(earth, solver), needs, problem.value, guarded)
        optimal = _search(problem, witnesses, usable, solver, exact_up_to)
        found = _found(problem, needs, guarded, watch, witnesses.hidden, deadline)
        if not len(found.cell):
            return Pattern(witnesses.hidden, optimal)
        fresh = ~np.isin(found.cell, needs.cell)
        if not fresh.any():
            raise _unmet(found.cell)
        needs = Needs(*(np.concatenate([getattr(n, f) for n in (needs, found.take(fresh))]) for f in _FIELDS))
        guarded = np.concatenate([guarded, np.zeros(int(fresh.sum()), dtype=bool)])


_FIELDS = ("cell", "reach", "width")


def _search(
    problem: Problem, witnesses: Witnesses, usable: Booleans, solver: Solver, exact_up_to: int
) -> bool:
    """Prove every need; tell whether the result is of least cost."""
    cells = np.array([demand.cell for demand in witnesses.demands], dtype=np.int64)
    rise = np.array([max(demand.rise, demand.width) for demand in witnesses.demands])
    label = _components(problem, usable)
    optimal = True
    hard: list[int] = []
    for number in np.unique(label[cells]).tolist():
        inside = np.flatnonzero(label[cells] == number)
        solved = None
        if int((label == number).sum()) <= exact_up_to:
            solved = _optimum(problem, witnesses, np.flatnonzero(label == number), inside, solver)
        if solved is None:
            hard += inside.tolist()
            optimal = False
        else:
            _settle(witnesses, inside, solved)
    order = sorted(hard, key=lambda need: (-rise[need], cells[need]))
    unmet = [int(cells[need]) for need in order if not witnesses.establish(need, usable, NEAR)]
    if unmet:
        raise _unmet(np.unique(unmet))
    if hard:
        give_back(witnesses, usable, AGAIN)
        reroute(witnesses, order, usable, AGAIN)
        give_back(witnesses, usable, AGAIN)
    return optimal


def _components(problem: Problem, usable: Booleans) -> Integers:
    """Which cells that may move are connected by relations; -1 for the others."""
    matrix = problem.relations.matrix
    data = np.where(usable[matrix.indices], matrix.data, 0)
    moving = sparse.csr_array((data, matrix.indices.copy(), matrix.indptr.copy()), matrix.shape)
    moving.eliminate_zeros()  # in place: hence the copies
    label = components(replace(problem.relations, matrix=moving))
    return np.where(usable, label, -1)


def _optimum(
    problem: Problem, witnesses: Witnesses, cells: Integers, needs: Integers, solver: Solver
) -> Booleans | None:
    """The cheapest pattern of a component; None where it was not proven."""
    part = problem.relations.matrix[:, cells]
    rows = np.flatnonzero(np.diff(part.indptr))
    component = Component(cells, rows, sparse.csr_array(part[rows], dtype=np.float64), needs)
    search = Optimum(witnesses, component, solver)
    if len(search.cases) > CASES:
        return None
    answer = search.run()
    return None if answer is None else answer[0]


def _settle(witnesses: Witnesses, needs: Integers, hidden: Booleans) -> None:
    """Find the witnesses of needs within a pattern that is known to hold them."""
    for need in needs.tolist():
        if not witnesses.establish(need, hidden & ~witnesses.ground.closed, NEAR):
            raise _unmet(np.array([witnesses.demands[need].cell]))


def _found(
    problem: Problem, needs: Needs, guarded: Booleans, watch: Needs | None, hidden: Booleans, deadline: float | None
) -> Needs:
    """What the attack finds: needs of cells, the problem's own or watched ones."""
    seen = problem.seen(hidden)
    own = problem.needs
    watched = Needs(*(np.zeros(0, dtype=t) for t in (np.int64, np.float64, np.float64)))
    if watch is not None:
        watched = watch.take(hidden[watch.cell] & ~np.isin(watch.cell, needs.cell[guarded]))
    exposed = [e.cell for e in attack(seen, own, deadline=deadline, point=problem.value)]
    told = insiders_attack(seen, own, problem.insiders, problem.value, deadline=deadline)
    exposed += [e.cell for insider, e in told if not _same(problem, insider, e.cell)]
    if exposed:
        raise _unmet(np.unique(exposed))
    lax = []
    for exposure in attack(seen, watched, deadline=deadline, point=problem.value):
        at = int(np.flatnonzero(watched.cell == exposure.cell)[0])
        if exposure.low < watched.reach[at] or watched.reach[at] == 0:
            lax.append(at)
    return watched.take(np.array(lax, dtype=np.int64))


def _same(problem: Problem, insider: int, cell: int) -> bool:
    """Whether an insider is the only contributor of a cell as well."""
    who = problem.contributor
    return who is not None and who[cell] >= 0 and who[cell] == who[insider]


def _unmet(cells: Integers) -> ProtectionError:
    return ProtectionError(f"{len(cells)} cells cannot be protected by hiding what may be hidden", cells)
