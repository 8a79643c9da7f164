"""One row a person: the persons of some sources with their attributes' values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from anonymization.policy.releases import Attribute
from anonymization.policy.sources import UNKNOWN
from anonymization.quoting import quoted
from anonymization.tables.counting.facts import (
    Statement,
    Whose,
    attribute_statement,
    in_period,
    links_statement,
    person_of,
)


def profile_statements(
    whose: Whose, attributes: Mapping[str, Attribute], events: Mapping[str, str]
) -> Iterator[Statement]:
    """Yield what the profile is made of: the links, then one relation (p, value) an attribute."""
    links = links_statement(whose, events)
    if links is not None:
        yield links
    for name, attribute in attributes.items():
        yield attribute_statement(whose, name, attribute, events)


def profile_sql(whose: Whose, attributes: Sequence[str], population: Sequence[str], events: Mapping[str, str]) -> str:
    """Return the SQL of the profile: one row a person, a text column an attribute, and nothing else of the person.

    Args:
        whose: the period and the links.
        attributes: names of the attributes whose relations `profile_statements` made.
        population: sources; whoever is a person of one of them has a row.
        events: relation of each source.
    """
    people = []
    for source in population:
        person, rows = person_of(whose, source, events)
        people.append(f"SELECT {person} AS p FROM {rows} WHERE {in_period(whose)}")
    values = ", ".join(f"COALESCE(v{i}.value, '{UNKNOWN}') AS {quoted(name)}" for i, name in enumerate(attributes))
    joins = "".join(f" LEFT JOIN attribute_{name} AS v{i} ON g.p = v{i}.p" for i, name in enumerate(attributes))
    return f"SELECT {values} FROM (SELECT DISTINCT p FROM ({' UNION ALL '.join(people)}) AS rows_of) AS g{joins}"
