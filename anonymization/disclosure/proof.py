"""Proofs: moves that show what is possible, found once and checked by anybody who has the true figures.

A move changes hidden cells by whole numbers, and keeps every relation and every bound: a table that no reader can tell
from the true one. That it does is arithmetic. Whoever looks for moves may be wrong, and whoever checks them here need
not know how they were found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System


@dataclass(frozen=True)
class Proof:
    """Moves that prove needs.

    Attributes:
        moves: a row a move, a column a cell: by how much each cell changes; `csr_array` of int64.
        witness: of each move, the number of the witness that it belongs to: 0, 1, 2 and so on.
        cell: of each witness, the cell whose need its moves prove together.
    """

    moves: sparse.csr_array
    witness: Integers
    cell: Integers

    @classmethod
    def none(cls, cells: int) -> Proof:
        """Return the proof of nothing."""
        nobody = np.zeros(0, dtype=np.int64)
        return cls(sparse.csr_array((0, cells), dtype=np.int64), nobody, nobody)


def holding(system: System, value: Integers, proof: Proof) -> Proof:
    """Return the moves of a proof that hold, in whole numbers, from true figures; none if these do not satisfy all.

    Args:
        system: what a reader knows.
        value: true figures of all cells.
        proof: any moves of as many cells; others hold nothing.
    """
    relations = system.relations
    given = relations.matrix @ value
    true = np.all((value >= system.low) & (value <= system.high))
    true = true and np.all((given >= relations.low) & (given <= relations.high))
    if not true or proof.moves.shape[1] != system.cells:
        return Proof.none(system.cells)
    fails = np.zeros(proof.moves.shape[0], dtype=bool)
    moved = proof.moves.tocoo()
    move, cell = moved.coords
    to = value[cell] + moved.data
    fails[move[(to < system.low[cell]) | (to > system.high[cell])]] = True
    changed = sparse.csr_array(relations.matrix @ proof.moves.T).tocoo()
    row, move = changed.coords
    to = given[row] + changed.data
    fails[move[(to < relations.low[row]) | (to > relations.high[row])]] = True
    return Proof(sparse.csr_array(proof.moves[~fails]), proof.witness[~fails], proof.cell)


def unshown(needs: Needs, value: Integers, proof: Proof) -> Needs:
    """Return the needs that moves do not prove before a reader who knows no cell beside the published ones.

    Args:
        needs: what must stay possible.
        value: true figures.
        proof: moves that hold; every one counts for every cell that it moves.
    """
    top, bottom = _reached(proof, value)
    least, most = bottom[needs.cell], top[needs.cell]
    shown = (most >= needs.reach) & (most - least >= needs.width) & (least <= needs.floor)
    return needs.take(~shown)


def unproven_by(needs: Needs, value: Integers, proof: Proof, insiders: Integers, who: Integers) -> Needs:
    """Return the needs that witnesses do not prove before every reader, each insider among them.

    Before an insider only those witnesses count that leave his cell alone; what is said of minima is not asked for.

    Args:
        needs: what must stay possible, one need a cell.
        value: true figures.
        proof: moves that hold.
        insiders: cells with a single contributor.
        who: of each cell, who that is: nobody is protected from himself.
    """
    number, cells = len(proof.cell), len(value)
    need_of = np.full(cells, -1, dtype=np.int64)
    need_of[needs.cell] = np.arange(len(needs.cell))
    need = need_of[proof.cell]
    member = sparse.csr_array(
        (np.ones(len(proof.witness), dtype=np.int64), (proof.witness, np.arange(len(proof.witness)))),
        shape=(number, len(proof.witness)),
    )
    touched = sparse.csr_array(member @ abs(proof.moves))
    own = np.asarray(proof.moves[np.arange(len(proof.witness)), proof.cell[proof.witness]]).ravel()
    top, bottom = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    np.maximum.at(top, proof.witness, own)
    np.minimum.at(bottom, proof.witness, own)
    most, least = value[proof.cell] + top, value[proof.cell] + bottom
    told = np.flatnonzero(need >= 0)
    need, most, least = need[told], most[told], least[told]
    upward = (most >= needs.reach[need]) & (most - least >= needs.width[need])
    whole = np.zeros(len(needs.cell), dtype=bool)
    whole[need[upward & (least <= needs.floor[need])]] = True
    need, at = need[upward], told[upward]
    kept = sparse.csr_array((np.ones(len(at), dtype=np.int64), (need, at)), shape=(len(needs.cell), number))
    touched.data[:] = 1
    return needs.take(~whole | ruled_out(kept, touched, needs.cell, insiders, who))


def ruled_out(
    kept: sparse.csr_array, touched: sparse.csr_array, cells: Integers, insiders: Integers, who: Integers
) -> Booleans:
    """Return which needs somebody can rule out every witness of, who knows the figure of his own cell.

    Args:
        kept: a row a need, a column a witness: 1 where the one proves the other.
        touched: a row a witness, a column a cell: 1 where it moves.
        cells: of each need.
        insiders: cells with a single contributor.
        who: of each cell, who that is: nobody is protected from himself.
    """
    number = np.asarray(kept.sum(axis=1)).ravel()
    both = sparse.csr_array(kept @ touched[:, insiders]).tocoo()
    need, insider = both.coords
    told = (both.data == number[need]) & (who[cells[need]] != who[insiders[insider]])
    found = np.zeros(len(cells), dtype=bool)
    found[need[told]] = True
    return found


def _reached(proof: Proof, value: Integers) -> tuple[Floats, Floats]:
    """How large and how small each cell is at most in any of the tables."""
    moved = proof.moves.tocoo()
    top, bottom = value.astype(np.float64), value.astype(np.float64)
    cell = moved.coords[1]
    np.maximum.at(top, cell, value[cell] + moved.data)
    np.minimum.at(bottom, cell, value[cell] + moved.data)
    return top, bottom
