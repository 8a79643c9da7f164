"""Facts: one row a person and finest cell, as portable SQL.

Days are bits of a mask, so that the person-days of any margin are exact: the OR over a person's rows, its
bits counted. Links are applied here, where all links of the period are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from anonymization.policy.crosscheck import DAY_TYPE, MESH, WEEK
from anonymization.policy.periods import Period
from anonymization.policy.releases import Attribute, DimensionKind, Resolution
from anonymization.policy.sources import UNKNOWN
from anonymization.quoting import literal
from anonymization.tables.method import method_of
from anonymization.tables.model import Dimension, Measure
from anonymization.tables.plan import Plan

LINKS = "link_map"
OF_UNKNOWN = "persons left out, of unknown attributes, at most"
"""What is noted of a measure that counts those of known attributes alone."""
DAYS_BEFORE_MONDAY = 3
MESH_DIVISORS = {"mesh4": 1, "mesh3": 10, "mesh2": 1000}
"""From the half mesh that events hold to each level of JIS X 0410."""
ABOVE = ""
"""In place of a code, at a level that is finer than the code that stands: no code, since none is empty."""


@dataclass(frozen=True)
class Statement:
    """A named relation and the SELECT that makes it."""

    name: str
    sql: str


class Whose(Protocol):
    """Whose events count: those of a period, and whose a cookie is. A `Plan` says so, among much else."""

    @property
    def period(self) -> Period:
        """The days that count."""

    @property
    def linking(self) -> str | None:
        """The source that proves links, if there is one."""

    @property
    def linked(self) -> frozenset[str]:
        """Sources whose persons may be linked."""


def in_period(plan: Whose, alias: str = "e") -> str:
    """Return the condition that an event is a person's and of the period."""
    return f"{alias}.p IS NOT NULL AND {alias}.day >= {plan.period.first} AND {alias}.day < {plan.period.past}"


def links_statement(plan: Whose, events: Mapping[str, str]) -> Statement | None:
    """Return the map from a cookie to the one member that its sign-ins of the period prove."""
    if plan.linking is None:
        return None
    return Statement(
        LINKS,
        f"SELECT e.p AS p, min(e.linked_p) AS member FROM {events[plan.linking]} AS e"
        f" WHERE {in_period(plan)} AND e.linked_p IS NOT NULL GROUP BY e.p HAVING min(e.linked_p) = max(e.linked_p)",
    )


def conflicts_sql(plan: Whose, events: Mapping[str, str]) -> str | None:
    """Return the SQL that counts cookies linked to several members: their links are not used."""
    if plan.linking is None:
        return None
    return (
        f"SELECT count(*) AS n FROM (SELECT e.p AS p FROM {events[plan.linking]} AS e WHERE {in_period(plan)}"
        " AND e.linked_p IS NOT NULL GROUP BY e.p HAVING min(e.linked_p) <> max(e.linked_p)) AS several"
    )


def person_of(plan: Whose, source: str, events: Mapping[str, str]) -> tuple[str, str]:
    """Return the SQL of an event's person and the FROM clause that it needs."""
    if source == plan.linking:
        return "COALESCE(e.linked_p, e.p)", f"{events[source]} AS e"
    if source in plan.linked:
        return "COALESCE(l.member, e.p)", f"{events[source]} AS e LEFT JOIN {LINKS} AS l ON e.p = l.p"
    return "e.p", f"{events[source]} AS e"


def attribute_statement(plan: Whose, name: str, attribute: Attribute, events: Mapping[str, str]) -> Statement:
    """Return the relation (p, value): one value a person, resolved as declared; `unknown` loses to any other."""
    person, source = person_of(plan, attribute.source, events)
    order = {
        Resolution.LATEST: "last DESC, value DESC",
        Resolution.EARLIEST: "first, value",
        Resolution.MOST_FREQUENT: "n DESC, value",
    }[attribute.resolve]
    return Statement(
        f"attribute_{name}",
        f"SELECT p, value FROM (SELECT p, value, row_number() OVER (PARTITION BY p ORDER BY"
        f" CASE WHEN value = '{UNKNOWN}' THEN 1 ELSE 0 END, {order}) AS place FROM"
        f' (SELECT {person} AS p, e."{attribute.column}" AS value, max(e.day) AS last, min(e.day) AS first,'
        f' count(*) AS n FROM {source} WHERE {in_period(plan)} GROUP BY {person}, e."{attribute.column}") AS seen'
        " ) AS ranked WHERE place = 1",
    )


def where_clause(measure: Measure) -> str:
    """Return the population's filter, to stand after the period's condition."""
    return "".join(
        f' AND e."{column}" IN ({", ".join(map(literal, codes))})' for column, codes in sorted(measure.where.items())
    )


def event_value(plan: Plan, dimension: Dimension) -> str:
    """Return the SQL of an event's finest value in a dimension: an integer where the event holds one."""
    column = plan.columns[dimension.name]
    if column == DAY_TYPE:
        off = ", ".join(map(str, plan.off)) or "-1"
        return f"CASE WHEN e.day IN ({off}) THEN 1 ELSE 0 END"
    if column == WEEK:  # day 0 was a Thursday; the number of the week's Monday's week
        return f"INT_DIV(e.day + {DAYS_BEFORE_MONDAY}, 7)"
    if column == MESH:
        divisor = MESH_DIVISORS[dimension.levels[0]]
        return "e.mesh" if divisor == 1 else f"INT_DIV(e.mesh, {divisor})"
    return recoded(plan, dimension, f'e."{column}"')


def recoded(plan: Plan, dimension: Dimension, value: str) -> str:
    """Return the SQL of a value's code at the finest published level."""
    codes = plan.recodes.get(dimension.name)
    if codes is None:
        return value
    cases = " ".join(f"WHEN {literal(fine)} THEN {literal(code)}" for fine, code in codes.items())
    return f"CASE {value} {cases} END"


def coarser(plan: Plan, dimension: Dimension, value: str, start: int, level: int) -> str:
    """Return the SQL of the code at a coarser level of a dimension's hierarchy, from the code at another."""
    if level == start:
        return value
    names = dimension.levels
    if plan.columns.get(dimension.name) == MESH:
        return f"INT_DIV({value}, {MESH_DIVISORS[names[level]] // MESH_DIVISORS[names[start]]})"
    codes = (code for code, of in dimension.level_of.items() if of == names[start])
    cases = (f"WHEN {literal(code)} THEN {literal(dimension.ancestors(code)[level - start - 1])}" for code in codes)
    return f"CASE {value} {' '.join(cases)} END"


def at_level(dimension: Dimension, value: str, level: str) -> str:
    """Return the SQL of the code at one level of a dimension with leaves at several; `ABOVE` where none is as fine."""
    cases = []
    for leaf in sorted(set(dimension.level_of) - dimension.inner):
        codes = [code for code in (leaf, *dimension.ancestors(leaf)[:-1]) if dimension.level_of[code] == level]
        cases.append(f"WHEN {literal(leaf)} THEN {literal(codes[0] if codes else ABOVE)}")
    return f"CASE {value} {' '.join(cases)} END"


def event_dimensions(dimensions: tuple[Dimension, ...]) -> list[Dimension]:
    """Return the event dimensions, in order."""
    return [dimension for dimension in dimensions if dimension.kind is DimensionKind.EVENT]


def _of_known(person: str, dimensions: tuple[Dimension, ...], measure: Measure) -> str:
    """The condition that every attribute of a person is known, where those alone count."""
    people = [d for d in dimensions if d.kind is DimensionKind.PERSON] if measure.known else []
    known = "SELECT a.p FROM attribute_{} AS a WHERE a.value <> '{}'"
    return "".join(f" AND {person} IN ({known.format(d.name, UNKNOWN)})" for d in people)


def facts_statement(
    plan: Plan, name: str, dimensions: tuple[Dimension, ...], measures: list[Measure], events: Mapping[str, str]
) -> Statement:
    """Return one population's facts: p, a column `d<i>` an event dimension, `days`, and `m<i>` a total.

    Where the method bounds what a person contributes, it is bounded here, and nowhere else.
    """
    person, source = person_of(plan, measures[0].source, events)
    values = [event_value(plan, dimension) for dimension in event_dimensions(dimensions)]
    columns = "".join(f", {value} AS d{i}" for i, value in enumerate(values))
    totals = "".join(
        f", {'count(*)' if m.column is None else f'sum(e.{m.column})'} AS m{i}"
        for i, m in enumerate(measures)
        if m.how.sums
    )
    mask = f"BIT_OR_AGG(SHIFT_LEFT(1, e.day - {plan.period.first}))"
    sql = (
        f"SELECT {person} AS p{columns}, {mask} AS days{totals} FROM {source}"
        f" WHERE {in_period(plan)}{where_clause(measures[0])}{_of_known(person, dimensions, measures[0])}"
        f" GROUP BY {', '.join([person, *values])}"
    )
    return Statement(name, method_of(plan.method).bound(sql, len(values), measures, plan.release.protection))
