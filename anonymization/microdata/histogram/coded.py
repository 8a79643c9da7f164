"""A relation's distinct tuples as integers, in the engine: one pass in SQL, whatever its size.

Each quasi-identifier is joined with its hierarchy's values, and what is grouped is one integer a row instead of many
texts. The result is a relation of few small integers (`units.py`). Where it is small it is fetched (`of_relation.py`);
where it is not, it stays where it is and is searched there (`full_domain/search_in_engine.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anonymization.engine.base import Engine
from anonymization.errors import InputError
from anonymization.hierarchies.file import MISSING
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.units import Unit, keys_of, units_of
from anonymization.quoting import quoted

DEFAULT_LIMIT = 20_000_000
"""Distinct tuples that are fetched into this process, at most."""
LIMIT_SETTING = "NOREN_HISTOGRAM_LIMIT"

Ints = npt.NDArray[np.int64]


def histogram_limit() -> int:
    """Return how many distinct tuples are fetched into this process, at most: the setting, or the default.

    Raises:
        InputError: the setting is no whole number from 1 on.
    """
    given = os.environ.get(LIMIT_SETTING, str(DEFAULT_LIMIT))
    if not re.fullmatch("[1-9][0-9]{0,14}", given):
        raise InputError(f"{LIMIT_SETTING} is a whole number of distinct tuples from 1 on, such as {DEFAULT_LIMIT}")
    return int(given)


@dataclass(frozen=True, eq=False)
class Coded:
    """The distinct tuples of a relation's quasi-identifiers, as a relation of integers.

    Attributes:
        engine: holds it.
        name: of the relation; its columns are `u0`, `u1`, ... of the units, `v` of the sensitive value, if one is
            named, and `n` persons, at least 1. A tuple and sensitive value stand there once.
        hierarchies: one a quasi-identifier, with a row for missing values where there are any.
        units: of the quasi-identifiers' leaf codes.
        tuples: how many distinct ones.
        persons: in all of them.
        sensitive: the sensitive attribute's column.
        values: its values as text, ascending; `v` is the place among them.
    """

    engine: Engine
    name: str
    hierarchies: tuple[Hierarchy, ...]
    units: tuple[Unit, ...]
    tuples: int
    persons: int
    sensitive: str | None = None
    values: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The units' columns."""
        return [f"u{i}" for i in range(len(self.units))]

    def drop(self) -> None:
        """Forget the relation."""
        self.engine.drop(self.name)

    def leaves(self, rows: str) -> Ints:
        """Return (sum of sizes,) persons by quasi-identifier and leaf code.

        Args:
            rows: the SQL of a relation with the units' columns and `n`.
        """
        sets = ", ".join(f"({column})" for column in self.columns)
        asked = f"SELECT {', '.join(self.columns)}, CAST(SUM(n) AS BIGINT) AS n FROM {rows} AS g"
        found = self.engine.fetch(f"{asked} GROUP BY GROUPING SETS ({sets})")
        persons = found["n"].to_numpy()
        parts = []
        for column, unit in zip(self.columns, self.units, strict=True):
            there = found[column].is_valid().to_numpy()
            codes = unit.codes(found[column].drop_null().to_numpy())
            parts += [
                np.bincount(code, persons[there], self.hierarchies[d].size)
                for d, code in zip(unit.dimensions, codes, strict=True)
            ]
        return np.concatenate(parts).astype(np.int64)


def code_relation(
    engine: Engine,
    relation: str,
    hierarchies: Sequence[Hierarchy],
    *,
    sensitive: str | None = None,
    name: str = "coded",
    where: str = "the data",
) -> Coded:
    """Keep a relation's distinct tuples as a relation of integers.

    Args:
        engine: holds the relation.
        relation: one row a person.
        hierarchies: one a quasi-identifier; each names its column.
        sensitive: the sensitive attribute's column.
        name: of the relation made.
        where: what messages call the relation.

    Raises:
        InputError: no hierarchy, an unknown column, decimal numbers, or a value that its hierarchy lacks.
    """
    if not hierarchies:
        raise InputError("no quasi-identifier is given: at least one is needed")
    _check_columns(engine, relation, where, [*(h.attribute for h in hierarchies), *([sensitive] if sensitive else [])])
    units = units_of([hierarchy.size + (MISSING not in hierarchy.labels[0]) for hierarchy in hierarchies])
    values = None if sensitive is None else _values(engine, relation, sensitive)
    joins = [_join(hierarchy, d) for d, hierarchy in enumerate(hierarchies)]
    if sensitive is not None:
        joins.append(f"JOIN sensitive_values AS s ON s.value = {_value(sensitive)}")
    with _registered(engine, hierarchies, values):
        engine.create(
            name, _coded_sql(f"{relation} AS t {' '.join(joins)}", hierarchies, units, valued=sensitive is not None)
        )
    by = ", ".join(f"u{i}" for i in range(len(units)))
    by_tuple = name if sensitive is None else f"(SELECT {by}, SUM(n) AS n FROM {name} GROUP BY {by})"
    tuples, persons, missing = _figures(engine, by_tuple, hierarchies, units)
    known = list(hierarchies)
    for d, hierarchy in enumerate(hierarchies):
        if missing[d]:
            _check_values(engine, relation, where, hierarchy, d)
            known[d] = hierarchy.with_missing()
    return Coded(engine, name, tuple(known), units, tuples, persons, sensitive, values or ())


@contextmanager
def _registered(engine: Engine, hierarchies: Sequence[Hierarchy], values: tuple[str, ...] | None) -> Iterator[None]:
    """Yield with the leaf codes of every hierarchy, and the sensitive values' codes, as relations."""
    given = {f"hierarchy_{d}": hierarchy.labels[0] for d, hierarchy in enumerate(hierarchies)}
    given |= {} if values is None else {"sensitive_values": values}
    try:
        for name, labels in given.items():
            codes = pa.array(range(len(labels)), pa.int64())
            engine.register(name, pa.table({"value": pa.array(labels, pa.string()), "code": codes}))
        yield
    finally:
        for name in given:
            engine.drop(name)


def _coded_sql(rows: str, hierarchies: Sequence[Hierarchy], units: Sequence[Unit], *, valued: bool) -> str:
    """Group by keys, one integer for all that fits, and take them apart only then."""
    packed = []
    for unit in units:
        codes = [f"COALESCE(h{d}.code, {_missing(hierarchies[d])})" for d in unit.dimensions]
        packed.append(keys_of(unit.radices)[0].sql(codes))
    keys = keys_of([unit.size for unit in units])
    names = [f"k{i}" for i in range(len(keys))]
    by = ", ".join([*names, *(["v"] if valued else [])])
    inner = ", ".join(
        f"{key.sql([f'({text})' for text in packed])} AS {name}" for key, name in zip(keys, names, strict=True)
    )
    inner += ", CAST(s.code AS INT) AS v" if valued else ""
    parts = [part for key, name in zip(keys, names, strict=True) for part in key.parts_sql(name)]
    outer = ", ".join(f"{part} AS u{i}" for i, part in enumerate(parts)) + (", v" if valued else "")
    return (
        f"SELECT {outer}, n FROM (SELECT {by}, COUNT(*) AS n FROM (SELECT {inner} FROM {rows}) AS g GROUP BY {by}) AS c"
    )


def _figures(
    engine: Engine, rows: str, hierarchies: Sequence[Hierarchy], units: Sequence[Unit]
) -> tuple[int, int, list[bool]]:
    """How many rows there are, their persons, and whether each quasi-identifier's code of missing values is there."""
    asked = []
    for i, unit in enumerate(units):
        codes = keys_of(unit.radices)[0].parts_sql(f"u{i}")
        asked += [
            f"MAX(CASE WHEN {code} = {_missing(hierarchies[d])} THEN 1 ELSE 0 END) AS m{d}"
            for d, code in zip(unit.dimensions, codes, strict=True)
        ]
    found = engine.fetch(
        f"SELECT COUNT(*) AS tuples, CAST(SUM(n) AS BIGINT) AS persons, {', '.join(asked)} FROM {rows} AS g"
    )
    figures = found.to_pylist()[0]
    return figures["tuples"], figures["persons"] or 0, [bool(figures[f"m{d}"]) for d in range(len(hierarchies))]


def _missing(hierarchy: Hierarchy) -> int:
    """The code of missing values: that of their row, or the one that follows all others."""
    labels = hierarchy.labels[0]
    return labels.index(MISSING) if MISSING in labels else len(labels)


def _values(engine: Engine, relation: str, sensitive: str) -> tuple[str, ...]:
    found = engine.fetch(f"SELECT DISTINCT {_value(sensitive)} AS value FROM {relation} AS t")
    return tuple(sorted(found["value"].to_pylist()))


def _value(column: str) -> str:
    return f"COALESCE({_text(column)}, '')"


def _text(column: str) -> str:
    return f"CAST(t.{quoted(column)} AS VARCHAR)"


def _join(hierarchy: Hierarchy, d: int) -> str:
    return f"LEFT JOIN hierarchy_{d} AS h{d} ON h{d}.value = {_text(hierarchy.attribute)}"


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
    codes = pa.array(range(hierarchy.size), pa.int64())
    engine.register(f"hierarchy_{d}", pa.table({"value": pa.array(hierarchy.labels[0]), "code": codes}))
    try:
        lacking = engine.fetch(
            f"SELECT MIN({value}) AS value FROM {relation} AS t {_join(hierarchy, d)} "
            f"WHERE h{d}.code IS NULL AND {value} <> ''"
        )["value"][0].as_py()
    finally:
        engine.drop(f"hierarchy_{d}")
    if lacking is not None:
        hierarchy.leaf_codes([lacking], where=where)
