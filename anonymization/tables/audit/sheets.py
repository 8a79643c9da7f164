"""Sheets: what one release tells, measure by measure, as an auditor reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey
from anonymization.tables.audit.standing import Standing
from anonymization.tables.method import Reading, method_of
from anonymization.tables.model import Dimension, Measure, SafeTable, Table, cell_text, figures

CANDIDATE = "this candidate"
"""What messages call the release that is being built or gated."""


@dataclass(frozen=True)
class Issue:
    """What one release tells of one period: true tables before protection, or published ones.

    Attributes:
        name: release, period and version, for messages.
        minimum_count: its minimum publishable count.
        noise: what the house knows of the noise of its cell keys; without, noisy figures are left out.
        standing: what its figures need, if it is out.
        inputs: by source what was read of its log files, if it is out of this home.
        choices: which opt-outs were kept in it, if it is out of this home.
    """

    name: str
    period: Period
    tables: tuple[Table, ...] | tuple[SafeTable, ...]
    minimum_count: int
    noise: CellKey | None = None
    standing: tuple[Standing, ...] = ()
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)


def about(issue: Issue, sources: Collection[str]) -> Issue:
    """Return what an issue tells of some sources: its tables with their measures alone."""
    tables = []
    for table in issue.tables:
        kept = tuple(measure for measure in table.measures if measure.source in sources)
        if kept:
            tables.append(replace(table, measures=kept))
    return replace(issue, tables=tuple(tables))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sheet:
    """The figures of one measure of one table.

    Attributes:
        value: the figures, NaN where hidden or noisy.
        low, high: what a noisy figure, or its being hidden, says of the true one; null for exact figures.
        unlisted: whether classes that are not listed may have persons.
        zeros_shown: whether every class without anybody is published as such, so that a hidden one has somebody.
        shown: the rows whose figure is shown, exact or noisy.
        standing: what its figures need, if it is out.
    """

    issue: str
    table: str
    measure: Measure
    dimensions: tuple[Dimension, ...]
    codes: pd.DataFrame
    value: npt.NDArray[np.float64]
    shown: npt.NDArray[np.bool_]
    period: Period
    minimum_count: int
    unlisted: bool
    zeros_shown: bool = True
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None
    standing: tuple[Standing, ...] = ()

    def text(self, row: int) -> str:
        """Return the coordinates of a row as text."""
        return cell_text(list(self.codes.columns), self.codes.iloc[row])


def sheets_of(issue: Issue) -> list[Sheet]:
    """Return the sheets of an issue: one a table and measure.

    Noisy figures do not add up; where the noise is known, each is a span around the true one.
    """
    found = []
    for table in issue.tables:
        for measure in table.measures:
            reading = _read(issue, table, measure)
            if reading is not None:
                found.append(_sheet(issue, table, measure, reading))
    return found


def figures_solved(issue: Issue) -> int:
    """Return how many published figures of an issue add up, and are solved for: none of those with unknown noise."""
    return sum(int((~np.isnan(sheet.value)).sum()) for sheet in sheets_of(issue))


def _read(issue: Issue, table: Table | SafeTable, measure: Measure) -> Reading | None:
    if isinstance(table, SafeTable):
        return method_of(table.method).read(table, measure, issue.noise)
    return Reading(figures(table, measure))


def _sheet(issue: Issue, table: Table | SafeTable, measure: Measure, reading: Reading) -> Sheet:
    shown = ~np.isnan(figures(table, measure))
    withheld, zeros_shown = (table.withheld, table.zeros_shown) if isinstance(table, SafeTable) else (False, True)
    standing = tuple(n for n in issue.standing if (n.table, n.measure) == (table.name, measure.name))
    return Sheet(
        issue.name, table.name, measure, table.dimensions, table.frame[table.keys], reading.value,
        shown, issue.period, issue.minimum_count, withheld, zeros_shown,
        low=reading.low, high=reading.high, standing=standing,
    )  # fmt: skip
