"""Neighbouring months of a stock: what two tables of nearly the same persons tell of who joined, left or moved.

A difference of two figures of one cell tells that somebody changed there. It may be told where nobody did, on balance,
or where N persons or more did: then nobody can tell who. Fewer changed nearly every small cell, so that of such a cell
one of the months hides the figure, and leaves it so uncertain that N may have come. The same is asked of whatever an
equation leaves of figures that both months show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy import sparse

from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.rules import dominated, p_percent
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System
from anonymization.tables.audit.knowledge import WIDTH, seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked, link, of_issues
from anonymization.tables.model import SafeTable, Table
from anonymization.tables.plan import TablePlan

Kind = TypeVar("Kind", Table, SafeTable, TablePlan)
PASSES = 16
"""Times that it is looked for cells that follow from others."""


@dataclass(frozen=True)
class Neighbour:
    """What is out of a neighbouring month, of one state of its logs.

    Attributes:
        source: the stock.
        issues: as if they were of the same days, without what they need.
        changed: of each class of what is looked at who contributes something else than there: table, measure, a column
            a dimension, `person`, `apart`. None where that is not known.
    """

    source: str
    issues: tuple[Issue, ...]
    changed: pd.DataFrame | None

    @property
    def names(self) -> str:
        """What it is called in messages."""
        return ", ".join(issue.name for issue in self.issues)


def counting(tables: Iterable[Kind], source: str) -> Iterator[Kind]:
    """Yield of tables what they count of a stock; none that is by days, which no two months share."""
    for table in tables:
        measures = tuple(measure for measure in table.measures if measure.source == source)
        if measures and not any(dimension.by_day for dimension in table.dimensions):
            yield replace(table, measures=measures)


def of_stock(issue: Issue, source: str) -> Issue:
    """Return what an issue tells of a stock."""
    return replace(issue, tables=tuple(counting(issue.tables, source)))  # type: ignore[arg-type,type-var]


@dataclass(frozen=True)
class Least:
    """How many persons a change is told of, at least: see `tables/methods/unsafe.py`."""

    persons: int
    dominance: tuple[int, int] | None
    p_percent: int | None


@dataclass(frozen=True)
class Told:
    """What two months tell of too few persons.

    Attributes:
        cells: cells that both tell, and that differ.
        rows: equations in which the figures that both tell differ from those of the other month, taken together.
        parts: of each of these equations the weights of the figures that both tell; `csr_array`, a column a cell.
        apart: by how much each figure differs that both tell.
    """

    cells: Integers
    rows: Integers
    parts: sparse.csr_array
    apart: Floats


class Beside:
    """A release and a neighbouring month as one system of cells."""

    def __init__(self, own: Sequence[Issue], neighbour: Neighbour, least: Least) -> None:
        """Link them.

        Args:
            own: the release that is looked at, and what else is out of its month, of one state.
            neighbour: the other month.
            least: what is told of too few.

        Raises:
            GateRefusal: figures of one month contradict each other.
        """
        self.linked = link([*own, *neighbour.issues])
        self.neighbour, self._least = neighbour, least
        self._own, self._names = own[0].name, [issue.name for issue in own]
        self._before = propagated(seen_by_readers(of_issues(self.linked, [i.name for i in neighbour.issues])))
        self._out = self._known(of_issues(self.linked, self._names[1:]))[0] & self._before.known
        self._mine = of_issues(self.linked, self._names)
        self._who, self._counted = self._changers()

    def told(self, hidden: Booleans) -> Told:
        """Return what both months tell of too few persons, but for what is out already, if some cells are hidden."""
        known, after = self._known(self._hiding(hidden))
        known &= self._before.known
        apart = np.where(known, after.low - np.where(known, self._before.low, 0), 0)
        relations = self.linked.relations
        fresh = known & ~self._out
        cells = np.flatnonzero(fresh & (apart != 0))
        cells = cells[self._few(sparse.eye_array(len(known), dtype=np.int64, format="csr")[cells], apart)]
        at = sparse.diags_array(known.astype(np.int64), dtype=np.int64)
        parts = sparse.csr_array(relations.matrix @ at)
        parts.eliminate_zeros()
        sums = (relations.low == 0) & (relations.high == 0)
        some = (abs(relations.matrix) @ (~known).astype(np.int64) > 0) & (abs(parts) @ fresh.astype(np.int64) > 0)
        rows = np.flatnonzero(sums & some & (parts @ apart != 0) & (np.diff(parts.indptr) > 1))
        rows = rows[self._few(parts[rows], apart)]
        return Told(cells, rows, sparse.csr_array(parts[rows]), apart)

    def mending(self, told: Told, number: int, cells: Integers) -> Booleans:
        """Return which of some cells of an equation leave nothing of too few in it when they are not told."""
        row = sparse.csr_array(told.parts[[number]])
        without = sparse.vstack([row] * len(cells), format="csr")
        at = (np.arange(len(cells)), cells)
        weight = np.asarray(row.toarray()).ravel()[cells]
        without = sparse.csr_array(without - sparse.csr_array((weight, at), shape=without.shape))
        without.eliminate_zeros()
        return np.asarray(~self._few(without, told.apart) | (without @ told.apart == 0))

    def needs(self) -> Needs:
        """Return what must stay possible of the release's figures that would tell of too few if they were shown.

        That is where the other month tells the figure: N persons more than there, and three numbers or more.
        """
        known, after = self._known(self._mine)
        both = known & self._before.known & self._listed() & ~self._out
        apart = np.where(both, after.low - np.where(both, self._before.low, 0), 0)
        at = np.flatnonzero(both & (apart != 0))
        at = at[self._few(sparse.eye_array(len(both), dtype=np.int64, format="csr")[at], apart)]
        reach = self._before.low[at] + self._least.persons
        return Needs(at, np.maximum(reach, after.low[at] + 1), np.full(len(at), float(WIDTH)))

    @cached_property
    def _by_cell(self) -> sparse.csc_array:
        return sparse.csc_array(self.linked.relations.matrix)

    def within(self, linked: Linked) -> Integers:
        """Return the cell of another system that each cell is which the release lists there too; -1 for others."""
        found = np.full(self.linked.cells, -1, dtype=np.int64)
        named = {(s.issue, s.table, s.measure.name): at for s, at in zip(linked.sheets, linked.places, strict=True)}
        for sheet, places in zip(self.linked.sheets, self.linked.places, strict=True):
            if sheet.issue == self._own:
                found[places] = named[sheet.issue, sheet.table, sheet.measure.name]
        return found

    def of_row(self, row: int) -> Integers:
        """Return the cells of an equation."""
        matrix = self.linked.relations.matrix
        return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]], dtype=np.int64)

    def near(self, cell: int) -> Integers:
        """Return a cell, and those of every equation that it stands in."""
        relations, column = self.linked.relations, self._by_cell
        rows = column.indices[column.indptr[cell] : column.indptr[cell + 1]]
        rows = rows[(relations.low[rows] == 0) & (relations.high[rows] == 0)]
        return np.unique(np.concatenate([np.array([cell]), *(self.of_row(int(row)) for row in rows)]))

    def _listed(self) -> Booleans:
        listed = np.zeros(self.linked.cells, dtype=bool)
        for sheet, places in zip(self.linked.sheets, self.linked.places, strict=True):
            if sheet.issue == self._own:
                listed[places] = True
        return listed

    def _hiding(self, hidden: Booleans) -> Linked:
        return replace(self._mine, value=np.where(hidden, np.nan, self._mine.value))

    def _known(self, linked: Linked) -> tuple[Booleans, System]:
        narrow = propagated(seen_by_readers(linked))
        return np.asarray(narrow.known), narrow

    def _few(self, combined: sparse.csr_array, apart: Floats) -> Booleans:
        """Of sums of cells that differ, which are of too few, or of whom is not known."""
        changed = sparse.csc_array(self._who @ combined.T)
        changed.eliminate_zeros()
        persons = np.diff(changed.indptr)
        unknown = abs(combined) @ (~self._counted).astype(np.int64) > 0
        told = np.asarray(changed.sum(axis=0)).ravel()
        few = unknown | (told != combined @ apart) | (persons < self._least.persons)
        sums = (abs(combined) @ (~self.linked.persons).astype(np.int64)) > 0
        for n in np.flatnonzero(sums & ~few):
            few[n] = self._of_one_or_two(np.abs(changed.data[changed.indptr[n] : changed.indptr[n + 1]]))
        return np.asarray(few)

    def _of_one_or_two(self, sizes: Integers) -> bool:
        """Whether one or two persons made nearly all of a total's change."""
        sizes = np.sort(sizes)[::-1]
        total, first, second = (np.array([part]) for part in (sizes.sum(), sizes[0], sizes[1] if len(sizes) > 1 else 0))
        found = False
        if self._least.dominance is not None:
            persons, percent = self._least.dominance
            found = bool(dominated(total, first, second, persons=persons, percent=percent)[0])
        if self._least.p_percent is not None:
            found |= bool(p_percent(total, first, second, self._least.p_percent)[0])
        return found

    def _changers(self) -> tuple[sparse.csr_array, Booleans]:
        """By how much each person changed each cell; and of which cells that is known."""
        cells, changed = self.linked.cells, self.neighbour.changed
        counted = np.zeros(cells, dtype=bool)
        if changed is None:
            return sparse.csr_array((1, cells), dtype=np.int64), counted
        person, _ = pd.factorize(changed["person"])
        rows, columns, sizes = [], [], []
        for sheet, places in zip(self.linked.sheets, self.linked.places, strict=True):
            if sheet.issue != self._own:
                continue
            mine = ((changed["table"] == sheet.table) & (changed["measure"] == sheet.measure.name)).to_numpy()
            keys = list(sheet.codes.columns)
            listed, wanted = (pd.MultiIndex.from_frame(f[keys].astype(object)) for f in (sheet.codes, changed[mine]))
            at = listed.get_indexer(wanted)
            here = places[at]
            kept = (at >= 0) & ~counted[here]
            rows.append(person[mine][kept])
            columns.append(here[kept])
            sizes.append(changed["apart"].to_numpy()[mine][kept])
            counted[places] = True
        content = (np.concatenate(sizes), (np.concatenate(rows), np.concatenate(columns)))
        who = sparse.csr_array(content, shape=(max(1, len(person)), cells), dtype=np.int64)
        return self._followed(who, counted)

    def _followed(self, who: sparse.csr_array, counted: Booleans) -> tuple[sparse.csr_array, Booleans]:
        """Who changed a sum, or the rest of one, follows from who changed the others."""
        relations = self.linked.relations
        sums = relations.take((relations.low == 0) & (relations.high == 0)).matrix
        for _ in range(PASSES):
            left = sparse.csr_array(sums @ sparse.diags_array((~counted).astype(np.int64), dtype=np.int64))
            left.eliminate_zeros()
            rows = np.flatnonzero(np.diff(left.indptr) == 1)
            if not len(rows):
                break
            cell, first = np.unique(left.indices[left.indptr[rows]], return_index=True)
            rows = rows[first]
            weight = left.data[left.indptr[rows]]
            known = sparse.csr_array(sums[rows] @ sparse.diags_array(counted.astype(np.int64), dtype=np.int64))
            follows = sparse.coo_array(who @ known.T @ sparse.diags_array(-weight, dtype=np.int64))
            row, at = follows.coords
            who = who + sparse.csr_array((follows.data, (row, cell[at])), shape=who.shape, dtype=np.int64)
            counted = counted.copy()
            counted[cell] = True
        return sparse.csr_array(who), counted
