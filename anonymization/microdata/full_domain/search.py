"""Exact search for the best full-domain generalization with suppression.

A node of the lattice is one level a quasi-identifier. It splits the histogram into classes; those that fail a
criterion are suppressed whole. A node is feasible if no more records than the limit are suppressed. The search returns
a feasible node of least loss, and proves that there is none better, unless its budget ends first.

How: the frontier holds a lower bound for every node. Take the open node with the lowest, climb from it to a more
general one, and evaluate that. If it fails by criteria whose failing is inherited, all its specializations are
closed; if it is feasible, whom it suppresses raises their bounds. How far to climb is learned: further while one
evaluation suffices to close the node climbed from, less far when it does not. Climbing above what the best loss
allows pays, because one general node that fails closes many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError, Refusal
from anonymization.microdata.criteria import Criterion
from anonymization.microdata.full_domain.evaluate import Evaluator, HistogramEvaluator
from anonymization.microdata.full_domain.frontier import DENSE_LIMIT, DenseFrontier, Frontier
from anonymization.microdata.full_domain.frontier_boxes import BoxFrontier
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.loss import Domain, Losses, Metric, Objective, Suppressed, Tally, measure

Levels = tuple[int, ...]
Bools = npt.NDArray[np.bool_]

_SLACK = 1e-12
"""Two values this close, relatively, are equal: they are sums of floating point numbers in another order."""
_REACH, _FURTHER, _NEARER = 0.3, 1.2, 0.6


@dataclass(frozen=True)
class Budget:
    """When a search gives up proving.

    Attributes:
        evaluations: of nodes, at most.
        visits: of the frontier, at most.
        seconds: of CPU time of this process, at most; the result then depends on the machine. None for no limit.

    Raises:
        InputError: a limit below 1 evaluation or visit, or not above 0 seconds.
    """

    evaluations: int = 20_000
    visits: int = 50_000
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations < 1 or self.visits < 1 or (self.seconds is not None and not self.seconds > 0):
            raise InputError(f"{self}: at least 1 evaluation, 1 visit and more than 0 seconds are allowed")


@dataclass(frozen=True, eq=False)
class Choice:
    """What a search chose.

    Attributes:
        levels: one a quasi-identifier.
        suppressed_records: persons suppressed.
        losses: of this node.
        classes: published classes.
        min_class: persons of the smallest published class; 0 where there is none.
        evaluations: nodes evaluated.
        proven_optimal: whether no node has a smaller loss (relatively by more than 1e-12).
        lower_bound: no node has a smaller loss than this; equal to the loss where that is proven.
    """

    levels: Levels
    suppressed_records: int
    losses: Losses
    classes: int
    min_class: int
    evaluations: int
    proven_optimal: bool
    lower_bound: float


@dataclass(frozen=True, eq=False)
class Solution(Choice):
    """A generalization with suppression of a histogram.

    Attributes:
        kept: (m,) bool by tuple of the histogram: whether its persons are published; false where it has none.
        class_of: (m,) int32 by tuple: its class, numbered from 0 in the order of the tuples; -1 where not kept.
    """

    kept: Bools
    class_of: npt.NDArray[np.int32]


def search(
    histogram: Histogram,
    criteria: Sequence[Criterion],
    *,
    suppression_limit: float = 0.0,
    metric: Metric = Metric.LOSS,
    budget: Budget | None = None,
) -> Solution:
    """Return the node of least loss among those that satisfy all criteria.

    Guarantees that every published class satisfies every criterion, that at most floor(limit x persons) are
    suppressed, and, where `proven_optimal`, that no other node that does so has a smaller loss. Deterministic, unless
    the budget limits seconds.

    Args:
        histogram: what to publish.
        criteria: at least one.
        suppression_limit: the share of persons that may be suppressed, 0 to 1.
        metric: what to minimize.
        budget: when to stop without a proof; by default after 20,000 evaluations.

    Raises:
        InputError: no criterion, a limit outside 0 to 1, or data that a criterion cannot be asked of.
        Refusal: no node satisfies the criteria, or none was found within the budget.
    """
    allowed = may_be_suppressed(criteria, suppression_limit, histogram.persons)
    for criterion in criteria:
        criterion.check(histogram)
    evaluator = HistogramEvaluator(histogram, criteria, Objective(metric, Domain.of(histogram)), allowed)
    climb = Search(evaluator, criteria)
    climb.run(budget or Budget())
    return _solution(histogram, evaluator, climb)


def may_be_suppressed(criteria: Sequence[Criterion], suppression_limit: float, persons: int) -> int:
    """Return how many persons may be suppressed.

    Raises:
        InputError: no criterion, or a limit outside 0 to 1.
    """
    if not criteria:
        raise InputError("no privacy criterion is given: at least one is needed, such as k-anonymity")
    if not 0 <= suppression_limit <= 1:
        raise InputError(f"the suppression limit is {suppression_limit}: 0 to 1 is allowed")
    # As it is written: 0.57 of 100 are 57, though the nearest binary fractions multiply to less.
    return math.floor(Fraction(repr(float(suppression_limit))) * persons)


def _solution(histogram: Histogram, evaluator: HistogramEvaluator, climb: Search) -> Solution:
    """Return the best node with what becomes of each tuple."""
    class_of, counts, failing = evaluator.classes_of(histogram, climb.levels)
    published = ~failing & (counts > 0)
    kept = published[class_of] & (histogram.counts > 0)
    number = np.where(published, np.cumsum(published) - 1, -1).astype(np.int32)
    gone = ~kept & (histogram.counts > 0)
    columns = zip(histogram.tuples.T, evaluator.domain.sizes, strict=True)
    leaves = np.concatenate([np.bincount(column[gone], histogram.counts[gone], size) for column, size in columns])
    suppressed = Suppressed(int(histogram.counts[gone].sum()), leaves.astype(np.int64), (0,) * len(climb.levels))
    choice = climb.choice(suppressed, Tally.of(counts[published]))
    return Solution(**vars(choice), kept=kept, class_of=np.where(kept, number[class_of], -1).astype(np.int32))


class Search:
    """One search: the bounds, and the best node so far.

    Attributes:
        levels: the best node, once `run` has ended.
        bound: of what is still open then, as the objective has it; none where nothing is.
    """

    def __init__(self, evaluator: Evaluator, criteria: Sequence[Criterion]) -> None:
        self.evaluator = evaluator
        self.criteria = criteria
        self.domain = evaluator.domain
        self.objective = evaluator.objective
        heights = self.domain.heights
        self.guide = [row[:height].tolist() for row, height in zip(self.objective.guide, heights, strict=True)]
        lattice = DenseFrontier if math.prod(heights) <= DENSE_LIMIT else BoxFrontier
        self.frontier: Frontier = lattice(heights, self.objective.general)
        self.best = math.inf
        self.levels: Levels = ()
        self.bound: float | None = None
        self.evaluations = 0
        self.reach = _REACH

    @property
    def bar(self) -> float:
        """What a node's bound must be below to matter."""
        return self.best - _SLACK * abs(self.best) if math.isfinite(self.best) else math.inf

    def run(self, budget: Budget) -> None:
        """Search until nothing is open, or the budget ends.

        Raises:
            Refusal: no node satisfies the criteria, or none was found within the budget.
        """
        started = time.process_time()
        bound = math.inf
        while (lowest := self.frontier.lowest(self.bar)) is not None:
            node, bound = lowest
            spent = time.process_time() - started if budget.seconds is not None else 0.0
            counted = self.evaluations >= budget.evaluations or self.frontier.visits > budget.visits
            late = budget.seconds is not None and spent >= budget.seconds and self.evaluations > 0
            if counted or late:
                break
            self.visit(self.climb(node))
            if self.evaluations == 1 and isinstance(self.frontier, BoxFrontier):
                self.descend()
            self.learn(closed=not self.frontier.bound(node) < self.bar)
        if not self.levels:
            raise Refusal(self.refused(proven=lowest is None))
        self.bound = None if lowest is None else min(bound, self.frontier.least_bound())

    def learn(self, *, closed: bool) -> None:
        """Reach further where an evaluation closed the node that was climbed from, less far where it did not."""
        if self.objective.separable:
            self.reach = min(2.0, self.reach * _FURTHER) if closed else max(1e-4, self.reach * _NEARER)
        else:
            self.reach += 0.2 if closed else -0.5

    def ceiling(self) -> float:
        """The sum of the guide up to which climbing goes."""
        if math.isinf(self.best):
            return math.inf
        if not self.objective.separable:
            return math.log(self.best) - 2 * math.log(self.domain.persons) + self.reach
        return self.best + self.reach * (1.0 if self.objective.metric is Metric.LOSS else self.best)

    def climb(self, node: Levels) -> Levels:
        """Return a generalization that is worth an evaluation: the way up is where the guide grows least."""
        ceiling, guide, frontier = self.ceiling(), self.guide, self.frontier
        here = sum(guide[d][level] for d, level in enumerate(node))
        while True:
            least, chosen = math.inf, None
            for d, level in enumerate(node):
                if level + 1 == len(guide[d]):
                    continue
                there = here + guide[d][level + 1] - guide[d][level]
                if there < ceiling and there < least:
                    higher = (*node[:d], level + 1, *node[d + 1 :])
                    if not frontier.is_evaluated(higher):
                        least, chosen = there, higher
            if chosen is None:
                return node
            here, node = least, chosen

    def visit(self, node: Levels) -> None:
        """Evaluate a node, and tell the frontier what follows for others."""
        self.evaluations += 1
        found = self.evaluator.evaluate(node)
        if found.value < self.best:
            self.best, self.levels = found.value, node
        if not self.objective.separable:
            self.frontier.raise_above(node, found.squares)
        if found.closes:
            self.frontier.close_below(node)
            return
        if found.tables is not None:
            self.frontier.raise_below(node, found.tables, 0.0 if self.objective.separable else found.constant)
        self.frontier.close(node)

    def descend(self) -> None:
        """Go down from the best node while that improves: a large lattice may never be searched to its end."""
        before: Levels = ()
        while self.levels != before:
            before = self.levels
            for lower in self.frontier.specializations(before):
                if self.frontier.bound(lower) < self.bar:
                    self.visit(lower)

    def refused(self, *, proven: bool) -> str:
        """Why there is no solution, and what to do."""
        asked = " and ".join(str(criterion) for criterion in self.criteria)
        allowed = f"at most {self.evaluator.limit:,} of {self.domain.persons:,} records suppressed"
        if not proven:
            return f"no generalization with {asked} and {allowed} was found within the budget: raise the budget"
        return (
            f"no generalization gives {asked} with {allowed}, not even the most general one: "
            "raise the suppression limit, weaken the criteria, or add a coarser level to the hierarchies"
        )

    def choice(self, suppressed: Suppressed, published: Tally) -> Choice:
        """Return the best node, whose persons are suppressed and whose classes are published as told."""
        losses = measure(self.domain, self.levels, suppressed, published)
        return Choice(
            levels=self.levels,
            suppressed_records=suppressed.persons,
            losses=losses,
            classes=published.classes,
            min_class=published.smallest,
            evaluations=self.evaluations,
            proven_optimal=self.bound is None,
            lower_bound=losses.of(self.objective.metric) if self.bound is None else self.objective.public(self.bound),
        )
