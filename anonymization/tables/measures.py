"""What a measure kind is: a row a kind, with everything that Noren asks of one.

Nothing else branches on the kind but the policy folder's own checks: whoever needs to know asks its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anonymization.policy.releases import MeasureKind

PAIR = 64
"""Days of a period fit below this, so that person and day make one text apart from any other pair."""


@dataclass(frozen=True)
class Kind:
    """A kind of measure.

    Attributes:
        counted: SQL of a class's figure over one row a person: `g.days` are the person's days as bits, `{total}` is
            what the person contributes.
        contribution: SQL of what one person contributes to it, over the same row.
        recounted: the figure over the rows of a recount: one an event, with person and day; where `sums`, one a person,
            with `amount` and `place` by it.
        contributed: SQL of the contribution over a person's rows of a recount.
        meaning: words for the data dictionary, after the title.
        persons: whether it counts the persons of a population: those on whom thresholds are, and any other measure
            of the population leans.
        days: whether it needs to know on which days a person was there.
        sums: whether it adds up what each person contributes; then single contributions may dominate it, and they are
            what bounds on contributions bound.
        over_persons: whether classes of persons add up, each of whom is in one of them.
        over_days: whether days add up.
        over_events: whether classes add up in several of which one person may be.
    """

    counted: str
    contribution: str
    recounted: str
    contributed: str
    meaning: str
    persons: bool = False
    days: bool = False
    sums: bool = False
    over_persons: bool = True
    over_days: bool = False
    over_events: bool = False

    def adds_up(self, *, person: bool, by_day: bool) -> bool:
        """Return whether classes add up to the class above them along an axis of persons, or of days, or of events."""
        return self.over_events or (self.over_persons and person) or (self.over_days and by_day)


OF_CONTRIBUTIONS = (
    "CAST(sum(q.amount) AS BIGINT) AS recounted,"
    " CAST(COALESCE(max(q.amount) FILTER (WHERE q.place = 1), 0) AS BIGINT) AS first,"
    " CAST(COALESCE(max(q.amount) FILTER (WHERE q.place = 2), 0) AS BIGINT) AS second"
)
"""SQL of a figure and its two largest contributions over rows of a recount, one a person: `amount`, `place` by it."""

KINDS: Mapping[MeasureKind, Kind] = {
    MeasureKind.PERSONS: Kind(
        counted="count(*)",
        contribution="1",
        recounted="count(DISTINCT person) AS recounted",
        contributed="1",
        meaning="distinct persons",
        persons=True,
    ),
    MeasureKind.PERSON_DAYS: Kind(
        counted="CAST(sum(BIT_COUNT(g.days)) AS BIGINT)",
        contribution="BIT_COUNT(g.days)",
        recounted=f"count(DISTINCT CAST(person AS VARCHAR) || ' ' || CAST(day + {PAIR} AS VARCHAR)) AS recounted",
        contributed="count(DISTINCT day)",
        meaning="distinct pairs of person and day; by days, the daily mean",
        days=True,
        over_days=True,
    ),
    MeasureKind.TOTAL: Kind(
        counted="CAST(sum(g.{total}) AS BIGINT)",
        contribution="g.{total}",
        recounted=OF_CONTRIBUTIONS,
        contributed="sum(amount)",
        meaning="total",
        sums=True,
        over_days=True,
        over_events=True,
    ),
}
PERSONS = next(kind for kind, row in KINDS.items() if row.persons)
PERSON_DAYS = next(kind for kind, row in KINDS.items() if row.days)
AT_MOST = (
    (MeasureKind.PERSONS, MeasureKind.PERSON_DAYS),
    (MeasureKind.PERSONS, MeasureKind.TOTAL),
    (MeasureKind.PERSON_DAYS, MeasureKind.TOTAL),
)
"""Of one population's class, the first is never more than the second."""
