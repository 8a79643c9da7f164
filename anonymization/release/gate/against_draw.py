"""What the gate checks of drawn noise: figures follow from the stored draw, and that is as near as noise stays."""

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
    consistent,
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
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the frames `cells`, `complete` and `margins` of a release with differential privacy.

    A figure is right if it follows from the stored draw's, and that is no farther from the recounted one than noise
    reaches. Bounds on contributions only make figures smaller; where every event dimension is the total they leave
    persons as they are. Of `margins` a row a measure says whether it was moved no farther to fit than noise explains.

    Raises:
        IntegrityError: there is no such draw.
        GateRefusal: a cell that is known beforehand has no figure in it.
    """
    protection = plan.release.protection
    if stored is None or not isinstance(protection, DifferentialPrivacy):
        raise IntegrityError("the draw of noise that the release was made from is not there; build again")
    scale, cells, complete = scales(plan.tables, protection), [], []
    fits = {one.table.name: one for one in consistent(plan, protection, stored)}
    moved = [(t.name, m.name, m.name not in fits[t.name].improbable) for t in plan.tables for m in t.measures]
    for declared in plan.tables:  # a package's own code lists do not tell which codes were known beforehand
        table, draw = (next(t for t in of if t.name == declared.name) for of in (tables, stored))
        counts = recounted[recounted["table"] == table.name]
        for measure in table.measures:
            of_margin = {levels: scale[table.name, measure.name, levels] for levels in margins(declared)}
            cells.append(_cells(table, (draw, fits[table.name].table), measure, counts, of_margin, protection))
            complete.append(_complete(declared, table, measure))
    margin = pd.DataFrame(moved, columns=["kind", "relation", "consistent"])
    return pd.concat(cells, ignore_index=True), pd.concat(complete, ignore_index=True), margin


def _cells(
    table: SafeTable,
    draws: tuple[SafeTable, SafeTable],
    measure: Measure,
    counts: pd.DataFrame,
    scale: Mapping[Levels, float],
    protection: DifferentialPrivacy,
) -> pd.DataFrame:
    """Each figure beside the draw's, as it was drawn and as it was made to fit."""
    draw, fit = draws
    columns = [*table.keys, measure.name, f"{measure.name}_status"]
    drawn = draw.frame[columns].rename(columns={measure.name: "_drawn", columns[-1]: "_status"})
    drawn = drawn.merge(fit.frame[columns[:-1]].rename(columns={measure.name: "_fitted"}), on=table.keys)
    true = counts.loc[counts["measure"] == measure.name, [*table.keys, "recounted"]]
    frame = table.frame[columns].merge(drawn, on=table.keys, how="left").merge(true, on=table.keys, how="left")
    free = (frame[columns[-1]] == FREE).to_numpy()
    value, as_drawn, as_fitted = (
        frame[name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        for name in (measure.name, "_drawn", "_fitted")
    )
    same = ((value == as_fitted) | (np.isnan(value) & np.isnan(as_fitted))) & (frame[columns[-1]] == frame["_status"])
    same &= len(table.frame) == len(draw.frame)
    count = frame["recounted"].fillna(0).to_numpy(dtype=float)
    reach = _reach(table, scale, protection, len(frame) + len(true))
    unbounded = _without_events(table) & measure.how.persons
    likely = ~free | ((as_drawn <= count + reach) & (as_drawn >= np.where(unbounded, count, 0.0) - reach))
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
