"""Persons: from raw ids to keyed pseudonyms, once a distinct id; opted-out persons are known by raw id.

A person is written `namespace U+001F id`, so that a member and a cookie with equal ids stay two. The
pseudonym is the first 60 bits of HMAC-SHA-256 of that text under the key of the event's month
(RFC 2104), so that nothing links a person's months once a key is destroyed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from anonymization.deidentify.ids import Spellings, plain, spelt
from anonymization.engine.base import NUMBER, Engine
from anonymization.errors import SourceError
from anonymization.keys import PeriodKeys
from anonymization.policy.sources import PersonColumn, Spelling

SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Month:
    """A key period of the events at hand: its index in SQL, its name, and its days [first, past)."""

    index: int
    name: str
    first: int
    past: int


@dataclass(frozen=True)
class IdColumn:
    """A column of ids in SQL: one that is plain becomes a person at once, any other once a distinct one in Python.

    Attributes:
        number: which of the source's id columns it is.
    """

    number: int
    column: str
    namespace: str
    spelling: Spelling

    @property
    def prefix(self) -> str:
        """What stands before an id of the namespace."""
        return f"{self.namespace}{SEPARATOR}"

    @property
    def value(self) -> str:
        """SQL over raw rows: the person of a plain id, null of any other."""
        return f"'{self.prefix}' || {plain(self.raw, self.spelling)} AS id_{self.number}"

    @property
    def raw(self) -> str:
        """The SQL name of the raw column."""
        return f'"raw_{self.column}"'

    @property
    def is_odd(self) -> str:
        """SQL over raw rows with the value: whether there is an id that is not plain."""
        return f"({self.raw} IS NOT NULL AND id_{self.number} IS NULL)"

    @property
    def spelt(self) -> str:
        """The relation of the ids that are not plain (see `Spellings`)."""
        return f"spelt_{self.number}"

    def person(self, *, odd: bool) -> str:
        """SQL over parsed rows `r`: what may be the person, in order; `odd` if some ids are not plain."""
        return f"r.id_{self.number}" + (f", {self.spelt}.person" if odd else "")


def id_columns(
    persons: Iterable[PersonColumn], linked: PersonColumn | None, spellings: Mapping[str, Spelling]
) -> list[IdColumn]:
    """Return a source's columns of ids: those that say who a person is, in order of preference, and the linked one."""
    named = {(person.column, person.namespace): None for person in (*persons, *([linked] if linked else []))}
    return [
        IdColumn(number, column, namespace, spellings.get(namespace, Spelling()))
        for number, (column, namespace) in enumerate(named)
    ]


def spell_others(engine: Engine, parsed: str, columns: Sequence[IdColumn]) -> list[str]:
    """Create the relations of ids that are not plain; return their names."""
    for column in columns:
        odd = f"odd_{column.number}"
        work = Spellings(column.column, column.prefix, column.spelling)
        distinct = f"SELECT DISTINCT {odd} FROM {parsed} WHERE {odd} IS NOT NULL"
        engine.work_out(column.spelt, distinct, work.relation, work.schema)
    return [column.spelt for column in columns]


def identified_sql(
    parsed: str, columns: Sequence[IdColumn], persons: int, linked: int | None, others: Sequence[str]
) -> str:
    """Return the SQL of parsed rows with `person`, `linked` and `refused`, which says why an id is none.

    Args:
        parsed: the relation of parsed rows.
        columns: the source's columns of ids.
        persons: how many of them, the first ones, say who a person is.
        linked: which of them says who is linked, if one does.
        others: what `spell_others` has made.
    """
    odd = bool(others)
    person = f"COALESCE({', '.join(column.person(odd=odd) for column in columns[:persons])}, NULL)"
    to = "" if linked is None else f", COALESCE({columns[linked].person(odd=odd)}, NULL) AS linked"
    refused = "NULL" if not odd else f"COALESCE({', '.join(f'{name}.fault' for name in others)}, NULL)"
    joined = "".join(
        f" LEFT JOIN {name} ON r.odd_{column.number} = {name}.raw" for name, column in zip(others, columns, strict=odd)
    )
    return f"SELECT r.*, {person} AS person{to}, CAST({refused} AS VARCHAR) AS refused FROM {parsed} AS r{joined}"


def month_expression(months: Sequence[Month], day: str = "day") -> str:
    """Return the SQL of the index of a day's month."""
    if len(months) == 1:
        return f"CAST({months[0].index} AS INTEGER)"
    cases = " ".join(f"WHEN {day} < {month.past} THEN {month.index}" for month in months)
    return f"CAST(CASE {cases} END AS INTEGER)"


def make_pseudonyms(
    engine: Engine, name: str, identified: str, columns: Sequence[str], months: Sequence[Month], keys: PeriodKeys
) -> dict[int, int]:
    """Create the relation `name` (_number, person, month, p): one row a file's distinct person and month.

    Returned is, for each file that has any, how many persons fewer there would be if ids that differ by case alone
    were one.

    Raises:
        SourceError: two persons of a file share a pseudonym (a chance below 1 in 10,000 at 10 million persons).
        Refusal: a month's key was destroyed.
    """
    register_pads(engine, f"{name}_pads", months, keys)
    month = month_expression(months)
    distinct = " UNION ".join(
        f"SELECT DISTINCT {NUMBER}, {column} AS person, {month} AS month FROM {identified}"
        f" WHERE reason IS NULL AND refused IS NULL AND {column} IS NOT NULL"
        for column in columns
    )
    try:
        engine.create(
            name,
            f"SELECT d.{NUMBER} AS {NUMBER}, d.person AS person, d.month AS month,"
            " PSEUDONYM(k.ipad, k.opad, d.person) AS p"
            f" FROM ({distinct}) AS d INNER JOIN {name}_pads AS k ON d.month = k.month",
        )
    finally:
        engine.drop(f"{name}_pads")  # keys stay no longer than they are used
    persons = "count(*)" if len(months) == 1 else "count(DISTINCT person)"
    by_case = f"{persons} - count(DISTINCT lower(person))"
    counts = engine.fetch(
        f"SELECT {NUMBER}, count(*) AS persons, count(DISTINCT p) AS pseudonyms, {by_case} AS by_case"
        f" FROM {name} GROUP BY {NUMBER}"
    ).to_pylist()
    if any(row["persons"] != row["pseudonyms"] for row in counts):
        raise SourceError("two persons share a pseudonym in this file; it is not taken in: take the file in two parts")
    return {row[NUMBER]: row["by_case"] for row in counts}


def register_optouts(
    engine: Engine,
    name: str,
    optouts: Iterable[tuple[str, str]],
    spellings: Mapping[str, Spelling],
    covering: Collection[str],
) -> None:
    """Register the opted-out persons as the relation `name` (person, covers), spelt as logs are.

    Args:
        engine: where it is registered.
        name: of the relation.
        optouts: opted-out persons, as (namespace, id).
        spellings: how ids of each namespace are spelt.
        covering: namespaces of choices that cover every id that a log of links names beside one of theirs.
    """
    found = ((namespace, spelt(raw, spellings.get(namespace, Spelling()))) for namespace, raw in optouts)
    persons = sorted({(f"{of}{SEPARATOR}{one.id}", of in covering) for of, one in found if one.id is not None})
    engine.register(
        name,
        pa.table(
            {
                "person": pa.array([person for person, _ in persons], pa.string()),
                "covers": pa.array([covers for _, covers in persons], pa.bool_()),
            }
        ),
    )


def register_pads(engine: Engine, name: str, months: Sequence[Month], keys: PeriodKeys) -> None:
    """Register the months' keys as the relation `name` (month, ipad, opad), for PSEUDONYM.

    A key reaches the engine as a value in a relation, never as text.

    Raises:
        Refusal: a month's key was destroyed.
    """
    pads = [keys.pseudonym_pads(month.name) for month in months]
    engine.register(
        name,
        pa.table(
            {
                "month": pa.array([month.index for month in months], pa.int32()),
                "ipad": pa.array([inner for inner, _ in pads], pa.binary()),
                "opad": pa.array([outer for _, outer in pads], pa.binary()),
            }
        ),
    )
