"""The table of measure kinds: a row each, and what adds up over which axes."""

from __future__ import annotations

import pytest

from anonymization.policy.releases import MeasureKind
from anonymization.tables.measures import AT_MOST, KINDS, PERSON_DAYS, PERSONS


def test_every_kind_that_can_be_declared_has_a_row():
    assert set(KINDS) == set(MeasureKind)
    assert (PERSONS, PERSON_DAYS) == (MeasureKind.PERSONS, MeasureKind.PERSON_DAYS)
    assert len({row.recounted for row in KINDS.values()}) == len(KINDS)


ADDS_UP = {  # over classes of persons, over days, over classes of events
    MeasureKind.PERSONS: (True, False, False),
    MeasureKind.PERSON_DAYS: (True, True, False),
    MeasureKind.TOTAL: (True, True, True),
}


@pytest.mark.parametrize("kind", MeasureKind)
def test_what_adds_up(kind):
    axes = ({"person": True, "by_day": False}, {"person": False, "by_day": True}, {"person": False, "by_day": False})
    assert tuple(KINDS[kind].adds_up(**axis) for axis in axes) == ADDS_UP[kind]


def test_what_is_never_more_than_another():
    """By brute force: of events of one class, each of a person on a day."""
    events = [("a", 1), ("a", 1), ("a", 2), ("b", 1)]
    figure = {
        MeasureKind.PERSONS: len({person for person, _ in events}),
        MeasureKind.PERSON_DAYS: len(set(events)),
        MeasureKind.TOTAL: len(events),
    }
    assert all(figure[one] < figure[other] for one, other in AT_MOST)
    assert len(AT_MOST) == 3
