"""What is left to read: headlines, cells and persons published, beside the true figures; inside only.

Over event dimensions the share of persons in published cells tells a hidden sum: these figures do not leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from anonymization.tables.headlines import Why, headline_rows
from anonymization.tables.model import FREE, TOTAL, Measure, SafeTable, Table, cell_text

FOR_MONTHS = "cells confidential because of neighbouring months alone"
"""The name of that figure in a request."""
Lost = Mapping[tuple[str, str, str], Why]
"""By table, measure and cell."""


@dataclass(frozen=True)
class Utility:
    """Of one measure, among the cells where somebody is: numbers of cells, and sums of the figure.

    Attributes:
        headlines: cells of the margins that are declared as such: published, all.
        cells: published, all.
        finest: the figure summed over the cells of the finest codes: in published ones, in all.
        every: the same over cells of every level.
        missing: the headlines that are hidden, each with why.
        months: cells that are hidden only because of neighbouring months of a stock.
    """

    table: str
    measure: str
    headlines: tuple[int, int]
    cells: tuple[int, int]
    finest: tuple[int, int]
    every: tuple[int, int]
    missing: tuple[tuple[str, str], ...] = ()
    months: int = 0

    @property
    def share(self) -> float:
        """The share of the finest cells' figure that is published; 1 where nobody is."""
        published, whole = self.finest
        return published / whole if whole else 1.0

    @property
    def share_of_all(self) -> float:
        """The same over cells of every level."""
        published, whole = self.every
        return published / whole if whole else 1.0

    @property
    def lost(self) -> int:
        """Headlines that are hidden."""
        return self.headlines[1] - self.headlines[0]

    def __str__(self) -> str:
        """In words."""
        if not self.cells[1]:
            return "nobody is in any of its cells"
        return (
            f"headlines {self.headlines[0]:,} of {self.headlines[1]:,}, cells {self.cells[0]:,} of {self.cells[1]:,},"
            f" {self.share:.1%} of the finest cells' figures, {self.share_of_all:.1%} of every level's"
        )


def noted(rows: Sequence[Mapping[str, Any]]) -> list[Utility]:
    """Return what a request has noted; nothing of what was built before this was noted."""
    return [Utility(**{**row, "missing": tuple(map(tuple, row.get("missing", ())))}) for row in rows]


def utility(true: Table, safe: SafeTable, measure: Measure, lost: Lost = MappingProxyType({})) -> Utility:
    """Return what of a measure is published.

    Args:
        true: a table of true figures.
        safe: the same as it is published.
        measure: one of its measures.
        lost: of headlines that are hidden, though they are not unsafe themselves, why.
    """
    keys = true.keys
    columns = [*keys, f"{measure.name}_status"]
    frame = true.frame[[*keys, measure.name]].merge(safe.frame[columns], on=keys, how="left")
    frame = frame[frame[measure.name] > 0]
    leaf = np.ones(len(frame), dtype=bool)
    for dimension in true.dimensions:
        leaf &= ~frame[dimension.name].isin([TOTAL, *dimension.inner]).to_numpy()
    free = (frame[f"{measure.name}_status"] == FREE).to_numpy()
    figure = frame[measure.name].to_numpy(dtype=np.int64)
    headline = headline_rows(frame, keys, true.headlines)
    cells = [cell_text(keys, codes) for codes in frame.loc[headline & ~free, keys].to_numpy()]
    return Utility(
        true.name,
        measure.name,
        (int((headline & free).sum()), int(headline.sum())),
        (int(free.sum()), len(frame)),
        (int(figure[leaf & free].sum()), int(figure[leaf].sum())),
        (int(figure[free].sum()), int(figure.sum())),
        tuple((cell, lost.get((true.name, measure.name, cell), Why.UNSAFE).value) for cell in cells),
    )


def utilities(true: tuple[Table, ...], safe: tuple[SafeTable, ...], lost: Lost = MappingProxyType({})) -> list[Utility]:
    """Return what of every measure is published; see `utility`."""
    return [utility(t, s, m, lost) for t, s in zip(true, safe, strict=True) for m in t.measures]
