"""Readers: what is known from what is published, and what must stay possible for them, by that alone."""

from __future__ import annotations

import numpy as np

from anonymization.disclosure.suppress.feasible import feasible_point
from anonymization.disclosure.system import Integers, Needs, System
from anonymization.tables.audit.system_of import Linked

WIDTH = 3
"""The least width of a feasible interval that does not count as pinned down."""


def seen_by_readers(linked: Linked) -> System:
    """Return what a reader knows: published figures, and of a hidden one that somebody is there."""
    unknown = np.isnan(linked.value)
    somebody = linked.listed & linked.zeros_shown & ~linked.noisy  # what noise says of a cell stands in its bounds
    low = np.where(unknown, np.maximum(somebody, linked.low), linked.value)
    return System(linked.relations, low, np.where(unknown, linked.high, linked.value))


def public_needs(linked: Linked) -> Needs:
    """Return what must stay possible for each unknown: N persons, and three numbers or more.

    A hidden total needs the width alone, where its persons are not published as N or more; so does a number of
    persons that is hidden beside noisy figures: that it is below N is told openly, so 1 to N - 1 is its interval at
    most, and what it needs where N is small.
    """
    unknown = np.isnan(linked.value)
    counted = linked.counted
    enough = (counted >= 0) & (linked.value[counted] >= linked.minimum[counted])
    at = np.flatnonzero(unknown & (linked.persons | (linked.listed & ~enough)))
    reach = np.where(linked.persons[at] & ~linked.noisy[at], linked.minimum[at], 0).astype(np.float64)
    width = np.where(linked.noisy[at], np.minimum(WIDTH, linked.minimum[at] - 2), WIDTH).astype(np.float64)
    return Needs(at, reach, width)


def figures_of(linked: Linked) -> Integers:
    """Return true values where they are known; else whole numbers that everything known allows.

    Raises:
        GateRefusal: there are none.
    """
    if not np.isnan(linked.value).any():
        return linked.value.astype(np.int64)
    return feasible_point(seen_by_readers(linked))


def both(one: Needs, other: Needs) -> Needs:
    """Return all needs of two."""
    return one.and_of(other)
