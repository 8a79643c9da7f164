"""Tables protected by cell keys: the threshold on true counts, and noise that the same persons always bring with them.

A person's record key is the last 32 bits of the person's pseudonym, which is an HMAC under the period's key: it is
uniform, the same in every table and on every engine within the period, and another in the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.errors import IntegrityError
from anonymization.policy.protection import CellKey, Method
from anonymization.tables.methods.cell_key_noise import KEYS, Perturbation, perturbation
from anonymization.tables.model import CONFIDENTIAL, FREE, Measure, SafeTable, Table
from anonymization.tables.plan import Plan, with_codes

Floats = npt.NDArray[np.float64]
RECORD_KEYS = "cell_key"
"""The recount's column of cell keys."""


def record_key(person: str) -> str:
    """Return the SQL of a person's record key: below 2**32; sums of up to 2**31 persons fit a BIGINT."""
    return f"{person} % {KEYS}"


def key_column(measure: Measure) -> str:
    """Return the column of a true table that holds a measure's sums of record keys; no declared name has a space."""
    return f"{measure.name} key"


def table_of(protection: CellKey) -> Perturbation:
    """Return the perturbation table of a declaration."""
    return perturbation(protection.deviation, protection.variance, protection.forbidden)


def perturbed(tables: Sequence[Table], protection: CellKey, *, withheld: bool = False) -> tuple[SafeTable, ...]:
    """Return the tables as they may be published.

    Guarantees: a cell of 1..N-1 persons is hidden, and no other; a cell without anybody stays 0; every other figure
    is within D of the true one and never negative; the same persons give the same figure in every table. The figures
    do not add up. With `withheld`, hidden cells are not listed.

    Args:
        tables: true tables with their sums of record keys (`key_column`).
        protection: how they are protected.
        withheld: whether hidden cells are left out.
    """
    return tuple(_perturbed(table, protection, withheld=withheld) for table in tables)


def _perturbed(table: Table, protection: CellKey, *, withheld: bool) -> SafeTable:
    noise = table_of(protection)
    columns: dict[str, object] = {key: table.frame[key] for key in table.keys}
    for measure in table.measures:
        true = table.frame[measure.name]
        hidden = true.between(1, protection.minimum_count - 1)
        figures = noise.perturbed(true.to_numpy(), table.frame[key_column(measure)].to_numpy())
        columns[measure.name] = pd.Series(figures, index=true.index).astype("Int64").mask(hidden)
        columns[f"{measure.name}_status"] = pd.Series(FREE, index=true.index).mask(hidden, CONFIDENTIAL)
    if table.days:
        columns["days"] = table.frame["days"]
    frame, dimensions = pd.DataFrame(columns), table.dimensions
    if withheld:
        listed = pd.concat([frame[f"{m.name}_status"] == FREE for m in table.measures], axis=1).any(axis=1)
        frame = frame[listed].reset_index(drop=True)
        dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in dimensions)
    return SafeTable(
        table.name, table.title, dimensions, table.measures, frame, protection.minimum_count,
        days=table.days, withheld=withheld, method=Method.CELL_KEY,
    )  # fmt: skip


def expected(plan: Plan, recounted: pd.DataFrame) -> pd.DataFrame:
    """Return a recount with the column `expected`: what a published figure of each class must be.

    Without cell keys that is the recounted figure itself; with them it is what the recount's own cell key leads to.
    """
    protection = plan.release.protection
    if not isinstance(protection, CellKey):
        return recounted.assign(expected=recounted["recounted"])
    if RECORD_KEYS not in recounted.columns:
        raise IntegrityError("the recount brought no cell keys")
    counts, keys = (recounted[name].to_numpy(dtype=np.int64) for name in ("recounted", RECORD_KEYS))
    return recounted.assign(expected=table_of(protection).perturbed(counts, keys))


def bounds(table: SafeTable, measure: Measure, protection: CellKey) -> tuple[Floats, Floats]:
    """Return the least and greatest true count of each cell, as a reader who knows D and N has them.

    A published figure f > 0 stands for max(N, f-D)..f+D; a hidden cell for somebody, where every empty one
    is shown; a published 0 for nobody, unless noise may bring N down to it.
    """
    least, deviation = protection.minimum_count, protection.deviation
    figure = table.frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    hidden = (table.frame[f"{measure.name}_status"] != FREE).to_numpy()
    low = np.where(figure == 0, 0.0, np.maximum(least, figure - deviation))
    high = np.where((figure == 0) & (deviation < least), 0.0, figure + deviation)
    return np.where(hidden, float(table.zeros_shown), low), np.where(hidden, np.inf, high)
