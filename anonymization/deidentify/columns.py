"""The columns of a file beside the declared ones: none twice, none missing; those that nobody declared are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from anonymization.errors import SourceError
from anonymization.policy.sources import Source, Treatment

SPEAKABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""A column name that may be repeated in a report; any other could hold a person's value."""


def used(source: Source) -> list[str]:
    """Return the declared columns that something is made of."""
    return [name for name, column in source.columns.items() if column.treatment is not Treatment.DROP]


def compare_columns(source: Source, found: Iterable[str], file: str) -> tuple[str, ...]:
    """Return the undeclared columns among `found`, as they may be named in a report.

    Raises:
        SourceError: a declared column is missing.
    """
    present = {name for name in found if name}
    missing = sorted(set(source.columns) - present)
    undeclared = _speakable(present - set(source.columns))
    if missing:
        hint = f"; undeclared there: {', '.join(undeclared)} (renamed?)" if undeclared else ""
        raise SourceError(f"{file} lacks the declared columns {missing} of source {source.source!r}{hint}")
    return undeclared


def unique(header: Sequence[str], file: str) -> Sequence[str]:
    """Return the columns of a file, of which none may stand twice; those without a name are none.

    Raises:
        SourceError: one stands twice.
    """
    doubled = sorted({column for column in header if column and header.count(column) > 1})
    if doubled:
        raise SourceError(f"{file} has columns twice: {list(_speakable(doubled))}")
    return header


def _speakable(names: Iterable[str]) -> tuple[str, ...]:
    known = sorted(name for name in names if SPEAKABLE.fullmatch(name))
    others = sum(1 for name in names if not SPEAKABLE.fullmatch(name))
    return (*known, *([f"({others} whose names are not plain identifiers)"] if others else []))
