"""What the policy allows: one pure, total function, the policy first, then the house rules; and all as one table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from anonymization.errors import PolicyRefusal
from anonymization.policy.grounds import Ground
from anonymization.policy.model import InformationClass, Kind, Party, PolicyDocument, Purpose, RecipientClass

OUTSIDE = frozenset(
    (
        RecipientClass.OUTSOURCEE,
        RecipientClass.SHARED_PARTY,
        RecipientClass.BUSINESS_PARTNER,
        RecipientClass.THIRD_PARTY,
    )
)
"""Recipients outside the house. A person receives their own data, by a request."""


EXCEPTED = frozenset((RecipientClass.BUSINESS_PARTNER, RecipientClass.THIRD_PARTY))
"""Third parties in the sense of clause 3, to whom personal information goes by its exceptions alone."""


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
    """Allowed, by these clauses, and by these grounds where clause 3's exceptions are needed."""

    clauses: tuple[Clause, ...]
    grounds: tuple[Ground, ...] = ()


@dataclass(frozen=True)
class Refused:
    """Not allowed: why, and the clauses or house rules that say so."""

    clauses: tuple[Clause, ...]
    reason: str


Decision = Permitted | Refused


def decide(
    policy: PolicyDocument,
    kind: Kind,
    information_types: Sequence[str],
    purpose: str,
    recipient: RecipientClass,
    *,
    collected_for: Collection[str] | None = None,
    grounds: Collection[Ground] = (),
) -> Decision:
    """Decide whether information of these types may go to a recipient, as this kind, for this purpose.

    Total: every combination of known values gets an answer, and so does an unknown type or purpose
    (refused, because it is not declared). Types are judged one by one; the first refusal stands.

    Args:
        policy: by which it is decided.
        kind: what goes.
        information_types: of what it is made.
        purpose: for which it goes.
        recipient: to whom.
        collected_for: the purposes for which it was collected, where it is about a log: no other is a use of it.
        grounds: those recorded that hold for the recipient on the day (`Ground.holds`): clause 3's exceptions.
    """
    clauses: list[Clause] = []
    needed: list[Ground] = []
    if not information_types:
        return Refused((), "no information type is named; what is not declared is refused")
    for information_type in information_types:
        decision = _decide_one(policy, kind, information_type, purpose, recipient, collected_for, grounds)
        if isinstance(decision, Refused):
            return decision
        clauses += [clause for clause in decision.clauses if clause not in clauses]
        needed += [ground for ground in decision.grounds if ground not in needed]
    return _house_rules(policy, kind, recipient, needed) or Permitted(tuple(clauses), tuple(needed))


def _decide_one(
    policy: PolicyDocument,
    kind: Kind,
    information_type: str,
    purpose: str,
    recipient: RecipientClass,
    collected_for: Collection[str] | None,
    grounds: Collection[Ground],
) -> Decision:
    declared = policy.information_types.get(information_type)
    if declared is None:
        return Refused((), f"{information_type!r} is not an information type of the policy")
    stated = policy.purposes.get(purpose)
    if stated is None:
        return Refused((), f"{purpose!r} is not a purpose of the policy")
    covering = _covering(policy, information_type, stated)
    if not covering:
        return Refused(
            (Clause(declared.clause, declared.text), _clause(stated)),
            f"the purpose {purpose!r} does not cover {information_type!r}",
        )
    collected = [name for name in covering if collected_for is None or name in collected_for]
    if not collected:
        wanted, purposes = " or ".join(map(repr, covering)), ", ".join(sorted(collected_for or ())) or "none"
        clauses = tuple(_clause(policy.purposes[name]) for name in covering)
        return Refused(clauses, f"it was not collected for {wanted}; its purposes: {purposes}")
    party, used = policy.recipient_classes[recipient], policy.purposes[collected[0]]
    by: tuple[Purpose, ...] | None = None
    if kind is not Kind.STATISTICS:
        by = _rows(kind, declared.information_class, used, party)
    elif declared.information_class in party.statistics_of:
        by = _statistics(policy, information_type, used, recipient)
    if by is None:
        what, whom = (one.value.replace("_", " ") for one in (kind, recipient))
        reason = f"{what} of {information_type!r} for the purpose {collected[0]!r} may not go to"
        refused = Refused((_clause(used), _clause(party)), f"{reason} a recipient of the class {whom}")
        about = [one for one in grounds if one.covers(information_type, collected[0])]
        excepted = about and kind is Kind.PERSONAL_INFORMATION and recipient in EXCEPTED
        return Permitted((_clause(used), _exception(policy, about[0])), (about[0],)) if excepted else refused
    # what a class of recipients may have by its own clause stands beside the purpose; a third party has none of its own
    own = (_clause(party),) if party.personal_information or party.user_information else ()
    return Permitted((*map(_clause, by), *own))


def _clause(stated: Purpose | Party) -> Clause:
    return Clause(stated.clause, stated.text)


def _exception(policy: PolicyDocument, ground: Ground) -> Clause:
    """The exception itself: what else the clause says is that nothing is provided."""
    return Clause(policy.recipient_classes[RecipientClass.THIRD_PARTY].clause, ground.kind.words)


def _covering(policy: PolicyDocument, information_type: str, stated: Purpose) -> list[str]:
    """The stated purpose where it covers the type; else the type's own clauses that say the same of statistics.

    The policy states the provision of statistics three times, once a group of types: (k), (t) and the fifth
    purpose of 2(2). A release that joins groups names one of them and stands on each group's own clause.
    """
    if information_type in stated.types:
        return [name for name, other in policy.purposes.items() if other is stated]
    return [
        name
        for name, other in policy.purposes.items()
        if information_type in other.types
        and (
            (stated.provides_statistics and other.provides_statistics)
            or (stated.prepares_statistics and not stated.provides_statistics and other.prepares_statistics)
        )
    ]


def _statistics(
    policy: PolicyDocument, information_type: str, used: Purpose, recipient: RecipientClass
) -> tuple[Purpose, ...] | None:
    """The purposes by which there may be statistics: inside for every use, if the type may become statistics at all."""
    if recipient is not RecipientClass.INTERNAL:
        return (used,) if used.provides_statistics else None
    if used.prepares_statistics:
        return (used,)
    prepares = (p for p in policy.purposes.values() if p.prepares_statistics and information_type in p.types)
    preparing = next(prepares, None)
    return None if preparing is None else (used, preparing)


def _rows(kind: Kind, information_class: InformationClass, used: Purpose, party: Party) -> tuple[Purpose, ...] | None:
    personal = kind is Kind.PERSONAL_INFORMATION
    clause = party.personal_information if personal else party.user_information
    of_kind = (information_class is InformationClass.PERSONAL) is personal
    return (used,) if clause is not None and of_kind else None


@dataclass(frozen=True)
class Row:
    """What of a type of information may go for a purpose that covers it, as one kind: a decision each class."""

    information_type: str
    purpose: str
    decisions: dict[RecipientClass, Decision]


def matrix(policy: PolicyDocument, kind: Kind) -> Iterator[Row]:
    """Yield every decision on a kind: each type of information by each purpose that covers it, in their order."""
    for information_type in policy.information_types:
        for name, purpose in policy.purposes.items():
            if information_type in purpose.types:
                decisions = {one: decide(policy, kind, [information_type], name, one) for one in RecipientClass}
                yield Row(information_type, name, decisions)


def _house_rules(
    policy: PolicyDocument, kind: Kind, recipient: RecipientClass, grounds: Collection[Ground]
) -> Refused | None:
    if kind is Kind.STATISTICS or recipient not in OUTSIDE:
        return None
    rule = Clause("house rule", policy.house_rules.only_statistics_leave.text)
    unused = "".join(f"; clause 3's exception, {ground}, is not used" for ground in grounds)
    what = kind.value.replace("_", " ")
    return Refused((rule,), f"{what} does not leave the house, whoever the recipient is{unused}")


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
