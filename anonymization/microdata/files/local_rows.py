"""Local recoding of rows: which row goes to which class, and the criteria beyond k as local recoding asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anonymization.compiled import compiled
from anonymization.errors import InputError
from anonymization.microdata.criteria import Classes, Criterion
from anonymization.microdata.files.rows import SUPPRESSED, Recoding, Rows
from anonymization.microdata.histogram.histogram import Histogram, Sensitive
from anonymization.microdata.local.recoding import LocalSolution

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Units:
    """What local recoding is asked to put into classes.

    Attributes:
        histogram: a tuple for each quasi-identifier tuple, or for each with each sensitive value.
        value_of: (tuples,) int32 the sensitive value, where they are told apart.
        of_row: (rows,) int32 the tuple of each row.
    """

    histogram: Histogram
    value_of: Ints | None
    of_row: Ints


def units(rows: Rows, *, with_sensitive: bool) -> Units:
    """Return the tuples of rows, told apart by the sensitive value where criteria look at it.

    Raises:
        InputError: sensitive values are asked for and not there.
    """
    histogram, sensitive = rows.histogram, rows.histogram.sensitive
    if not with_sensitive:
        return Units(histogram, None, rows.tuple_of)
    if sensitive is None or rows.sensitive_of is None:
        raise InputError("criteria on a sensitive attribute need one")
    size = len(sensitive.labels)
    owner = np.repeat(np.arange(len(histogram.counts)), np.diff(sensitive.starts))
    place = np.searchsorted(owner * size + sensitive.codes, rows.tuple_of.astype(np.int64) * size + rows.sensitive_of)
    told_apart = Histogram(histogram.hierarchies, histogram.tuples[owner], sensitive.counts)
    return Units(told_apart, sensitive.codes, place.astype(np.int32))


class Acceptable:
    """Whether a class satisfies criteria, as `recode_locally` asks.

    Raises:
        InputError: a criterion of a population, or one that merged classes may break.
    """

    def __init__(self, rows: Rows, value_of: Ints, criteria: Sequence[Criterion]) -> None:
        for criterion in criteria:
            if criterion.needs_population or not criterion.closed_under_union:
                raise InputError(f"{criterion}: local recoding knows no population; leave it out, or recode globally")
            criterion.check(rows.histogram)
        self._criteria = criteria
        self._value_of = value_of
        self._sensitive = rows.histogram.sensitive
        self._overall = None if self._sensitive is None else self._sensitive.totals / rows.histogram.persons

    def __call__(self, tuples: Ints, amounts: Longs) -> bool:
        """Return whether these persons of these tuples may be a class."""
        given = self._sensitive
        if given is None:
            return False
        persons = np.bincount(self._value_of[tuples], amounts, len(given.labels)).astype(np.int64)
        codes = np.flatnonzero(persons).astype(np.int32)
        starts = np.array([0, len(codes)], np.int64)
        own = Sensitive(
            given.attribute, given.labels, starts, codes, persons[codes], given.ordered, given.hierarchy
        )  # fmt: skip
        one = Classes(np.array([amounts.sum()], np.int64), None, own, self._overall)
        return not any(bool(criterion.fails(one)[0]) for criterion in self._criteria)


def recoded_locally(rows: Rows, parts: Units, solution: LocalSolution) -> Recoding:
    """Return what a local recoding publishes: each entry of the solution is a part.

    The rows of one tuple are dealt to its entries in the order of both. A class of which every value is hidden reads
    as suppressed rows do, and counts as such.
    """
    hierarchies = rows.histogram.hierarchies
    labels: list[tuple[str, ...]] = []
    codes = np.zeros((len(solution.tuple_of), len(hierarchies)), np.int32)
    kept = solution.class_of >= 0
    hidden = (solution.levels == rows.histogram.heights).all(axis=1)
    suppressed = ~kept | np.append(hidden, True)[solution.class_of]  # the last stands for class -1
    for d, hierarchy in enumerate(hierarchies):
        every = tuple(dict.fromkeys(label for level in (*hierarchy.labels, (SUPPRESSED,)) for label in level))
        place = {label: i for i, label in enumerate(every)}
        places = [np.array([place[label] for label in level], np.int32) for level in (*hierarchy.labels, (SUPPRESSED,))]
        starts = np.cumsum([0, *(len(level) for level in places[:-1])])
        by_class = np.concatenate(places)[starts[solution.levels[:, d]] + solution.codes[:, d]]
        codes[kept, d] = by_class[solution.class_of[kept]]
        labels.append(every)
    order = np.argsort(solution.tuple_of, kind="stable")
    first = np.searchsorted(solution.tuple_of[order], np.arange(len(parts.histogram.counts))).astype(np.int64)
    part_of = order.astype(np.int32)[_deal(parts.of_row, first, solution.amount[order])]
    return Recoding(tuple(labels), codes, suppressed, part_of)


def rows_by_level(rows: Rows, solution: LocalSolution) -> dict[str, dict[int, int]]:
    """Return, by quasi-identifier, the published rows of each level; a hidden value counts above the last level."""
    hidden = (solution.levels == rows.histogram.heights).all(axis=1)
    sizes = np.where(hidden, 0, solution.sizes)
    found = {}
    for d, hierarchy in enumerate(rows.histogram.hierarchies):
        persons = np.bincount(solution.levels[:, d], sizes, hierarchy.levels + 1).astype(np.int64)
        found[hierarchy.attribute] = {int(level): int(persons[level]) for level in np.flatnonzero(persons)}
    return found


@compiled
def _deal(tuple_of: Ints, first: Longs, amounts: Longs) -> Ints:
    """Return (rows,): the entry of each row; `first` is the first entry of each tuple, `amounts` the rows of each."""
    entry_of = np.empty(len(tuple_of), np.int32)
    at, left = first.copy(), amounts.copy()
    for i in range(len(tuple_of)):
        t = tuple_of[i]
        while left[at[t]] == 0:
            at[t] += 1
        left[at[t]] -= 1
        entry_of[i] = at[t]
    return entry_of
