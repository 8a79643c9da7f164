"""The audit: what a reader can derive from the published tables alone.

Every suppressed cell is an unknown between its known bounds. Relations between cells (margins, hierarchies,
persons and person-days) narrow the bounds until nothing moves. A finding is a suppressed number of persons
whose feasible maximum stays below the minimum publishable count, or that is pinned within less than 3.

This is interval propagation: it finds whatever one relation after another gives away (every subtraction),
not what only several relations solved together give. With upward closure nothing of that kind is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.errors import GateRefusal
from anonymization.policy.protection import Method
from anonymization.policy.releases import MeasureKind
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, SafeTable, cell_text

WIDTH = 3
"""The least width of a feasible interval that does not count as pinned down."""
ROUNDS = 200
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Finding:
    """A suppressed cell that the published figures give away.

    Attributes:
        low: feasible minimum of the number of persons.
        high: feasible maximum.
        derived_from: the relation that narrowed it last.
    """

    table: str
    measure: str
    cell: str
    low: int
    high: int
    derived_from: str


@dataclass(frozen=True)
class _Relations:
    """Relations over one dimension: a parent and its children, by row of the table.

    Attributes:
        whole: whether all children of each parent are listed; else a parent may be more than their sum.
    """

    name: str
    parent: Integers
    child: Integers
    group: Integers
    additive: bool
    whole: bool


def audit(tables: Sequence[SafeTable]) -> tuple[Finding, ...]:
    """Return what the tables give away, in order of table and cell.

    Raises:
        GateRefusal: the bounds still move after many rounds, or contradict each other; both close the gate.
    """
    return tuple(finding for table in exact(tables) for finding in _audit_table(table))


def exact(tables: Sequence[SafeTable]) -> list[SafeTable]:
    """Return the tables whose figures are exact: noisy ones do not add up, and no relation holds between them."""
    return [table for table in tables if table.method is Method.SUPPRESSION]


def relations(table: SafeTable, measure: Measure) -> list[_Relations]:
    """Return a measure's relations, one entry a dimension."""
    return [_over(table, measure, dimension) for dimension in table.dimensions]


def _over(table: SafeTable, measure: Measure, dimension: Dimension) -> _Relations:
    keys = table.keys
    codes = table.frame[keys].astype(object)
    below = (codes[dimension.name] != TOTAL).to_numpy()
    up = codes[below].copy()
    up[dimension.name] = up[dimension.name].map(dimension.parents)
    rows = pd.MultiIndex.from_frame(codes)
    parent = rows.get_indexer(pd.MultiIndex.from_frame(up))
    child = np.flatnonzero(below)
    there = parent >= 0
    parents, group = np.unique(parent[there], return_inverse=True)
    return _Relations(
        dimension.name, parents, child[there], group, measure.additive_over(dimension), not dimension.open
    )


def _withheld_remainders(table: SafeTable) -> Iterator[Finding]:
    """Where hidden cells are not listed: margins that exceed their listed children by a few persons."""
    for measure in table.measures:
        if measure.kind is not MeasureKind.PERSONS:
            continue
        value = table.frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        for relation in relations(table, measure):
            if not relation.additive or len(relation.parent) == 0:
                continue
            total = np.bincount(relation.group, weights=value[relation.child], minlength=len(relation.parent))
            rest = value[relation.parent] - total
            for at in np.flatnonzero((rest >= 1) & (rest < table.minimum_count)):
                cell = cell_text(table.keys, list(table.frame[table.keys].iloc[relation.parent[at]]))
                left = int(rest[at])
                yield Finding(table.name, measure.name, f"rest of {cell}", left, left, f"margins over {relation.name}")


def _audit_table(table: SafeTable) -> Iterator[Finding]:
    if table.withheld:  # only published figures are listed: there is no unknown to bound, but margins have rests
        yield from _withheld_remainders(table)
        return
    for persons, low, high, source, rows in _exposed(table):
        for row in rows:
            codes = list(table.frame[table.keys].iloc[row])
            yield Finding(
                table.name, persons.name, cell_text(table.keys, codes), int(low[row]), int(high[row]),
                source[row] or "the figure's own bounds",
            )  # fmt: skip


def exposed(table: SafeTable) -> list[tuple[Measure, Integers]]:
    """Return, of each population of a table, its measure of persons and the rows in which it is exposed."""
    return [] if table.withheld else [(persons, rows) for persons, _, _, _, rows in _exposed(table) if len(rows)]


def _exposed(table: SafeTable) -> Iterator[tuple[Measure, Floats, Floats, list[str], Integers]]:
    """Of each population: its persons, their bounds, what narrowed them last, and the exposed rows."""
    for population in sorted({measure.population for measure in table.measures}):
        measures = [measure for measure in table.measures if measure.population == population]
        lows, highs, source = _bounds(table, measures)
        persons = next(m for m in measures if m.kind is MeasureKind.PERSONS)
        low, high = lows[measures.index(persons)], highs[measures.index(persons)]
        hidden = (table.frame[f"{persons.name}_status"] != FREE).to_numpy()
        least = table.minimum_count
        rows = np.flatnonzero(hidden & ((high < least) | ((high - low < WIDTH) & (low < least))))
        yield persons, low, high, source, rows


def _bounds(table: SafeTable, measures: list[Measure]) -> tuple[Floats, Floats, list[str]]:
    """Feasible bounds of every cell, a row a measure; and what narrowed each cell's persons last."""
    values = [table.frame[m.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan) for m in measures]
    # Zeros are published, so somebody is in every hidden cell.
    low = np.array([np.where(np.isnan(v), 1.0, v) for v in values])
    high = np.array([np.where(np.isnan(v), np.inf, v) for v in values])
    linked = [relations(table, measure) for measure in measures]
    source = [""] * len(table.frame)
    at = next(i for i, m in enumerate(measures) if m.kind is MeasureKind.PERSONS)
    days = table.frame["days"].to_numpy(dtype=float) if table.days else None
    for _ in range(ROUNDS):
        before = (low.copy(), high.copy())
        for row in range(len(measures)):
            for relation in linked[row]:
                was = high[row].copy()
                _narrow(relation, low[row], high[row])
                if row == at:
                    for cell in np.flatnonzero(high[row] < was):
                        source[cell] = f"margins over {relation.name}"
        _between_measures(measures, at, days, low, high)
        if np.any(low > high + 0.5):
            raise GateRefusal(f"table {table.name!r}: its margins contradict each other")
        if np.array_equal(before[0], low) and np.array_equal(before[1], high):
            return low, high, source
    raise GateRefusal(f"table {table.name!r}: the audit did not come to an end in {ROUNDS} rounds")


def _narrow(relation: _Relations, low: Floats, high: Floats) -> None:
    """Narrow parents by their children and children by their parents, in place."""
    number = len(relation.parent)
    if number == 0:
        return
    child, group, parent = relation.child, relation.group, relation.parent
    summed = low[child]
    lows = np.bincount(group, weights=summed, minlength=number)
    infinite = np.isinf(high[child])
    open_ends = np.bincount(group, weights=infinite, minlength=number)
    highs = np.bincount(group, weights=np.where(infinite, 0.0, high[child]), minlength=number)
    total_high = np.where((open_ends > 0) | (not relation.whole), np.inf, highs)
    least = lows.astype(np.float64) if relation.additive else np.zeros(number)
    if not relation.additive:
        np.maximum.at(least, group, low[child])
    low[parent] = np.maximum(low[parent], least)
    high[parent] = np.minimum(high[parent], total_high)
    others_high = np.where(open_ends[group] - infinite > 0, np.inf, highs[group] - np.where(infinite, 0.0, high[child]))
    if relation.whole:
        low[child] = np.maximum(low[child], low[parent][group] - others_high)
    others_low = lows[group] - summed if relation.additive else 0.0
    high[child] = np.minimum(high[child], high[parent][group] - others_low)


def _between_measures(measures: list[Measure], at: int, days: Floats | None, low: Floats, high: Floats) -> None:
    """Persons <= contributions; person-days <= persons x days."""
    for row, measure in enumerate(measures):
        if row == at:
            continue
        if measure.column is None:  # events and person-days: each person has one at least
            high[at] = np.minimum(high[at], high[row])
            low[row] = np.maximum(low[row], low[at])
        if measure.kind is MeasureKind.PERSON_DAYS and days is not None:
            low[at] = np.maximum(low[at], np.ceil(low[row] / days))
            high[row] = np.minimum(high[row], high[at] * days)


def margins(tables: Sequence[SafeTable]) -> pd.DataFrame:
    """Return whether published margins fit their published children, one row a relation that can be checked.

    Columns: table, measure, relation, kind (`additive` or `event`), consistent. A relation is checked where
    its parent and all its children are published.
    """
    rows = []
    for table in exact(tables):
        for measure in table.measures:
            value = table.frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
            for relation in relations(table, measure):
                number = len(relation.parent)
                total = np.bincount(relation.group, weights=value[relation.child], minlength=number)
                largest = np.zeros(number)
                np.fmax.at(largest, relation.group, value[relation.child])
                parent = value[relation.parent]
                whole = ~np.isnan(total) & ~np.isnan(parent)
                unlisted = table.withheld or not relation.whole
                if relation.additive:
                    fits = total <= parent if unlisted else parent == total
                else:
                    fits = (largest <= parent) & (unlisted | (parent <= total))
                kind = "additive" if relation.additive else "event"
                rows += [
                    (table.name, measure.name, f"{relation.name}:{relation.parent[i]}", kind, bool(fits[i]))
                    for i in np.flatnonzero(whole)
                ]
    return pd.DataFrame(rows, columns=["table", "measure", "relation", "kind", "consistent"])


def differences(earlier: Sequence[SafeTable], later: Sequence[SafeTable]) -> pd.DataFrame:
    """Return the cells whose two versions give a few persons away.

    Two versions may differ, in each published figure, by nothing or by at least the minimum publishable
    count; a figure published in one and hidden in the other counts as given away, and so does a table,
    measure or cell of only one version. Columns: table, measure, cell.
    """
    known = {table.name: table for table in earlier}
    found = []
    for table in later:
        old = known.get(table.name)
        if old is None or old.keys != table.keys or table.method is Method.DIFFERENTIAL_PRIVACY:
            continue  # what two draws of noise tell together is what the budget counts
        both = old.frame.merge(table.frame, on=table.keys, how="outer", suffixes=("_old", "_new"))
        for measure in {m.name for m in table.measures} & {m.name for m in old.measures}:
            status = both[[f"{measure}_status_old", f"{measure}_status_new"]].fillna(FREE)
            changed = status.iloc[:, 0] != status.iloc[:, 1]
            values = both[[f"{measure}_old", f"{measure}_new"]].fillna(0).astype("int64")
            apart = (values.iloc[:, 0] - values.iloc[:, 1]).abs()
            given = changed | apart.between(1, table.minimum_count - 1)
            found += [
                (table.name, measure, cell_text(table.keys, row)) for row in both.loc[given, table.keys].to_numpy()
            ]
    return pd.DataFrame(sorted(found), columns=["table", "measure", "cell"])
