"""Two states of the logs: what the difference of two figures of the same cell gives away.

A corrected version minus its original exposes the persons between. Two published figures of one cell may
differ by nothing, or by as many persons as may be published; a figure may not be hidden in one and shown in
the other; and what is left of a difference, after the published parts are taken off, is held to the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anonymization.disclosure.system import Booleans, Floats
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked, link
from anonymization.tables.audit.two_states import solved


def told_by(issue: Issue, other: Issue) -> list[tuple[Booleans, Booleans]]:
    """Return, for each sheet of an issue, which of its rows another one has hidden, and which it shows."""
    linked = link([issue, other])
    hidden, shown = np.zeros(linked.cells, dtype=bool), np.zeros(linked.cells, dtype=bool)
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue != issue.name:
            hidden[places[np.isnan(sheet.value)]] = True
            shown[places[~np.isnan(sheet.value)]] = True
    own = zip(linked.sheets, linked.places, strict=True)
    return [(hidden[places], shown[places]) for sheet, places in own if sheet.issue == issue.name]


def differences(one: Sequence[Issue], other: Sequence[Issue], *, deadline: float | None = None) -> list[Finding]:
    """Return the cells whose two states give a few persons away; low and high are of the difference.

    Figure by figure first, and sum by sum; where that finds nothing, both states are solved as one system.

    Raises:
        GateRefusal: that did not come to an end.
    """
    linked = link([*one, *other])
    names = {issue.name for issue in one}
    first, second = _values(linked, names, inside=True), _values(linked, names, inside=False)
    in_both = _listed(linked, names, inside=True) & _listed(linked, names, inside=False)
    found = [*_changed(linked, first, second, in_both), *_rests(linked, second - first)]
    return found or solved(linked, names, deadline=deadline)


def changed_by_few(issue: Issue, other: Issue, few: Mapping[tuple[str, str], Booleans]) -> list[Finding]:
    """Return the contributions of an issue, and its noisy figures, that are others in another issue by too few persons.

    A noisy figure is the same for the same persons: where it changed, somebody came or went.

    Args:
        issue: of one state of the logs.
        other: of another.
        few: by table and measure of the issue the rows in which too few persons changed.
    """
    linked = link([issue, other])
    own, before = (_values(linked, {issue.name}, inside=inside) for inside in (True, False))
    own_span, span_before = (_spans(linked, {issue.name}, inside=inside) for inside in (True, False))
    differs = (own_span != span_before).any(axis=0) & ~np.isnan(own_span + span_before).any(axis=0)
    found: list[Finding] = []
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue != issue.name:
            continue
        by_few = few[sheet.table, sheet.measure.name]
        if sheet.low is not None:
            told = np.flatnonzero(differs[places] & by_few)
            why = "two versions of this noisy figure, which fewer persons than the minimum changed"
            found += [Finding(*linked.name(int(places[row])), 1, -1, (why,)) for row in told]
            continue
        if sheet.measure.how.persons:
            continue
        apart = np.abs(own[places] - before[places])
        for row in np.flatnonzero((apart > 0) & by_few):
            names = linked.name(int(places[row]))
            why = f"two versions of this figure, {int(apart[row])} apart by fewer persons than the minimum"
            found.append(Finding(*names, int(apart[row]), int(apart[row]), (why,)))
    return found


def _sheets(linked: Linked, names: set[str], *, inside: bool) -> list[int]:
    return [n for n, sheet in enumerate(linked.sheets) if (sheet.issue in names) is inside]


def _values(linked: Linked, names: set[str], *, inside: bool) -> Floats:
    value = np.full(linked.cells, np.nan)
    for number in _sheets(linked, names, inside=inside):
        shown = ~np.isnan(linked.sheets[number].value)
        value[linked.places[number][shown]] = linked.sheets[number].value[shown]
    return value


def _spans(linked: Linked, names: set[str], *, inside: bool) -> Floats:
    """What noisy figures say of each cell, at least and at most: two rows, NaN where there is none."""
    span = np.full((2, linked.cells), np.nan)
    for number in _sheets(linked, names, inside=inside):
        sheet = linked.sheets[number]
        if sheet.low is not None and sheet.high is not None:
            span[:, linked.places[number]] = [sheet.low, sheet.high]
    return span


def _listed(linked: Linked, names: set[str], *, inside: bool) -> Booleans:
    listed = np.zeros(linked.cells, dtype=bool)
    for number in _sheets(linked, names, inside=inside):
        listed[linked.places[number]] = True
    return listed


def _changed(linked: Linked, first: Floats, second: Floats, in_both: Booleans) -> list[Finding]:
    shown, hidden = ~np.isnan(first) & ~np.isnan(second), np.isnan(first) != np.isnan(second)
    apart = np.abs(np.where(shown, second - first, 0.0))
    few = shown & (apart >= 1) & (apart < linked.minimum)
    rows: list[Finding] = []
    for cell in np.flatnonzero(few | (hidden & in_both)):
        between = int(apart[cell])
        text = "two versions of this figure" if few[cell] else "shown in one version, hidden in the other"
        rows.append(Finding(*linked.name(int(cell)), between, between if few[cell] else -1, (text,)))
    return rows


def _rests(linked: Linked, difference: Floats) -> list[Finding]:
    """What is left of a sum's difference for the parts whose difference is not known."""
    relations = linked.relations
    matrix = relations.matrix
    known = ~np.isnan(difference)
    unknown = abs(matrix) @ (~known).astype(np.int64)
    left = matrix @ np.where(known, difference, 0.0)
    equation = (relations.low == 0) & (relations.high == 0)
    rows: list[Finding] = []
    for row in np.flatnonzero(equation & (unknown > 0)):
        cells = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        weights = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        whole = cells[weights > 0]
        if not len(whole):  # of a code of which the measure counts nobody: 0 in both
            continue
        parent = int(whole[0])
        between = int(abs(left[row]))
        if known[parent] and 1 <= between < linked.minimum[parent]:
            release, table, measure, text = linked.name(parent)
            why = ("two versions of this figure, less those of its published parts",)
            rows.append(Finding(release, table, measure, f"rest of {text}", between, between, why))
    return rows
