"""What the policy allows: one pure, total function, the policy first, then the house rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from anonymization.errors import PolicyRefusal
from anonymization.policy.model import InformationClass, Kind, PolicyDocument, Purpose, RecipientClass

OUTSIDE = frozenset(
    (
        RecipientClass.OUTSOURCEE,
        RecipientClass.SHARED_PARTY,
        RecipientClass.BUSINESS_PARTNER,
        RecipientClass.THIRD_PARTY,
    )
)
"""Recipients outside the house. A person receives their own data, by a request."""


@dataclass(frozen=True)
class Clause:
    """A clause of the policy, or a house rule (then `clause` is `house rule`), with its own words."""

    clause: str
    text: str

    def __str__(self) -> str:
        """Quote it."""
        return f"{self.clause}: “{self.text}”"


@dataclass(frozen=True)
class Permitted:
    """Allowed, by these clauses."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Refused:
    """Not allowed: why, and the clauses or house rules that say so."""

    clauses: tuple[Clause, ...]
    reason: str


Decision = Permitted | Refused


def decide(
    policy: PolicyDocument, kind: Kind, information_types: Sequence[str], purpose: str, recipient: RecipientClass
) -> Decision:
    """Decide whether information of these types may go to a recipient, as this kind, for this purpose.

    Total: every combination of known values gets an answer, and so does an unknown type or purpose
    (refused, because it is not declared). Types are judged one by one; the first refusal stands.
    """
    clauses: list[Clause] = []
    if not information_types:
        return Refused((), "no information type is named; what is not declared is refused")
    for information_type in information_types:
        decision = _decide_one(policy, kind, information_type, purpose, recipient)
        if isinstance(decision, Refused):
            return decision
        clauses += [clause for clause in decision.clauses if clause not in clauses]
    return _house_rules(policy, kind, recipient) or Permitted(tuple(clauses))


def _decide_one(
    policy: PolicyDocument, kind: Kind, information_type: str, purpose: str, recipient: RecipientClass
) -> Decision:
    declared = policy.information_types.get(information_type)
    if declared is None:
        return Refused((), f"{information_type!r} is not an information type of the policy")
    stated = policy.purposes.get(purpose)
    if stated is None:
        return Refused((), f"{purpose!r} is not a purpose of the policy")
    covering = _covering(policy, information_type, purpose)
    if covering is None:
        return Refused(
            (Clause(declared.clause, declared.text), Clause(stated.clause, stated.text)),
            f"the purpose {purpose!r} does not cover {information_type!r}",
        )
    party = policy.recipient_classes[recipient]
    named = (Clause(covering.clause, covering.text), Clause(party.clause, party.text))
    if kind is Kind.STATISTICS:
        allowed = _statistics(covering, recipient, declared.information_class in party.statistics_of)
    else:
        allowed = _rows(
            kind, declared.information_class, personal=party.personal_information, user=party.user_information
        )
    if not allowed:
        return Refused(named, f"{kind.value.replace('_', ' ')} of {information_type!r} may not go to {recipient!r}")
    return Permitted(named)


def _covering(policy: PolicyDocument, information_type: str, purpose: str) -> Purpose | None:
    """The stated purpose where it covers the type; else the type's own clause that says the same of statistics.

    The policy states the provision of statistics three times, once a group of types: (k), (t) and the fifth
    purpose of 2(2). A release that joins groups names one of them and stands on each group's own clause.
    """
    stated = policy.purposes[purpose]
    if information_type in stated.types:
        return stated
    for other in policy.purposes.values():
        equal = (stated.provides_statistics and other.provides_statistics) or (
            stated.prepares_statistics and not stated.provides_statistics and other.prepares_statistics
        )
        if equal and information_type in other.types:
            return other
    return None


def _statistics(purpose: Purpose, recipient: RecipientClass, party_may: bool) -> bool:  # noqa: FBT001 - a fact
    if not party_may:
        return False
    if recipient is RecipientClass.INTERNAL:
        return purpose.prepares_statistics or purpose.provides_statistics
    return purpose.provides_statistics


def _rows(kind: Kind, information_class: InformationClass, *, personal: str | None, user: str | None) -> bool:
    if kind is Kind.PERSONAL_INFORMATION:
        return personal is not None and information_class is InformationClass.PERSONAL
    return user is not None and information_class is InformationClass.USER_INFORMATION


def _house_rules(policy: PolicyDocument, kind: Kind, recipient: RecipientClass) -> Refused | None:
    if kind is Kind.STATISTICS or recipient not in OUTSIDE:
        return None
    rule = Clause("house rule", policy.house_rules.only_statistics_leave.text)
    return Refused((rule,), f"{kind.value.replace('_', ' ')} does not leave the house, whoever the recipient is")


def versions_in_force(policy: PolicyDocument, first: date, last: date) -> tuple[date, ...]:
    """Return the effective days of the versions under which events of [first, last] were collected.

    Raises:
        PolicyRefusal: some of the days lie before the first version.
    """
    if first < policy.first_day:
        raise PolicyRefusal(
            f"{first} lies before the policy's first version, in force since {policy.first_day}: events older than"
            " that are refused"
        )
    days = [version.effective for version in policy.versions]
    begun = max(day for day in days if day <= first)
    return tuple(day for day in days if begun <= day <= last)
