"""Which places are listed and what is merged, by hand: N is 10, kinds of day are all, weekdays, days off."""

from __future__ import annotations

import numpy as np
import pytest

from anonymization.errors import IntegrityError
from anonymization.tables.counting.safe_places import Candidates, Rests, Spread, asked, decide, pinned, safe_places

N = 10


def candidates(places):
    """From {name: (level, parent's name, persons)}; persons are of weekdays and days off, nobody in both."""
    names = list(places)
    level = [places[name][0] for name in names]
    parent = [names.index(places[name][1]) if places[name][1] else -1 for name in names]
    persons = [[sum(places[name][2]), *places[name][2]] for name in names]
    return names, Candidates(np.array(level), np.array(parent), np.array(persons))


def decided(places, rests):
    """Names of what is listed, and of what has a rest; a star after one that was given siblings."""
    names, given = candidates(places)
    listed = safe_places(given, N)
    of = asked(given, listed)
    persons = [[sum(rests.get(names[row], (0, 0))), *rests.get(names[row], (0, 0))] for row in of]
    decision = decide(given, listed, Rests(of, np.array(persons, dtype=np.int64).reshape(len(of), 3)), N)
    found = [names[row] + "*" * bool(more) for row, more in zip(decision.rests, decision.more, strict=True)]
    return {name for name, there in zip(names, decision.listed, strict=True) if there}, found


ABC = {"T": (2, None, (90, 90)), "P": (1, "T", (80, 80))}

CASES = {
    "everything is safe": (
        {**ABC, "a": (0, "P", (30, 30)), "b": (0, "P", (50, 50))}, {},
        {"T", "P", "a", "b"}, [],
    ),
    "a rest of enough persons stands as it is": (
        {**ABC, "a": (0, "P", (30, 30)), "b": (0, "P", (50, 50))}, {"P": (12, 10)},
        {"T", "P", "a", "b"}, ["P"],
    ),
    "a rest of too few is given the cheapest sibling": (
        {**ABC, "a": (0, "P", (30, 30)), "b": (0, "P", (20, 20)), "c": (0, "P", (40, 40))}, {"P": (3, 4)},
        {"T", "P", "a", "c"}, ["P*"],
    ),
    "of equally cheap siblings the first": (
        {**ABC, "a": (0, "P", (20, 20)), "b": (0, "P", (20, 20)), "c": (0, "P", (40, 40))}, {"P": (3, 4)},
        {"T", "P", "b", "c"}, ["P*"],
    ),
    "too few on weekdays alone: a sibling with nobody on weekdays does not help": (
        {**ABC, "a": (0, "P", (0, 15)), "b": (0, "P", (30, 30)), "c": (0, "P", (40, 40))}, {"P": (3, 40)},
        {"T", "P", "a", "c"}, ["P*"],
    ),
    "what a later sibling makes needless is given back": (
        {**ABC, "a": (0, "P", (0, 15)), "b": (0, "P", (30, 30)), "c": (0, "P", (40, 40))}, {"P": (3, 3)},
        {"T", "P", "a", "c"}, ["P*"],
    ),
    "two siblings, one a kind of day": (
        {**ABC, "a": (0, "P", (0, 15)), "b": (0, "P", (25, 0)), "c": (0, "P", (55, 65))}, {"P": (3, 3)},
        {"T", "P", "c"}, ["P*"],
    ),
    "the only listed place is given: the place above stands alone": (
        {**ABC, "a": (0, "P", (70, 70))}, {"P": (3, 3)},
        {"T", "P"}, [],
    ),
    "an unsafe place goes into the rest above it, with everything below": (
        {**ABC, "Q": (1, "T", (4, 40)), "a": (0, "P", (40, 40)), "b": (0, "Q", (0, 20))}, {"T": (4, 40)},
        {"T"}, [],
    ),
    "a place with listed ones below is given as a whole": (
        {**ABC, "Q": (1, "T", (20, 20)), "a": (0, "P", (40, 40)), "b": (0, "Q", (10, 10)), "c": (0, "Q", (10, 10))}, {"T": (2, 0)},
        {"T", "P", "a"}, ["T*"],
    ),
    "rests of two levels": (
        {**ABC, "a": (0, "P", (40, 40))}, {"T": (10, 0), "P": (40, 40)},
        {"T", "P", "a"}, ["T", "P"],
    ),
    "all places together are unsafe: nothing is listed": (
        {"T": (2, None, (9, 40)), "P": (1, "T", (0, 30))}, {},
        set(), [],
    ),
    "nothing at all": ({}, {}, set(), []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_places_and_rests(name):
    places, rests, listed, with_rest = CASES[name]
    if not places:
        given = Candidates(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.int64))
        empty = Rests(asked(given, safe_places(given, N)), given.persons)
        assert len(decide(given, safe_places(given, N), empty, N).rests) == 0
        return
    assert decided(places, rests) == (listed, with_rest)


def test_contradictory_figures_are_refused():
    with pytest.raises(IntegrityError, match="none of the places below it has"):
        decided({**ABC, "a": (0, "P", (0, 40))}, {"P": (3, 30)})


def hours(all_hours, *listed):
    """Candidates of one place: all hours, then single ones; each (persons, days) on weekdays, nobody on days off."""
    rows = [all_hours, *listed]
    persons = np.array([[p, p, 0] for p, _ in rows])
    days = np.array([[d, d, 0] for _, d in rows])
    place = Candidates(np.zeros(len(rows), dtype=np.int64), np.full(len(rows), -1), persons)
    over = np.array([-1, *(0 for _ in listed)])
    return place, Spread(over, days, np.array([31, 21, 10]))


@pytest.mark.parametrize(
    ("all_hours", "listed", "told"),
    [
        pytest.param((10, 200), [], [False], id="no hour is listed"),
        pytest.param((40, 200), [(12, 20)], [False, False], id="room enough"),
        pytest.param((10, 169), [(10, 20)], [False, True], id="149 days in 21 are 8 persons at least, of 10"),
        pytest.param((10, 168), [(10, 21)], [False, False], id="147 days in 21 are 7 persons at least"),
        pytest.param((10, 210), [(10, 21)], [False, True], id="9 persons at least"),
        pytest.param((11, 210), [(11, 21)], [False, True], id="9 to 11"),
        pytest.param((12, 210), [(12, 21)], [False, False], id="9 to 12"),
        pytest.param((10, 210), [(10, 100), (10, 80)], [False, False, False], id="30 days are 2 persons at least"),
        pytest.param((30, 400), [(10, 10)], [False, False], id="20 persons at least are enough to be told"),
    ],
)
def test_hours_that_tell_of_the_others_are_not_listed(all_hours, listed, told):
    place, spread = hours(all_hours, *listed)
    everything = np.ones(len(place.level), dtype=bool)
    assert pinned(place, everything, spread, N, 3).tolist() == told


def test_without_person_days_persons_tell():
    place, spread = hours((20, 0), (10, 0), (1, 0))
    persons_alone = Spread(spread.over, None, spread.lengths)
    assert not pinned(place, np.array([True, True, False]), persons_alone, N, 3).any()
    place, _ = hours((18, 0), (9, 0), (0, 0))
    assert pinned(place, np.array([True, True, False]), persons_alone, 10, 10).tolist() == [False, True, False]
