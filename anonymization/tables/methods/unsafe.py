"""Primary suppression: which cells are unsafe by themselves, and what must stay possible for each.

The rules and the protection levels are those of Hundepool et al., *Statistical Disclosure Control* (2012),
chapter 4; `disclosure/rules.py` holds their arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.rules import (
    dominance_level,
    dominated,
    p_percent,
    p_percent_level,
    threshold,
)
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System
from anonymization.tables.audit.knowledge import WIDTH
from anonymization.tables.audit.standing_needs import standing_alone
from anonymization.tables.audit.system_of import Linked
from anonymization.tables.methods.unsafe_groups import Disclosing, disclosing_groups, may_tell_of_groups
from anonymization.tables.methods.unsafe_rests import unsafe_rests
from anonymization.tables.model import Measure, Table


@dataclass(frozen=True)
class Rules:
    """What makes a cell unsafe.

    Attributes:
        minimum_count: N; 1 to N - 1 persons are unsafe, and so are the contributions of so few.
        dominance: n and k: a total is unsafe whose n largest contributors hold more than k percent of it.
        p_percent: p: a total is unsafe whose second contributor can tell the first within p percent of it. Also
            the share by which the total of too few persons must stay uncertain.
        sensitive: dimensions of which nobody may learn that all persons of a group share one class (group
            disclosure): then zeros may be hidden as well, or they would tell.
        groups: whether the same holds for every dimension of persons, of groups of N or more.
    """

    minimum_count: int
    dominance: tuple[int, int] | None = (2, 85)
    p_percent: int | None = 10
    sensitive: frozenset[str] = frozenset()
    groups: bool = False


@dataclass(frozen=True)
class Unsafe:
    """The unsafe cells of a linked system.

    Attributes:
        needs: of the unsafe cells.
        watch: what applies to every other cell, if it is hidden.
        insiders: unsafe cells with a single contributor, and such cells of what is out.
        contributor: of each cell with a single contributor who it is, as a number; -1 for others.
    """

    needs: Needs
    watch: Needs
    insiders: Integers
    contributor: Integers

    @property
    def cells(self) -> Integers:
        """The unsafe cells."""
        return self.needs.cell


@dataclass
class _Marks:
    """What has been found of each cell so far."""

    unsafe: Booleans
    reach: Floats
    width: Floats
    floor: Floats
    alone: Booleans

    def add(self, at: Integers, hit: Booleans, reach: Integers, width: float) -> None:
        """Mark some cells as unsafe, with what they need."""
        np.logical_or.at(self.unsafe, at, hit)
        np.maximum.at(self.reach, at, np.where(hit, reach, 0))
        np.maximum.at(self.width, at, np.where(hit, width, 0))


def unsafe_cells(linked: Linked, tables: Sequence[Table], rules: Rules, value: Integers) -> Unsafe:
    """Return the unsafe cells among those that the first sheets, of these true tables, list.

    Args:
        linked: all figures; its first sheets are those of `tables`, in order.
        tables: the true tables.
        rules: what makes a cell unsafe.
        value: true values of all cells.
    """
    nothing = np.zeros(linked.cells)
    marks = _Marks(nothing > 0, nothing.copy(), nothing.copy(), nothing + np.inf, nothing > 0)
    own = nothing > 0
    persons = value.copy()
    measures = [(table, measure) for table in tables for measure in table.measures]
    for (table, measure), at in zip(measures, linked.places, strict=False):
        own[at] = True
        if measure.name in table.for_threshold:
            persons[at] = table.for_threshold[measure.name]
        people = np.where(linked.counted[at] >= 0, value[linked.counted[at]], 1)
        _mark(marks, table, measure, at, value[at], people, rules)
    counted = linked.counted
    few = own & (counted >= 0) & (value[counted] > 0) & (persons[counted] < rules.minimum_count)
    everywhere = np.arange(linked.cells)
    marks.add(everywhere, few, _reach(linked, rules, value), float(WIDTH))
    _mark_rests(marks, linked, tables, rules, value)
    if np.isfinite(marks.floor).any():
        marks.floor = np.where(np.isinf(marks.floor), np.inf, np.maximum(marks.floor, _lowest(linked, value)))
    cells = np.flatnonzero(marks.unsafe)
    others = np.flatnonzero(own & ~marks.unsafe & (value > 0))
    watched = np.where(linked.persons[others], rules.minimum_count, 0).astype(np.float64)
    single = (counted >= 0) & ((value[counted] == 1) | (persons[counted] == 1))
    before = standing_alone(linked) == value  # of this state of the logs, see `figures_of`
    alone = (marks.unsafe & (marks.alone | (own & single))) | before
    return Unsafe(
        Needs(cells, marks.reach[cells], marks.width[cells], marks.floor[cells]),
        Needs(others, watched, np.full(len(others), float(WIDTH))),
        np.flatnonzero(alone),
        _contributors(linked, marks.alone | single | before, value),
    )


def _lowest(linked: Linked, value: Integers) -> Floats:
    """The least that everybody knows of each figure, whatever is hidden: where somebody is, something was done."""
    somebody = (linked.listed & linked.zeros_shown & (value > 0)).astype(np.float64)
    zero = linked.listed & (value == 0)
    return propagated(System(linked.relations, somebody, np.where(zero, 0.0, np.inf))).low


def _mark_rests(marks: _Marks, linked: Linked, tables: Sequence[Table], rules: Rules, value: Integers) -> None:
    """Mark the totals that nobody lists, but that follow."""
    measures = [(table, measure) for table in tables for measure in table.measures]
    out = np.zeros(linked.cells, dtype=bool)
    for sheet, at in list(zip(linked.sheets, linked.places, strict=True))[len(measures) :]:
        out[at[~np.isnan(sheet.value)]] = True
    first, second = np.full(linked.cells, np.inf), np.full(linked.cells, np.inf)
    for (table, measure), at in zip(measures, linked.places, strict=False):
        if measure.name in table.largest:
            first[at], second[at] = (table.largest[measure.name][name] for name in ("first", "second"))
    found = unsafe_rests(
        linked,
        out,
        (first, second),
        least=rules.minimum_count,
        dominance=rules.dominance,
        percent=rules.p_percent,
    )
    at = found.cell
    everything = np.ones(len(at), dtype=bool)
    marks.add(at, found.few, np.maximum(_above(value[at], rules), rules.minimum_count), float(WIDTH))
    marks.add(at, everything, value[at] + found.level, 1.0)


def _contributors(linked: Linked, single: Booleans, value: Integers) -> Integers:
    """Who the single contributor of a cell is: the one of its parts with somebody in, and of its other measures."""
    relations = linked.relations.matrix.tocoo()
    row, column = relations.coords
    kept = single[column] & (value[column] > 0)
    whole, part = kept & (relations.data > 0), kept & (relations.data < 0)
    cell_of_row = np.full(linked.relations.rows, -1, dtype=np.int64)
    cell_of_row[row[whole]] = column[whole]
    parts, wholes = column[part], cell_of_row[row[part]]
    ends = [(parts[wholes >= 0], wholes[wholes >= 0])]
    same = np.flatnonzero(single & (linked.counted >= 0))
    ends.append((same, linked.counted[same]))
    one, other = (np.concatenate([pair[side] for pair in ends]) for side in (0, 1))
    graph = sparse.coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(linked.cells, linked.cells))
    label = csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return np.where(single, label, -1)


def _mark(
    marks: _Marks, table: Table, measure: Measure, at: Integers, value: Integers, people: Integers, rules: Rules
) -> None:
    """Mark what is unsafe by the rules on contributions and groups.

    A contribution stays as uncertain downward as upward, but that everybody contributed something is known.
    """
    if measure.name in table.contributors:
        contributors = table.contributors[measure.name]
        marks.add(at, threshold(contributors, rules.minimum_count), _above(value, rules), float(WIDTH))
        np.logical_or.at(marks.alone, at, contributors == 1)
    if measure.how.sums and measure.name in table.largest:
        hit, level = _by_contributions(table, measure.name, rules)
        marks.add(at, hit, value + level, 1.0)
        np.minimum.at(marks.floor, at, np.where(hit, np.maximum(value - level, np.maximum(people, 1)), np.inf))
    if measure.how.persons:
        for told in _of_groups(table, measure, rules):
            marks.add(at, told.full, value, float(WIDTH))
            marks.add(at, told.empty, np.full(len(at), WIDTH), float(WIDTH))
            np.minimum.at(marks.floor, at, told.floor)


def _of_groups(table: Table, measure: Measure, rules: Rules) -> Iterator[Disclosing]:
    """What a table tells of whole groups, a dimension at a time."""
    for dimension in table.dimensions:
        declared = dimension.name in rules.sensitive
        if declared or (rules.groups and may_tell_of_groups(table, dimension)):
            yield disclosing_groups(table, measure, dimension, rules.minimum_count, small=declared)


def hides_zeros(table: Table, rules: Rules) -> bool:
    """Whether cells without anybody may be hidden in a table: where a dimension is sensitive, or a group is told of."""
    told = (of for measure in table.measures if measure.how.persons for of in _of_groups(table, measure, rules))
    return bool(rules.sensitive & set(table.keys)) or any(of.empty.any() for of in told)


def _reach(linked: Linked, rules: Rules, value: Integers) -> Integers:
    """N for persons; for their contributions, N and more than they are by p percent."""
    contributions = np.maximum(_above(value, rules), rules.minimum_count)
    return np.where(linked.persons, rules.minimum_count, contributions)


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
