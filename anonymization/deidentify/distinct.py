"""Work done once a distinct value, however many rows and files hold it: the only Python over event values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

Result = TypeVar("Result")


class Distinct(Generic[Result]):
    """What a function makes of each distinct text of a run; bounded, and safe to share among threads."""

    def __init__(self, work: Callable[[str], Result], limit: int = 200_000) -> None:
        self._work = work
        self._limit = limit
        self._known: dict[str, Result] = {}

    def __reduce__(self) -> tuple[type[Distinct[Result]], tuple[Callable[[str], Result], int]]:
        """Go to another process without what is known: it would be sent with every task."""
        return Distinct, (self._work, self._limit)

    def of(self, values: Iterable[str]) -> list[Result]:
        """Return the results, in the order of the values."""
        known = self._known
        results = []
        for value in values:
            result = known.get(value)
            if result is None:
                result = known[value] = self._work(value)
            results.append(result)
        if len(known) > self._limit:  # a new one: whoever still reads the old one may finish
            self._known = {}
        return results


class Kind(Protocol):
    """What is made of texts of one kind: rows whose first column is the text."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows."""

    def relation(self, texts: Iterable[str]) -> pa.Table:
        """Return one row a distinct text."""


class Kinds:
    """Texts of several kinds, asked for and made at once: each costs an engine about the same as all of them."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        own = {field.name: field.type for kind in kinds.values() for field in list(kind.schema)[1:]}
        self.schema = pa.schema({"kind": pa.string(), "raw": pa.string(), **own})

    def relation(self, kinds: Sequence[str], texts: Sequence[str]) -> pa.Table:
        """Return one row a distinct text: its kind, the text as `raw`, and the columns of its kind, the others null."""
        made = [self.schema.empty_table()]
        for name, kind in self._kinds.items():
            rows = kind.relation([text for of, text in zip(kinds, texts, strict=True) if of == name])
            rows = rows.rename_columns(["raw", *rows.column_names[1:]])
            made.append(rows.append_column("kind", pa.array([name] * len(rows), pa.string())))
        return pa.concat_tables(made, promote_options="default")
