"""Spans: what is hidden beside noisy figures stays uncertain, before a reader who knows how far the noise reaches.

A figure with noise is a span around the true one, and spans add up as figures do. That a class is hidden says that 1 to
N - 1 persons are in it, and in a hidden sum of as few, or under a sum of a span, that may leave only 1 to 3. Where it
does, empty classes beside it are hidden as well, so that a hidden one may be empty; where that is not enough, the sum.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from anonymization.disclosure.attack.attack import Exposure, attack
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System
from anonymization.errors import ProtectionError
from anonymization.tables.audit.audit import SECONDS, finding_of
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import WIDTH, figures_of, seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked, with_truth
from anonymization.tables.model import CONFIDENTIAL, SafeTable, Table


@dataclass(frozen=True)
class _Spans:
    """A system of spans, as somebody has it who knows of every hidden figure whether it is of few persons.

    Attributes:
        shown: the cells whose figure is shown.
        table: of each cell the position of its first table.
    """

    linked: Linked
    seen: System
    needs: Needs
    value: Integers
    shown: Booleans
    table: Integers


def pinned(issue: Issue, true: Sequence[Table], *, seconds: float = SECONDS) -> tuple[Finding, ...]:
    """Return the hidden numbers of few persons that are pinned within less than three.

    Args:
        issue: as it is published, with its noise.
        true: its tables with true figures, row by row.
        seconds: how long it may take.

    Raises:
        GateRefusal: figures contradict each other, other cells are listed than counted, or the time is over.
    """
    spans = _spans(issue, true)
    found = attack(spans.seen, spans.needs, point=spans.value, deadline=time.monotonic() + seconds)
    return tuple(finding_of(spans.linked, exposure) for exposure in found)


def unpinned(issue: Issue, true: Sequence[Table], *, seconds: float = SECONDS) -> tuple[SafeTable, ...]:
    """Return the tables of an issue with as many more figures hidden as it takes for `pinned` to find nothing.

    Args:
        issue: as it would be published, with its noise.
        true: its tables with true figures, row by row.
        seconds: how long it may take.

    Raises:
        ProtectionError: what must be hidden is pinned by that alone.
        GateRefusal: the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        spans = _spans(issue, true)
        found = attack(spans.seen, spans.needs, point=spans.value, deadline=deadline)
        if not found:
            return tuple(table for table in issue.tables if isinstance(table, SafeTable))
        issue = _hiding(issue, spans, found)


def _spans(issue: Issue, true: Sequence[Table]) -> _Spans:
    linked, truth = with_truth(issue, true)
    shown, table = np.zeros(linked.cells, dtype=bool), np.full(linked.cells, -1, dtype=np.int64)
    names = [table.name for table in issue.tables]
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        shown[places[sheet.shown]] = True
        table[places] = names.index(sheet.table)
    value = figures_of(truth)
    seen = seen_by_readers(linked)
    hidden = linked.listed & ~shown
    few = hidden & (value < issue.minimum_count)
    low, high = seen.low.copy(), seen.high.copy()
    high[few] = issue.minimum_count - 1
    low[hidden & ~few] = issue.minimum_count
    cells = np.flatnonzero(few & (value > 0))
    width = np.full(len(cells), float(min(WIDTH, issue.minimum_count - 2)))
    return _Spans(linked, System(seen.relations, low, high), Needs(cells, 0 * width, width), value, shown, table)


def _hiding(issue: Issue, spans: _Spans, found: Sequence[Exposure]) -> Issue:
    """The issue with more hidden: empty classes beside what is pinned, then sums that pin it."""
    named = {int(spans.table[exposure.cell]) for exposure in found}
    full = {number for number in named if _table(issue, number).zeros_shown}
    hidden = np.zeros(spans.linked.cells, dtype=bool)
    columns = sparse.csc_array(spans.seen.relations.matrix)
    beside = {exposure.cell: _beside(spans, columns, exposure) for exposure in found}
    if full:
        here = [cells for cell, (cells, _) in beside.items() if int(spans.table[cell]) in full]
        hidden[np.concatenate(here)] = True
        hidden &= spans.shown & (spans.value == 0)
    else:
        hidden[_sums(spans, beside)] = True
    tables, places = [], iter(spans.linked.places)
    for number in range(len(issue.tables)):
        table = _table(issue, number)
        frame = table.frame.copy()
        for measure in table.measures:
            at = pd.Series(hidden[next(places)], index=frame.index)
            frame[measure.name] = frame[measure.name].mask(at)
            frame.loc[at, f"{measure.name}_status"] = CONFIDENTIAL
        tables.append(replace(table, frame=frame, zeros_shown=table.zeros_shown and number not in full))
    return replace(issue, tables=tuple(tables))


def _table(issue: Issue, number: int) -> SafeTable:
    table = issue.tables[number]
    if not isinstance(table, SafeTable):
        raise TypeError("spans are of protected tables")
    return table


def _beside(spans: _Spans, columns: sparse.csc_array, exposure: Exposure) -> tuple[Integers, Floats]:
    """The cells of the relations that an exposed cell is in, and of those that pin it; and their weights."""
    own = columns[:, [exposure.cell]].tocoo().coords[0]
    part = spans.seen.relations.matrix[np.union1d(exposure.rows, own)].tocoo()
    return part.coords[1], part.data


def _sums(spans: _Spans, beside: Mapping[int, tuple[Integers, Floats]]) -> Integers:
    """Of each exposed cell, the sum of fewest persons that is shown and pins it; where there is none, such a part."""
    chosen = np.zeros(spans.linked.cells, dtype=bool)
    for cell, weight in beside.values():
        usable = spans.shown[cell] & (spans.value[cell] > 0)
        sums = cell[usable & (weight > 0)]
        cells = np.unique(sums if len(sums) else cell[usable])
        if len(cells) and not chosen[cells].any():
            chosen[cells[np.lexsort((cells, spans.value[cells]))[0]]] = True
    if not chosen.any():
        first = next(iter(beside))
        name = "{}, {}.{}, {}".format(*spans.linked.name(first))
        raise ProtectionError(f"1 cell cannot be protected: what is hidden pins it by itself; {name}", [first])
    return np.flatnonzero(chosen)
