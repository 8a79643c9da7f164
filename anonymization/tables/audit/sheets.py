"""Sheets: what one release tells, measure by measure, as an auditor reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey, Method
from anonymization.tables.audit.standing import Standing
from anonymization.tables.methods.cell_key import bounds
from anonymization.tables.model import FREE, Dimension, Measure, SafeTable, Table, cell_text


@dataclass(frozen=True)
class Issue:
    """What one release tells of one period: true tables before protection, or published ones.

    Attributes:
        name: release, period and version, for messages.
        minimum_count: its minimum publishable count.
        noise: what the house knows of the noise of its cell keys; without, noisy figures are left out.
        standing: what its figures need, if it is out.
    """

    name: str
    period: Period
    tables: tuple[Table, ...] | tuple[SafeTable, ...]
    minimum_count: int
    noise: CellKey | None = None
    standing: tuple[Standing, ...] = ()


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
    return [
        _sheet(issue, table, measure)
        for table in issue.tables
        if isinstance(table, Table) or table.method is Method.SUPPRESSION or _spans(issue, table)
        for measure in table.measures
    ]


def _spans(issue: Issue, table: SafeTable) -> bool:
    return table.method is Method.CELL_KEY and issue.noise is not None


def _sheet(issue: Issue, table: Table | SafeTable, measure: Measure) -> Sheet:
    value = np.asarray(table.frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan))
    low = high = None
    shown = ~np.isnan(value)
    withheld, zeros_shown = False, True
    if isinstance(table, SafeTable):
        withheld, zeros_shown = table.withheld, table.zeros_shown
        value = np.where(table.frame[f"{measure.name}_status"] == FREE, value, np.nan)
        if issue.noise is not None and table.method is Method.CELL_KEY:
            low, high = bounds(table, measure, issue.noise)
            value = np.where(value == 0, 0.0, np.nan) if issue.noise.deviation < issue.minimum_count else value * np.nan
    standing = tuple(n for n in issue.standing if (n.table, n.measure) == (table.name, measure.name))
    return Sheet(
        issue.name, table.name, measure, table.dimensions, table.frame[table.keys], np.asarray(value, dtype=np.float64),
        shown, issue.period, issue.minimum_count, withheld, zeros_shown, low=low, high=high, standing=standing,
    )  # fmt: skip
