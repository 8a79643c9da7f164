"""The recount of holders: whom the threshold counts, by another way than the build's (`counting/holders.py`)."""

from __future__ import annotations

from collections.abc import Mapping

from anonymization.tables.plan import Plan, TablePlan

FOR_THRESHOLD = "for_threshold"
LINKS, HOLDERS, HELD_ROWS = "recount_links", "recount_holders", "recount_held_rows"


def held_rows(
    plan: Plan, table: TablePlan, source: str, events: Mapping[str, str], seen: str, rows: str
) -> dict[str, str]:
    """Return the relations to make, in order, with their SQL: holders, and rows with a column `holder`, null for none.

    Args:
        plan: what is counted.
        table: the table.
        source: of its persons.
        events: the relation of each source.
        seen: SQL of `person` and `day`, one row an event of the period.
        rows: the relation of rows to count, with `person`.
    """
    often = f"SELECT person FROM (SELECT DISTINCT person, day FROM ({seen}) AS q) AS s"
    often += f" GROUP BY person HAVING count(*) >= {table.established}"
    linked = _linked(plan, source, events)
    holders = f"SELECT o.person AS person, o.person AS holder FROM ({often}) AS o"
    if linked is not None:
        holders += f" ANTI JOIN ({linked}) AS k ON o.person = k.person UNION ALL {linked}"
    joined = f"SELECT r.*, h.holder AS holder FROM {rows} AS r LEFT JOIN {HOLDERS} AS h ON r.person = h.person"
    return {HOLDERS: holders, HELD_ROWS: joined}


def _linked(plan: Plan, source: str, events: Mapping[str, str]) -> str | None:
    """Who is linked, and to whom; null where no log says so of the source."""
    if source in plan.judged and plan.judging in events:
        return f"SELECT p AS person, member AS holder FROM {LINKS}"
    if source in plan.linked:
        return f"SELECT DISTINCT member AS person, member AS holder FROM {LINKS}"
    if source == plan.linking:
        days = f"day BETWEEN {plan.period.first} AND {plan.period.past - 1}"
        return (
            f"SELECT DISTINCT linked_p AS person, linked_p AS holder FROM {events[source]}"
            f" WHERE {days} AND p IS NOT NULL AND linked_p IS NOT NULL"
        )
    return None
