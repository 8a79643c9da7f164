"""Sheets: what one release tells, measure by measure, as an auditor reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anonymization.disclosure.system import Floats
from anonymization.policy.protection import Method
from anonymization.tables.model import FREE, Dimension, Measure, SafeTable, Table, cell_text
from anonymization.tables.period import Period


@dataclass(frozen=True)
class Issue:
    """What one release tells of one period: true tables before protection, or published ones.

    Attributes:
        name: release, period and version, for messages.
        minimum_count: its minimum publishable count.
    """

    name: str
    period: Period
    tables: tuple[Table, ...] | tuple[SafeTable, ...]
    minimum_count: int


@dataclass(frozen=True)
class Sheet:
    """The figures of one measure of one table.

    Attributes:
        value: the figures, NaN where hidden.
        unlisted: whether classes that are not listed may have persons.
        zeros_shown: whether every class without anybody is published as such, so that a hidden one has somebody.
    """

    issue: str
    table: str
    measure: Measure
    dimensions: tuple[Dimension, ...]
    codes: pd.DataFrame
    value: Floats
    period: Period
    minimum_count: int
    unlisted: bool
    zeros_shown: bool = True

    def text(self, row: int) -> str:
        """Return the coordinates of a row as text."""
        return cell_text(list(self.codes.columns), self.codes.iloc[row])


def sheets_of(issue: Issue) -> list[Sheet]:
    """Return the sheets of an issue: one a table and measure of exact figures; noisy ones satisfy no relation."""
    found = []
    for table in issue.tables:
        if isinstance(table, SafeTable) and table.method is not Method.SUPPRESSION:
            continue
        for measure in table.measures:
            value = table.frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
            withheld = isinstance(table, SafeTable) and table.withheld
            if isinstance(table, SafeTable):
                value = np.where(table.frame[f"{measure.name}_status"] == FREE, value, np.nan)
            sheet = Sheet(
                issue.name, table.name, measure, table.dimensions, table.frame[table.keys], np.asarray(value),
                issue.period, issue.minimum_count, withheld,
            )  # fmt: skip
            found.append(sheet)
    return found
