"""What is left to read: headlines, cells and persons published, beside the true figures; inside only.

Over event dimensions the share of persons in published cells tells a hidden sum: these figures do not leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anonymization.tables.model import FREE, TOTAL, Measure, SafeTable, Table


@dataclass(frozen=True)
class Utility:
    """Of one measure, among the cells where somebody is: numbers of cells, and sums of the figure.

    Attributes:
        headlines: the grand total, and the cells of one dimension alone that has a closed list: published, all.
        cells: published, all.
        finest: the figure summed over the cells of the finest codes: in published ones, in all.
        every: the same over cells of every level.
    """

    table: str
    measure: str
    headlines: tuple[int, int]
    cells: tuple[int, int]
    finest: tuple[int, int]
    every: tuple[int, int]

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
    return [Utility(**row) for row in rows]


def utility(true: Table, safe: SafeTable, measure: Measure) -> Utility:
    """Return what of a measure is published."""
    keys = true.keys
    columns = [*keys, f"{measure.name}_status"]
    frame = true.frame[[*keys, measure.name]].merge(safe.frame[columns], on=keys, how="left")
    frame = frame[frame[measure.name] > 0]
    depth = pd.DataFrame({d.name: frame[d.name] != TOTAL for d in true.dimensions}).sum(axis=1)
    leaf, closed = np.ones(len(frame), dtype=bool), np.ones(len(frame), dtype=bool)
    for dimension in true.dimensions:
        codes = frame[dimension.name]
        leaf &= ~codes.isin([TOTAL, *dimension.inner]).to_numpy()
        closed &= (codes == TOTAL).to_numpy() | dimension.closed
    free = (frame[f"{measure.name}_status"] == FREE).to_numpy()
    figure = frame[measure.name].to_numpy(dtype=np.int64)
    headline = (depth <= 1).to_numpy() & closed
    return Utility(
        true.name,
        measure.name,
        (int((headline & free).sum()), int(headline.sum())),
        (int(free.sum()), len(frame)),
        (int(figure[leaf & free].sum()), int(figure[leaf].sum())),
        (int(figure[free].sum()), int(figure.sum())),
    )


def utilities(true: tuple[Table, ...], safe: tuple[SafeTable, ...]) -> list[Utility]:
    """Return what of every measure is published."""
    return [utility(t, s, m) for t, s in zip(true, safe, strict=True) for m in t.measures]
