"""Which places are published, and what is merged: every place at the finest level that is safe.

A place is listed where it is safe and its parent is listed. What is not listed goes into the rest of the nearest
place above it that is; a rest of too few persons is given the cheapest siblings that help it. Nothing here knows
tables, codes or engines: arrays in, arrays out. See docs/decisions/places-at-the-finest-safe-level.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anonymization.errors import IntegrityError

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """Places of at least N persons at their other coordinates, a row each.

    Attributes:
        level: of each row, 0 for the finest level and so on; all places together are the last level.
        parent: of each row, the row of the place above it at the same other coordinates; -1 for all places together.
        persons: a row a place, a column a kind of day; the first column counts the persons of all days.
    """

    level: Integers
    parent: Integers
    persons: Integers


@dataclass(frozen=True)
class Rests:
    """What is left over in places that have listed places below them, and is it enough?

    Attributes:
        of: rows of the places.
        persons: a row a rest, columns as in `Candidates`: distinct persons of every place below that is not listed.
    """

    of: Integers
    persons: Integers


@dataclass(frozen=True)
class Decision:
    """What is published.

    Attributes:
        listed: which candidates are published as they are.
        rests: rows of the places of which a rest is published, in order.
        more: of each rest, whether it was given siblings: then its persons are to be counted again.
    """

    listed: Booleans
    rests: Integers
    more: Booleans


def safe_places(candidates: Candidates, least: int, allowed: Booleans | None = None) -> Booleans:
    """Return which places are safe, and every place above them: 0 or at least `least` persons on each kind of day.

    Both measures are published by kind of day, and person-days add up over it: if one kind is hidden, all are.

    Args:
        candidates: all of them.
        least: N.
        allowed: which of them may be listed at all; every one, if it is not given.
    """
    safe = ((candidates.persons == 0) | (candidates.persons >= least)).all(axis=1)
    return _below_listed(candidates, safe if allowed is None else safe & allowed)


@dataclass(frozen=True)
class Spread:
    """How places at finer other coordinates (hours) make up the same places at coarser ones (all hours).

    Attributes:
        over: of each candidate, the row of the same place one level up in one other dimension; -1 where there is none.
        days: person-days of each candidate, columns as its persons; null where they are not counted.
        lengths: the number of days of each kind of day.
    """

    over: Integers
    days: Integers | None
    lengths: Integers


def pinned(candidates: Candidates, listed: Booleans, spread: Spread, least: int, width: int) -> Booleans:
    """Return the listed places whose listing tells how many persons were there at the hours that are not listed.

    Those are as many as all hours have at most; and at least as many as listed hours lack of all hours' persons,
    or of their person-days divided by the days. Where 1 to `least` - 1 are told to within less than `width`, the
    hours are not listed either, and nothing is left over.
    """
    rows = np.flatnonzero(listed & (spread.over >= 0))
    rows = rows[listed[spread.over[rows]]]
    over = spread.over[rows]
    low = np.maximum(_lacking(candidates.persons, rows, over), 0)
    if spread.days is not None:
        low = np.maximum(low, -(-_lacking(spread.days, rows, over) // np.maximum(spread.lengths, 1)))
    low[:, 0] = low.max(axis=1)
    told: Booleans = np.any((low >= 1) & (low < least) & (candidates.persons - low < width), axis=1)
    found = np.zeros(len(listed), dtype=bool)
    found[rows] = told[over]
    return found


def _lacking(figures: Integers, rows: Integers, over: Integers) -> Integers:
    """What each row has more than the listed rows that it is made of have together; 0 where there are none."""
    left = np.zeros(figures.shape, dtype=np.int64)
    np.add.at(left, over, -figures[rows])
    left[np.unique(over)] += figures[np.unique(over)]
    return left


def asked(candidates: Candidates, listed: Booleans) -> Integers:
    """Return the rows of places with a listed place right below: theirs are the rests that must be counted."""
    parents = candidates.parent[listed]
    return np.unique(parents[parents >= 0])


def decide(candidates: Candidates, listed: Booleans, rests: Rests, least: int) -> Decision:
    """Return what is published when rests of too few persons are given siblings.

    A rest lacks persons on a kind of day where it has 1 to `least` - 1. A listed sibling with anybody on that kind
    of day has at least `least`, so it mends it: the union has as many. So the cheapest sibling that mends anything
    (fewest persons, ties by position) is given to the rest, until nothing is lacking; then what the others make
    needless is given back, the greatest first. Where no sibling is left the place stands alone, without a rest.

    Args:
        candidates: all of them.
        listed: as `safe_places` says.
        rests: of every row that `asked` returned, counted when nothing had been given.
        least: N.

    Raises:
        IntegrityError: a rest lacks persons whom none of its siblings has: the figures contradict each other.
    """
    lacking = np.zeros(candidates.persons.shape, dtype=bool)
    lacking[rests.of] = (rests.persons >= 1) & (rests.persons < least)
    given = _given_back(candidates, _given(candidates, listed, lacking), lacking)
    left = _below_listed(candidates, listed & ~given)
    has_rest = np.zeros(len(listed), dtype=bool)
    has_rest[rests.of] = (rests.persons > 0).any(axis=1)
    has_more = np.zeros(len(listed), dtype=bool)
    has_more[candidates.parent[given]] = True
    has_parts = np.zeros(len(listed), dtype=bool)
    has_parts[asked(candidates, left)] = True
    of = np.flatnonzero(left & has_parts & (has_rest | has_more))
    return Decision(left, of, has_more[of])


def _below_listed(candidates: Candidates, listed: Booleans) -> Booleans:
    """Of the listed places those whose every place above is listed."""
    listed = listed.copy()
    for level in range(int(candidates.level.max(initial=0)) - 1, -1, -1):
        rows = np.flatnonzero(candidates.level == level)
        listed[rows] &= listed[candidates.parent[rows]]
    return listed


def _given(candidates: Candidates, listed: Booleans, lacking: Booleans) -> Booleans:
    """The listed places that are given to rests, cheapest first; one a rest and round."""
    given = np.zeros(len(listed), dtype=bool)
    lacking = lacking.copy()
    rows = np.flatnonzero(listed & (candidates.parent >= 0))
    rows = rows[lacking[candidates.parent[rows]].any(axis=1)]
    rows = rows[np.argsort(candidates.persons[rows, 0], kind="stable")]
    inhabited = candidates.persons > 0
    while len(rows := rows[(lacking[candidates.parent[rows]] & inhabited[rows]).any(axis=1)]):
        _, first = np.unique(candidates.parent[rows], return_index=True)
        chosen = rows[first]
        given[chosen] = True
        lacking[candidates.parent[chosen]] &= ~inhabited[chosen]
    if lacking.any():
        raise IntegrityError("a place has persons whom none of the places below it has")
    return given


def _given_back(candidates: Candidates, given: Booleans, lacking: Booleans) -> Booleans:
    """The given places without those that the other ones of their rest make needless."""
    given = given.copy()
    rows = np.flatnonzero(given)
    rows = rows[np.argsort(-candidates.persons[rows, 0], kind="stable")]
    mends = lacking[candidates.parent] & (candidates.persons > 0)
    times = np.zeros(lacking.shape, dtype=np.int64)
    np.add.at(times, candidates.parent[rows], mends[rows])
    while len(rows := rows[~(mends[rows] & (times[candidates.parent[rows]] == 1)).any(axis=1)]):
        _, first = np.unique(candidates.parent[rows], return_index=True)
        needless = rows[first]
        given[needless] = False
        times[candidates.parent[needless]] -= mends[needless]
        rows = np.delete(rows, first)
    return given
