"""Readers: what is known from what is published, and what must stay possible for them, by that alone."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from anonymization.disclosure.suppress.feasible import feasible_point
from anonymization.disclosure.system import Floats, Integers, Needs, System
from anonymization.errors import GateRefusal
from anonymization.tables.audit.standing_needs import standing_alone
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

    Known is also what only one person knows of releases that are out, if they can be of this state of the logs.

    Raises:
        GateRefusal: there are none.
    """
    if not np.isnan(linked.value).any():
        return linked.value.astype(np.int64)
    seen = seen_by_readers(linked)
    told = (sheet.issue for sheet in linked.sheets if any(need.alone is not None for need in sheet.standing))
    names = list(dict.fromkeys(told))
    with suppress(GateRefusal):
        return feasible_point(_knowing(seen, standing_alone(linked, names)))
    found, kept = None, list[str]()
    for name in names:
        with suppress(GateRefusal):
            found = feasible_point(_knowing(seen, standing_alone(linked, [*kept, name])))
            kept.append(name)
    return feasible_point(seen) if found is None else found


def _knowing(seen: System, figures: Floats) -> System:
    """Return what somebody knows who knows some more figures.

    Raises:
        GateRefusal: one of them cannot be.
    """
    known = ~np.isnan(figures)
    if (known & ((figures < seen.low) | (figures > seen.high))).any():
        raise GateRefusal("what one person knows contradicts what is published")
    return System(seen.relations, np.where(known, figures, seen.low), np.where(known, figures, seen.high))


def both(one: Needs, other: Needs) -> Needs:
    """Return all needs of two."""
    return one.and_of(other)
