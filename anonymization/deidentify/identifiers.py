"""Persons: from raw ids to keyed pseudonyms, once a distinct id; opted-out persons are known by raw id.

A person is written `namespace U+001F id`, so that a member and a cookie with equal ids stay two. The
pseudonym is the first 60 bits of HMAC-SHA-256 of that text under the key of the event's month
(RFC 2104), so that nothing links a person's months once a key is destroyed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from anonymization.engine.base import Engine
from anonymization.errors import SourceError
from anonymization.keys import PeriodKeys
from anonymization.policy.sources import PersonColumn

SEPARATOR = "\x1f"
ID_LIMIT = 256
"""Longest raw id, in characters; a longer one is no id."""

ROUNDED = "^[0-9]([.,][0-9]+)?[eE][+][0-9]+$"


@dataclass(frozen=True)
class Month:
    """A key period of the events at hand: its index in SQL, its name, and its days [first, past)."""

    index: int
    name: str
    first: int
    past: int


def person_expression(persons: Sequence[PersonColumn]) -> str:
    """Return the SQL of a row's person: the first id that is there, with its namespace; else null."""
    cases = " ".join(
        f'WHEN "raw_{p.column}" IS NOT NULL THEN \'{p.namespace}{SEPARATOR}\' || "raw_{p.column}"' for p in persons
    )
    return f"CASE {cases} END"


def id_faults(persons: Iterable[PersonColumn]) -> list[tuple[str, str]]:
    """Return the reasons to refuse a row for its ids, each with its SQL condition."""
    faults = []
    for person in persons:
        raw = f'"raw_{person.column}"'
        faults.append((f"{person.column}: longer than {ID_LIMIT} characters", f"length({raw}) > {ID_LIMIT}"))
        # what a spreadsheet has rounded to six digits is many persons: the log is to be exported again, as text
        rounded = (
            f"{person.column}: in scientific notation, as spreadsheets round numbers: it tells persons apart no more"
        )
        faults.append((rounded, f"length({raw}) < 24 AND regexp_matches({raw}, '{ROUNDED}')"))
    return faults


def id_fault(identity: str) -> str | None:
    """Return why no log's row that is taken in can name an id, in the words of `id_faults`; None where one can."""
    if not identity:
        return "empty"
    if len(identity) > ID_LIMIT:
        return f"longer than {ID_LIMIT} characters"
    if re.search(ROUNDED, identity):
        return "in scientific notation, as spreadsheets round numbers: it tells persons apart no more"
    if any(unicodedata.category(character) == "Cc" for character in identity):
        return "no id: a line break, a tab or another control character is in it"
    return None


def month_expression(months: Sequence[Month], day: str = "day") -> str:
    """Return the SQL of the index of a day's month."""
    if len(months) == 1:
        return f"CAST({months[0].index} AS INTEGER)"
    cases = " ".join(f"WHEN {day} < {month.past} THEN {month.index}" for month in months)
    return f"CAST(CASE {cases} END AS INTEGER)"


def make_pseudonyms(
    engine: Engine, name: str, parsed: str, columns: Sequence[str], months: Sequence[Month], keys: PeriodKeys
) -> None:
    """Create the relation `name` (person, month, p): one row a distinct person and month of `parsed`.

    Raises:
        SourceError: two persons share a pseudonym (a chance below 1 in 10,000 at 10 million persons).
        Refusal: a month's key was destroyed.
    """
    register_pads(engine, f"{name}_pads", months, keys)
    month = month_expression(months)
    distinct = " UNION ".join(
        f"SELECT DISTINCT {column} AS person, {month} AS month FROM {parsed}"
        f" WHERE reason IS NULL AND {column} IS NOT NULL"
        for column in columns
    )
    engine.create(
        name,
        f"SELECT d.person, d.month, PSEUDONYM(k.ipad, k.opad, d.person) AS p"
        f" FROM ({distinct}) AS d INNER JOIN {name}_pads AS k ON d.month = k.month",
    )
    engine.drop(f"{name}_pads")
    counts = engine.fetch(f"SELECT count(*) AS persons, count(DISTINCT p) AS pseudonyms FROM {name}").to_pylist()[0]
    if counts["persons"] != counts["pseudonyms"]:
        raise SourceError("two persons share a pseudonym in this file; it is not taken in: take the file in two parts")


def register_optouts(engine: Engine, name: str, optouts: Iterable[tuple[str, str]], covering: Collection[str]) -> None:
    """Register the opted-out persons as the relation `name` (person, covers).

    Args:
        engine: where it is registered.
        name: of the relation.
        optouts: opted-out persons, as (namespace, id).
        covering: namespaces of choices that cover every id that a log of links names beside one of theirs.
    """
    persons = sorted({(f"{namespace}{SEPARATOR}{identity}", namespace in covering) for namespace, identity in optouts})
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
