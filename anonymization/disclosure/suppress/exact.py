"""The cheapest pattern, proven: a cutting-plane method for components that are not large.

A binary unknown for each cell that may be hidden; the cheapest values that satisfy all cuts so far; cuts that they
violate (`cuts.py`); again, first with shares, then with whole values. Where cuts see no fault any more but no witness
of whole numbers exists, at least one cell more must be hidden than in the largest failing pattern around this one: that
is a cut, too. So the optimum is one over whole numbers, and as insiders see it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from anonymization.disclosure.suppress.cuts import Case, Component, Cut, Prober, bridges, more_than
from anonymization.disclosure.suppress.moves import NOBODY, Regions, cheap_witness
from anonymization.disclosure.suppress.programmes import Programme, Solver
from anonymization.disclosure.suppress.region import Region
from anonymization.disclosure.suppress.witnesses import SPARE, Witnesses
from anonymization.disclosure.system import Booleans, Floats, Integers

ROUNDS = 200
"""Rounds after which the search for the optimum is given up."""
NODES = 500
"""Nodes of one binary programme."""
STEPS = 80_000
"""Steps of the simplex method in all binary programmes of a component, some ten seconds, after which it is given up."""
REST = 3
"""Rounds for which a case is left alone after it gave no cut."""


class _Master:
    """The binary programme with the cuts so far.

    Attributes:
        steps: what all that was solved has taken.
    """

    def __init__(self, fixed: Booleans, cost: Floats, solver: Solver) -> None:
        self._fixed, self._solver = fixed, solver
        fewer = 1 / (2 * len(cost) + 2)
        self._cost = np.where(fixed, 0.0, cost + fewer)
        self._cuts: list[Cut] = []
        self.steps = 0

    def add(self, cut: Cut) -> None:
        """Keep a cut."""
        self._cuts.append(cut)

    def solved(self, *, integer: bool) -> Floats | None:
        """Return the cheapest values, of equally cheap ones with fewest cells; None where that was not proven."""
        size = len(self._cost)
        start = np.concatenate([[0], np.cumsum([len(cut.at) for cut in self._cuts])]).astype(np.int64)
        column = np.concatenate([NOBODY, *(cut.at for cut in self._cuts)])
        weight = np.concatenate([np.zeros(0), *(cut.weight for cut in self._cuts)])
        matrix = sparse.csr_array((weight, column, start), shape=(len(self._cuts), size))
        least = np.array([cut.least for cut in self._cuts])
        most = np.full(len(least), np.inf)
        programme = Programme(self._cost, self._fixed.astype(np.float64), np.ones(size), matrix, least, most)
        kind = np.ones(size, dtype=np.bool_) if integer else None
        solution = self._solver.minimum(programme, integer=kind, nodes=NODES if integer else None)
        self.steps += solution.steps if solution is not None else 0
        return solution.x if solution is not None and solution.proven else None


class Optimum:
    """The search for the cheapest pattern of one component."""

    def __init__(self, witnesses: Witnesses, component: Component, regions: Regions, deadline: float | None) -> None:
        """Start with what is evident.

        Args:
            witnesses: the needs; nothing is added to it.
            component: its cells and needs.
            regions: where witnesses are looked for.
            deadline: of `time.monotonic()`.
        """
        self._ground, self._regions, self._witnesses = witnesses.ground, regions, witnesses
        self._component, self._cells = component, component.cells
        self._fixed = self._ground.fixed[self._cells]
        self._master = _Master(self._fixed, self._ground.cost[self._cells], Solver(deadline))
        self._prober = Prober(self._ground, component, deadline)
        self._cases = [Case(need, witnesses.demands[need], -1) for need in component.needs.tolist()]
        self._rest = [0] * len(self._cases)
        self._known: dict[int, list[Integers]] = {need: [] for need in component.needs.tolist()}
        self._known_upward: dict[int, list[Integers]] = {need: [] for need in component.needs.tolist()}
        for cut in bridges(self._ground, component, {case.demand.cell: case.demand for case in self._cases}):
            self._master.add(cut)

    def run(self) -> Booleans | None:
        """Return the cheapest pattern of the component, as a mask of all cells; None where it was not proven."""
        self._shares()
        for _ in range(ROUNDS):
            values = self._master.solved(integer=True)
            if values is None or self._master.steps > STEPS:
                return None
            share = np.rint(values)
            hidden = self._ground.fixed.copy()
            hidden[self._cells] = share > 0
            failing = self._failing(hidden)
            if not failing:
                return hidden
            self._prober.look(share)
            if not sum([self._cut(case) for case in failing]):
                self._master.add(more_than(self._largest(failing[0], hidden)[self._cells]))
        return None

    def _shares(self) -> None:
        """Add cuts until shares violate none."""
        for _ in range(ROUNDS):
            share = self._master.solved(integer=False)
            if share is None:
                return
            self._prober.look(share)
            if not self._round() and not self._round(everyone=True):
                return

    def _round(self, *, everyone: bool = False) -> int:
        """Add the cuts of all cases that do not rest; return how many."""
        added = 0
        for number, case in enumerate(self._cases):
            if self._rest[number] > 0 and not everyone:
                self._rest[number] -= 1
                continue
            found = self._cut(case)
            self._rest[number] = 0 if found else REST
            added += found
        return added

    def _cut(self, case: Case) -> int:
        found = list(self._prober.cuts(case))
        for cut in found:
            self._master.add(cut)
        return len(found)

    def _failing(self, hidden: Booleans) -> list[Case]:
        """Return the cases that have no witness among hidden cells."""
        region = self._regions.of(self._cells[hidden[self._cells]])
        failing = []
        for need in self._component.needs.tolist():
            known = [cells for cells in self._known[need] if hidden[cells].all()]
            for insider in self._open(need, known, hidden):
                demand = self._witnesses.demands[need]
                case = Case(need, demand if insider < 0 else demand.upward(), insider)
                if not self._shown(case, hidden, region):
                    failing.append(case)
                    if case not in self._cases:
                        self._cases.append(case)
                        self._rest.append(0)
        return failing

    def _open(self, need: int, known: list[Integers], hidden: Booleans) -> list[int]:
        """Return the insiders, and -1 for all readers, that no known witness among hidden cells serves."""
        if not known:
            others = np.flatnonzero(self._witnesses.others(need) & hidden)
            return [-1, *others[np.isin(others, self._cells)].tolist()]
        common = known[0][self._witnesses.others(need)[known[0]]]
        for cells in (*known[1:], *(cells for cells in self._known_upward[need] if hidden[cells].all())):
            common = common[np.isin(common, cells)]
        return [int(cell) for cell in common]

    def _shown(self, case: Case, hidden: Booleans, region: Region) -> bool:
        """Return whether there is a witness of whole numbers among hidden cells, which are the region."""
        others = np.flatnonzero(self._witnesses.others(case.need) & hidden)
        barred = NOBODY if case.insider < 0 else np.array([case.insider], dtype=np.int64)
        upward = self._known_upward[case.need] if case.insider >= 0 else []
        for cells in (*self._known[case.need], *upward):
            if hidden[cells].all() and case.insider not in cells:
                return True
        price = np.where(self._ground.fixed, SPARE, self._ground.cost)
        found = cheap_witness(region, case.demand, price, np.union1d(barred, others)) if len(others) else None
        if found is None:
            found = cheap_witness(region, case.demand, price, barred, thorough=True)
        if found is not None:
            whole = case.demand == self._witnesses.demands[case.need]
            (self._known if whole else self._known_upward)[case.need].append(found.cells)
        return found is not None

    def _largest(self, case: Case, hidden: Booleans) -> Booleans:
        """Return a pattern around a failing one that fails, too, and to which no cell can be added."""
        largest = hidden.copy()
        cells = self._cells[~hidden[self._cells]]
        for cell in cells[np.lexsort((cells, self._ground.cost[cells]))].tolist():
            largest[cell] = True
            if self._shown(case, largest, self._regions.of(self._cells[largest[self._cells]])):
                largest[cell] = False
        return largest
