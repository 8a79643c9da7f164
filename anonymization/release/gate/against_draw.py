"""What the gate checks of drawn noise: figures are the stored draw's, and as near the events as noise stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.errors import IntegrityError
from anonymization.policy.protection import DifferentialPrivacy
from anonymization.policy.releases import DimensionKind
from anonymization.tables.methods.differential_privacy import (
    Levels,
    every_cell,
    kind_of,
    levels_of,
    margins,
    scales,
    whole,
)
from anonymization.tables.methods.mechanisms import farthest
from anonymization.tables.model import FREE, TOTAL, Measure, SafeTable
from anonymization.tables.plan import Plan, TablePlan

CHANCE = 1e-9
"""The chance that a rightly drawn release is taken for a wrong one: it is built again from the same draw in vain."""


def against_draw(
    plan: Plan, tables: Sequence[SafeTable], stored: Sequence[SafeTable] | None, recounted: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the frames `cells` and `complete` of a release with differential privacy.

    A figure is right if it is the stored draw's, and no farther from the recounted one than noise reaches. Bounds on
    contributions only make figures smaller; where every event dimension is the total they leave persons as they are.

    Raises:
        IntegrityError: there is no such draw.
    """
    protection = plan.release.protection
    if stored is None or not isinstance(protection, DifferentialPrivacy):
        raise IntegrityError("the draw of noise that the release was made from is not there; build again")
    scale, cells, complete = scales(plan.tables, protection), [], []
    for declared in plan.tables:  # a package's own code lists do not tell which codes were known beforehand
        table, draw = (next(t for t in of if t.name == declared.name) for of in (tables, stored))
        counts = recounted[recounted["table"] == table.name]
        for measure in table.measures:
            of_margin = {levels: scale[table.name, measure.name, levels] for levels in margins(declared)}
            cells.append(_cells(table, draw, measure, counts, of_margin, protection))
            complete.append(_complete(declared, table, measure))
    return pd.concat(cells, ignore_index=True), pd.concat(complete, ignore_index=True)


def _cells(
    table: SafeTable,
    draw: SafeTable,
    measure: Measure,
    counts: pd.DataFrame,
    scale: Mapping[Levels, float],
    protection: DifferentialPrivacy,
) -> pd.DataFrame:
    columns = [*table.keys, measure.name, f"{measure.name}_status"]
    drawn = draw.frame[columns].rename(columns={measure.name: "_drawn", columns[-1]: "_status"})
    true = counts.loc[counts["measure"] == measure.name, [*table.keys, "recounted"]]
    frame = table.frame[columns].merge(drawn, on=table.keys, how="left").merge(true, on=table.keys, how="left")
    free = (frame[columns[-1]] == FREE).to_numpy()
    value, as_drawn = (
        frame[name].astype("Float64").to_numpy(dtype=float, na_value=np.nan) for name in (measure.name, "_drawn")
    )
    same = ((value == as_drawn) | (np.isnan(value) & np.isnan(as_drawn))) & (frame[columns[-1]] == frame["_status"])
    same &= len(table.frame) == len(draw.frame)
    count = frame["recounted"].fillna(0).to_numpy(dtype=float)
    reach = _reach(table, scale, protection, len(frame) + len(true))
    unbounded = _without_events(table) & measure.how.persons
    likely = ~free | ((value <= count + reach) & (value >= np.where(unbounded, count, 0.0) - reach))
    return pd.DataFrame(
        {
            "table": table.name,
            "measure": measure.name,
            "status": frame[columns[-1]],
            "empty_where_hidden": np.isnan(value) == ~free,
            "enough_persons": True,
            "equals_recount": np.asarray(same) & likely,
        }
    )


def _reach(
    table: SafeTable, scale: Mapping[Levels, float], protection: DifferentialPrivacy, draws: int
) -> npt.NDArray[np.float64]:
    """How far noise reaches in each row."""
    far = {levels: float(farthest(kind_of(protection), one, draws, CHANCE)) for levels, one in scale.items()}
    return np.array([far[levels] for levels in levels_of(table)])


def _without_events(table: SafeTable) -> npt.NDArray[np.bool_]:
    """The rows in which every event dimension is the total."""
    events = [d.name for d in table.dimensions if d.kind is DimensionKind.EVENT]
    return np.asarray((table.frame[events] == TOTAL).all(axis=1))


def _complete(declared: TablePlan, table: SafeTable, measure: Measure) -> pd.DataFrame:
    """Whether every cell that is known beforehand is listed."""
    rows = pd.MultiIndex.from_frame(table.frame[table.keys].astype(object))
    known = [every_cell(declared, levels) for levels in margins(declared) if whole(declared, levels)]
    listed = [pd.MultiIndex.from_frame(cells).isin(rows) for cells in known]
    columns = {"table": table.name, "measure": measure.name, "listed": np.concatenate(listed)}
    return pd.DataFrame(columns)
