"""What noise promises of a release, in words, before anything is counted."""

from __future__ import annotations

from collections.abc import Sequence

from anonymization.tables.method import Promise
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import Plan


def promises(plan: Plan, found: Sequence[Promise]) -> list[str]:
    """Return what noise promises of each margin of each measure, a line each, or one if it is of all the same."""
    named = {table.name: [dimension.name for dimension in table.dimensions] for table in plan.tables}
    kept: dict[tuple[str, str], set[str]] = {}
    for one in found:
        kept.setdefault((one.table, one.measure), set()).add(_kept(one))
    told = (
        (one, "of every margin" if len(kept[one.table, one.measure]) == 1 else _margin(one, named[one.table]))
        for one in found
    )
    return list(dict.fromkeys(f"  {one.table}.{one.measure} {margin}: {_kept(one)}" for one, margin in told))


def headlines(found: Sequence[Promise]) -> int:
    """Return how many headlines noise that hides no figure leaves, all: figures of margins by one dimension or none.

    Of a dimension whose classes are selected it is not known beforehand which are listed: they are no headlines.
    """
    return sum(one.cells or 0 for one in found if sum(level != TOTAL for level in one.levels) <= 1)


def _margin(one: Promise, names: Sequence[str]) -> str:
    kept = [(name, level) for name, level in zip(names, one.levels, strict=True) if level != TOTAL]
    by = " × ".join(name if name == level else f"{name} ({level})" for name, level in kept)
    return f"by {by}" if by else "in all"


def _kept(one: Promise) -> str:
    cells = "" if one.cells is None else f"{one.cells:,} cells, "
    listed = "every one" if one.listed_from == 1 else f"those of {one.listed_from:,} persons or more"
    return f"{cells}{listed}; 95 % of figures within {one.error:,}, or nearer"
