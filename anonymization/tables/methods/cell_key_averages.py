"""Averages: how well a total is told by all noisy figures together, before a reader who knows how large each noise is.

Totals add up and their noise does not, so each relation between figures tells something of the total in it: a month is
its own figure, and the sum of its days, each with noise of its own. The best estimate that is linear in the figures
and right on average has the least variance by weighted least squares (Gauss, Markov & Aitken). Its standard error is
compared with the largest contribution, as the p% rule compares what is known of a total without noise (Hundepool et
al., Statistical Disclosure Control, 2012, chapter 4).

The reader who is asked for here is told more than anybody can know: which classes have nobody, and the largest
contribution to each figure, by which its noise is scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from anonymization.disclosure.rules import p_percent
from anonymization.disclosure.system import Booleans, Floats, Integers
from anonymization.policy.protection import LEAST_PERCENT
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.system_of import Linked
from anonymization.tables.methods.cell_key_magnitudes import Magnitudes

AT_ONCE = 256
"""Totals that are solved for together."""
TIED, OPEN = 1e-3, 1e4
"""Relations hold within this part of the least noise; what is not shown is anything within so much of the largest."""
WHY = (f"all noisy figures together tell it within less than {LEAST_PERCENT} percent of its largest contribution",)


@dataclass(frozen=True)
class Contributions:
    """Of each cell of a system, its true figure and who contributes to it; 0 of cells that count persons.

    Attributes:
        total: true figures.
        first, second: the largest contributions of single persons.
        few: cells of few persons, which must be hidden.
    """

    total: Integers
    first: Integers
    second: Integers
    few: Booleans

    @property
    def unsafe(self) -> Booleans:
        """Totals that would tell of somebody if they were known: of few persons, or nearly all of one or two."""
        known = (self.first > 0) & (self.total >= self.first + self.second)
        dominated = np.zeros(len(self.total), dtype=bool)
        dominated[known] = p_percent(self.total[known], self.first[known], self.second[known], LEAST_PERCENT)
        return (self.first > 0) & (self.few | dominated)


def told_by_averages(linked: Linked, of: Contributions, shown: Booleans, noise: Magnitudes) -> tuple[Integers, Floats]:
    """Return the unsafe totals that all figures together tell too well, and the standard errors that they leave.

    Too well is within less than `LEAST_PERCENT` percent of the largest contribution.

    Args:
        linked: figures as a system.
        of: what its cells hold.
        shown: the cells whose figure is shown, with noise.
        noise: how it is made.
    """
    cells = np.flatnonzero(of.unsafe)
    if not len(cells):
        return cells, np.zeros(0)
    sums = Sums.of(linked, of, shown, noise)
    least = LEAST_PERCENT / 100 * of.first[cells]
    open_ones = sums.at_least(cells) < least
    cells, least = cells[open_ones], least[open_ones]
    error = sums.standard_errors(cells)
    return cells[error < least], error[error < least]


@dataclass(frozen=True)
class Sums:
    """Sums of noisy totals, in which figures that are one and the same stand once.

    Attributes:
        label: of each cell of the system, which of these it is.
        matrix: a row a relation: a whole less its parts is 0.
        deviation: the standard deviation of each figure's noise; infinite where none is shown.
    """

    label: Integers
    matrix: sparse.csr_array
    deviation: Floats

    @classmethod
    def of(cls, linked: Linked, of: Contributions, shown: Booleans, noise: Magnitudes) -> Sums:
        """Return the sums of a system; see `told_by_averages`."""
        relations = linked.relations
        there = ~linked.persons & ~(linked.listed & (of.total == 0))
        equal = np.flatnonzero((relations.low == 0) & (relations.high == 0))
        matrix = sparse.csr_array(relations.matrix[equal] @ sparse.diags_array(there.astype(float)))
        matrix.eliminate_zeros()
        label, number = _same(matrix)
        deviation = np.full(number, np.inf)
        seen = np.flatnonzero(shown & there & (of.first > 0))
        np.minimum.at(deviation, label[seen], noise.deviations(of.total[seen], of.first[seen]))
        return cls(label, _apart(matrix, label, number), deviation)

    def at_least(self, cells: Integers) -> Floats:
        """Return standard errors that are no greater than those of the best estimates, and cheap to have.

        No estimate is better than that of somebody who knows all but one of the finest totals (Cramer & Rao): all sums
        over that one change with it, and each tells of it with its own noise.
        """
        whole, part = _pairs(self.matrix)
        above = sparse.csr_array((np.ones(len(part)), (part, whole)), shape=(len(self.deviation),) * 2)
        finest = np.setdiff1d(np.arange(len(self.deviation)), whole)
        over = sparse.csr_array(
            (np.ones(len(finest)), (np.arange(len(finest)), finest)), shape=(len(finest), len(self.deviation))
        )
        while True:
            more = sparse.csr_array((over + over @ above).sign())
            if more.nnz == over.nnz:
                break
            over = more
        moves = np.flatnonzero(abs(self.matrix @ over.T).sum(axis=0) == 0)  # no relation says otherwise
        over = sparse.coo_array(over[moves])
        information = over.tocsr() @ self.deviation**-2.0
        least = np.full(len(self.deviation), np.inf)
        np.minimum.at(least, over.coords[1], information[over.coords[0]])
        with np.errstate(divide="ignore"):
            return np.asarray(1 / np.sqrt(least[self.label[cells]]))

    def standard_errors(self, cells: Integers) -> Floats:
        """Return the standard error of the best estimate of some totals by all figures that are shown."""
        told = np.isfinite(self.deviation)
        if not len(cells) or not told.any():
            return np.full(len(cells), np.inf)
        deviation = np.where(told, self.deviation, OPEN * self.deviation[told].max())
        tied = sparse.diags_array(np.full(self.matrix.shape[0], -((TIED * deviation.min()) ** 2)))
        blocks = [[sparse.diags_array(deviation**-2.0), self.matrix.T], [self.matrix, tied]]
        system = splu(sparse.csc_array(sparse.block_array(blocks)))
        variance = np.zeros(len(cells))
        for start in range(0, len(cells), AT_ONCE):
            some = self.label[cells[start : start + AT_ONCE]]
            right = np.zeros((system.shape[0], len(some)))
            right[some, np.arange(len(some))] = 1.0
            variance[start : start + AT_ONCE] = system.solve(right)[some, np.arange(len(some))]
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def findings(linked: Linked, of: Contributions, cells: Integers, errors: Floats) -> tuple[Finding, ...]:
    """Return totals that are told too well as findings, with two standard errors below and above."""
    low, high = np.floor(np.maximum(of.total[cells] - 2 * errors, 0)), np.ceil(of.total[cells] + 2 * errors)
    return tuple(
        Finding(*linked.name(int(cell)), int(least), int(most), WHY)
        for cell, least, most in zip(cells, low, high, strict=True)
    )


def _same(matrix: sparse.csr_array) -> tuple[Integers, int]:
    """Number cells, those alike that a relation says are equal: they have one key, and so one noise, not two."""
    pairs = np.flatnonzero(np.diff(matrix.indptr) == 2)  # noqa: PLR2004 - a whole and its only part with anybody
    one, other = (matrix.indices[matrix.indptr[pairs] + at] for at in (0, 1))
    size = matrix.shape[1]
    graph = sparse.coo_array((np.ones(len(pairs)), (one, other)), shape=(size, size))
    number, label = connected_components(graph, directed=False)
    return label, int(number)


def _apart(matrix: sparse.csr_array, label: Integers, number: int) -> sparse.csr_array:
    """The relations between cells that are not the same."""
    groups = sparse.csr_array((np.ones(len(label)), (np.arange(len(label)), label)), shape=(len(label), number))
    reduced = sparse.csr_array(matrix @ groups)
    reduced.eliminate_zeros()
    return reduced[np.diff(reduced.indptr) > 0]


def _pairs(matrix: sparse.csr_array) -> tuple[Integers, Integers]:
    """Every whole with each of its parts."""
    entries = sparse.coo_array(matrix)
    row, cell = entries.coords
    parts = entries.data < 0
    whole = np.full(matrix.shape[0], -1, dtype=np.int64)
    whole[row[~parts]] = cell[~parts]
    known = whole[row[parts]] >= 0
    return whole[row[parts]][known], cell[parts][known]
