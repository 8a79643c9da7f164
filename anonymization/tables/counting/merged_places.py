"""Tables whose places are merged: counted, decided, and what was merged counted again.

Distinct persons of a rest are no sum of anything, so the facts are asked a second time, for the places that are
not listed; and a third time for the rests that were given siblings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from anonymization.engine.base import Engine
from anonymization.errors import InputError
from anonymization.tables.audit.knowledge import WIDTH
from anonymization.tables.counting import merged_places_sql
from anonymization.tables.counting.codes import denominators, texts
from anonymization.tables.counting.merged_places_sql import FACTS, LISTED, PARTED, Margin, Merging
from anonymization.tables.counting.safe_places import (
    Candidates,
    Decision,
    Rests,
    Spread,
    asked,
    decide,
    pinned,
    safe_places,
)
from anonymization.tables.model import REST, TOTAL, Table
from anonymization.tables.plan import Plan, TablePlan, with_codes

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Counted:
    """Places of enough persons, row by row as in `candidates`.

    Attributes:
        blocks: of each margin, its rows, from and past.
        raw: of each margin, its cells as the engine counted them.
        codes: of each dimension of the facts, the rows' codes.
        days: person-days, columns as the candidates' persons; empty where they are not counted.
        over: for each other dimension, the row of the same place one level up in it; -1 where there is none.
    """

    blocks: Mapping[Margin, tuple[int, int]]
    raw: Mapping[Margin, pd.DataFrame]
    codes: Sequence[npt.NDArray[np.object_]]
    candidates: Candidates
    days: Integers
    over: Sequence[Integers]


def tabulate_merged(engine: Engine, plan: Plan, table: TablePlan, events: Mapping[str, str]) -> Table:
    """Return a table of which every place stands at the finest level that is safe, and nothing unsafe is in it.

    Guarantees that each figure counts at least N persons on every kind of day on which it counts anybody, and that
    every person and place is in exactly one place that has none below it, unless all places together are unsafe.
    """
    of = merged_places_sql.merging(plan, table)
    facts = merged_places_sql.facts(of, events)
    engine.create(facts.name, facts.sql)
    counted = _counted(of, _cells(engine, of))
    listed = np.ones(len(counted.candidates.level), dtype=bool)
    while True:
        listed = safe_places(counted.candidates, plan.minimum_count, listed)
        parents = asked(counted.candidates, listed)
        persons, days = _rests(engine, of, counted, listed, parents)
        decision = decide(counted.candidates, listed, Rests(parents, persons), plan.minimum_count)
        told = _told(of, counted, decision.listed)
        if not told.any():
            break
        listed &= ~told
    at = np.searchsorted(parents, decision.rests)
    persons, days = persons[at], days[at]
    more = decision.rests[decision.more]
    persons[decision.more], days[decision.more] = _rests(engine, of, counted, decision.listed, more)
    engine.drop(FACTS)
    return _table(of, counted, decision, persons, days)


def _told(of: Merging, counted: _Counted, listed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The listed places that tell how many persons were there at what is not listed of their other coordinates."""
    lengths = np.array([len(days) for days in of.kinds.values()], dtype=np.int64)
    told = np.zeros(len(listed), dtype=bool)
    for over in counted.over:
        spread = Spread(over, counted.days if of.counts_days else None, lengths)
        told |= pinned(counted.candidates, listed, spread, of.plan.minimum_count, WIDTH)
    return told


def _cells(engine: Engine, of: Merging) -> dict[Margin, pd.DataFrame]:
    """The cells of every margin; a relation is dropped as soon as nothing is made from it any more."""
    found, made = {}, []
    for margin in of.margins():
        statement = merged_places_sql.relation(of, margin)
        if statement is not None:
            engine.create(statement.name, statement.sql)
            made.append(margin)
        cells = engine.fetch(merged_places_sql.cells(of, margin)).to_pandas()
        cells = cells[cells["n0"] >= of.plan.minimum_count]
        found[margin] = cells.sort_values(of.columns(margin), ignore_index=True) if of.columns(margin) else cells
        if (level := margin.levels[of.place]) > 1:  # what is at the finest places, other margins are made from
            below = margin.at(of.place, level - 1)
            engine.drop(below.relation)
            made.remove(below)
    for margin in made:
        engine.drop(margin.relation)
    return found


def _counted(of: Merging, raw: Mapping[Margin, pd.DataFrame]) -> _Counted:
    blocks, past = {}, 0
    for margin, frame in raw.items():
        blocks[margin] = (past, past + len(frame))
        past += len(frame)
    codes = [_codes(of, position, raw) for position in range(len(of.dimensions))]
    level = np.concatenate([np.full(len(f), m.levels[of.place], dtype=np.int64) for m, f in raw.items()])
    above = _above(of, codes)
    candidates = Candidates(level, above.pop(of.place), _numbers(of, raw.values(), "n"))
    return _Counted(blocks, raw, codes, candidates, _numbers(of, raw.values(), "m"), above)


def _numbers(of: Merging, frames: Iterable[pd.DataFrame], letter: str) -> Integers:
    """Counts of several frames as one array, a column a kind of day."""
    names = [f"{letter}{k}" for k in range(len(of.kinds))] if letter == "n" or of.counts_days else []
    return np.concatenate([frame[names].to_numpy(dtype=np.int64) for frame in frames])


def _codes(of: Merging, position: int, raw: Mapping[Margin, pd.DataFrame]) -> npt.NDArray[np.object_]:
    """A dimension's codes, row by row over all margins."""
    dimension, parts = of.dimensions[position], []
    for margin, frame in raw.items():
        if margin.levels[position] == len(dimension.levels):
            parts.append(np.full(len(frame), TOTAL, dtype=object))
        else:
            parts.append(texts(of.plan.columns[dimension.name], frame[f"d{position}"]))
    codes = np.concatenate(parts)
    if dimension.complete and not set(pd.unique(codes)) <= {TOTAL, *dimension.parents}:
        raise InputError(
            f"dimension {dimension.name!r}: the events hold codes that its hierarchy or code list does not have"
        )
    return codes


def _above(of: Merging, codes: Sequence[npt.NDArray[np.object_]]) -> list[Integers]:
    """For each dimension, the row that each row is a part of, one level up in it; -1 for a total."""
    numbers, ups, strides, size = [], [], [], 1
    for dimension, values in zip(of.dimensions, codes, strict=True):
        number, distinct = pd.factorize(values)
        parents = with_codes(dimension, set(distinct)).parents
        at = {code: position for position, code in enumerate(distinct)}
        numbers.append(number)
        ups.append(np.array([at.get(parents.get(code, ""), -1) for code in distinct], dtype=np.int64))
        strides.append(size)
        size *= max(1, len(distinct))
    keys = sum(
        (n * stride for n, stride in zip(numbers, strides, strict=True)), np.zeros(len(codes[0]), dtype=np.int64)
    )
    order = np.argsort(keys)
    found = []
    for number, up, stride in zip(numbers, ups, strides, strict=True):
        there = np.flatnonzero(up[number] >= 0)
        wanted = keys[there] + (up[number[there]] - number[there]) * stride
        above = np.full(len(keys), -1, dtype=np.int64)
        above[there] = order[np.searchsorted(keys, wanted, sorter=order)]
        found.append(above)
    return found


def _rests(
    engine: Engine, of: Merging, counted: _Counted, listed: npt.NDArray[np.bool_], parents: Integers
) -> tuple[Integers, Integers]:
    """Persons and person-days of what is not listed below each of some places, in their order."""
    persons = np.zeros((len(parents), len(of.kinds)), dtype=np.int64)
    days = np.zeros((len(parents), counted.days.shape[1]), dtype=np.int64)
    for margin, (first, past) in counted.blocks.items():
        if margin.levels[of.place] == 0:
            continue
        at = np.flatnonzero((parents >= first) & (parents < past))
        if len(at) == 0:
            continue
        below = margin.at(of.place, margin.levels[of.place] - 1)
        start, end = counted.blocks[below]
        columns = of.columns(margin)
        parted = counted.raw[margin][columns].iloc[parents[at] - first].reset_index(drop=True)
        if columns:  # else there is one place above, all of them together
            engine.register(PARTED, pa.Table.from_pandas(parted, preserve_index=False))
        places = counted.raw[below].loc[listed[start:end], of.columns(below)]
        engine.register(LISTED, pa.Table.from_pandas(places, preserve_index=False))
        found = engine.fetch(merged_places_sql.rests(of, below)).to_pandas()
        engine.drop(PARTED)
        engine.drop(LISTED)
        rows = parted.assign(row=at).merge(found, on=columns) if columns else found.assign(row=at)
        persons[rows["row"]] = _numbers(of, [rows], "n")
        days[rows["row"]] = _numbers(of, [rows], "m")
    return persons, days


def _table(of: Merging, counted: _Counted, decision: Decision, persons: Integers, days: Integers) -> Table:
    """One row a published cell: places and rests, on every kind of day.

    A kind of day on which nobody was at a listed place is listed as 0: it follows from the other kinds anyway.
    """
    listed = np.flatnonzero(decision.listed)
    rows = np.concatenate([listed, decision.rests])
    persons = np.concatenate([counted.candidates.persons[listed], persons])
    days = np.concatenate([counted.days[listed], days])
    row, kind = np.divmod(np.arange(persons.size), max(1, len(of.kinds)))
    columns: dict[str, object] = {}
    for position, dimension in enumerate(of.dimensions):
        codes = counted.codes[position][rows]
        if position == of.place:
            codes[len(listed) :] = codes[len(listed) :] + REST
        columns[dimension.name] = codes[row]
    partitions = [d.name for d in of.table.dimensions if d.by_day]
    for number, name in enumerate(partitions):
        columns[name] = np.array([codes[number] for codes in of.kinds], dtype=object)[kind]
    for measure in of.table.measures:
        columns[measure.name] = (persons if measure.how.persons else days)[row, kind]
    keys = [dimension.name for dimension in of.table.dimensions]
    frame = pd.DataFrame(columns)[[*keys, *(measure.name for measure in of.table.measures)]]
    frame = frame.sort_values(keys, kind="stable", ignore_index=True)
    dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in of.table.dimensions)
    if of.table.days:
        frame["days"] = denominators(of.plan, of.table, frame)
    return Table(
        of.table.name,
        of.table.title,
        dimensions,
        of.table.measures,
        frame,
        days=of.table.days,
        headlines=of.table.headlines,
    )
