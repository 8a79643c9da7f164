"""Whether the policy allows what is declared: a decision for each source that is read, and the rule of combination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from anonymization.errors import PolicyRefusal
from anonymization.policy.decide import Clause, Permitted, decide
from anonymization.policy.microdata import Microdata
from anonymization.policy.model import InformationClass, Kind, Link, PolicyDocument, Recipient, RecipientClass
from anonymization.policy.releases import DimensionKind, Release
from anonymization.policy.sources import Source


def check_release(
    release: Release,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    links: Sequence[Link],
    recipients: Mapping[str, Recipient],
) -> tuple[Clause, ...]:
    """Return the clauses that allow a release for every source it reads.

    Raises:
        PolicyRefusal: every reason at once: the purpose or the recipient is not allowed for a source, or it was
            collected for other purposes, quoting the clause; or a table joins persons whom nothing relates (the
            combination rule).
    """
    party = recipients[release.recipient].recipient_class
    kinds = dict.fromkeys(release.sources, Kind.STATISTICS)
    joined = _joined(_tables_joined(release), release.sources, policy, sources, links)
    return _allowed(release.purpose, party, kinds, policy, sources, f"release {release.release!r}", joined)


def check_microdata(
    microdata: Microdata,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    links: Sequence[Link],
    recipients: Mapping[str, Recipient],
) -> tuple[Clause, ...]:
    """Return the clauses that allow rows of persons for every source they are made of.

    Raises:
        PolicyRefusal: every reason at once, as of a release.
    """
    party = recipients[microdata.recipient].recipient_class
    kinds = {}
    for name in microdata.sources:
        of = policy.information_types[sources[name].information_type].information_class
        kinds[name] = Kind.PERSONAL_INFORMATION if of is InformationClass.PERSONAL else Kind.USER_INFORMATION
    pairs = ((f"the attribute {n!r}", microdata.population, a.source) for n, a in microdata.attributes.items())
    joined = _joined(pairs, microdata.sources, policy, sources, links)
    return _allowed(microdata.purpose, party, kinds, policy, sources, f"microdata {microdata.microdata!r}", joined)


def _allowed(
    purpose: str,
    party: RecipientClass,
    kinds: Mapping[str, Kind],
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    what: str,
    joined: Iterable[str],
) -> tuple[Clause, ...]:
    clauses: list[Clause] = []
    refused: list[str] = []
    for name, kind in kinds.items():
        source = sources[name]
        decision = decide(
            policy, kind, [source.information_type], purpose, party, collected_for=frozenset(source.purposes)
        )
        if isinstance(decision, Permitted):
            clauses += [clause for clause in decision.clauses if clause not in clauses]
        else:
            quoted = "; ".join(map(str, decision.clauses))
            refused.append(f"{what}, source {name!r}: {decision.reason}. {quoted}")
    refused += [f"{what}: {reason}" for reason in joined]
    if refused:
        raise PolicyRefusal("\n".join(refused))
    return tuple(clauses)


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
