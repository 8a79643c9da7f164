"""Anyone's table: a frequency table, or contributions a row, with hierarchies; its margins are made or checked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from anonymization.engine import memory_share
from anonymization.engine.files import TabularEngine
from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy, read_hierarchy
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.tables.counting.record_keys import KEYS, key_column
from anonymization.tables.model import TOTAL, Dimension, Measure, Table

MOST_DECIMALS = 6
CONTRIBUTORS = "contributors"
"""The column of an inside table that counts rows a cell."""


@dataclass(frozen=True)
class GivenTable:
    """A table as it was given, with every margin.

    Attributes:
        tables: one a choice of hierarchies; a dimension with two of them makes two linked tables.
        scale: what figures were multiplied by to be whole numbers, a power of ten.
        rows: rows read.
        margins: rows of them that are margins.
    """

    tables: tuple[Table, ...]
    scale: int
    rows: int
    margins: int


def read_given(
    path: Path,
    dimensions: Sequence[str],
    hierarchies: Mapping[str, Sequence[Path]],
    count: str,
    *,
    contributions: bool,
    record_keys: str | None = None,
) -> GivenTable:
    """Return a table read from CSV, TSV or Parquet.

    Args:
        path: the file; a text file has a header.
        dimensions: its columns of codes.
        hierarchies: files of each dimension that has some: value, then a column a level.
        count: its column of figures.
        contributions: whether each row is one contributor, whose figure is his contribution; else rows of one
            cell are added up.
        record_keys: its column of record keys, or of their sums a row; tables then hold the sum of each cell.

    Raises:
        InputError: an unknown column, a figure that is no number or negative, a code that a hierarchy does not
            cover, margins that do not add up, or some margins without the others.
    """
    frame = _read(path, [*dimensions, count, *([record_keys] if record_keys else [])], codes=dimensions)
    trees = {d: [_tree(read_hierarchy(p, d)) for p in hierarchies.get(d, ())] or [{}] for d in dimensions}
    values, scale = _whole(frame[count], path, count)
    cells = frame[list(dimensions)].assign(value=values)
    if record_keys is not None:
        cells = cells.assign(record_key=_record_keys(frame[record_keys], path, record_keys, scale))
    inner = _inner(cells, dimensions, trees)
    leaves = cells[inner]
    for name in dimensions:
        _check_covered(leaves[name], trees[name], hierarchies.get(name, ()), name)
    measure = _measure(count, contributions=contributions)
    tables = tuple(
        _table(leaves, dimensions, dict(zip(dimensions, chosen, strict=True)), measure, number)
        for number, chosen in enumerate(itertools.product(*trees.values()))
    )
    if not inner.all():
        _check_margins(cells[~inner], tables, dimensions, path)
    return GivenTable(tables, scale, len(frame), int((~inner).sum()))


def _read(path: Path, columns: Sequence[str], *, codes: Sequence[str]) -> pd.DataFrame:
    with TabularEngine([path], memory_share()) as engine:
        table = engine.open(path, columns, "the table")
        parts = list(engine.rest(table, columns))
    if not sum(map(len, parts)):
        raise InputError(f"{path} holds no rows")
    frame: pd.DataFrame = pa.Table.from_batches(parts).to_pandas()
    texts = {column: str for column in frame.columns if not pd.api.types.is_numeric_dtype(frame[column])}
    if table.is_text:
        frame = frame.fillna("")
    typed: pd.DataFrame = frame.astype(texts | dict.fromkeys(codes, str))
    return typed


def _whole(figures: pd.Series, path: Path, count: str) -> tuple[np.ndarray, int]:
    """The figures as whole numbers, and what they were multiplied by."""
    exact = []
    for line, text in enumerate(figures, start=2):
        try:
            number = Decimal(str(text).strip())
        except InvalidOperation:
            raise InputError(
                f"{path}, line {line}: {count!r} is no number; write one a row, such as 12 or 3.5"
            ) from None
        if not number.is_finite() or number < 0:
            raise InputError(f"{path}, line {line}: {count!r} is negative or not finite; figures are 0 or more")
        exact.append(number.normalize())
    decimals = max(0, *(-int(number.as_tuple().exponent) for number in exact)) if len(exact) > 1 else 0
    if decimals > MOST_DECIMALS:
        raise InputError(f"{path}: {count!r} has {decimals} decimals; {MOST_DECIMALS} at most are allowed")
    scale = 10**decimals
    return np.array([int(number * scale) for number in exact], dtype=np.int64), scale


def _record_keys(keys: pd.Series, path: Path, name: str, scale: int) -> np.ndarray:
    """The record keys of each row's persons, modulo 2**32."""
    if scale > 1:
        raise InputError(f"{path}: cell keys are for numbers of persons, which have no decimals")
    found = []
    for line, text in enumerate(keys, start=2):
        if not str(text).strip().isdecimal():
            raise InputError(f"{path}, line {line}: {name!r} is no record key; a whole number of 0 or more is one")
        found.append(int(str(text)) % KEYS)
    return np.array(found, dtype=np.int64)


def _tree(hierarchy: Hierarchy) -> dict[str, str]:
    """Code to parent; a level of a single label is the total, and a label that only repeats its part is left out."""
    tops = hierarchy.levels
    while tops > 1 and len(hierarchy.labels[tops - 1]) == 1:
        tops -= 1
    parents: dict[str, str] = {}
    for leaf in range(hierarchy.size):
        chain = [hierarchy.labels[level][hierarchy.ancestors[level, leaf]] for level in range(tops)]
        names = [label for level, label in enumerate(chain) if level == 0 or label != chain[level - 1]]
        for below, above in zip(names, [*names[1:], TOTAL], strict=True):
            if parents.setdefault(below, above) != above:
                raise InputError(
                    f"the hierarchy of {hierarchy.attribute!r}: {below!r} stands on several levels with different "
                    "parents; a code has one place"
                )
    return parents


def _inner(
    cells: pd.DataFrame, dimensions: Sequence[str], trees: Mapping[str, Sequence[Mapping[str, str]]]
) -> pd.Series:
    """Which rows are inner cells: no code of theirs is a total or a coarser one."""
    inner = pd.Series(data=True, index=cells.index)
    for name in dimensions:
        above = {TOTAL, *(parent for tree in trees[name] for parent in tree.values())}
        inner &= ~cells[name].isin(above)
    if not inner.any():
        raise InputError("the table has margins alone: every row holds a total or a coarser code")
    return inner


def _check_covered(codes: pd.Series, trees: Sequence[Mapping[str, str]], files: Sequence[Path], name: str) -> None:
    for tree, path in zip(trees, files, strict=False):
        missing = sorted(set(codes) - set(tree))
        if missing:
            raise InputError(
                f"{path} does not cover {name!r}: it has no row for {missing[0]!r} "
                f"({len(missing)} codes are missing); add a row for each"
            )


def _measure(count: str, *, contributions: bool) -> Measure:
    title = {"en": count, "ja": count}
    if contributions:
        return Measure(count, title, MeasureKind.TOTAL, "given", {}, count)
    return Measure(count, title, MeasureKind.PERSONS, "given", {})


def _table(
    leaves: pd.DataFrame, names: Sequence[str], trees: Mapping[str, Mapping[str, str]], measure: Measure, number: int
) -> Table:
    """One table with every margin of one choice of hierarchies."""
    dimensions = tuple(
        _dimension(name, trees[name] or dict.fromkeys(sorted(set(leaves[name])), TOTAL)) for name in names
    )
    spread = leaves
    for dimension in dimensions:
        chains = {code: (code, *dimension.ancestors(code)) for code in set(leaves[dimension.name])}
        spread = spread.assign(**{dimension.name: spread[dimension.name].map(chains)}).explode(dimension.name)
    keys = list(names)
    grouped = spread.groupby(keys, sort=True)["value"]
    frame = grouped.sum().rename(measure.name).reset_index()
    frame[measure.name] = frame[measure.name].astype("int64")
    if "record_key" in spread:
        frame[key_column(measure)] = spread.groupby(keys, sort=True)["record_key"].sum().to_numpy() % KEYS
    largest, contributors = {}, {}
    if measure.how.sums:
        ordered = spread.sort_values("value", ascending=False, kind="stable")
        rank = ordered.groupby(keys, sort=False).cumcount()
        wanted = pd.MultiIndex.from_frame(frame[keys])
        found = {
            column: ordered[rank == place]
            .set_index(keys)["value"]
            .reindex(wanted, fill_value=0)
            .to_numpy(dtype=np.int64)
            for place, column in enumerate(("first", "second"))
        }
        largest = {measure.name: pd.DataFrame(found)}
        persons = spread[spread["value"] > 0].groupby(keys)["value"].size().reindex(wanted, fill_value=0)
        contributors = {measure.name: np.asarray(persons, dtype=np.int64)}
    return Table(
        f"table-{number + 1}", measure.title, dimensions, (measure,), frame, largest=largest, contributors=contributors
    )


def _dimension(name: str, parents: Mapping[str, str]) -> Dimension:
    return Dimension(
        name=name,
        title={"en": name, "ja": name},
        kind=DimensionKind.PERSON,
        levels=("code",),
        parents=parents,
        level_of=dict.fromkeys(parents, "code"),
        labels={},
        complete=True,
        concept=f"given {name}",
    )


def _check_margins(given: pd.DataFrame, tables: Sequence[Table], dimensions: Sequence[str], path: Path) -> None:
    """Compare the margins that were given with the sums; some without the others are refused."""
    keys = list(dimensions)
    sums = pd.concat([table.frame.set_index(keys)[table.measures[0].name] for table in tables])
    sums = sums[~sums.index.duplicated()]
    rows = given.groupby(keys, sort=False)["value"].sum()
    unknown = rows.index.difference(sums.index)
    if len(unknown):
        raise InputError(f"{path}: the margin {_text(dimensions, unknown[0])} is a sum over nothing")
    wrong = rows[rows != sums.reindex(rows.index)]
    if len(wrong):
        raise InputError(
            f"{path}: {len(wrong)} margins do not add up, the first at {_text(dimensions, wrong.index[0])}: "
            "each is the sum of its parts"
        )
    codes = sums.index.to_frame()
    parents = {parent for table in tables for d in table.dimensions for parent in d.parents.values()}
    margin = codes.isin(parents | {TOTAL}).any(axis=1)
    missing = sums.index[margin.to_numpy()].difference(rows.index)
    if len(missing):
        raise InputError(
            f"{path} has some margins but not {_text(dimensions, missing[0])} ({len(missing)} are missing): "
            "give all of them, or none, and they are made"
        )


def _text(dimensions: Sequence[str], codes: object) -> str:
    several = codes if isinstance(codes, tuple) else (codes,)
    return ", ".join(f"{name}={code}" for name, code in zip(dimensions, several, strict=True))
