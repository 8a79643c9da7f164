"""Whose a raw record is: the ids in it, in their one spelling, against the ids of one person."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from anonymization.deidentify.ids import spelt, written
from anonymization.deidentify.readers import COMBINED, COMBINED_FIELDS, SEPARATOR
from anonymization.deidentify.screening import DELIMITERS
from anonymization.policy.sources import Case, Format, IdForm, PersonColumn, Source, Spelling

Person: TypeAlias = tuple[str, str]
Fields: TypeAlias = Mapping[str, object]
OTHER = re.compile(rb"[^\t\n\r -\[\]-~]")
"""What stands in no text that ids are spelt in as they are: anything but printable ASCII without a backslash."""
KEPT = 100_000


class Whose:
    """Tells which records of a source are one person's."""

    def __init__(
        self,
        source: Source,
        linked: PersonColumn | None,
        spellings: Mapping[str, Spelling],
        people: Collection[Person],
        *,
        alone: bool,
        searched: Collection[str] = (),
    ) -> None:
        """Prepare for the records of a source.

        Args:
            source: theirs.
            linked: for a source that proves links: the column and namespace of the linked person.
            spellings: how ids of each namespace are spelt.
            people: ids of the person.
            alone: whether a record that names another person, too, is not the person's: a sign-in is whose member it
                names, if it names one. Else every record with one of the ids is.
            searched: namespaces of which an id might be the person's; a source that has such is read whether one is or
                not, so that the time it takes does not tell.
        """
        self._source, self._alone = source, alone
        named = [(one.column, one.namespace) for one in source.persons]
        ends = [(linked.column, linked.namespace)] if linked is not None else []
        self._first = [column for column, _ in ends] if alone else []
        self._columns = dict([*named, *ends])
        self._spellings = {of: spellings.get(of, Spelling()) for of in self._columns.values()}
        self._ids = {of: frozenset(one for namespace, one in people if namespace == of) for of in self._spellings}
        self._searched = not self._ids.keys().isdisjoint(searched)
        self._spelt = lru_cache(maxsize=KEPT)(lambda of, raw: spelt(raw, self._spellings[of]).id)
        plain = [one for ids in self._ids.values() for one in ids if one.isascii() and '"' not in one]
        self._needles = (
            re.compile(b"|".join(re.escape(one.encode()) for one in plain), re.IGNORECASE) if plain else None
        )
        self._always = any(
            self._spellings[of].form is IdForm.ADDRESS or '"' in one for of, ids in self._ids.items() for one in ids
        )

    @property
    def nobody(self) -> bool:
        """Whether no id of the person can stand in the source, and none could."""
        return not (self._searched or any(self._ids.values()))

    @property
    def columns(self) -> list[str]:
        """The raw columns that hold ids."""
        return list(self._columns)

    def may_hold(self, text: bytes) -> bool:
        """Whether a text may hold a record of the person; most do not, and need not be taken apart."""
        if self._always or OTHER.search(text) is not None:
            return not self.nobody
        return self._needles is not None and self._needles.search(text) is not None

    def owns(self, fields: Fields) -> bool:
        """Whether a record is the person's, by its raw columns."""
        for column in self._first:
            if (of := self._id(column, fields.get(column))) is not None:
                return of in self._ids[self._columns[column]]
        return any(
            self._id(column, fields.get(column)) in self._ids[of]
            for column, of in self._columns.items()
            if self._ids[of]
        )

    def id_in(self, fields: Fields, column: str) -> str | None:
        """Return the id in a column of a record, in its one spelling."""
        return self._id(column, fields.get(column))

    def _id(self, column: str, value: object) -> str | None:
        if value is None or isinstance(value, bool | list | dict | float):
            return None
        found: str | None = self._spelt(self._columns[column], str(value))
        return found

    def mentions(self, text: str) -> bool:
        """Whether a text that is no record has one of the ids in it, as a word by itself."""
        plain = written(text)
        return any(
            re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", plain, re.IGNORECASE if self._folds(of) else 0)
            is not None
            for of, ids in self._ids.items()
            for one in ids
        )

    def _folds(self, of: str) -> bool:
        return self._spellings[of].case is Case.FOLD or self._spellings[of].form is IdForm.ADDRESS

    def owns_line(self, text: str) -> bool:
        """Whether a rejected line is the person's: as a record, or as far as a text that is none tells.

        A line of CSV or TSV stands there without its header: each of its fields may be the id.
        """
        if (delimiter := DELIMITERS.get(self._source.format)) is not None:
            parts = (
                text.split(SEPARATOR) if SEPARATOR in text else next(iter(csv.reader([text], delimiter=delimiter)), [])
            )
            return any(self._spelt(of, part) in ids for part in parts for of, ids in self._ids.items() if ids)
        fields = fields_of(self._source, text)
        return self.mentions(text) if fields is None else self.owns(fields)


def fields_of(source: Source, text: str) -> Fields | None:
    """Return the raw columns of a line of JSON or of a combined log; None where it is none, or a name stands twice."""
    if source.format is Format.COMBINED_LOG:
        found = re.match(COMBINED, text)
        return None if found is None else dict(zip(COMBINED_FIELDS, found.groups(), strict=True))
    try:
        content = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, _Object) and not content.doubled else None


class _Object(dict[str, object]):
    """An object of JSON, and whether a name stands in it twice."""

    def __init__(self, pairs: Sequence[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.doubled = len(self) < len(pairs)
