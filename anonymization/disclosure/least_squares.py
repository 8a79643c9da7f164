"""Whole numbers that fit each other, as near as possible to given ones: weighted least squares under relations.

What is looked for are quantities q >= 0 with relations G q <= 0, of which every figure is a sum, x = S q. The real
answer is HiGHS's to a convex quadratic programme. It is the projection of the given figures onto all that fit, in the
length that weights give: so it is no farther from them than the true figures are, and no farther from the true ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import highspy
import numpy as np
from scipy import sparse

from anonymization.disclosure.solver import STATUS, Highs
from anonymization.disclosure.system import Floats, Integers

SECONDS = 600.0
PASSES = 100
"""Times that all quantities are looked at for a step to a neighbour that is nearer."""


@dataclass(frozen=True)
class Fit:
    """What figures are sums of, and how that is related.

    Attributes:
        sums: S, of 0 and 1; a row a figure, a column a quantity.
        relations: G, of whole numbers; a row a relation.
        weights: of each figure, above 0: one over the variance of its error, or in proportion to it.
        rounded: whole quantities that fulfil every relation and are near given real ones.
    """

    sums: sparse.csr_array
    relations: sparse.csr_array
    weights: Floats
    rounded: Callable[[Floats], Integers]

    @cached_property
    def quadratic(self) -> sparse.csc_array:
        """S' W S, with weights of 1 at most."""
        return sparse.csc_array(self.sums.T @ sparse.diags_array(self._weights) @ self.sums)

    def linear(self, figures: Floats) -> Floats:
        """S' W y."""
        return np.asarray(self.sums.T @ (self._weights * figures))

    @cached_property
    def _weights(self) -> Floats:
        return np.asarray(self.weights / self.weights.max())


def nearest(fit: Fit, figures: Floats) -> tuple[Floats, Integers]:
    """Return the real and the whole quantities whose sums are nearest to figures.

    The real ones are the nearest of all; the whole ones are such that no single step of one quantity brings the sums
    nearer. Equal input gives equal answers.

    Raises:
        GateRefusal: the solver did not come to an end.
    """
    real = _real(fit, figures)
    return real, _settled(fit, figures, fit.rounded(real))


def _real(fit: Fit, figures: Floats) -> Floats:
    model, solver = _model(fit, figures), Highs("noisy figures that fit each other")
    solver.done(solver.model.passModel(model))
    ended = solver.run(SECONDS)
    if ended != STATUS.kOptimal:
        raise solver.ended(ended)
    return np.asarray(np.maximum(solver.model.getSolution().col_value, 0.0), dtype=np.float64)


def _model(fit: Fit, figures: Floats) -> highspy.HighsModel:
    model, (relations, quantities) = highspy.HighsModel(), fit.relations.shape
    lp, hessian = model.lp_, model.hessian_
    lp.num_col_, lp.num_row_ = quantities, relations
    lp.col_cost_ = -fit.linear(figures)
    lp.col_lower_, lp.col_upper_ = np.zeros(quantities), np.full(quantities, highspy.kHighsInf)
    lp.row_lower_, lp.row_upper_ = np.full(relations, -highspy.kHighsInf), np.zeros(relations)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = fit.relations.indptr, fit.relations.indices
    lp.a_matrix_.value_ = fit.relations.data.astype(np.float64)
    lower = sparse.csc_array(sparse.tril(fit.quadratic))
    hessian.dim_, hessian.format_ = quantities, highspy.HessianFormat.kTriangular
    hessian.start_, hessian.index_, hessian.value_ = lower.indptr, lower.indices, lower.data
    return model


def _settled(fit: Fit, figures: Floats, quantities: Integers) -> Integers:
    """Steps of one quantity by one, as long as they lead nearer and break no relation."""
    found, columns, quadratic = quantities.copy(), sparse.csc_array(fit.relations), fit.quadratic
    slope = quadratic @ found - fit.linear(figures)
    half, room = quadratic.diagonal() / 2, -(fit.relations @ found)
    for _ in range(PASSES):
        moved = False
        for at in np.flatnonzero(np.abs(slope) > half):
            step = -1 if slope[at] > 0 else 1
            if abs(slope[at]) <= half[at] or found[at] + step < 0:
                continue
            own = slice(columns.indptr[at], columns.indptr[at + 1])
            left = room[columns.indices[own]] - step * columns.data[own]
            if np.any(left < 0):
                continue
            moved, found[at], room[columns.indices[own]] = True, found[at] + step, left
            changed = slice(quadratic.indptr[at], quadratic.indptr[at + 1])
            slope[quadratic.indices[changed]] += step * quadratic.data[changed]
        if not moved:
            break
    return found
