"""Which cells are hidden, and the witnesses that prove why that is enough."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from anonymization.disclosure.proof import Proof
from anonymization.disclosure.suppress.bounds import Ground
from anonymization.disclosure.suppress.moves import NOBODY, Demand, Witness, cheap_witness
from anonymization.disclosure.suppress.region import Region
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs

SPARE = 0.01
"""Price of moving a cell that is hidden at any rate, to one of cost 1: short witnesses leave more to give back."""


class Witnesses:
    """A pattern under way: hidden cells, and for every need the witnesses found so far.

    A need is proven when it has a witness, and for each insider but the cell's own one that leaves the insider's cell
    alone: an insider who knows his own cell cannot rule that one out.

    Attributes:
        ground: relations and bounds.
        hidden: which cells are hidden: those that are at any rate, and those that a witness moves.
        uses: how many witnesses move each cell that is not hidden at any rate.
        demands: what is to be proven.
    """

    def __init__(self, ground: Ground, needs: Needs, value: Integers, guarded: Booleans) -> None:
        """Start with no witness.

        Args:
            ground: relations and bounds.
            needs: what is to be proven.
            value: true values.
            guarded: of which needs insiders must not be able to rule out all witnesses.
        """
        self.ground = ground
        self.hidden = ground.fixed.copy()
        self.uses = np.zeros(len(value), dtype=np.int64)
        rise = np.ceil(np.maximum(needs.reach - value[needs.cell], 0.0))
        fall = np.ceil(np.maximum(value[needs.cell] - needs.floor, 0.0))
        self.demands = [
            Demand(int(cell), *map(float, amounts))
            for cell, *amounts in zip(needs.cell, rise, np.ceil(needs.width), fall, strict=True)
        ]
        self._guarded = guarded
        self._kept: dict[int, tuple[int, Witness]] = {}
        self._of_need: list[list[int]] = [[] for _ in self.demands]
        self._users: dict[int, set[int]] = {}
        self._next = 0

    def price(self) -> Floats:
        """Return the price of moving each cell: what is hidden at any rate costs next to nothing."""
        return np.where(self.hidden, SPARE, self.ground.cost)

    def cost(self) -> float:
        """Return the cost of what is hidden."""
        return float(self.ground.cost[self.hidden].sum())

    def users(self, cell: int) -> list[int]:
        """Return the witnesses that move a cell."""
        return sorted(self._users.get(cell, ()))

    def need_of(self, number: int) -> int:
        """Return which need a witness proves."""
        return self._kept[number][0]

    @property
    def mark(self) -> int:
        """The number of the next witness."""
        return self._next

    def since(self, mark: int) -> list[int]:
        """Return the witnesses added since a mark."""
        return [number for number in range(mark, self._next) if number in self._kept]

    def keep(self, need: int, witness: Witness) -> None:
        """Keep a witness of a need, and hide what it moves."""
        self._kept[self._next] = (need, witness)
        self._of_need[need].append(self._next)
        loose = self._loose(witness)
        self.uses[loose] += 1
        self.hidden[loose] = True
        for cell in loose.tolist():
            self._users.setdefault(cell, set()).add(self._next)
        self._next += 1

    def remove(self, number: int) -> tuple[int, Witness]:
        """Forget a witness, publish what no other one moves, and return what it was, and of which need."""
        need, witness = self._kept.pop(number)
        self._of_need[need].remove(number)
        loose = self._loose(witness)
        self.uses[loose] -= 1
        self.hidden[loose] = self.uses[loose] > 0
        for cell in loose.tolist():
            self._users[cell].discard(number)
        return need, witness

    def _loose(self, witness: Witness) -> Integers:
        """What a witness moves that is not hidden at any rate."""
        return witness.cells[~self.ground.fixed[witness.cells]]

    def others(self, need: int) -> Booleans:
        """Return which cells are of insiders other than the contributors of a need's cell."""
        if not self._guarded[need]:
            return np.zeros(len(self.hidden), dtype=np.bool_)
        twin = self.ground.twin
        return np.asarray(self.ground.insider & (twin != twin[self.demands[need].cell]))

    def in_all(self, need: int) -> Integers | None:
        """Return the insiders' cells that every witness of a need moves; None if there is no witness."""
        kept = [self._kept[number][1].cells for number in self._of_need[need]]
        if not kept:
            return None
        common = kept[0][self.others(need)[kept[0]]]
        for cells in kept[1:]:
            common = common[np.isin(common, cells, assume_unique=True)]
        return common

    def proven(self, need: int) -> bool:
        """Return whether a need is proven."""
        common = self.in_all(need)
        return common is not None and not len(common)

    def establish(
        self,
        need: int,
        region: Region,
        *,
        barred: Integers = NOBODY,
        most: float = np.inf,
        thorough: bool = False,
    ) -> bool:
        """Find the witnesses that a need lacks, of a price of at most `most` each; tell whether it is proven then."""
        while not self.proven(need):
            common = self.in_all(need)
            demand = self.demands[need] if common is None else self.demands[need].upward()
            found = None
            for insiders in _bars(common):
                still = np.concatenate([barred, insiders])
                found = cheap_witness(region, demand, self.price(), still, thorough=thorough)
                if found is not None:
                    break
            if found is None or found.price > most:
                return False
            self.keep(need, found)
        return True

    def proof(self) -> Proof:
        """Return every move that was kept."""
        kept = [(need, witness) for need, witness in self._kept.values() if witness.moves]
        moves = [move for _, witness in kept for move in witness.moves]
        start = np.concatenate([[0], np.cumsum([len(move.cells) for move in moves], dtype=np.int64)])
        columns = np.concatenate([NOBODY, *(move.cells for move in moves)])
        by = np.concatenate([NOBODY, *(move.by for move in moves)])
        shape = (len(moves), len(self.hidden))
        return Proof(
            sparse.csr_array((by, columns, start), shape=shape),
            np.repeat(np.arange(len(kept)), [len(witness.moves) for _, witness in kept]).astype(np.int64),
            np.array([self.demands[need].cell for need, _ in kept], dtype=np.int64),
        )


def _bars(common: Integers | None) -> list[Integers]:
    """Return which insiders a further witness must leave alone: all at once, else the first one."""
    if common is None or len(common) == 1:
        return [NOBODY if common is None else common]
    return [common, common[:1]]
