"""Protection as a build does it, beside nothing that is out."""

from __future__ import annotations

from anonymization.tables.model import SafeTable, Table
from anonymization.tables.sheets import Issue
from anonymization.tables.spec import Plan
from anonymization.tables.suppression import protect
from anonymization.tables.withheld import withhold
from jobs.protection import CANDIDATE, rules_of


def protected(plan: Plan, tables: tuple[Table, ...]) -> tuple[SafeTable, ...]:
    """Return the tables as they may be published."""
    if plan.withheld:
        return withhold(tables, plan.minimum_count)
    return protect(tables, Issue(CANDIDATE, plan.period, tables, plan.minimum_count), rules_of(plan)).tables
