"""Whoever opted out is left out of what is built, whenever the choice was recorded.

Choices are raw ids, events are pseudonyms of a month: the keys are at hand as long as the events are, so each build
makes the pseudonyms of those who chose by now. What a choice covers beside its own id is told by the logs of links of
the whole month, also of a release that does not read them; a link in conflict covers like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from anonymization.deidentify.events import event_schema
from anonymization.deidentify.identifiers import Month, register_optouts, register_pads
from anonymization.deidentify.times import months_between
from anonymization.engine.base import Engine
from anonymization.keys import PeriodKeys
from anonymization.policy.load import Policies
from anonymization.policy.periods import Period
from anonymization.release.choices import Choices

LEFT_OUT = "left_out"


@dataclass(frozen=True)
class LeftOut:
    """Who was left out of a release, as a choice.

    Attributes:
        rows: of the sources that it reads.
        persons: whose rows they were: a member and every id that the choice covers are one.
        state: equal where the same persons were left out, and nothing without the month's key; empty where nobody was.
    """

    rows: int = 0
    persons: int = 0
    state: str = ""

    def told(self, least: int) -> dict[str, str]:
        """Return both numbers as they may be told: rounded down to a multiple of the minimum publishable count."""
        return {"rows": rounded_down(self.rows, least), "persons": rounded_down(self.persons, least)}


def rounded_down(number: int, least: int) -> str:
    """Return a number as it may be told where one more or less would tell of somebody."""
    return f"{number // least * least:,}" if number >= least else f"fewer than {least}"


def rounded_up(number: int, least: int) -> int:
    """Return the next multiple of the minimum publishable count: how few somebody's like are is nobody's affair."""
    return -(-number // least) * least


def told_of_choices(told: Mapping[str, str]) -> str:
    """Return in words how many rows and persons were left out: what `LeftOut.told` says."""
    return f"{told.get('rows', 0)} rows, {told.get('persons', 0)} persons"


def months_of(period: Period) -> list[Month]:
    """Return the key periods that a period touches."""
    spans = months_between(period.first_date, period.last_date)
    return [Month(index, *month) for index, month in enumerate(spans)]


def register_left_out(
    engine: Engine,
    name: str,
    policies: Policies,
    period: Period,
    keys: PeriodKeys,
    choices: Choices,
    links: Mapping[str, Sequence[Path]],
) -> None:
    """Create the relation `name` (p, holder): a row for each pseudonym that choices cover, with one id a person.

    Args:
        engine: where it is made.
        name: of the relation.
        policies: what each choice covers.
        period: the days of the events.
        keys: of its months.
        choices: who chose.
        links: by source that proves links, the files with its events of the months that the period touches.

    Raises:
        Refusal: the key of a month was destroyed.
    """
    if not choices.made:
        engine.register(name, pa.table({"p": pa.array([], pa.int64()), "holder": pa.array([], pa.int64())}))
        return
    months = months_of(period)
    register_optouts(engine, f"{name}_optouts", choices.people, policies.spellings, policies.policy.covering)
    register_pads(engine, f"{name}_pads", months, keys)
    engine.view(
        f"{name}_chosen",
        f"SELECT PSEUDONYM(k.ipad, k.opad, o.person) AS p, o.covers AS covers"
        f" FROM {name}_optouts AS o CROSS JOIN {name}_pads AS k",
    )
    engine.register(f"{name}_none", pa.table({"p": pa.array([], pa.int64()), "linked_p": pa.array([], pa.int64())}))
    pairs = [f"SELECT p, linked_p FROM {name}_none"]
    for source, paths in links.items():
        engine.open_events(f"{name}_{source}", paths, event_schema(policies.sources[source], linked=True))
        pairs.append(
            f"SELECT e.p AS p, e.linked_p AS linked_p FROM {name}_{source} AS e"
            f" WHERE e.day >= {months[0].first} AND e.day < {months[-1].past}"
            " AND e.p IS NOT NULL AND e.linked_p IS NOT NULL"
        )
    engine.view(f"{name}_pairs", " UNION ".join(pairs))
    # ids whose choice covers what is linked, and the members whom a log links to one; then what is linked to these
    engine.view(
        f"{name}_covering",
        f"SELECT c.p AS p FROM {name}_chosen AS c WHERE c.covers UNION"
        f" SELECT a.linked_p AS p FROM {name}_pairs AS a INNER JOIN {name}_chosen AS c ON a.p = c.p WHERE c.covers",
    )
    engine.create(
        name,
        f"SELECT u.p AS p, COALESCE(min(u.member), u.p) AS holder FROM"
        f" (SELECT c.p AS p, CAST(NULL AS BIGINT) AS member FROM {name}_chosen AS c"
        f" UNION ALL SELECT v.p AS p, CAST(NULL AS BIGINT) AS member FROM {name}_covering AS v"
        f" UNION ALL SELECT a.p AS p, a.linked_p AS member FROM {name}_pairs AS a"
        f" INNER JOIN {name}_covering AS v ON a.linked_p = v.p) AS u GROUP BY u.p",
    )
    for made in ("covering", "pairs", *links, "none", "chosen", "pads", "optouts"):
        engine.drop(f"{name}_{made}")


def without(engine: Engine, rows: str, left_out: str, name: str) -> str:
    """Make a view of the rows of everybody else, and return its name."""
    engine.view(name, f"SELECT e.* FROM {rows} AS e ANTI JOIN {left_out} AS o ON e.p = o.p")
    return name


def count_left_out(engine: Engine, left_out: str, rows: Iterable[str], period: Period, keys: PeriodKeys) -> LeftOut:
    """Return who was left out of some relations of events.

    Args:
        engine: where they are.
        left_out: the relation of `register_left_out`.
        rows: relations of all events.
        period: the days that count.
        keys: of its month.
    """
    days = f"e.day >= {period.first} AND e.day < {period.past}"
    every = " UNION ALL ".join(f"SELECT e.p AS p FROM {relation} AS e WHERE {days}" for relation in rows)
    found = engine.fetch(
        f"SELECT o.p AS p, o.holder AS holder, count(*) AS n FROM ({every}) AS e"
        f" INNER JOIN {left_out} AS o ON e.p = o.p GROUP BY o.p, o.holder"
    ).to_pylist()
    if not found:
        return LeftOut()
    ids = ",".join(map(str, sorted(row["p"] for row in found)))
    return LeftOut(
        rows=sum(row["n"] for row in found),
        persons=len({row["holder"] for row in found}),
        state=keys.commitment(months_of(period)[0].name, f"left out: {ids}"),
    )
