"""People's requests (clause 4): which documents one takes, how it goes on, when it is due, how long papers are kept."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from anonymization.errors import InputError, Refusal
from anonymization.policy.load import Policies
from anonymization.policy.model import PolicyDocument, RequestForms, RequestKind, Retention

LEAVING = frozenset((RequestKind.DISCONTINUATION, RequestKind.DELETION, RequestKind.CEASE_PROVISION))
"""After these nothing is made of the person, inside neither: beside what is outside, statistics would tell of her."""
CHANGING = frozenset((RequestKind.CORRECTION, RequestKind.ADDITION))
"""These say what a value of the person's rows is."""


class RequestState(StrEnum):
    """How far a request has come."""

    RECEIVED = "received"
    VERIFIED = "verified"
    """Whoever makes it is who they say, and what is charged is paid: it is carried out."""
    COMPLETED = "completed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"
    """Its papers are gone; the ledger knows that there was one."""

    @property
    def kept(self) -> bool:
        """Whether its papers are there."""
        return self is not RequestState.REMOVED


OPEN = (RequestState.RECEIVED, RequestState.VERIFIED)
ANSWERED = (RequestState.COMPLETED, RequestState.REJECTED, RequestState.WITHDRAWN)
NEXT = {
    RequestState.RECEIVED: frozenset((RequestState.VERIFIED, RequestState.REJECTED, RequestState.WITHDRAWN)),
    RequestState.VERIFIED: frozenset(ANSWERED),
    **dict.fromkeys(ANSWERED, frozenset((RequestState.REMOVED,))),
    RequestState.REMOVED: frozenset[RequestState](),
}
"""What may follow a state."""


def today(policies: Policies) -> date:
    """Return the day, as the house counts days."""
    return datetime.now(ZoneInfo(policies.zone)).date()


def require_next(number: int, state: RequestState, wanted: RequestState) -> None:
    """Check that a request may go on so.

    Raises:
        Refusal: it may not, and what it is.
    """
    if wanted not in NEXT[state]:
        before = ", ".join(one.value for one, following in NEXT.items() if wanted in following)
        raise Refusal(f"request {number} is {state}; {wanted} may become what is {before}")


def documents_of(forms: RequestForms, *, proxy: bool) -> tuple[str, ...]:
    """Return what is submitted with a request: its form, its annexes and, where a proxy makes it, the proxy's form."""
    return (forms.form, *([forms.proxy_form] if proxy else []), *forms.annexes)


def require_documents(kind: RequestKind, forms: RequestForms, given: Collection[str], *, proxy: bool) -> None:
    """Check that what a request takes was submitted, and nothing else.

    Raises:
        InputError: what is missing, or does not belong to it.
    """
    wanted = documents_of(forms, proxy=proxy)
    missing = [one for one in wanted if one not in given]
    if missing:
        by = " by a proxy" if proxy else ""
        raise InputError(
            f"a request for {kind}{by} takes {', '.join(wanted)} ({forms.clause}); missing: {', '.join(missing)}"
        )
    if others := sorted(set(given) - set(wanted)):
        hint = f"; {forms.proxy_form} is a proxy's: --proxy" if forms.proxy_form in others else ""
        raise InputError(
            f"a request for {kind} takes {', '.join(wanted)} ({forms.clause}), not {', '.join(others)}{hint}"
        )


def due(policy: PolicyDocument, received: date) -> date | None:
    """Return the day by which a request that came on a day is answered; None where the house has no rule for it."""
    rule = policy.house_rules.requests
    return None if rule is None else received + timedelta(days=rule.within_days)


def kept_until(retention: Retention, answered: date) -> date:
    """Return the last day on which the papers of a request are kept that was answered on a day.

    It is counted from the end of the fiscal year in which the answer was completed.
    """
    month, day = map(int, retention.fiscal_year_starts.split("-"))
    ends = answered.year + ((answered.month, answered.day) >= (month, day))
    return date(ends + retention.years_after_fiscal_year, month, day) - timedelta(days=1)
