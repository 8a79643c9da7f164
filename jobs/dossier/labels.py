"""Cells in words: codes with their labels; whatever outsiders may have typed is shown so that it does nothing."""

from __future__ import annotations

from collections.abc import Iterable

from anonymization.tables.model import TOTAL, Dimension, SafeTable
from jobs.inert import visible

ALL = "all"


def label(dimension: Dimension, code: str) -> str:
    """Return the English label of a code; the code itself where it has none."""
    if code == TOTAL:
        return ALL
    return visible(dimension.labels.get(code, (code, code))[0])


def cell_of(table: SafeTable, codes: Iterable[object]) -> str:
    """Return a cell in words: the labels of its codes, but for totals."""
    named = (
        f"{dimension.title['en']}: {label(dimension, str(code))}"
        for dimension, code in zip(table.dimensions, codes, strict=True)
        if code != TOTAL
    )
    return ", ".join(named) or "everybody"
