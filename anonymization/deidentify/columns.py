"""The columns of a file beside the declared ones: none twice, none missing.

What a stranger called a column may be a person's value, as where a file lacks its header: such
columns are counted, never named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anonymization.errors import SourceError
from anonymization.policy.sources import Source, Treatment


def used(source: Source) -> list[str]:
    """Return the declared columns that something is made of."""
    return [name for name, column in source.columns.items() if column.treatment is not Treatment.DROP]


def compare_columns(source: Source, found: Iterable[str], file: str) -> int:
    """Return how many of the columns `found` are not declared.

    Raises:
        SourceError: a declared column is missing.
    """
    present = {name for name in found if name}
    missing = sorted(set(source.columns) - present)
    others = len(present - set(source.columns))
    if missing:
        hint = f"; {others} that are not declared stand there: is one renamed, or the header missing?" if others else ""
        raise SourceError(f"{file} lacks the declared columns {missing} of source {source.source!r}{hint}")
    return others


def unique(source: Source, header: Sequence[str], file: str) -> Sequence[str]:
    """Return the columns of a file, of which none may stand twice; those without a name are none.

    Raises:
        SourceError: one stands twice.
    """
    doubled = {column for column in header if column and header.count(column) > 1}
    if doubled:
        known = sorted(doubled & set(source.columns))
        others = f"{len(doubled) - len(known)} that are not declared" if len(known) < len(doubled) else ""
        raise SourceError(f"{file} has columns twice: {', '.join([*known, *([others] if others else [])])}")
    return header
