"""Spans: what is hidden beside noisy figures stays uncertain, before a reader who knows how far the noise reaches.

A figure with noise is a span around the true one, and spans add up as figures do. That a class is hidden says that 1 to
N - 1 persons are in it, and in a hidden sum of as few, or under a sum of a span, that may leave only 1 to 3. Where it
does, empty classes beside it are hidden as well, so that a hidden one may be empty; where that is not enough, the sum.

Totals are spans too, as wide as the noise of their largest contribution. What all of them together tell of a total is
asked in `cell_key_averages.py`; where it is too much, that total is hidden, or what tells of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from scipy import sparse

from anonymization.disclosure.attack.attack import Exposure, attack
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System
from anonymization.errors import ProtectionError
from anonymization.policy.protection import LEAST_PERCENT, CellKey
from anonymization.tables.audit.audit import SECONDS, finding_of
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import WIDTH, figures_of, seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked, with_truth
from anonymization.tables.methods.cell_key_averages import Contributions, findings, told_by_averages
from anonymization.tables.methods.cell_key_magnitudes import Magnitudes
from anonymization.tables.model import CONFIDENTIAL, SafeTable, Table, figures


@dataclass(frozen=True)
class _Spans:
    """A system of spans, as somebody has it who knows of every hidden figure whether it is of few persons.

    Attributes:
        shown: the cells whose figure is shown.
        table: of each cell the position of its first table.
        of: true figures, and who contributes to totals.
        noise: that of totals.
    """

    linked: Linked
    seen: System
    needs: Needs
    value: Integers
    shown: Booleans
    table: Integers
    of: Contributions
    noise: Magnitudes


def pinned(issue: Issue, true: Sequence[Table], *, seconds: float = SECONDS) -> tuple[Finding, ...]:
    """Return the hidden numbers of few persons that are pinned within less than three, and totals told too well.

    Args:
        issue: as it is published, with its noise.
        true: its tables with true figures, row by row.
        seconds: how long it may take.

    Raises:
        GateRefusal: figures contradict each other, other cells are listed than counted, or the time is over.
    """
    spans = _spans(issue, true)
    found = attack(spans.seen, spans.needs, point=spans.value, deadline=time.monotonic() + seconds)
    told = told_by_averages(spans.linked, spans.of, spans.shown, spans.noise)
    return tuple(finding_of(spans.linked, exposure) for exposure in found) + findings(spans.linked, spans.of, *told)


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
        told, _ = told_by_averages(spans.linked, spans.of, spans.shown, spans.noise)
        if len(told):
            issue = _without(issue, spans, _telling(spans, told))
            continue
        found = attack(spans.seen, spans.needs, point=spans.value, deadline=deadline)
        if not found:
            return tuple(_tables(issue))
        of_persons = [exposure for exposure in found if spans.linked.persons[exposure.cell]]
        if of_persons:
            issue = _hiding(issue, spans, of_persons)
        else:
            issue = _without(issue, spans, _telling(spans, np.array([exposure.cell for exposure in found])))


def _spans(issue: Issue, true: Sequence[Table]) -> _Spans:
    linked, truth = with_truth(issue, true)
    shown, table = np.zeros(linked.cells, dtype=bool), np.full(linked.cells, -1, dtype=np.int64)
    names = [table.name for table in issue.tables]
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        shown[places[sheet.shown]] = True
        table[places] = names.index(sheet.table)
    value = figures_of(truth)
    noise, of = Magnitudes.of(cast("CellKey", issue.noise)), contributions_of(truth, true, issue.minimum_count, value)
    seen = _as_far_as_noise_reaches(issue, linked, of, noise)
    hidden = linked.listed & ~shown & linked.persons
    few = hidden & (value < issue.minimum_count)
    low, high = seen.low.copy(), seen.high.copy()
    high[few] = issue.minimum_count - 1
    low[hidden & ~few] = issue.minimum_count
    cells = np.flatnonzero(few & (value > 0))
    width = np.full(len(cells), float(min(WIDTH, issue.minimum_count - 2)))
    totals = np.flatnonzero(
        of.unsafe
    )  # such a one may be known to p percent of its largest contribution, and no nearer
    needs = Needs(
        np.concatenate([cells, totals]),
        np.zeros(len(cells) + len(totals)),
        np.concatenate([width, np.floor(of.first[totals] * LEAST_PERCENT / 100)]),
    )
    return _Spans(linked, System(seen.relations, low, high), needs, value, shown, table, of, noise)


def contributions_of(truth: Linked, true: Sequence[Table], minimum_count: int, value: Integers) -> Contributions:
    """Return who contributes to the totals of a system.

    Args:
        truth: the system, whose first sheets are of the true tables.
        true: these.
        minimum_count: N.
        value: true figures of all cells.
    """
    first, second = np.zeros(truth.cells, dtype=np.int64), np.zeros(truth.cells, dtype=np.int64)
    few = np.zeros(truth.cells, dtype=bool)
    named = {table.name: table for table in true}
    for sheet, places in zip(truth.sheets, truth.places, strict=True):
        table, measure = named[sheet.table], sheet.measure
        if not measure.how.persons:
            first[places], second[places] = table.largest[measure.name].to_numpy(dtype=np.int64).T
            persons = next(m for m in table.measures if m.population == measure.population and m.how.persons)
            few[places] = table.few(persons, minimum_count)
    return Contributions(np.where(truth.persons, 0, value), first, second, few)


def _as_far_as_noise_reaches(issue: Issue, linked: Linked, of: Contributions, noise: Magnitudes) -> System:
    """What a reader has who knows of each total how far its own noise reaches, not just how far any may."""
    seen = seen_by_readers(linked)
    low, high = seen.low.copy(), seen.high.copy()
    tables = {table.name: table for table in issue.tables}
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if not sheet.measure.how.persons:
            figure = figures(tables[sheet.table], sheet.measure)
            rows = np.flatnonzero(sheet.shown & (of.first[places] > 0))
            cells, figure = places[rows], figure[rows]
            reach = noise.reaches(of.total[cells], of.first[cells])
            low[cells], high[cells] = np.maximum(low[cells], figure - reach), np.minimum(high[cells], figure + reach)
    return System(seen.relations, low, high)


def _hiding(issue: Issue, spans: _Spans, found: Sequence[Exposure]) -> Issue:
    """The issue with more hidden: empty classes beside what is pinned, then sums that pin it."""
    named = {int(spans.table[exposure.cell]) for exposure in found}
    full = {number for number in named if issue.tables[number].zeros_shown}  # type: ignore[union-attr]
    hidden, persons = np.zeros(spans.linked.cells, dtype=bool), spans.linked.persons
    columns = sparse.csc_array(spans.seen.relations.matrix)
    beside = {exposure.cell: _beside(spans, columns, exposure) for exposure in found}
    if full:
        here = [cells for cell, (cells, _) in beside.items() if int(spans.table[cell]) in full]
        hidden[np.concatenate(here)] = True
        hidden &= spans.shown & (spans.value == 0) & persons
        counted = spans.linked.counted  # with the persons of an empty class, what they would do
        hidden |= ~persons & (counted >= 0) & hidden[counted]
    else:
        hidden[_sums(spans, beside)] = True
    tables = [replace(t, zeros_shown=t.zeros_shown and n not in full) for n, t in enumerate(_tables(issue))]
    return _without(replace(issue, tables=tuple(tables)), spans, hidden)


def _without(issue: Issue, spans: _Spans, hidden: Booleans) -> Issue:
    """The issue with some more cells hidden."""
    tables, places = [], iter(spans.linked.places)
    for table in _tables(issue):
        frame = table.frame.copy()
        for measure in table.measures:
            at = pd.Series(hidden[next(places)], index=frame.index)
            frame[measure.name] = frame[measure.name].mask(at)
            frame.loc[at, f"{measure.name}_status"] = CONFIDENTIAL
        tables.append(replace(table, frame=frame))
    return replace(issue, tables=tuple(tables))


def _telling(spans: _Spans, told: Integers) -> Booleans:
    """What is hidden so that totals are told less well: they; of one that is hidden, the least sum over it."""
    hidden = np.zeros(spans.linked.cells, dtype=bool)
    columns = sparse.csc_array(spans.seen.relations.matrix)
    for cell in told.tolist():
        if spans.shown[cell]:
            hidden[cell] = True
            continue
        own = columns[:, [cell]].tocoo().coords[0]
        part = spans.seen.relations.matrix[own].tocoo()
        beside = np.unique(part.coords[1])
        beside = beside[spans.shown[beside] & ~spans.linked.persons[beside] & (spans.value[beside] > 0)]
        sums = beside[spans.value[beside] >= spans.value[cell]]
        usable = sums if len(sums) else beside
        if len(usable) and not hidden[usable].any():
            hidden[usable[np.lexsort((usable, spans.value[usable]))[0]]] = True
    if not hidden.any():
        name = "{}, {}.{}, {}".format(*spans.linked.name(int(told[0])))
        raise ProtectionError(f"1 total cannot be protected: what it is made of tells it; {name}", told[:1].tolist())
    return hidden


def _tables(issue: Issue) -> list[SafeTable]:
    return [table for table in issue.tables if isinstance(table, SafeTable)]


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
