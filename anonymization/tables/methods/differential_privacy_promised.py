"""What differential privacy promises of each margin before anything is counted: cells, and how far off figures are.

The noise's scale follows from the declaration, and so does the error of a figure as it is drawn. Of figures that are
made to fit each other it depends on where zeros and bounds are: promised is that of figures far from both, which is
what a build states of them, and more than it states where few persons are.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd

from anonymization.policy.protection import DifferentialPrivacy
from anonymization.policy.releases import DimensionKind
from anonymization.tables.method import Promise
from anonymization.tables.methods.consistent import errors_of
from anonymization.tables.methods.differential_privacy import (
    Levels,
    beside_scales,
    every_cell,
    kind_of,
    levels_of,
    margins,
    published,
    scales,
    sensitivity,
    shares,
    whole,
)
from anonymization.tables.methods.mechanisms import accuracy, threshold_of
from anonymization.tables.model import ERROR_LEVEL, FREE
from anonymization.tables.plan import Plan, TablePlan

FAR = 1_000
"""How many times the scale of its noise a figure is that noise brings near no other, nor zero."""
Errors = dict[tuple[str, str, Levels], int]
"""By table, measure and margin."""


def promised(plan: Plan, protection: DifferentialPrivacy) -> tuple[Promise, ...]:
    """Return what is promised of each margin of each measure."""
    each, scale, kind = shares(plan.tables, protection), scales(plan.tables, protection), kind_of(protection)
    errors: Errors = {key: accuracy(kind, noise, ERROR_LEVEL) for key, noise in scale.items()}
    if protection.consistent:
        errors |= _of_fitted(plan, protection)
    found = []
    for table in plan.tables:
        for measure, levels in itertools.product(table.measures, margins(table)):
            least, cells = 1, None
            if whole(table, levels):
                cells = len(every_cell(table, levels))
            else:
                persons = next(m for m in table.measures if m.population == measure.population and m.how.persons)
                moved, noise = sensitivity(table, persons, levels, protection), scale[table.name, persons.name, levels]
                least = threshold_of(kind, moved, noise, each.cost, each.delta)
            error = errors[table.name, measure.name, levels]
            found.append(Promise(table.name, measure.name, levels, cells, least, error))
    return tuple(found)


def _of_fitted(plan: Plan, protection: DifferentialPrivacy) -> Errors:
    """The errors of figures far from zero that are made to fit each other, of margins whose cells are all known."""
    scale, kind, found = scales(plan.tables, protection), kind_of(protection), Errors()
    for table in plan.tables:
        known = [levels for levels in margins(table) if whole(table, levels)]
        noise = max(scale[table.name, measure.name, levels] for measure in table.measures for levels in known)
        cells = pd.concat([every_cell(table, levels) for levels in known], ignore_index=True)
        cells = cells.sort_values(list(cells.columns), kind="stable", ignore_index=True)
        made = published(table, _far_from_zero(table, cells, math.ceil(noise)))
        ((_, made, own),) = beside_scales(replace(plan, tables=(table,)), protection, [made])
        errors = errors_of(table, made, own, kind)
        for at, levels in enumerate(levels_of(made)):
            found |= {(table.name, m.name, levels): int(errors[m.name][at]) for m in table.measures}
    return found


def _far_from_zero(table: TablePlan, cells: pd.DataFrame, scale: int) -> pd.DataFrame:
    """Figures of some cells that fit each other, and lie far from zero and from each other beside noise of a scale.

    They are nobody's: a cell has as many persons as it covers finest cells, and over events, where persons are in
    several of them, that to the power of 3/4, which is less than their sum and more than are in one.
    """
    of_persons, of_events = np.ones(len(cells)), np.ones(len(cells))
    for dimension in table.dimensions:
        finest = sorted(set(dimension.parents) - dimension.inner)
        below = pd.Series([code for one in finest for code in (one, *dimension.ancestors(one))]).value_counts()
        covered = cells[dimension.name].map(below).fillna(1).to_numpy(dtype=np.float64)
        if dimension.kind is DimensionKind.PERSON:
            of_persons *= covered
        else:
            of_events *= covered
    frame = cells.copy()
    for measure in table.measures:
        spread = np.ceil(FAR * of_events**0.75) if measure.how.persons else 2 * FAR * of_events
        frame[measure.name] = pd.array((scale * of_persons * spread).astype(np.int64), dtype="Int64")
        frame[f"{measure.name}_status"] = FREE
    return frame
