"""What became of the rows of files that are taken in together: an account a file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from anonymization.deidentify.events import ACCEPTED, REMOVED, column_of, event_schema, open_columns
from anonymization.deidentify.treatments import unlisted
from anonymization.engine.base import NUMBER, Engine
from anonymization.policy.sources import UNKNOWN, Source, Treatment


@dataclass
class Account:
    """What became of the rows that an engine read of one file.

    Attributes:
        quarantined: rows, by reason.
        dropped: rows, by reason.
        accepted: rows that are events.
        crawlers: those of them without a person.
        unknown: accepted rows that say `unknown`, by event column.
        unlisted: accepted rows with a code that its list does not have, by column.
        removed: rows whose keyword was given up, by the kind of personal data in it.
        codes: distinct codes of accepted rows, by coded column.
        days: first and last days of accepted rows, as far as they were told.
    """

    quarantined: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    crawlers: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    codes: dict[str, list[str]] = field(default_factory=dict)
    days: set[int] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """All of them."""
        return self.accepted + self.quarantined.total() + self.dropped.total()


class Accounts:
    """Reads the accounts of files from the relation `judged`."""

    def __init__(self, engine: Engine, source: Source, *, linked: bool) -> None:
        self._engine = engine
        self._texts = [each.name for each in event_schema(source, linked=linked) if each.type == pa.string()]
        self._open = open_columns(source)
        self._coded = sorted({c.into or n for n, c in source.columns.items() if c.treatment is Treatment.CODE})
        self._keyword = column_of(source, Treatment.KEYWORD) is not None

    def read(self) -> defaultdict[int, Account]:
        """Return the account of each file, by its number; of one without rows it is empty."""
        found: defaultdict[int, Account] = defaultdict(lambda: Account(codes={name: [] for name in self._coded}))
        for row in self._engine.fetch(self._counts()).to_pylist():
            self._add(found[row[NUMBER]], row)
        if self._coded:
            each = [
                f"SELECT DISTINCT {NUMBER}, '{name}' AS name, \"{name}\" AS code FROM judged WHERE {ACCEPTED}"
                for name in self._coded
            ]
            for row in self._engine.fetch(f"{' UNION ALL '.join(each)} ORDER BY name, code").to_pylist():
                found[row[NUMBER]].codes[row["name"]].append(row["code"])
        return found

    def _counts(self) -> str:
        kinds = ", ".join([NUMBER, "reason", "dropped", "crawler", *([REMOVED] if self._keyword else [])])
        told = {f"unknown_{n}": f"\"{name}\" = '{UNKNOWN}'" for n, name in enumerate(self._texts)}
        told |= {unlisted(name): f'"{unlisted(name)}"' for name in self._open}
        counts = "".join(f', count(*) FILTER (WHERE {which}) AS "{name}"' for name, which in told.items())
        days = "min(day) AS first, max(day) AS last"
        return f"SELECT {kinds}, count(*) AS n, {days}{counts} FROM judged GROUP BY {kinds}"

    def _add(self, account: Account, row: Mapping[str, Any]) -> None:
        """Add the rows of one reason, or none, to a file's account."""
        if row["reason"] is not None:
            account.quarantined[row["reason"]] += row["n"]
            return
        if self._keyword and row[REMOVED] is not None:
            account.removed[row[REMOVED]] += row["n"]
        if row["dropped"] is not None:
            account.dropped[row["dropped"]] += row["n"]
            return
        account.accepted += row["n"]
        account.crawlers += row["n"] if row["crawler"] else 0
        account.unknown.update({name: row[f"unknown_{n}"] for n, name in enumerate(self._texts)})
        account.unlisted.update({name: row[unlisted(name)] for name in self._open})
        account.days |= {row["first"], row["last"]}


def told(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts above 0, in order of their names."""
    return {name: number for name, number in sorted(counts.items()) if number}
