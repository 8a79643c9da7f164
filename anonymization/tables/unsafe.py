"""Primary suppression: which cells are unsafe by themselves, and what must stay possible for each.

The rules and the protection levels are those of Hundepool et al., *Statistical Disclosure Control* (2012),
chapter 4; `disclosure/primary.py` holds their arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonymization.disclosure.primary import dominance_level, dominated, p_percent, p_percent_level
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs
from anonymization.policy.releases import MeasureKind
from anonymization.tables.linked import Linked
from anonymization.tables.model import Table
from anonymization.tables.readers import WIDTH


@dataclass(frozen=True)
class Rules:
    """What makes a cell unsafe.

    Attributes:
        minimum_count: N; 1 to N - 1 persons are unsafe, and so are the contributions of so few.
        dominance: n and k: a total is unsafe whose n largest contributors hold more than k percent of it.
        p_percent: p: a total is unsafe whose second contributor can tell the first within p percent of it. Also
            the share by which the total of too few persons must stay uncertain.
    """

    minimum_count: int
    dominance: tuple[int, int] | None = (2, 85)
    p_percent: int | None = 10


@dataclass(frozen=True)
class Unsafe:
    """The unsafe cells of a linked system.

    Attributes:
        needs: of the unsafe cells.
        watch: what applies to every other cell, if it is hidden.
        insiders: unsafe cells with a single contributor.
    """

    needs: Needs
    watch: Needs
    insiders: Integers

    @property
    def cells(self) -> Integers:
        """The unsafe cells."""
        return self.needs.cell


def unsafe_cells(linked: Linked, tables: Sequence[Table], rules: Rules, value: Integers) -> Unsafe:
    """Return the unsafe cells among those that the first sheets, of these true tables, list.

    Args:
        linked: all figures; its first sheets are those of `tables`, in order.
        tables: the true tables.
        rules: what makes a cell unsafe.
        value: true values of all cells.
    """
    own = np.zeros(linked.cells, dtype=bool)
    reach = np.zeros(linked.cells, dtype=np.float64)
    unsafe = np.zeros(linked.cells, dtype=bool)
    alone = np.zeros(linked.cells, dtype=bool)
    number = 0
    for table in tables:
        for measure in table.measures:
            at = linked.places[number]
            number += 1
            own[at] = True
            if measure.name in table.contributors:
                number_of = table.contributors[measure.name]
                hit = (number_of >= 1) & (number_of < rules.minimum_count)
                unsafe[at] |= hit
                reach[at] = np.where(hit, _above(value[at], rules), 0)
                alone[at] |= number_of == 1
            if measure.kind is MeasureKind.TOTAL and measure.name in table.largest:
                hit, level = _by_contributions(table, measure.name, rules)
                unsafe[at] |= hit
                reach[at] = np.maximum(reach[at], np.where(hit, value[at] + level, 0))
    counted = linked.counted
    few = own & (counted >= 0) & (value[counted] >= 1) & (value[counted] < rules.minimum_count)
    unsafe |= few
    reach = np.maximum(reach, np.where(few, _reach(linked, rules, value), 0))
    cells = np.flatnonzero(unsafe)
    needs = Needs(cells, reach[cells], np.where(few[cells], float(WIDTH), 1.0))
    others = np.flatnonzero(own & ~unsafe & (value > 0))
    watched = np.where(linked.persons[others], rules.minimum_count, 0).astype(np.float64)
    alone = unsafe & (alone | (own & (counted >= 0) & (value[counted] == 1)))
    return Unsafe(needs, Needs(others, watched, np.full(len(others), float(WIDTH))), np.flatnonzero(alone))


def _reach(linked: Linked, rules: Rules, value: Integers) -> Floats:
    """N for persons; for their contributions, N and more than they are by p percent."""
    contributions = np.maximum(_above(value, rules), rules.minimum_count)
    return np.where(linked.persons, rules.minimum_count, contributions).astype(np.float64)


def _above(value: Integers, rules: Rules) -> Integers:
    """A total and p percent more, one more at least."""
    return value + np.maximum(1, -(-value * (rules.p_percent or 0) // 100))


def _by_contributions(table: Table, measure: str, rules: Rules) -> tuple[Booleans, Integers]:
    """Which totals are unsafe by their largest contributions, and by how much their maximum must exceed them."""
    total = table.frame[measure].to_numpy(dtype=np.int64)
    first, second = (table.largest[measure][name].to_numpy(dtype=np.int64) for name in ("first", "second"))
    hit = np.zeros(len(total), dtype=bool)
    level = np.zeros(len(total), dtype=np.int64)
    if rules.dominance is not None:
        persons, percent = rules.dominance
        found = dominated(total, first, second, persons=persons, percent=percent)
        level = np.where(found, dominance_level(total, first, second, persons=persons, percent=percent), level)
        hit |= found
    if rules.p_percent is not None:
        found = p_percent(total, first, second, rules.p_percent)
        needed = p_percent_level(total, first, second, rules.p_percent)
        level = np.where(found, np.maximum(level, needed), level)
        hit |= found
    return hit, np.maximum(level, hit)
