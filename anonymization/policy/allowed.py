"""Whether the policy allows what is declared: a decision for each source that is read, and the rule of combination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from anonymization.errors import PolicyRefusal
from anonymization.policy.decide import Clause, Decision, Permitted, Refused, decide
from anonymization.policy.microdata import Microdata
from anonymization.policy.model import InformationClass, Kind, Link, PolicyDocument, Recipient
from anonymization.policy.releases import DimensionKind, Release
from anonymization.policy.sources import Source


def check_release(
    release: Release,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    links: Sequence[Link],
    recipients: Mapping[str, Recipient],
) -> tuple[Clause, ...]:
    """Return the clauses that allow a release for every source it reads, by a version of the policy that it names.

    Raises:
        PolicyRefusal: every reason at once: no version that it names allows the purpose or the recipient for a source,
            or it was collected for other purposes, quoting the clause; or a table joins persons whom nothing relates
            (the combination rule).
    """
    joined = _joined(_tables_joined(release), release.sources, policy, sources, links)
    return _allowed(release, f"release {release.release!r}", policy, sources, recipients, joined)


def check_microdata(
    microdata: Microdata,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    links: Sequence[Link],
    recipients: Mapping[str, Recipient],
    *,
    on: date | None = None,
) -> tuple[Clause, ...]:
    """Return the clauses that allow rows of persons for every source they are made of.

    Args:
        microdata: what is declared.
        policy: by which it is decided.
        sources: of the policy folder.
        links: of the policy folder.
        recipients: of the policy folder.
        on: the day on which they would go, for the grounds that hold then; without one no ground is asked.

    Raises:
        PolicyRefusal: every reason at once, as of a release.
    """
    pairs = ((f"the attribute {n!r}", microdata.population, a.source) for n, a in microdata.attributes.items())
    joined = _joined(pairs, microdata.sources, policy, sources, links)
    return _allowed(microdata, f"microdata {microdata.microdata!r}", policy, sources, recipients, joined, on=on)


def decided(
    declared: Release | Microdata,
    stated: PolicyDocument,
    source: Source,
    recipient: Recipient,
    *,
    on: date | None = None,
) -> Decision:
    """Return what a version of the policy says of a source that a release, or rows for inside, read.

    Args:
        declared: what reads it.
        stated: the policy as of the version (`PolicyDocument.as_of`).
        source: that is read.
        recipient: who receives.
        on: the day on which it would go, for the grounds that hold then; without one no ground is asked.
    """
    party = stated.recipient_classes[recipient.recipient_class]
    if party.members and recipient.member not in party.members:
        whom = "it names no member" if recipient.member is None else f"{recipient.member!r} is none"
        of = recipient.recipient_class.value.replace("_", " ")
        return Refused((Clause(party.clause, party.text),), f"the class {of} is a closed list, of which {whom}")
    return decide(
        stated,
        _kind(declared, stated, source),
        [source.information_type],
        declared.purpose,
        recipient.recipient_class,
        collected_for=frozenset(source.purposes),
        grounds=[one for one in stated.grounds.values() if on is not None and one.holds(declared.recipient, on)],
    )


def _kind(declared: Release | Microdata, stated: PolicyDocument, source: Source) -> Kind:
    if isinstance(declared, Release):
        return Kind.STATISTICS
    of = stated.information_types.get(source.information_type)
    personal = of is not None and of.information_class is InformationClass.PERSONAL
    return Kind.PERSONAL_INFORMATION if personal else Kind.USER_INFORMATION


def _allowed(
    declared: Release | Microdata,
    what: str,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    recipients: Mapping[str, Recipient],
    joined: Iterable[str],
    *,
    on: date | None = None,
) -> tuple[Clause, ...]:
    clauses: list[Clause] = []
    versions = [version for version in policy.versions if version.effective in declared.policy_versions]
    refused = [] if versions else [f"{what} names no version of the policy"]
    for name in declared.sources:
        reasons, permitted = [], False
        for version in versions:
            decision = decided(declared, policy.as_of(version), sources[name], recipients[declared.recipient], on=on)
            if isinstance(decision, Permitted):
                permitted = True
                clauses += decision.clauses
            else:
                by = f", by the version of {version.effective}" if len(policy.versions) > 1 else ""
                reasons.append(f"{what}, source {name!r}{by}: {as_told(decision)}")
        refused += [] if permitted else reasons
    refused += [f"{what}: {reason}" for reason in joined]
    if refused:
        raise PolicyRefusal("\n".join(refused))
    return tuple(dict.fromkeys(clauses))


def as_told(decision: Refused) -> str:
    """Return a refusal in words: its reason, and the clauses that say so."""
    return f"{decision.reason}. {'; '.join(map(str, decision.clauses))}".removesuffix(". ")


def _tables_joined(release: Release) -> Iterator[tuple[str, str, str]]:
    """What a table takes from two sources: its place, the source whose persons it counts, and that of an attribute."""
    for name, table in release.tables.items():
        of_persons = [d for d in table.dimensions if release.dimensions[d].kind is DimensionKind.PERSON]
        for source in dict.fromkeys(measure.source for measure in table.measures.values()):
            for dimension in of_persons:
                attribute = release.attributes[str(release.dimensions[dimension].attribute)]
                yield f"table {name!r} by {dimension!r}", source, attribute.source


def _joined(
    pairs: Iterable[tuple[str, str, str]],
    read: Sequence[str],
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    links: Sequence[Link],
) -> Iterator[str]:
    """The combination rule: persons of two sources are joined by ids that both have, or by a log of links."""
    namespaces = {name: {person.namespace for person in source.persons} for name, source in sources.items()}
    rule = policy.rules["combination"]
    proven = [link for link in links if link.source in read]
    for place, counted, other in pairs:
        related = set(namespaces[counted])
        for link in (*proven, *proven):  # twice: one link may lead to another
            ends = {link.from_.namespace, link.to.namespace}
            related |= ends if ends & related else set()
        if related.isdisjoint(namespaces[other]):
            ids = [" or ".join(sorted(namespaces[name])) for name in (counted, other)]
            yield (
                f"{place} joins {counted!r} ({ids[0]}) and {other!r} ({ids[1]}) without a declared source of links"
                f" between them. {Clause(rule.clause, rule.text)}"
            )
