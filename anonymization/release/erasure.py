"""Erasure: from which month on anything personal is kept, by the policy and by the ledger."""

from __future__ import annotations

from datetime import date
from typing import Any

from anonymization.release.ledger.ledger import EntryKind, Ledger

SUBJECT = "logs"


def due(after_months: int, today: date) -> date:
    """Return the first day of the earliest month that is still kept on a day.

    A month is kept until so many whole months have passed since its end.
    """
    year, month = divmod(today.year * 12 + today.month - 1 - after_months, 12)
    return date(year, month + 1, 1)


def kept_from(ledger: Ledger) -> date | None:
    """Return the first day of the earliest month that was not erased; None if none ever was.

    An erasure by a clock that an officer has corrected since (`noren clock`) does not count: its time had not come.
    """
    with ledger.transaction() as transaction:
        corrections = transaction.entries(kind=EntryKind.CLOCK)
        entries = [
            erasure
            for erasure in transaction.entries(kind=EntryKind.ERASURE)
            if not any(one.seq > erasure.seq and one.time < erasure.time for one in corrections)
        ]
    return max((date.fromisoformat(entry.payload["kept_from"]) for entry in entries), default=None)


def record_erasure(ledger: Ledger, first: date, what: dict[str, Any]) -> int:
    """Record what is about to be erased of the months before `first`; return the entry's number.

    It comes before the deed: nothing is gone of which the ledger says nothing.
    """
    with ledger.transaction() as transaction:
        return transaction.append(EntryKind.ERASURE, SUBJECT, {"kept_from": first.isoformat(), **what}).seq
