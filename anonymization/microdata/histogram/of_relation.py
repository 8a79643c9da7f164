"""From a relation of any size to the histogram in this process: its distinct tuples, grouped in SQL, are fetched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anonymization.engine.base import Engine
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.coded import Coded, code_relation
from anonymization.microdata.histogram.histogram import Histogram, distinct_rows, sensitive_of


def group_relation(
    engine: Engine,
    relation: str,
    hierarchies: Sequence[Hierarchy],
    *,
    sensitive: str | None = None,
    ordered: bool = False,
    sensitive_hierarchy: Hierarchy | None = None,
    population: str | None = None,
) -> Histogram:
    """Return the histogram of a relation, one row a person; as `count_tuples` does of a frame.

    Args:
        engine: holds the relations.
        relation: one row a person.
        hierarchies: one a quasi-identifier; each names its column.
        sensitive: the sensitive attribute's column.
        ordered: whether its values have an order: numbers by size, else its hierarchy's order, else by text.
        sensitive_hierarchy: of the sensitive attribute.
        population: the relation of the population, with the quasi-identifiers' columns.

    Raises:
        InputError: no rows, no hierarchy, an unknown column, decimal numbers, or a value that its hierarchy lacks.
    """
    made = [code_relation(engine, relation, hierarchies, sensitive=sensitive)]
    try:
        if population is not None:
            made.append(code_relation(engine, population, hierarchies, name="coded_people", where="the population"))
        return fetch_histogram(*made, ordered=ordered, sensitive_hierarchy=sensitive_hierarchy)
    finally:
        for one in made:
            one.drop()


def fetch_histogram(
    own: Coded, others: Coded | None = None, *, ordered: bool = False, sensitive_hierarchy: Hierarchy | None = None
) -> Histogram:
    """Return the histogram of coded tuples; `others` are those of the population. See `group_relation`."""
    coded = [own] if others is None else [own, others]
    fetched = [one.engine.fetch(f"SELECT * FROM {one.name}") for one in coded]
    known = list(own.hierarchies)
    for one in coded:
        known = [b if b.size > a.size else a for a, b in zip(known, one.hierarchies, strict=True)]
    parts = [_codes(one, table) for one, table in zip(coded, fetched, strict=True)]
    codes = parts[0] if others is None else np.vstack(parts)  # a copy of many millions of rows is spared
    tuples, inverse = distinct_rows(codes, [hierarchy.size for hierarchy in known])
    ours, theirs = inverse[: fetched[0].num_rows], inverse[fetched[0].num_rows :]
    persons = fetched[0]["n"].to_numpy()
    counts = _summed(ours, persons, len(tuples))
    sensitive = None
    if own.sensitive is not None:
        values = fetched[0]["v"].to_numpy(), own.values
        sensitive = sensitive_of(
            own.sensitive, values, ours, persons, len(tuples), hierarchy=sensitive_hierarchy, ordered=ordered
        )
    population = None if others is None else _summed(theirs, fetched[1]["n"].to_numpy(), len(tuples))
    return Histogram(tuple(known), tuples, counts, sensitive, population)


def _codes(coded: Coded, table: pa.Table) -> npt.NDArray[np.int32]:
    """Return (rows, D) the leaf codes that the units hold."""
    found = np.empty((table.num_rows, len(coded.hierarchies)), np.int32)
    for column, unit in zip(coded.columns, coded.units, strict=True):
        for d, codes in zip(unit.dimensions, unit.codes(table[column].to_numpy()), strict=True):
            found[:, d] = codes
    return found


def _summed(at: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    return np.bincount(at, counts, size).astype(np.int64)
