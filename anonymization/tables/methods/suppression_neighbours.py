"""Suppression beside neighbouring months: what is hidden lest two months tell of the few who joined, left or moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anonymization.disclosure.attack.needs import one_each
from anonymization.disclosure.system import Booleans, Integers, Needs, Problem
from anonymization.errors import ProtectionError
from anonymization.tables.audit.neighbours import Beside, Least, Neighbour, of_stock
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked
from anonymization.tables.methods.unsafe import Rules


@dataclass(frozen=True)
class Months:
    """A release beside its neighbouring months.

    Attributes:
        besides: a neighbouring month each, with the cell of the release's system for each of its cells, or -1.
    """

    besides: tuple[tuple[Beside, Integers], ...]

    @classmethod
    def of(
        cls, linked: Linked, issue: Issue, others: Sequence[Issue], neighbours: Sequence[Neighbour], rules: Rules
    ) -> Months:
        """Link a release with each of its neighbouring months.

        Args:
            linked: the release's own system.
            issue: the release, with true figures or as it is published.
            others: what is out of its month, of one state.
            neighbours: of the stocks that it counts.
            rules: what makes a cell unsafe.
        """
        found = []
        least = Least(rules.minimum_count, rules.dominance, rules.p_percent)
        for neighbour in neighbours:
            own = [of_stock(one, neighbour.source) for one in (issue, *others)]
            if own[0].tables and any(one.tables for one in neighbour.issues):
                beside = Beside([one for one in own if one.tables], neighbour, least)
                found.append((beside, beside.within(linked)))
        return cls(tuple(found))

    def each(self, hidden: Booleans) -> Iterator[tuple[Beside, Integers, Booleans]]:
        """Yield each month, its cells in the release's system, and which of its cells are hidden, if some cells are."""
        for beside, at in self.besides:
            concealed = np.zeros(len(at), dtype=bool)
            concealed[at >= 0] = hidden[at[at >= 0]]
            yield beside, at, concealed

    def needs(self) -> Needs:
        """Return what must stay possible of figures that would tell of too few: all of them are hidden."""
        every = Needs(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
        for beside, at in self.besides:
            needs = beside.needs()
            every = every.and_of(Needs(at[needs.cell], needs.reach, needs.width))
        return one_each(every)

    def more(self, problem: Problem, hidden: Booleans) -> Integers:
        """Return what must be hidden beside, lest something follow from what both months show: the least cost each.

        Raises:
            ProtectionError: nothing that may be hidden helps.
        """
        found: set[int] = set()
        free = problem.open & ~hidden
        for beside, at, concealed in self.each(hidden):
            told = beside.told(concealed)
            for number, row in enumerate(told.rows):
                cells = beside.of_row(int(row))
                if len(own := cells[_free(at[cells], free)]):
                    better = own[beside.mending(told, number, own)]
                    own = at[better if len(better) else own]
                found |= _cheapest(own if len(own) else _near(beside, at, cells, free), problem, found)
            for cell in told.cells:
                found |= _cheapest(_near(beside, at, np.array([cell]), free), problem, found)
        return np.array(sorted(found), dtype=np.int64)

    def settled(self, problem: Problem) -> Problem:
        """Return a problem in which nothing follows from what both months show, as far as what is hidden stays so.

        Raises:
            ProtectionError: nothing that may be hidden helps.
        """
        while len(more := self.more(problem, problem.hidden)):
            problem = replace(problem, hidden=problem.hidden | np.isin(np.arange(len(problem.hidden)), more))
        return problem


def _cheapest(cells: Integers, problem: Problem, found: set[int]) -> set[int]:
    """The cell of the least cost, unless one of them was found before."""
    return {int(cells[np.argmin(problem.cost[cells])])} if found.isdisjoint(cells.tolist()) else set()


def _near(beside: Beside, at: Integers, cells: Integers, free: Booleans) -> Integers:
    """The cells that may be hidden and are nearest to some: what is hidden may follow from others that are not."""
    reached = 0
    while len(cells) > reached:
        if len(own := at[cells[_free(at[cells], free)]]):
            return own
        reached, cells = len(cells), np.unique(np.concatenate([beside.near(int(cell)) for cell in cells]))
    raise ProtectionError("what neighbouring months tell of few cannot be hidden", at[cells].tolist())


def _free(cells: Integers, free: Booleans) -> Booleans:
    """Which of some cells of a system may be hidden and are not."""
    return np.asarray((cells >= 0) & free[cells])
