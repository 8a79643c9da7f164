"""Which days of a source a release may use: the version of the policy that was in force at collection decides.

An event was collected on its day. Days are the source's own; versions begin on days of the policy's zone (that of most
sources), so that a day of another zone may lie in two versions: then both must allow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from anonymization.policy.allowed import as_told, decided
from anonymization.policy.decide import Decision, Permitted, Refused
from anonymization.policy.load import Policies
from anonymization.policy.microdata import Microdata
from anonymization.policy.model import PolicyDocument, Version
from anonymization.policy.periods import EPOCH, Period
from anonymization.policy.releases import Release
from anonymization.policy.sources import Source

AT_ONCE = timedelta(microseconds=1)


@dataclass(frozen=True)
class Barred:
    """Days of a period on which a source was collected under a version that does not allow what it is wanted for.

    Attributes:
        days: since 1970-01-01, in the source's own zone.
        why: the versions, and the clauses that say so.
    """

    days: frozenset[int]
    why: str


def rulings(policies: Policies, declared: Release | Microdata, source: str) -> list[tuple[Version, Decision]]:
    """Return what each version of the policy says of a source that a release, or rows for inside, read."""
    policy, recipient = policies.policy, policies.recipients[declared.recipient]
    return [
        (version, decided(declared, policy.as_of(version), policies.sources[source], recipient))
        for version in policy.versions
    ]


def barred(policies: Policies, declared: Release | Microdata, period: Period) -> dict[str, Barred]:
    """Return by source the days of a period that may not be used; a source of which every day may is not named.

    With one version of the policy there are none: what it does not allow is refused as a whole (`allowed.py`).
    """
    if len(policies.policy.versions) == 1:
        return {}
    found = {}
    for name in declared.sources:
        refused = {v.effective: said for v, said in rulings(policies, declared, name) if isinstance(said, Refused)}
        source, days, versions = policies.sources[name], set[int](), set[date]()
        for day in range(period.first, period.past):
            of_day = {one.effective for one in in_force(policies.policy, source, day, policies.zone)}
            if not of_day or refused.keys() & of_day:
                days.add(day)
                versions |= refused.keys() & of_day
        if days:
            why = [f"by the version of {version}: {as_told(refused[version])}" for version in sorted(versions)]
            found[name] = Barred(frozenset(days), "; ".join(why) or "before the policy's first version")
    return found


def in_force(policy: PolicyDocument, source: Source, day: int, zone: str) -> tuple[Version, ...]:
    """Return the versions that were in force on a day of a source; none where part of it lies before the first.

    Args:
        policy: with its versions.
        source: whose day it is.
        day: since 1970-01-01, in the source's zone.
        zone: of the policy.
    """
    first = last = EPOCH + timedelta(days=day)
    if source.zone != zone:
        own = ZoneInfo(source.zone)
        midnights = [datetime.combine(first + timedelta(days=n), datetime.min.time(), own) for n in (0, 1)]
        first = midnights[0].astimezone(ZoneInfo(zone)).date()
        last = (midnights[1].astimezone(ZoneInfo(zone)) - AT_ONCE).date()
    if first < policy.first_day:
        return ()
    begun = [version for version in policy.versions if version.effective <= last]
    afterwards = (*begun[1:], None)
    return tuple(v for v, after in zip(begun, afterwards, strict=True) if after is None or after.effective > first)


def lines(policies: Policies, declared: Release | Microdata) -> Iterator[str]:
    """Yield a line a source: what the versions of the policy allow, each from its day on."""
    for name in declared.sources:
        said = [f"from {version.effective} {_told(one)}" for version, one in rulings(policies, declared, name)]
        yield f"{name}: {'; '.join(said)}"


def refused_by_some(policies: Policies, declared: Release | Microdata) -> Iterator[str]:
    """Yield what a version does not allow that is named, where another one does: its days are left out."""
    for name in declared.sources:
        for version, decision in rulings(policies, declared, name):
            if version.effective in declared.policy_versions and isinstance(decision, Refused):
                yield f"not of source {name!r} by the version of {version.effective}: {as_told(decision)}"


def _told(decision: Decision) -> str:
    if isinstance(decision, Permitted):
        return f"allowed by {', '.join(clause.clause for clause in decision.clauses)}"
    return f"not allowed: {as_told(decision)}"
