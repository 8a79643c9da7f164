"""How much a candidate hides of what the events hold, against the limit that its release declares."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pandas as pd

from anonymization.policy.crosscheck import NOT_PINNED
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionSpec
from anonymization.release.gate.compare import rightly_unlisted
from anonymization.tables.headlines import Why, headline_rows
from anonymization.tables.model import FREE, TOTAL, Measure, SafeTable, cell_text
from anonymization.tables.plan import Plan
from anonymization.tables.utility import Utility

COLUMNS = ["table", "measure", "cells", "hidden", "allowed", "within_limit"]
HEADLINE_COLUMNS = ["table", "measure", "cell", "why", "kept"]


def hidden_shares(
    plan: Plan, tables: Sequence[SafeTable], recounted: pd.DataFrame, noted: Iterable[Utility] = ()
) -> pd.DataFrame:
    """Return, of each measure, in how many cells somebody is by the recount, and how many of them are hidden.

    No row where the release declares no limit. Of an open dimension the listed codes count. What is merged is not
    hidden: whoever is there counts in a rest that is published. What is hidden only because of neighbouring months of a
    stock counts not: no level that was declared could foresee it. How much that is the build says: a matter of use.

    Returns:
        table, measure, cells, hidden, allowed (a share), within_limit.
    """
    allowed, rows = plan.release.protection.limit(plan.expected), []
    months = {(one.table, one.measure): one.months for one in noted}
    for table in tables if allowed is not None else ():
        for measure in table.measures:
            cells, hidden = _counted(table, measure, recounted[recounted["table"] == table.name])
            hidden = max(0, hidden - months.get((table.name, measure.name), 0))
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


def hidden_headlines(
    plan: Plan, tables: Sequence[SafeTable], recounted: pd.DataFrame, noted: Iterable[Utility], *, version: bool
) -> pd.DataFrame:
    """Return a row a headline with somebody in, by the recount, and of one that is hidden why.

    Which are unsafe themselves is the recount's to say. That what is out already made one impossible is the build's,
    which solved it with and without that; it excuses nothing unsafe, and is a matter of use, not of safety. A further
    version keeps the levels of the one before, which no coarser ones can follow: there whatever is hidden is excused.

    Args:
        plan: of the candidate.
        tables: as published.
        recounted: true figures.
        noted: what the build noted.
        version: whether a version of it is out.

    Returns:
        table, measure, cell, why (empty where it is published), kept (or excused).
    """
    said = {(one.table, one.measure, cell): why for one in noted for cell, why in one.missing}
    rows = []
    for table, declared in ((t, d) for t in tables for d in plan.tables if d.name == t.name):
        of_table = recounted[recounted["table"] == table.name]
        for measure in table.measures:
            keys, status = table.keys, f"{measure.name}_status"
            own = of_table[(of_table["measure"] == measure.name) & (of_table["recounted"] > 0)]
            own = own[headline_rows(own, keys, declared.headlines)]
            own = own[~rightly_unlisted(table, own)]
            people = of_table[of_table["measure"] == table.persons_of(measure).name]
            persons = dict(zip(map(tuple, people[keys].to_numpy()), people["for_threshold"], strict=True))
            for codes, shown in zip(
                own[keys].to_numpy(), own.merge(table.frame[[*keys, status]], on=keys, how="left")[status], strict=True
            ):
                cell = cell_text(keys, codes)
                few = 0 < persons.get(tuple(codes), 0) < plan.minimum_count
                why = Why.UNSAFE if few else said.get((table.name, measure.name, cell), Why.UNSAFE)
                kept = shown == FREE or version or why == Why.EARLIER
                rows.append((table.name, measure.name, cell, "" if shown == FREE else str(why), kept))
    return pd.DataFrame(rows, columns=HEADLINE_COLUMNS)


def lost_headlines(plan: Plan, headlines: pd.DataFrame) -> list[str]:
    """Return, of each headline that is hidden without excuse, why it is, and what to do."""
    return [
        f"{one['table']}.{one['measure']}: the headline {one['cell']} is hidden, as {one['why']}: {_coarser(plan, one)}"
        for one in headlines.to_dict("records")
        if not one["kept"]
    ]


def _coarser(plan: Plan, one: Mapping[Hashable, Any]) -> str:
    """What to coarsen for a headline that is hidden."""
    codes = dict(part.split("=", 1) for part in one["cell"].split(", "))
    own = [f"{code!r} of {name}" for name, code in codes.items() if code != TOTAL]
    if one["why"] == Why.UNSAFE:
        if not own:
            return "no levels help; declare a longer period, or another population"
        return f"let {' and '.join(own)} count with others; {proposal(plan)}"
    others = [name for name, code in codes.items() if code == TOTAL and _can_be_coarser(plan.release.dimensions[name])]
    return f"coarsen {' or '.join(others)}; {proposal(plan)}" if others else proposal(plan)


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
