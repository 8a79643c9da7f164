"""Which publications tell of the same persons: directly, or through what is out beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from anonymization.deidentify.notes import months_beside
from anonymization.policy.periods import EPOCH, parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.release.ledger.ledger import Entry


@dataclass(frozen=True)
class About:
    """What a release is about: its sources, its first day and the day after its last one, by number."""

    sources: frozenset[str]
    first_day: int
    past_day: int

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> About:
        """What a publication is about, by its entry in the ledger."""
        return cls(frozenset(payload["sources"]), payload["first_day"], payload["past_day"])

    def shares(self, other: About) -> bool:
        """Whether both tell of one person: a source, and days."""
        days = self.first_day < other.past_day and other.first_day < self.past_day
        return days and not self.sources.isdisjoint(other.sources)

    def beside(self, stocks: AbstractSet[str]) -> list[About]:
        """What is about the same stocks, in the months that a month of a stock is compared with."""
        if not (same := self.sources & stocks):
            return []
        month = parse_period(PeriodKind.MONTH, f"{EPOCH + timedelta(days=self.first_day):%Y-%m}")
        months = (*months_beside(month, -1), *months_beside(month, 1))
        return [About(same, one.first, one.past) for one in months]


def sharing(entries: Sequence[Entry], about: Iterable[About]) -> list[Entry]:
    """Return the publications that share persons with a release, or with a publication that does, and so on; in order.

    A month less one day says something of all its other days, and so of each release about one of them.
    """
    reached, left = list(about), [(entry, About.of(entry.payload)) for entry in entries]
    found = []
    while reached:
        one = reached.pop()
        near = [(entry, other) for entry, other in left if one.shares(other)]
        left = [(entry, other) for entry, other in left if not one.shares(other)]
        found += near
        reached += {other for _, other in near}
    return sorted((entry for entry, _ in found), key=lambda entry: entry.seq)
