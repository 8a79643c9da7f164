"""Local recoding: every equivalence class has levels of its own, so that little more is hidden than k asks for.

Full-domain recoding generalizes a value everywhere because it is rare somewhere. Here each class publishes the
lowest nodes of the hierarchies that cover its own rows. A sweep over the lattice (`sweep`) gives a first recoding,
annealed ruin-and-recreate (`ruin`) improves it; what is minimized is the loss, exactly for the arithmetic mean,
linearized around the sweep's for the geometric one. What was tried, and what it gave, tells
`docs/decisions/local-recoding-by-ruin-and-recreate.md`.

**Rows that are recoded so stay inside.** The recoding is minimal and reproducible, so who knows the algorithm learns
from what was generalized what forced it (minimality attack: Wong et al. 2007; downcoding: Cohen 2022). What
is published is tables that went through the gate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np

from anonymization.errors import InputError
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.local.nodes import Floats, Ints, Longs, Space, Tables, space_of
from anonymization.microdata.local.repair import Acceptable, merge_unacceptable, suppress
from anonymization.microdata.local.ruin import search
from anonymization.microdata.local.sweep import Entries, boxes_of, closed, level_losses, sweep

_EFFORT = 4_000  # work a tuple
_MOST_WORK = 300_000_000
_NO_WORK = 200_000  # so little is free


class Aggregate(StrEnum):
    """How the losses of the dimensions become one: geometric Π(1+x)^(1/D) − 1, or the mean of x."""

    GEOMETRIC = "geometric"
    ARITHMETIC = "arithmetic"

    def of(self, losses: Floats) -> float:
        """Return the aggregate of the (D,) losses."""
        if self is Aggregate.ARITHMETIC:
            return float(losses.mean())
        return float(np.prod(1 + losses) ** (1 / len(losses)) - 1)


@dataclass(frozen=True, eq=False)
class LocalSolution:
    """A local recoding: which persons form a class, and what each class publishes.

    Guarantees, for the histogram it was made of: the amounts of a tuple's entries sum to its persons; every class
    has at least k; every tuple lies under the nodes of its classes, which are the lowest that cover them.

    Attributes:
        tuple_of: (entries,) int32 the tuple, a row of the histogram.
        class_of: (entries,) int32 the class, -1 where the persons are suppressed; ascending, those last.
        amount: (entries,) int64 persons, at least 1.
        levels: (classes, D) int32 the level that a class publishes; `hierarchy.levels` where the hierarchy has no
            label that covers it and the value is hidden.
        codes: (classes, D) int32 the code on that level, 0 where hidden.
        losses: (D,) the loss of each dimension, in [0, 1]; suppressed and hidden values count 1.
    """

    tuple_of: Ints
    class_of: Ints
    amount: Longs
    levels: Ints
    codes: Ints
    losses: Floats

    @property
    def loss(self) -> float:
        """The geometric aggregate: Π(1 + x_d)^(1/D) − 1."""
        return Aggregate.GEOMETRIC.of(self.losses)

    @property
    def loss_arithmetic(self) -> float:
        """The mean of the dimensions' losses."""
        return Aggregate.ARITHMETIC.of(self.losses)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.levels)

    @property
    def sizes(self) -> Longs:
        """The persons of every class, (classes,)."""
        kept = self.class_of >= 0
        sizes = np.zeros(self.classes, np.int64)
        np.add.at(sizes, self.class_of[kept], self.amount[kept])
        return sizes

    @property
    def min_class(self) -> int:
        """The persons of the smallest class, 0 where there is none."""
        return int(self.sizes.min(initial=np.iinfo(np.int64).max)) if self.classes else 0

    @property
    def suppressed(self) -> int:
        """The persons that are not published."""
        return int(self.amount[self.class_of < 0].sum())


def recode_locally(
    histogram: Histogram,
    k: int,
    *,
    suppression_limit: float = 0.0,
    aggregate: Aggregate = Aggregate.GEOMETRIC,
    work: int | None = None,
    at_most: Sequence[int] | None = None,
    acceptable: Acceptable | None = None,
) -> LocalSolution:
    """Return a recoding of little loss whose classes have at least k persons.

    Deterministic: the budget is counted work, random numbers are its own, costs are whole numbers. Never worse than
    the sweep, nor than the full-domain recoding that is handed in.

    Args:
        histogram: the persons. Where `acceptable` looks at more than the quasi-identifiers, give it a tuple for each
            of these with what else it looks at: rows may repeat.
        k: persons a class must have, at least 1.
        suppression_limit: the share of the persons that may be suppressed at most, in [0, 1].
        aggregate: which loss is minimized.
        work: the search's budget, in look-ups of a price, about 10^-8 CPU seconds each; 0 for the sweep alone. By
            default 4,000 a tuple, and 3 * 10^8 at most.
        at_most: the levels of a full-domain recoding that keeps k and the limit; the result loses no more.
        acceptable: called with the tuples and amounts of a class; classes that it refuses are merged with what is
            near until it takes them. It must take what is merged of two classes that it takes.

    Raises:
        InputError: k or the limit out of range, fewer than k persons, levels that do not keep k within the limit, or
            rows that are not acceptable even as one class.
    """
    _check(histogram, k, suppression_limit)
    known = np.flatnonzero(histogram.counts)
    tuples: Ints = histogram.tuples[known]
    persons = Histogram(histogram.hierarchies, tuples, histogram.counts[known])
    # as it is written: 0.57 of 100 are 57, though the nearest binary fractions multiply to less
    limit = math.floor(Fraction(repr(float(suppression_limit))) * persons.persons)
    task = _Task(persons, space_of(persons.hierarchies, persons.tuples), k, limit)
    budget = min(_EFFORT * len(known) + _NO_WORK, _MOST_WORK) if work is None else work
    found = [*task.found(aggregate, budget), *([] if at_most is None else [task.full_domain(at_most)])]
    taken = None if acceptable is None else (lambda rows, amounts: acceptable(known[rows].astype(np.int32), amounts))
    finished = [solution for entries in found for solution in task.finished(entries, taken)]
    best = min(finished, key=lambda solution: aggregate.of(solution.losses))
    return LocalSolution(
        known[best.tuple_of].astype(np.int32), best.class_of, best.amount, best.levels, best.codes, best.losses
    )


def _check(histogram: Histogram, k: int, suppression_limit: float) -> None:
    if k < 1:
        raise InputError(f"k is {k}: 1 or more is needed")
    if not 0 <= suppression_limit <= 1:
        raise InputError(f"the suppression limit is {suppression_limit}: a share from 0 to 1 is needed")
    if histogram.persons < k:
        raise InputError(f"the data holds {histogram.persons} persons: a class of k = {k} needs as many")


@dataclass(frozen=True)
class _Task:
    """The recoding of some persons, each tuple at least one."""

    histogram: Histogram
    space: Space
    k: int
    limit: int

    def found(self, aggregate: Aggregate, work: int) -> list[Entries]:
        """The sweep's recoding, and the search's where there is a budget."""
        nodes = self.space.leaves(self.histogram.tuples)
        width = len(self.space.trees)
        tables = self.space.tables(nodes, self.histogram.counts, np.full(width, 1 / width))
        losses = level_losses(self.histogram)
        if aggregate is Aggregate.GEOMETRIC:
            losses = [np.log1p(own) for own in losses]
        class_of, _ = sweep(self.histogram, self.space, tables, self.k, losses)
        swept = self._entries(class_of)
        if not work:
            return [swept]
        if aggregate is Aggregate.GEOMETRIC:
            weights = 1 / (1 + self.solution(swept).losses)
            tables = self.space.tables(nodes, self.histogram.counts, weights / weights.sum())
        return [swept, search(self.space, tables, nodes, swept, self.k, work)]

    def full_domain(self, levels: Sequence[int]) -> Entries:
        """The classes of a full-domain recoding; groups below k are suppressed."""
        heights = self.histogram.heights
        if len(levels) != len(heights) or any(not 0 <= a < b for a, b in zip(levels, heights, strict=True)):
            raise InputError(f"levels {tuple(levels)}: one of each of {heights} levels is needed")
        tables = self._tables()
        class_of, _ = closed(self.histogram, self.space, tables, self.k, np.array([levels], np.int32))
        lost = int(self.histogram.counts[class_of < 0].sum())
        if lost > self.limit:
            raise InputError(f"levels {tuple(levels)} suppress {lost} persons: {self.limit} may be")
        return self._entries(class_of)

    def finished(self, entries: Entries, acceptable: Acceptable | None) -> list[LocalSolution]:
        """The recoding, and one with suppression where some is allowed; each acceptable."""
        tables = self._tables()
        candidates = [entries]
        if self.limit:
            candidates.append(suppress(tables, entries, self.k, self.limit))
        if acceptable is not None:
            candidates = [merge_unacceptable(tables, candidate, acceptable) for candidate in candidates]
        return [self.solution(candidate) for candidate in candidates]

    def solution(self, entries: Entries) -> LocalSolution:
        """The entries with their classes' nodes and the losses."""
        tuple_of, class_of, amount = entries
        box, size, _ = boxes_of(self._tables(), entries, int(class_of.max(initial=-1)) + 1)
        nodes = self.space.split(box)
        suppressed = float(amount[class_of < 0].sum())
        losses = np.empty(len(self.space.trees))
        levels, codes = np.empty_like(nodes), np.empty_like(nodes)
        for d, tree in enumerate(self.space.trees):
            persons = np.bincount(nodes[:, d], size, tree.size)
            losses[d] = ((persons * tree.loss).sum() + suppressed) / self.histogram.persons
            levels[:, d], codes[:, d] = tree.level[nodes[:, d]], tree.code[nodes[:, d]]
        return LocalSolution(tuple_of, class_of, amount, levels, codes, losses)

    def _tables(self) -> Tables:
        width = len(self.space.trees)
        leaves = self.space.leaves(self.histogram.tuples)
        return self.space.tables(leaves, self.histogram.counts, np.full(width, 1 / width))

    def _entries(self, class_of: Ints) -> Entries:
        """Whole tuples by class; those without one last."""
        order = np.argsort(np.where(class_of < 0, len(class_of), class_of), kind="stable")
        return order.astype(np.int32), class_of[order], self.histogram.counts[order]
