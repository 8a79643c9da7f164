"""Figures with drawn noise, made to fit each other: they add up, none is negative, and persons are no more than events.

It is done after the noise, from noisy figures and the declaration alone, so it costs nothing (post-processing: Dwork &
Roth 2014, proposition 2.1), and it helps: what is known of all figures together narrows each (Hay et al. 2010,
"Boosting the accuracy of differentially private histograms through consistency"). The noisy figures are projected onto
those that fit, each weighted by one over the variance of its noise (`disclosure/least_squares.py`).

Of a table the margins whose cells are all known are related, with the totals of the other dimensions:

* totals add up over every dimension, persons over person dimensions;
* persons over an event dimension: each class is at most the whole, and the whole at most their sum;
* persons are at most the number of their events.

Where classes are selected, what is not listed has no figure: there each total of events alone is held to its persons.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse, stats

from anonymization.disclosure.least_squares import Fit, nearest
from anonymization.disclosure.system import Floats, Integers
from anonymization.errors import GateRefusal, InputError
from anonymization.policy.releases import DimensionKind
from anonymization.tables.methods.mechanisms import Kind
from anonymization.tables.model import ERROR_LEVEL, TOTAL, Dimension, Measure, SafeTable, figures, level_columns
from anonymization.tables.plan import TablePlan

Scales = Mapping[str, Floats]
"""Of each measure, the scale of the noise of each row of a published table."""

MOST = 1_000
"""Quantities of one table that are solved for together: more take minutes, many times over (`errors_of`)."""
CHANCE = 1e-9
"""The chance that figures are taken for wrong which noise alone moved so far from what fits."""
DRAWS = 39
"""Draws by which errors are found: of 39 and one more, each is the farthest or the next to it in one of 20 cases."""
SEED = 20_261


@dataclass(frozen=True)
class Fitted:
    """A table whose figures fit each other.

    Attributes:
        table: it.
        improbable: measures that had to be moved farther than noise moves them.
    """

    table: SafeTable
    improbable: tuple[str, ...]


@dataclass(frozen=True)
class _Axis:
    """A dimension as a problem has it: figures of every code, quantities of some.

    Attributes:
        sums: a row a code, a column a quantity that it is the sum of.
        below: of each quantity, those that it is the whole of; empty where there is none.
        leaves: the quantities that are the whole of none.
    """

    sums: sparse.csr_array
    below: tuple[tuple[int, ...], ...]

    @property
    def leaves(self) -> Integers:
        return np.array([at for at, parts in enumerate(self.below) if not parts], dtype=np.int64)


@dataclass(frozen=True)
class _Problem:
    """Measures of one table that are solved for together.

    Attributes:
        measures: persons first, where they are among them.
        rows: of the table, in the order of `fit`'s figures of each measure.
        fit: the figures of all measures, one measure after the other.
    """

    measures: tuple[Measure, ...]
    rows: Integers
    fit: Fit


def require_solvable(tables: Sequence[TablePlan]) -> None:
    """Refuse tables with more figures than are made to fit each other.

    Raises:
        InputError: the table.
    """
    for table in tables:
        known = [d for d in table.dimensions if d.complete]
        for measures in _together(table.measures):
            size = sum(math.prod(_axis(d, measure).sums.shape[1] for d in known) for measure in measures)
            if size > MOST:
                raise InputError(
                    f"table {table.name!r}: {size:,} figures of {measures[0].name!r} would be made to fit each other,"
                    f" more than {MOST:,}; publish fewer codes or dimensions, or declare `protection.consistent: false`"
                )


def fitted(declared: TablePlan, table: SafeTable, scale: Scales, kind: Kind) -> Fitted:
    """Return a table of noisy figures made to fit each other.

    Guarantees the relations of the module's text, in whole numbers; the same for the same figures.

    Args:
        declared: the table's plan, whose code lists say which codes were known beforehand.
        table: as it was drawn.
        scale: of its noise.
        kind: of noise.

    Raises:
        GateRefusal: a cell that is known beforehand has no figure, or the solver did not come to an end.
    """
    problems = _problems(declared, table, scale)
    drawn = {measure.name: figures(table, measure) for measure in table.measures}
    found, improbable = _solved(problems, drawn, kind)
    frame = table.frame.copy()
    for measure in table.measures:
        values = _bounded_below(table, measure, found)
        frame[measure.name] = pd.Series(values, index=frame.index).astype("Int64")
    return Fitted(replace(table, frame=frame), improbable)


def errors_of(declared: TablePlan, table: SafeTable, scale: Scales, kind: Kind) -> dict[str, Integers]:
    """Return how far off each figure may be at the level `ERROR_LEVEL`, by draws of noise on the figures themselves.

    Figures that fit take the place of the true ones, get noise as theirs got it, and are made to fit again: what they
    then miss themselves by is what they miss the true ones by. True figures are less often zeros than those that fit,
    and zeros are missed by less: so what was made to fit takes the place of the true ones once more, and the larger
    error is stated. Cells of one margin and measure, which have the same noise, are put together.

    Args:
        declared: the table's plan.
        table: with figures that fit each other.
        scale: of the noise that they were drawn with.
        kind: of noise.

    Raises:
        GateRefusal: a cell that is known beforehand has no figure, or the solver did not come to an end.
    """
    problems, random = _problems(declared, table, scale), np.random.default_rng(SEED)
    start = {measure.name: figures(table, measure) for measure in table.measures}
    missed: tuple[dict[str, list[Floats]], ...] = ({name: [] for name in start}, {name: [] for name in start})
    for _ in range(DRAWS):
        true = start
        for of_turn in missed:
            noisy = {name: values + _noise(random, kind, scale[name]) for name, values in true.items()}
            solved, _ = _solved(problems, noisy, kind)
            found = {measure.name: _bounded_below(table, measure, solved) for measure in table.measures}
            for name, values in found.items():
                of_turn[name].append(np.abs(values - true[name]))
            true = found
    margin = pd.MultiIndex.from_arrays(level_columns(table)).factorize()[0]
    first, second = ({name: _within(np.array(far), margin) for name, far in turn.items()} for turn in missed)
    return {name: np.maximum(first[name], second[name]) for name in start}


def _within(missed: Floats, margin: Integers) -> Integers:
    """What of each margin's distances is exceeded by as few as may be."""
    found = np.zeros(missed.shape[1], dtype=np.int64)
    for one in np.unique(margin):
        every = np.sort(missed[:, margin == one], axis=None)
        every = every[~np.isnan(every)]
        place = min(math.ceil(ERROR_LEVEL * (len(every) + 1)), len(every)) - 1
        found[margin == one] = int(every[place]) if len(every) else 0
    return found


def _noise(random: np.random.Generator, kind: Kind, scale: Floats) -> Floats:
    """Draws as the mechanisms make them; of no use against anybody, since their seed is known."""
    if kind == "gaussian":
        return np.rint(random.normal(0.0, scale))
    leaves = 1 - np.exp(-1 / scale)
    return np.asarray(random.geometric(leaves) - random.geometric(leaves), dtype=np.float64)


def _together(measures: Sequence[Measure]) -> list[tuple[Measure, ...]]:
    """Measures that are related: the persons of a population with the numbers of their events; sums by themselves."""
    found: list[tuple[Measure, ...]] = []
    for population in dict.fromkeys(measure.population for measure in measures):
        own = [measure for measure in measures if measure.population == population]
        persons = [measure for measure in own if measure.how.persons]
        events = [measure for measure in own if not measure.how.persons and measure.column is None]
        found += [(*persons, *events), *((m,) for m in own if m not in persons and m not in events)]
    return [measures for measures in found if measures]


def _axis(dimension: Dimension, measure: Measure) -> _Axis:
    """Over what a measure adds up, the finest codes are its quantities; over events each code of persons is one."""
    codes, parents = dimension.codes, dimension.parents
    if measure.how.persons and dimension.kind is DimensionKind.EVENT:
        position = {code: at for at, code in enumerate(codes)}
        below: dict[str, list[int]] = {code: [] for code in codes}
        for code, parent in parents.items():
            below[parent].append(position[code])
        return _Axis(sparse.csr_array(sparse.eye_array(len(codes))), tuple(tuple(sorted(below[c])) for c in codes))
    finest = sorted(set(parents) - dimension.inner)
    above = [{code, *dimension.ancestors(code)} for code in finest]
    member = np.array([[code in own for own in above] for code in codes], dtype=np.float64)
    return _Axis(sparse.csr_array(member), ((),) * len(finest))


def _problems(declared: TablePlan, table: SafeTable, scale: Scales) -> list[_Problem]:
    known = [d for d in declared.dimensions if d.complete]
    cells = itertools.product(*(d.codes if d.complete else (TOTAL,) for d in declared.dimensions))
    wanted = pd.MultiIndex.from_tuples(list(cells), names=table.keys)
    rows = pd.MultiIndex.from_frame(table.frame[table.keys].astype(object)).get_indexer(wanted)
    if np.any(rows < 0) or any(np.isnan(figures(table, m)[rows]).any() for m in table.measures):
        raise GateRefusal(f"table {table.name!r}: a cell that is known beforehand has no figure")
    return [_problem(known, measures, rows, scale) for measures in _together(table.measures)]


def _problem(known: Sequence[Dimension], measures: tuple[Measure, ...], rows: Integers, scale: Scales) -> _Problem:
    axes = [[_axis(dimension, measure) for dimension in known] for measure in measures]
    sums = sparse.block_diag([_product([axis.sums for axis in own]) for own in axes], format="csr")
    sizes = [math.prod(axis.sums.shape[1] for axis in own) for own in axes]
    starts = np.cumsum([0, *sizes])
    relations = [_over_events(own, start, starts[-1]) for own, start in zip(axes, starts[:-1], strict=True)]
    finest = [start + _finest(own) for own, start in zip(axes, starts[:-1], strict=True)]
    relations += [_at_most(finest[0], more, starts[-1]) for more in finest[1:]]
    weights = np.concatenate([scale[measure.name][rows] ** -2.0 for measure in measures])

    def rounded(real: Floats) -> Integers:
        whole = np.floor(real + 0.5).astype(np.int64)
        for own, start, size in zip(axes, starts[:-1], sizes, strict=True):
            whole[start : start + size] = _nested(own, whole[start : start + size])
        for more in finest[1:]:
            whole[more] = np.maximum(whole[more], whole[finest[0]])
        return whole

    return _Problem(
        measures, rows, Fit(sparse.csr_array(sums), sparse.csr_array(sparse.vstack(relations)), weights, rounded)
    )


def _product(parts: Sequence[sparse.csr_array]) -> sparse.csr_array:
    """The Kronecker product: of each dimension a row, and a column."""
    whole = sparse.csr_array(np.ones((1, 1)))
    for part in parts:
        whole = sparse.csr_array(sparse.kron(whole, part))
    return whole


def _over_events(axes: Sequence[_Axis], start: int, size: int) -> sparse.csr_array:
    """Each class is at most the whole, the whole at most their sum: rows of G over all quantities."""
    found = [sparse.csr_array((0, math.prod(len(axis.below) for axis in axes)))]
    eyes = [sparse.csr_array(sparse.eye_array(len(axis.below))) for axis in axes]
    for at, axis in enumerate(axes):
        rows = []
        for code, parts in enumerate(axis.below):
            if parts:
                rows += [{part: 1, code: -1} for part in parts]
                rows.append({code: 1} | dict.fromkeys(parts, -1))
        if rows:
            own = np.array([[row.get(code, 0) for code in range(len(axis.below))] for row in rows], dtype=np.float64)
            found.append(_product([*eyes[:at], sparse.csr_array(own), *eyes[at + 1 :]]))
    part = sparse.csr_array(sparse.vstack(found))
    before, after = (sparse.csr_array((part.shape[0], n)) for n in (start, size - start - part.shape[1]))
    return sparse.csr_array(sparse.hstack([before, part, after]))


def _finest(axes: Sequence[_Axis]) -> Integers:
    """The positions of the quantities of the finest cells."""
    shape = [len(axis.below) for axis in axes]
    return (
        np.ravel_multi_index(np.ix_(*(axis.leaves for axis in axes)), shape).ravel() if axes else np.zeros(1, np.int64)
    )


def _at_most(less: Integers, more: Integers, size: int) -> sparse.csr_array:
    """Rows of G: each of some quantities is at most another."""
    row = np.arange(len(less))
    ones = np.ones(len(less))
    entries = (np.concatenate([ones, -ones]), (np.concatenate([row, row]), np.concatenate([less, more])))
    return sparse.csr_array(entries, shape=(len(less), size))


def _nested(axes: Sequence[_Axis], whole: Integers) -> Integers:
    """Whole quantities between the greatest part and the sum of parts, from the finest up.

    Where the parts fulfil that themselves there is always such a one: parts along one dimension add up to no less than
    the greatest part along another, whose own parts they cover.
    """
    cube = whole.reshape([len(axis.below) for axis in axes])
    heights = [_heights(axis) for axis in axes]
    cells = sorted(np.ndindex(cube.shape), key=lambda cell: sum(h[at] for h, at in zip(heights, cell, strict=True)))
    for cell in cells:
        parts = [
            cube[(*cell[:at], list(axis.below[cell[at]]), *cell[at + 1 :])]
            for at, axis in enumerate(axes)
            if axis.below[cell[at]]
        ]
        if parts:
            cube[cell] = min(max(cube[cell], *(p.max() for p in parts)), *(p.sum() for p in parts))
    return cube.ravel()


def _heights(axis: _Axis) -> list[int]:
    """How many steps each quantity stands above the finest ones, at most."""

    def height(code: int) -> int:
        return 1 + max(map(height, axis.below[code])) if axis.below[code] else 0

    return [height(code) for code in range(len(axis.below))]


def _solved(
    problems: Sequence[_Problem], drawn: Mapping[str, Floats], kind: Kind
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """Figures that fit where they are related, as they were drawn elsewhere; and the measures that moved too far."""
    found, improbable = {name: values.copy() for name, values in drawn.items()}, []
    for problem in problems:
        given = np.concatenate([drawn[measure.name][problem.rows] for measure in problem.measures])
        real, whole = nearest(problem.fit, given)
        away = (given - problem.fit.sums @ real) * np.sqrt(problem.fit.weights)
        if float(away @ away) > _farthest(kind, len(given)):
            improbable += [measure.name for measure in problem.measures]
        parts = np.split(problem.fit.sums @ whole, len(problem.measures))
        for measure, part in zip(problem.measures, parts, strict=True):
            found[measure.name][problem.rows] = part
    return found, tuple(improbable)


def _farthest(kind: Kind, draws: int) -> float:
    """What the sum of squares of so many draws, each in scales, exceeds with a chance of `CHANCE` at most.

    True figures fit, and a projection is no farther from what is projected than they are. Squares of Gaussian noise add
    up to chi-squared; of Laplace noise to at most the greatest times the sum, and that is a Gamma.
    """
    if kind == "gaussian":
        return float(stats.chi2.isf(CHANCE, draws)) + draws
    greatest = math.log(2 * draws / CHANCE)
    return greatest * float(stats.gamma.isf(CHANCE / 2, draws)) + draws


def _bounded_below(table: SafeTable, measure: Measure, found: Mapping[str, Floats]) -> Floats:
    """A measure's figures, none negative, events no fewer than persons; in problems that were solved they are so."""
    own = np.maximum(found[measure.name], 0.0)
    if measure.how.persons or measure.column is not None:
        return own
    return np.maximum(own, found[table.persons_of(measure).name])
