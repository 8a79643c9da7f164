"""Totals that nobody lists but that follow: all uses less those of mail, a month less its weeks.

Such a figure is published as much as one that stands in a table, and is held to the same rules. Who contributed to it
is not counted; the worst is assumed that the listed figures allow. Persons are at least what the relations leave of
those that are listed; the two largest contributions are at most those of whatever it is a part of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.rules import dominance_level, p_percent_level
from anonymization.disclosure.system import Booleans, Floats, Integers, Relations, System
from anonymization.tables.audit.system_of import Linked

STEPS = 4
"""How far above a figure something may stand whose largest contributions bound its own."""


@dataclass(frozen=True)
class Rests:
    """Unsafe figures that nobody lists.

    Attributes:
        cell: the cells.
        few: of which fewer than N persons may be the contributors.
        level: by how much more the others must be able to be, as a share of them is one person's or two persons'.
    """

    cell: Integers
    few: Booleans
    level: Integers


def unsafe_rests(
    linked: Linked,
    out: Booleans,
    largest: tuple[Floats, Floats],
    *,
    least: int,
    dominance: tuple[int, int] | None,
    percent: int | None,
) -> Rests:
    """Return the totals that follow from true figures, and not yet from what is out, and are not known to be safe.

    Args:
        linked: all figures, with true ones where they are known.
        out: cells that are published already.
        largest: the largest and the second largest contribution to each cell, infinite where they are not known.
        least: N.
        dominance: n and k, see `Rules`.
        percent: p, see `Rules`.
    """
    may = ~linked.listed & ~linked.persons
    if not may.any():
        return Rests(np.flatnonzero(may), may[:0], np.zeros(0, dtype=np.int64))
    true = propagated(_known(linked, ~np.isnan(linked.value)))
    told = propagated(_known(linked, out))
    follows = may & (true.low == true.high) & (true.low > 0) & (told.low < told.high)
    cell = np.flatnonzero(follows)
    total = true.low[cell].astype(np.int64)
    counted = linked.counted[cell]
    few = np.where(counted >= 0, true.low[counted], 1.0) < least
    first, second = (_of_wholes(linked.relations, bound)[cell] for bound in largest)
    known = np.isfinite(first)
    one = np.minimum(np.where(known, first, 0.0), total).astype(np.int64)
    two = np.minimum(np.where(known, second, 0.0), np.minimum(one, total - one)).astype(np.int64)
    level = np.zeros(len(cell), dtype=np.int64)
    if dominance is not None:
        level = np.maximum(level, dominance_level(total, one, two, persons=dominance[0], percent=dominance[1]))
    if percent is not None:
        level = np.maximum(level, p_percent_level(total, one, two, percent))
    unsafe = few | (level > 0)
    return Rests(cell[unsafe], few[unsafe], level[unsafe])


def _known(linked: Linked, known: Booleans) -> System:
    """What is known where some of the figures are."""
    low = np.where(known, linked.value, linked.low)
    return System(linked.relations, low, np.where(known, linked.value, linked.high))


def _of_wholes(relations: Relations, bound: Floats) -> Floats:
    """The least of the bounds of whatever a cell is a part of, and of its own."""
    matrix = relations.matrix.tocoo()
    row, column = matrix.coords
    wholes = np.bincount(row[matrix.data > 0], minlength=relations.rows)
    whole = np.full(relations.rows, -1, dtype=np.int64)
    whole[row[matrix.data > 0]] = column[matrix.data > 0]
    part = (matrix.data < 0) & (wholes[row] == 1) & (relations.low[row] == 0) & (relations.high[row] == 0)
    found = bound.copy()
    for _ in range(STEPS):
        np.minimum.at(found, column[part], found[whole[row[part]]])
    return found
