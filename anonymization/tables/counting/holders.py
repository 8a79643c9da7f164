"""Holders: whom the threshold counts, where an id is not a person, as portable SQL.

The threshold is on persons. Ids that a log of links proves to be one member's have one holder, also in a release that
does not read that log for its figures; where only established ids count, others have none. The rules of official
statistics know the same of enterprises: a holding's units are one respondent (Hundepool et al., *Statistical Disclosure
Control*, 2012, section 4.2). Figures go on counting ids; a class of N ids of fewer holders is unsafe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from anonymization.policy.releases import DimensionKind
from anonymization.tables.counting.facts import LINKS, Statement, in_period, links_statement, person_of
from anonymization.tables.model import Dimension
from anonymization.tables.plan import Plan, TablePlan

HOLDERS, HELD = "holders", "held_facts"
NOBODY = "CAST(NULL AS BIGINT)"


def link_map(plan: Plan, events: Mapping[str, str]) -> Statement | None:
    """Return the map of links that a release is made by, or judged by; none where no log proves any."""
    if plan.judging in events:
        return links_statement(replace(plan, linking=plan.judging), events)
    return links_statement(plan, events)


def holders_statement(plan: Plan, table: TablePlan, source: str, events: Mapping[str, str]) -> Statement:
    """Return the relation (p, holder): a row a person of a source who counts for the threshold."""
    person, rows = person_of(plan, source, events)
    member = NOBODY
    if source == plan.linking:
        member = "e.linked_p"
    elif source in plan.linked:
        member = "l.member"
    elif source in plan.judged and plan.judging in events:
        member, rows = "l.member", f"{rows} LEFT JOIN {LINKS} AS l ON e.p = l.p"
    return Statement(
        HOLDERS,
        f"SELECT {person} AS p, COALESCE(min({member}), {person}) AS holder FROM {rows} WHERE {in_period(plan)}"
        f" GROUP BY {person} HAVING count(DISTINCT e.day) >= {table.established} OR min({member}) IS NOT NULL",
    )


def held_statement(dimensions: tuple[Dimension, ...], facts: str, person_codes: tuple[list[str], str]) -> Statement:
    """Return the facts of holders: one row a holder and finest cell, with a column `d<i>` each dimension.

    Two ids of a holder may differ in what they say of the person: so person dimensions are columns as well, and a
    holder counts once in each sum over them.

    Args:
        dimensions: of the table.
        facts: the relation of facts.
        person_codes: SQL of the code of each person dimension over a person `g.p`, and the joins it is found by.
    """
    codes, joins = person_codes
    event, person = (f"g.d{n}" for n in range(len(dimensions))), iter(codes)
    values = [next(person) if d.kind is DimensionKind.PERSON else next(event) for d in dimensions]
    columns = "".join(f", {value} AS d{n}" for n, value in enumerate(values))
    return Statement(
        HELD,
        f"SELECT h.holder AS p{columns}, g.days AS days"
        f" FROM {facts} AS g INNER JOIN {HOLDERS} AS h ON g.p = h.p{joins}",
    )


def as_events(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """Return dimensions over which the facts of holders do not add up: none does."""
    return tuple(replace(dimension, kind=DimensionKind.EVENT) for dimension in dimensions)


def holders_of(measure: str) -> str:
    """Return the column of a measure's holders, as long as it stands beside the measures."""
    return f"{measure}#n"
