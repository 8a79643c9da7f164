"""Ids that logs of links name beside a person's: which of them a request covers, and which are the person's alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from anonymization.deidentify.arrivals import Arrival
from anonymization.deidentify.edited import records_of
from anonymization.deidentify.whose import Whose
from anonymization.policy.load import Policies
from anonymization.policy.model import Link
from anonymization.policy.sources import PersonColumn
from anonymization.release.choices import Person


def linked_of(policies: Policies, source: str) -> PersonColumn | None:
    """Return the column and namespace of the linked person of a source that proves links; None of any other."""
    found = (
        PersonColumn(column=one.to.column, namespace=one.to.namespace) for one in policies.links if one.source == source
    )
    return next(found, None)


def searched(policies: Policies, people: Collection[Person]) -> frozenset[str]:
    """Return the namespaces of which an id may be a person's, by what she is asked for: her own, and linked ones.

    Logs with such ids are read, whether one of hers is in them or not.
    """
    found = {namespace for namespace, _ in people}
    for link in policies.links:
        ends = {link.from_.namespace, link.to.namespace}
        if ends & found & policies.policy.covering:
            found |= ends
    return frozenset(found)


def linked_ids(policies: Policies, files: Sequence[Arrival], people: Collection[Person], *, alone: bool) -> set[Person]:
    """Return the ids that raw logs of links name beside a person's, where the person's choice covers them.

    Args:
        policies: which logs prove links, and by ids of which namespaces a choice covers linked ones.
        files: raw logs.
        people: ids of the person.
        alone: only ids that no log links to anybody else.

    Raises:
        SourceError: a log cannot be read.
    """
    found: set[Person] = set()
    for link in policies.links:
        logs = [file for file in files if file.source.source == link.source]
        found |= _Linked(policies, link, logs, searched(policies, people)).to(set(people), alone=alone)
    return found - set(people)


class _Linked:
    """A log of links, as it is searched for one person."""

    def __init__(self, policies: Policies, link: Link, logs: Sequence[Arrival], namespaces: Collection[str]) -> None:
        self._policies, self._link, self._logs, self._namespaces = policies, link, logs, namespaces

    def to(self, people: set[Person], *, alone: bool) -> set[Person]:
        """Return the ids that are linked to a person's; how often the logs are read is told by namespaces alone."""
        link, covering = self._link, self._policies.policy.covering
        members = {one for one in people if one[0] == link.to.namespace and link.to.namespace in covering}
        if link.from_.namespace in covering:
            own = {one for one in people if one[0] == link.from_.namespace}
            members |= {to for of, to in self._pairs(own) if of in own}
        ids = {of for of, to in list(self._pairs(members)) if to in members}
        if alone:
            ids -= {of for of, to in self._pairs(ids) if of in ids and to not in members}
        return ids | members

    def _pairs(self, people: Collection[Person]) -> Iterator[tuple[Person, Person]]:
        """The pairs of linked ids in which one of some persons is."""
        policies, link = self._policies, self._link
        linked = linked_of(policies, link.source)
        for log in self._logs:
            whose = Whose(log.source, linked, policies.spellings, people, alone=False, searched=self._namespaces)
            for fields in records_of(log.path, log.source, whose):
                pair = _pair(whose, link, fields)
                if pair is not None:
                    yield pair


def _pair(whose: Whose, link: Link, fields: Mapping[str, Any]) -> tuple[Person, Person] | None:
    of, to = (whose.id_in(fields, end.column) for end in (link.from_, link.to))
    return None if of is None or to is None else ((link.from_.namespace, of), (link.to.namespace, to))
