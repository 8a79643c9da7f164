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

from anonymization.disclosure.attack.attack import attack, insiders_attack
from anonymization.disclosure.proof import Proof
from anonymization.disclosure.suppress.bounds import ground
from anonymization.disclosure.suppress.cuts import Component
from anonymization.disclosure.suppress.exact import Optimum
from anonymization.disclosure.suppress.moves import Regions
from anonymization.disclosure.suppress.programmes import Solver
from anonymization.disclosure.suppress.rays import closed_upward, unproven
from anonymization.disclosure.suppress.region import Region
from anonymization.disclosure.suppress.together import among_themselves
from anonymization.disclosure.suppress.unhide import give_back
from anonymization.disclosure.suppress.witnesses import Witnesses
from anonymization.disclosure.system import Booleans, Integers, Needs, Problem, components
from anonymization.errors import ProtectionError

EFFORT = 4e6
"""Cells of all programmes that are solved to give cells back."""
MANY = 10_000
"""Needs of a component beyond which they are not searched one by one: every sum over an unsafe cell is hidden then, if
rays prove the needs so."""
TOGETHER = 50
"""Needs of a component from which on they are raised together."""
STUBBORN = 0.1
"""Share of such needs that rays may leave: where they leave more, hiding sums is no help, and needs are searched."""


@dataclass(frozen=True)
class Pattern:
    """What is hidden.

    Attributes:
        hidden: a superset of the problem's hidden cells.
        optimal: whether no pattern costs less.
        proof: moves that prove the needs, but for those that rays or bounds prove.
    """

    hidden: Booleans
    optimal: bool
    proof: Proof


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
    label = _components(problem, ~ground(problem).closed)
    many = _many(problem, label)
    if many.any():
        many &= _helped(problem, label, many)
        problem = _closed(problem, many)
    earth = ground(problem)
    regions = Regions(earth, label, deadline)
    needs, guarded = problem.needs, np.ones(len(problem.needs.cell), dtype=bool)
    if watch is not None:
        fresh = watch.take(~np.isin(watch.cell, needs.cell))
        needs = needs.and_of(fresh)
        guarded = np.concatenate([guarded, np.zeros(len(fresh.cell), dtype=bool)])
    witnesses = Witnesses(earth, needs, problem.value, guarded)
    own = np.flatnonzero(~many) if len(many) else np.zeros(0, dtype=np.int64)
    optimal = _search(problem, witnesses, regions, solver, own, exact_up_to) and not many.any()
    need_of = {int(cell): need for need, cell in enumerate(needs.cell)}
    while True:
        bare = np.array([not witnesses.proven(n) for n in range(len(needs.cell))], dtype=bool)
        found = _found(problem, needs.take(bare), guarded[bare], witnesses.hidden, earth.twin, deadline)
        if not found:
            return Pattern(witnesses.hidden, optimal, witnesses.proof())
        optimal = False
        if proven := [cell for cell in found if witnesses.proven(need_of[cell])]:
            raise _unmet(np.array(proven))
        if unmet := repair(witnesses, regions, [need_of[cell] for cell in found]):
            raise _unmet(np.unique(unmet))


def _many(problem: Problem, label: Integers) -> Booleans:
    """Which needs are in a component with more of them than are searched one by one."""
    if not len(problem.needs.cell):
        return np.zeros(0, dtype=bool)
    of_need = label[problem.needs.cell]
    number = np.bincount(of_need + 1)
    return np.asarray((of_need >= 0) & (number[of_need + 1] > MANY))


def _closed(problem: Problem, many: Booleans) -> Problem:
    """The problem with every sum over the cells of some needs hidden, as far as they may be."""
    closed = closed_upward(problem.relations, problem.needs.cell[many])
    return replace(problem, hidden=problem.hidden | (closed & problem.open))


def _helped(problem: Problem, label: Integers, many: Booleans) -> Booleans:
    """Which needs are in a component whose needs rays prove, but for a few, when every sum over these is hidden."""
    shut = _closed(problem, many)
    nobody = problem.insiders[:0]
    needs = problem.needs.take(many)
    left = unproven(shut.seen(shut.hidden), needs, nobody, ground(shut).twin, problem.value)
    number = np.bincount(label[needs.cell], minlength=label.max() + 1)
    stubborn = np.bincount(label[left.cell], minlength=label.max() + 1) > STUBBORN * number
    return np.asarray(~stubborn[label[problem.needs.cell]])


def _search(
    problem: Problem, witnesses: Witnesses, regions: Regions, solver: Solver, own: Integers, exact_up_to: int
) -> bool:
    """Prove the needs of smaller components; tell whether the result is of least cost."""
    cells = np.array([demand.cell for demand in witnesses.demands], dtype=np.int64)
    label = regions.label
    optimal = True
    hard: list[int] = []
    own = own[np.array([witnesses.demands[n].most > 0 for n in own.tolist()], dtype=bool)]
    unmet = cells[own[label[cells[own]] < 0]].tolist()
    for number in np.unique(label[cells[own[label[cells[own]] >= 0]]]).tolist():
        inside = own[label[cells[own]] == number]
        solved = None
        if int((label == number).sum()) <= exact_up_to:
            solved = _optimum(problem, witnesses, np.flatnonzero(label == number), inside, regions, solver)
        if solved is None:
            hard += inside.tolist()
            optimal = False
        else:
            _settle(witnesses, inside, regions.of(np.flatnonzero((label == number) & solved)))
    unmet += repair(witnesses, regions, hard)
    if unmet:
        raise _unmet(np.unique(unmet))
    if hard:
        give_back(witnesses, regions, EFFORT)
    return optimal


def repair(witnesses: Witnesses, regions: Regions, needs: list[int]) -> list[int]:
    """Prove needs, where it is cheap first; return the cells that cannot be protected.

    What needs prove together, by moves of cells that are hidden at any rate, is not looked for one by one.
    """
    demands = witnesses.demands
    left = _together(witnesses, regions, needs)
    for tier in range(regions.tiers):
        regions.renew()
        missing = []
        for need in left:
            demand = demands[need]
            if tier < regions.first(demand.cell):
                missing.append(need)
                continue
            most = regions.limit(tier) * demand.most
            region = regions.near(demand.cell, tier, witnesses.hidden)
            if not witnesses.establish(need, region, most=most):
                missing.append(need)
        left = missing
    return [
        demands[need].cell
        for need in left
        if not witnesses.establish(need, regions.whole(demands[need].cell), thorough=True)
    ]


def _together(witnesses: Witnesses, regions: Regions, needs: list[int]) -> list[int]:
    """Prove what needs of large components prove together; return the others, those that ask for least first."""
    demands, left = witnesses.demands, []
    of = regions.label[np.array([demands[need].cell for need in needs], dtype=np.int64)]
    for number in np.unique(of).tolist():
        inside = np.array(needs, dtype=np.int64)[of == number]
        if len(inside) > TOGETHER and number >= 0:
            hidden = regions.of(np.flatnonzero((regions.label == number) & witnesses.ground.fixed))
            inside = among_themselves(witnesses, hidden, inside)
        left += inside.tolist()
    return sorted(left, key=lambda need: (demands[need].most, demands[need].cell))


def _components(problem: Problem, usable: Booleans) -> Integers:
    """Which cells that may move are connected by relations; -1 for the others."""
    matrix = problem.relations.matrix
    data = np.where(usable[matrix.indices], matrix.data, 0)
    moving = sparse.csr_array((data, matrix.indices.copy(), matrix.indptr.copy()), matrix.shape)
    moving.eliminate_zeros()
    label = components(replace(problem.relations, matrix=moving))
    return np.where(usable, label, -1)


def _optimum(
    problem: Problem, witnesses: Witnesses, cells: Integers, needs: Integers, regions: Regions, solver: Solver
) -> Booleans | None:
    """The cheapest pattern of a component; None where it was not proven."""
    part = problem.relations.matrix[:, cells]
    rows = np.flatnonzero(np.diff(part.indptr))
    component = Component(cells, rows, sparse.csr_array(part[rows], dtype=np.float64), needs)
    return Optimum(witnesses, component, regions, solver.deadline).run()


def _settle(witnesses: Witnesses, needs: Integers, region: Region) -> None:
    """Find the witnesses of needs within a pattern that is known to hold them."""
    for need in needs.tolist():
        if not witnesses.establish(need, region, thorough=True):
            raise _unmet(np.array([witnesses.demands[need].cell]))


def _found(
    problem: Problem, needs: Needs, guarded: Booleans, hidden: Booleans, twin: Integers, deadline: float | None
) -> list[int]:
    """Which cells without a witness the attack finds: unsafe ones, also before insiders, and others that are pinned.

    A watched cell whose minimum is its reach or more is known to be safe, however narrow its interval.
    """
    seen, nobody = problem.seen(hidden), problem.insiders[:0]
    own = unproven(seen, needs.take(guarded), problem.insiders, twin, problem.value)
    watched = unproven(seen, needs.take(~guarded & hidden[needs.cell]), nobody, twin, problem.value)
    found = {e.cell for e in attack(seen, own, deadline=deadline, point=problem.value)}
    if len(problem.insiders) and not found:
        told = insiders_attack(seen, own, problem.insiders, problem.value, deadline=deadline)
        found |= {e.cell for insider, e in told if twin[insider] != twin[e.cell]}
    reach = dict(zip(watched.cell.tolist(), watched.reach.tolist(), strict=True))
    for exposure in attack(seen, watched, deadline=deadline, point=problem.value):
        if exposure.low < reach[exposure.cell] or reach[exposure.cell] == 0:
            found.add(exposure.cell)
    return sorted(found)


def _unmet(cells: Integers) -> ProtectionError:
    return ProtectionError(f"{len(cells)} cells cannot be protected by hiding what may be hidden", cells.tolist())
