"""Codes: what the engines' values are called in a published table, and which days a code is about."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from anonymization.policy.calendar import DAY_OFF, WEEKDAY, iso_day, iso_week
from anonymization.policy.crosscheck import DAY, DAY_TYPE, WEEK
from anonymization.tables.counting.facts import DAYS_BEFORE_MONDAY
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import Plan, TablePlan


def texts(column: str, values: pd.Series) -> np.ndarray:
    """Return an event column's values as codes, each distinct one written once; what is null stays so."""
    positions, distinct = pd.factorize(values)  # null has the position -1
    written = np.array([*(_text(column, value) for value in distinct), None], dtype=object)
    return np.asarray(written[positions])


def _text(column: str, value: Any) -> str:
    if column == DAY_TYPE:
        return DAY_OFF if value else WEEKDAY
    if column == DAY:
        return iso_day(int(value))
    if column == WEEK:
        return iso_week(7 * int(value) - DAYS_BEFORE_MONDAY)
    if column == "hour":
        return f"{int(value):02d}"
    return value if isinstance(value, str) else str(int(value))


def days_of_codes(plan: Plan, table: TablePlan) -> dict[tuple[str, ...], list[int]]:
    """Return the period's days by their codes in the dimensions that partition days, totals included.

    Without such a dimension the one key is (), of every day. All days together come first.
    """
    columns = [plan.columns[d.name] for d in table.dimensions if d.by_day]
    days: dict[tuple[str, ...], list[int]] = {(TOTAL,) * len(columns): []}
    for day in range(plan.period.first, plan.period.past):
        for codes in itertools.product(*((TOTAL, plan.code_of_day(column, day)) for column in columns)):
            days.setdefault(codes, []).append(day)
    return days


def denominators(plan: Plan, table: TablePlan, frame: pd.DataFrame) -> pd.Series:
    """Return the number of the period's days that a cell is about, by the dimensions that partition the days."""
    names = [d.name for d in table.dimensions if d.by_day]
    counts = Counter({codes: len(days) for codes, days in days_of_codes(plan, table).items()})
    if not names:
        return pd.Series(counts[()], index=frame.index, dtype="int64")
    about = frame[names].drop_duplicates()
    about["days"] = [counts[cell] for cell in about.itertuples(index=False, name=None)]
    return frame[names].merge(about, how="left", on=names)["days"].astype("int64")
