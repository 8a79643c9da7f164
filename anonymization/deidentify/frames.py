"""What the intake's checks look at: frames of what it said of the files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from anonymization.deidentify.taken import Taken
from anonymization.policy.load import Policies
from anonymization.policy.sources import UNKNOWN

FEW_DAYS = 3
FEW_ROWS = 100
"""A share of rejected rows is that of so many at least: one of the nine stragglers of a day is no sign."""


def intake_frames(taken: Sequence[Taken], policies: Policies) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what the intake suites look at: one row a source and day of arrival, and one row a code seen.

    The volume of a day is compared with the median day of its source, where at least three days are known;
    a day on which only late events arrived is not compared.
    """
    columns = ["source", "arrived", "read", "accepted", "quarantined", "dropped", "last_day"]
    rows = [
        (t.source, t.arrived, t.read, t.accepted, sum(t.quarantined.values()), sum(t.dropped.values()), t.last_day)
        for t in taken
    ]
    days = (
        pd.DataFrame(rows, columns=columns)
        .groupby(["source", "arrived"], as_index=False)
        .agg({"read": "sum", "accepted": "sum", "quarantined": "sum", "dropped": "sum", "last_day": "max"})
    )
    days["balance"] = days["read"] - days["accepted"] - days["quarantined"] - days["dropped"]
    days["rejected_share"] = days["quarantined"] / days["read"].clip(lower=FEW_ROWS)
    days["lag_days"] = [
        (date.fromisoformat(arrived) - date(1970, 1, 1)).days - (last if pd.notna(last) else 0)
        for arrived, last in zip(days["arrived"], days["last_day"], strict=True)
    ]
    on_time = days["lag_days"] <= 0
    median = days[on_time].groupby("source")["read"].median().where(days[on_time].groupby("source").size() >= FEW_DAYS)
    days["volume_ratio"] = (days["read"] / days["source"].map(median)).where(on_time)
    coded = {
        (source.source, column.into or name): set(policies.codelists[column.codes]) | {UNKNOWN}
        for source in policies.sources.values()
        for name, column in source.columns.items()
        if column.codes is not None
    }
    seen = {(t.source, column, code) for t in taken for column, codes in t.codes.items() for code in codes}
    domains = [(s, column, code, code in coded[s, column]) for s, column, code in sorted(seen)]
    return days, pd.DataFrame(domains, columns=["source", "column", "code", "in_domain"])
