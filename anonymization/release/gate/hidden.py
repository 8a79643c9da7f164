"""How much a candidate hides of what the events hold, against the limit that its release declares."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pandas as pd

from anonymization.policy.crosscheck import NOT_PINNED
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionSpec
from anonymization.release.gate.compare import rightly_unlisted
from anonymization.tables.model import FREE, Measure, SafeTable
from anonymization.tables.plan import Plan

COLUMNS = ["table", "measure", "cells", "hidden", "allowed", "within_limit"]


def hidden_shares(plan: Plan, tables: Sequence[SafeTable], recounted: pd.DataFrame) -> pd.DataFrame:
    """Return, of each measure, in how many cells somebody is by the recount, and how many of them are hidden.

    No row where the release declares no limit. Of an open dimension the listed codes count. What is merged is not
    hidden: whoever is there counts in a rest that is published.

    Returns:
        table, measure, cells, hidden, allowed (a share), within_limit.
    """
    allowed, rows = plan.release.protection.limit(plan.expected), []
    for table in tables if allowed is not None else ():
        for measure in table.measures:
            cells, hidden = _counted(table, measure, recounted[recounted["table"] == table.name])
            within = hidden <= Fraction(repr(float(allowed or 0))) * cells
            rows.append((table.name, measure.name, cells, hidden, allowed, within))
    return pd.DataFrame(rows, columns=COLUMNS)


def _counted(table: SafeTable, measure: Measure, recounted: pd.DataFrame) -> tuple[int, int]:
    """In how many cells somebody is, and how many of them are hidden."""
    keys, status = table.keys, f"{measure.name}_status"
    own = recounted[recounted["measure"] == measure.name]
    own = own[~rightly_unlisted(table, own) & (own["recounted"] > 0)]
    found = own[keys].merge(table.frame[[*keys, status]], on=keys, how="left")[status]
    if any(dimension.merged for dimension in table.dimensions):
        found = found[found.notna()]
    return len(found), int((found != FREE).sum())


def too_much(plan: Plan, shares: pd.DataFrame) -> list[str]:
    """Return, of each measure that hides more than is allowed, by how much it does, and what to do."""
    return [
        f"{one['table']}.{one['measure']}: {one['hidden'] / one['cells']:.1%} of the cells with somebody in are hidden"
        f" ({one['hidden']:,} of {one['cells']:,}), allowed {one['allowed']:.4g}: {proposal(plan)}"
        for one in shares.to_dict("records")
        if not one["within_limit"]
    ]


def proposal(plan: Plan) -> str:
    """Return in words what makes a release hide less."""
    release = plan.release
    if release.pins and plan.expected is None:
        return "every code stands, as no size was declared: `noren init --expect PERSONS` chooses the release's pins"
    planned = plan.method is Method.SUPPRESSION and not plan.withheld
    if planned and any(map(_can_be_coarser, release.dimensions.values())):
        return f"`noren plan {release.release} --period {plan.period.name}` proposes coarser levels"
    return "none of its dimensions has codes to give up: declare tables of fewer dimensions, or of longer periods"


def _can_be_coarser(dimension: DimensionSpec) -> bool:
    """Whether codes of a dimension may be given up: see `jobs/verbs/plan.py`."""
    return not dimension.open and dimension.column not in NOT_PINNED and dimension.hierarchy != "mesh"
