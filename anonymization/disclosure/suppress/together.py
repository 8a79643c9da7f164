"""What cells that are hidden at any rate prove among themselves: a programme raises many at once, the others give way.

Such moves hide nothing more. A programme's optimum falls apart into moves that share no relation, and each of these is
a witness for whatever it raises far enough. It moves many cells, those of insiders among them, who could rule it out:
so each time there is a second programme, in which the other half of the insiders' cells stand still.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anonymization.disclosure.suppress.moves import Witness
from anonymization.disclosure.suppress.region import Region
from anonymization.disclosure.suppress.witnesses import Witnesses
from anonymization.disclosure.system import Booleans, Floats, Integers

RAISED = 0.15
"""Share of the needs that are raised at a time: where all want to rise, none gives way."""
IN_VAIN = 6
"""Rounds after which it is given up, if each proved less than it is worth."""
WORTH = 0.003
"""Share of the needs that a round must prove."""


def among_themselves(witnesses: Witnesses, region: Region, needs: Integers) -> Integers:
    """Prove as many needs of a component as moves of hidden cells prove; return those that are left.

    Needs of insiders' own cells are left, and those that ask for less: what raises several insiders at once is ruled
    out by each for all others.

    Args:
        witnesses: the pattern; it gets witnesses, and hides nothing more.
        region: cells of the component that are hidden at any rate.
        needs: of the component.
    """
    demands, insider = witnesses.demands, witnesses.ground.insider
    rng, insiders, in_vain = np.random.default_rng(len(needs)), np.flatnonzero(insider), 0
    apart = np.array([insider[demands[n].cell] or demands[n].fall > 0 for n in needs.tolist()], dtype=bool)
    left, others = needs[~apart], needs[apart]
    while len(left) and len(region.cells) and in_vain < IN_VAIN:
        raised = left[rng.random(len(left)) < RAISED]
        half = rng.random(len(insiders)) < 1 / 2
        for need, witness in _raised(witnesses, region, raised, rng.uniform(0.5, 1.5, len(raised)), insiders, half):
            if not witnesses.proven(need):
                witnesses.keep(need, witness)
        before = len(left)
        left = left[[not witnesses.proven(n) for n in left.tolist()]]
        in_vain = 0 if before - len(left) >= WORTH * len(needs) else in_vain + 1
    return np.sort(np.concatenate([left, others]))


def _raised(
    witnesses: Witnesses, region: Region, needs: Integers, weight: Floats, insiders: Integers, half: Booleans
) -> Iterator[tuple[int, Witness]]:
    """Yield what two programmes prove, each of which leaves half of the insiders' cells alone."""
    demands = [witnesses.demands[n] for n in needs.tolist()]
    cells = np.array([demand.cell for demand in demands], dtype=np.int64)
    amount = np.array([demand.most for demand in demands])
    place = np.full(len(witnesses.hidden), -1, dtype=np.int64)
    place[cells] = np.arange(len(cells))
    for still in (insiders[half], insiders[~half]):
        for move in region.together(cells, amount, weight, still):
            at, witness = place[move.cells], Witness((move,))
            enough = (at >= 0) & (move.by >= amount[at])
            for need in needs[at[enough]].tolist():
                yield need, witness
