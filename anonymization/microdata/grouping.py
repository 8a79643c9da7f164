"""From a relation of any size to the histogram: one pass in SQL, on codes packed in integers.

Each quasi-identifier is joined with its hierarchy's values, so what is grouped is one integer a row instead of many
texts. What comes back is one row a distinct tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anonymization.engine.base import Engine
from anonymization.engine.portable import quoted
from anonymization.errors import InputError
from anonymization.microdata.hierarchy import MISSING, Hierarchy
from anonymization.microdata.histogram import Histogram, distinct_rows, sensitive_of

_RADIX_LIMIT = 2**62


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
    if not hierarchies:
        raise InputError("no quasi-identifier is given: at least one is needed")
    for d, hierarchy in enumerate(hierarchies):
        codes = pa.array(range(hierarchy.size), pa.int64())
        engine.register(f"hierarchy_{d}", pa.table({"value": pa.array(hierarchy.labels[0]), "code": codes}))
    try:
        own = _grouped(engine, relation, "the data", hierarchies, sensitive)
        others = None if population is None else _grouped(engine, population, "the population", hierarchies, None)
    finally:
        for d in range(len(hierarchies)):
            engine.drop(f"hierarchy_{d}")
    parts = [own] if others is None else [own, others]
    codes = np.vstack([part.codes for part in parts])
    known = list(hierarchies)
    for d, hierarchy in enumerate(hierarchies):
        absent = codes[:, d] == hierarchy.size
        if absent.any():
            known[d] = hierarchy.with_missing()
            codes[absent, d] = known[d].labels[0].index(MISSING)
    tuples, inverse = distinct_rows(codes, [hierarchy.size for hierarchy in known])
    ours, theirs = inverse[: len(own.counts)], inverse[len(own.counts) :]
    counts = _summed(ours, own.counts, len(tuples))
    values = None
    if sensitive is not None and own.values is not None:
        values = sensitive_of(
            sensitive, own.values, ours, own.counts, len(tuples), hierarchy=sensitive_hierarchy, ordered=ordered
        )
    return Histogram(
        tuple(known), tuples, counts, values, None if others is None else _summed(theirs, others.counts, len(tuples))
    )


@dataclass(frozen=True, eq=False)
class _Groups:
    """Groups of a relation.

    Attributes:
        codes: (groups, D) int32 leaf codes; the hierarchy's size where a value is missing.
        counts: (groups,) int64 rows.
        values: the sensitive value of each group, if one is asked for.
    """

    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    values: tuple[npt.NDArray[np.int64], list[str]] | None


def _grouped(
    engine: Engine, relation: str, where: str, hierarchies: Sequence[Hierarchy], sensitive: str | None
) -> _Groups:
    _check_columns(engine, relation, where, [*(h.attribute for h in hierarchies), *([sensitive] if sensitive else [])])
    keys, places = _keys(hierarchies)
    joins = " ".join(_join(hierarchy, d) for d, hierarchy in enumerate(hierarchies))
    extra = f", {_text(sensitive)} AS value" if sensitive else ""
    names = [f"k{i}" for i in range(len(keys))]
    selected = ", ".join(f"{key} AS {name}" for key, name in zip(keys, names, strict=True))
    by = ", ".join([*names, *(["value"] if sensitive else [])])
    found = engine.fetch(
        f"SELECT {by}, COUNT(*) AS n FROM (SELECT {selected}{extra} FROM {relation} AS t {joins}) AS g GROUP BY {by}"
    )
    codes = np.empty((found.num_rows, len(hierarchies)), np.int32)
    columns = [found[name].to_numpy().copy() for name in names]
    for d in reversed(range(len(hierarchies))):
        column = columns[places[d]]
        codes[:, d] = column % (hierarchies[d].size + 1)
        column //= hierarchies[d].size + 1
        if (codes[:, d] == hierarchies[d].size).any():
            _check_values(engine, relation, where, hierarchies[d], d)
    values = None
    if sensitive:
        encoded = found["value"].combine_chunks().dictionary_encode("encode")
        labels = [MISSING if label is None else label for label in encoded.dictionary.to_pylist()]
        values = encoded.indices.to_numpy().astype(np.int64), labels
    return _Groups(codes, found["n"].to_numpy().astype(np.int64), values)


def _text(column: str) -> str:
    return f"CAST(t.{quoted(column)} AS VARCHAR)"


def _join(hierarchy: Hierarchy, d: int) -> str:
    return f"LEFT JOIN hierarchy_{d} AS h{d} ON h{d}.value = {_text(hierarchy.attribute)}"


def _keys(hierarchies: Sequence[Hierarchy]) -> tuple[list[str], list[int]]:
    """The SQL of the packed codes, as many integers as it takes, and in which of them each hierarchy is."""
    keys: list[str] = []
    places, bound = [], _RADIX_LIMIT
    for d, hierarchy in enumerate(hierarchies):
        size = hierarchy.size + 1  # one more code: no value
        code = f"COALESCE(h{d}.code, {hierarchy.size})"
        if bound * size >= _RADIX_LIMIT:
            keys.append(code)
            bound = size
        else:
            keys[-1] = f"({keys[-1]}) * {size} + {code}"
            bound *= size
        places.append(len(keys) - 1)
    return keys, places


def _check_columns(engine: Engine, relation: str, where: str, columns: Sequence[str]) -> None:
    schema = engine.fetch(f"SELECT * FROM {relation} WHERE FALSE").schema
    for column in columns:
        if column not in schema.names:
            raise InputError(f"{where}: no column {column!r}; it has {schema.names}")
        kind = schema.field(column).type
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_nested(kind):
            raise InputError(
                f"{where}: the column {column!r} is of type {kind}; text, whole numbers, dates and booleans are allowed"
            )


def _check_values(engine: Engine, relation: str, where: str, hierarchy: Hierarchy, d: int) -> None:
    """Tell missing values, which get a row of their own, from values that the hierarchy lacks."""
    value = _text(hierarchy.attribute)
    lacking = engine.fetch(
        f"SELECT MIN({value}) AS value FROM {relation} AS t {_join(hierarchy, d)} "
        f"WHERE h{d}.code IS NULL AND {value} <> ''"
    )["value"][0].as_py()
    if lacking is not None:
        hierarchy.leaf_codes([lacking], where=where)


def _summed(at: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    return np.bincount(at, counts, size).astype(np.int64)
