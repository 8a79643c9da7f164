"""From a user's file to the histogram and back: which tuple each row holds, and the rows with their generalized values.

One pass packs the codes of every row's quasi-identifiers into integers; these are numbered as they come, so that the
way back needs no second look at the quasi-identifiers. Rows keep their order.

A missing value, null or an empty text, matches missing values only, and is written as missing.
"""

from __future__ import annotations

import contextlib
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anonymization.engine.files import (
    BATCH,
    Tabular,
    TabularEngine,
    check_codable,
    dictionary_column,
    numbers_of,
    texts_of,
)
from anonymization.errors import InputError
from anonymization.files import sync
from anonymization.hierarchies.file import MISSING
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.full_domain.search import Solution
from anonymization.microdata.histogram.histogram import Histogram, sensitive_of
from anonymization.microdata.histogram.numbering import Numbering

SUPPRESSED = "*"
"""What every quasi-identifier of a suppressed row reads."""
_DECIMAL = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)
_KEY_LIMIT = 2**62
_NUMBER_LIMIT = 2**31  # of rows, and of the radix of a key that is combined with a number

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SensitiveColumn:
    """How the sensitive attribute is to be read.

    Attributes:
        column: its name.
        ordered: whether its values have an order: numbers by size, else its hierarchy's order, else by text.
        hierarchy: of its values.
    """

    column: str
    ordered: bool = False
    hierarchy: Hierarchy | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """A file's rows as a histogram knows them.

    Attributes:
        table: the file.
        histogram: of its quasi-identifiers.
        tuple_of: (rows,) int32 the tuple of each row, in the file's order.
        sensitive_of: (rows,) int32 the sensitive value of each row, a place in the histogram's labels.
    """

    table: Tabular
    histogram: Histogram
    tuple_of: Codes
    sensitive_of: Codes | None = None


@dataclass(frozen=True, eq=False)
class Recoding:
    """What is published for each row's quasi-identifiers.

    Attributes:
        labels: by quasi-identifier, the texts that stand in the output, each once.
        codes: (parts, D) int32 places in `labels`; of a suppressed part, what it would read were it not.
        suppressed: (parts,) bool: all of its quasi-identifiers are written as `*`.
        part_of: (rows,) int32 the part of each row.
    """

    labels: tuple[tuple[str, ...], ...]
    codes: Codes
    suppressed: npt.NDArray[np.bool_]
    part_of: Codes


def read_rows(
    engine: TabularEngine,
    path: Path,
    hierarchies: Sequence[Hierarchy],
    *,
    sensitive: SensitiveColumn | None = None,
    population: Path | None = None,
) -> Rows:
    """Return a file's rows.

    Args:
        engine: may read the files.
        path: CSV, TSV or Parquet, one row a person.
        hierarchies: one a quasi-identifier; each names its column.
        sensitive: the sensitive attribute.
        population: CSV, TSV or Parquet, one row a person of the population, with the quasi-identifiers' columns.

    Raises:
        InputError: a file that cannot be read, no rows, an unknown column, decimal numbers, or a value that its
            hierarchy lacks.
    """
    names = [hierarchy.attribute for hierarchy in hierarchies]
    table = engine.open(path, [*names, *([sensitive.column] if sensitive else [])])
    check_codable(table, names)
    packing = _Packing(hierarchies)
    values = engine.distinct(table, [sensitive.column])[0] if sensitive else None
    own, second = packing.numbers(engine, table, {sensitive.column: values} if sensitive and values else {})
    if not len(own):
        raise InputError(f"{path}: holds no rows: at least one person is needed")
    others = np.empty(0, np.int32)
    if population is not None:
        people = engine.open(population, names, "the population")
        check_codable(people, names)
        others, _ = packing.numbers(engine, people, {})
    known, tuples, place = packing.tuples()
    tuple_of = place[own]
    counts = np.bincount(tuple_of, minlength=len(tuples)).astype(np.int64)
    persons = None if population is None else np.bincount(place[others], minlength=len(tuples)).astype(np.int64)
    if sensitive is None or second is None or values is None:
        return Rows(table, Histogram(known, tuples, counts, None, persons), tuple_of)
    keys, weights = counted(tuple_of, second, len(values))
    attribute = sensitive_of(
        sensitive.column, (keys % len(values), values), keys // len(values), weights, len(tuples),
        hierarchy=sensitive.hierarchy, ordered=sensitive.ordered,
    )  # fmt: skip
    code = {label: code for code, label in enumerate(attribute.labels)}
    sorted_code = np.array([code[value] for value in values], np.int32)
    return Rows(table, Histogram(known, tuples, counts, attribute, persons), tuple_of, sorted_code[second])


def counted(first: Codes, second: Codes, radix: int) -> tuple[Ints, Ints]:
    """Return the distinct pairs as `first * radix + second`, ascending, and how often each occurs."""
    numbering = Numbering()
    times = np.zeros(0, np.int64)
    for start in range(0, len(first), BATCH):
        part = slice(start, start + BATCH)
        numbers = numbering.number(first[part].astype(np.int64) * radix + second[part])
        times = _longer(times, len(numbering.keys))
        times += np.bincount(numbers, minlength=len(times))
    order = np.argsort(numbering.keys)
    return numbering.keys[order], times[order]


def flat_hierarchies(engine: TabularEngine, path: Path, columns: Sequence[str]) -> tuple[Hierarchy, ...]:
    """Return hierarchies of one level, of the values that the file holds: enough to form classes.

    Raises:
        InputError: a file that cannot be read, no rows, an unknown column, or decimal numbers.
    """
    table = engine.open(path, columns)
    check_codable(table, columns)
    values = engine.distinct(table, columns)
    if not values or not values[0]:
        raise InputError(f"{path}: holds no rows: at least one person is needed")
    return tuple(
        Hierarchy(column, (tuple(labels),), np.arange(len(labels), dtype=np.int32)[None])
        for column, labels in zip(columns, values, strict=True)
    )


def recoded(rows: Rows, solution: Solution) -> Recoding:
    """Return what a full-domain generalization publishes: each tuple is a part."""
    chosen = list(zip(rows.histogram.hierarchies, solution.levels, strict=True))
    codes = [h.ancestors[level][rows.histogram.tuples[:, d]] for d, (h, level) in enumerate(chosen)]
    labels = tuple(hierarchy.labels[level] for hierarchy, level in chosen)
    return Recoding(labels, np.column_stack(codes), ~solution.kept, rows.tuple_of)


def as_it_is(rows: Rows) -> Recoding:
    """Return the recoding that changes nothing; rows that read `*` throughout are suppressed ones.

    Where all rows read so, none counts as suppressed: they are one class.
    """
    histogram = rows.histogram
    star = [h.labels[0].index(SUPPRESSED) if SUPPRESSED in h.labels[0] else -1 for h in histogram.hierarchies]
    suppressed = (histogram.tuples == star).all(axis=1)
    if suppressed.all():
        suppressed = np.zeros_like(suppressed)
    labels = tuple(hierarchy.labels[0] for hierarchy in histogram.hierarchies)
    return Recoding(labels, histogram.tuples, suppressed, rows.tuple_of)


def write_rows(engine: TabularEngine, rows: Rows, recoding: Recoding, out: Path, *, shuffle: bool = False) -> None:
    """Write the rows: quasi-identifiers as recoded, other columns as they are, columns and rows in their order.

    The file is written under another name beside `out` and then renamed: `out` is whole or not there. A CSV file has
    the delimiter of the input.

    Args:
        engine: may read the table and write `out` and its `part_name`.
        rows: of the input.
        recoding: of its quasi-identifiers.
        out: CSV, TSV or Parquet, by the suffix.
        shuffle: put the rows in a random order, so that it says nothing; all columns are then held in memory.

    Raises:
        InputError: the input cannot be read, or the output not written.
    """
    batches = _batches(engine, rows, recoding)
    first = next(batches)
    schema = first.schema
    everything: Iterator[pa.RecordBatch] = (batch for part in ([first], batches) for batch in part)
    if shuffle:
        whole = pa.Table.from_batches(list(everything), schema)
        order = np.random.default_rng(secrets.randbits(128)).permutation(whole.num_rows)
        everything = iter(whole.take(order).combine_chunks().to_batches(BATCH))
    part = part_name(out)
    try:
        engine.write(part, schema, everything, rows.table.as_csv)
        sync(part)
        part.replace(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def part_name(out: Path) -> Path:
    """Return the name under which a file is written until it is whole."""
    return out.with_name(f".{out.stem}.part{out.suffix}")


def _batches(engine: TabularEngine, rows: Rows, recoding: Recoding) -> Iterator[pa.RecordBatch]:
    """The output's rows in the input's order."""
    place = {name: d for d, name in enumerate(rows.histogram.attributes)}
    others = [name for name in rows.table.columns if name not in place]
    columns = [
        _Column.of(labels, recoding.codes[:, d], recoding.suppressed) for d, labels in enumerate(recoding.labels)
    ]
    size = len(rows.tuple_of)
    if others:
        parts = engine.rest(rows.table, others)
    else:
        parts = (pa.record_batch([pa.nulls(min(BATCH, size - s))], ["-"]) for s in range(0, size, BATCH))
    done = 0
    for part in parts:
        part_of = recoding.part_of[done : done + part.num_rows]
        done += part.num_rows
        if len(part_of) < part.num_rows:
            break
        fields = {
            name: columns[place[name]].of_parts(part_of) if name in place else part.column(name)
            for name in rows.table.columns
        }
        yield pa.record_batch(list(fields.values()), names=list(fields))
    if done != size:
        raise InputError(f"{rows.table.path}: it changed while it was read")


@dataclass(frozen=True, eq=False)
class _Column:
    """A quasi-identifier as it is written: texts, and the place of each part's text; -1 where it is missing."""

    texts: pa.StringArray
    codes: npt.NDArray[np.signedinteger[Any]]

    @classmethod
    def of(cls, labels: tuple[str, ...], codes: Codes, suppressed: npt.NDArray[np.bool_]) -> _Column:
        labels = labels if SUPPRESSED in labels else (*labels, SUPPRESSED)
        codes = np.where(suppressed, labels.index(SUPPRESSED), codes)
        if MISSING in labels:
            codes = np.where(codes == labels.index(MISSING), -1, codes)
        kind = next(kind for kind in (np.int8, np.int16, np.int32) if len(labels) <= np.iinfo(kind).max)
        return cls(texts_of(labels), codes.astype(kind))

    def of_parts(self, part_of: Codes) -> pa.DictionaryArray:
        return dictionary_column(self.codes[part_of], self.texts)


class _Packing:
    """How quasi-identifiers are packed in keys, and the numbers of their tuples.

    The first key holds as many quasi-identifiers as fit 62 bits. Each further one fits 31, so that it fits in one
    integer with the number of the tuple so far.
    """

    def __init__(self, hierarchies: Sequence[Hierarchy]) -> None:
        self.hierarchies = hierarchies
        self.labels: list[tuple[str, ...]] = [
            labels if MISSING in labels else (*labels, MISSING) for labels in (h.labels[0] for h in hierarchies)
        ]
        self.groups: list[list[int]] = [[]]
        for d, labels in enumerate(self.labels):
            limit = _KEY_LIMIT if len(self.groups) == 1 else _NUMBER_LIMIT
            if self.groups[-1] and self._radix(self.groups[-1]) * len(labels) >= limit:
                self.groups.append([])
            self.groups[-1].append(d)
        self.numberings = [Numbering() for _ in self.groups]

    def _radix(self, group: Sequence[int]) -> int:
        return math.prod(len(self.labels[d]) for d in group)

    def numbers(
        self, engine: TabularEngine, table: Tabular, second: Mapping[str, Sequence[str]]
    ) -> tuple[Codes, Codes | None]:
        """Return the number of each row's tuple, and the place of its value of a second column, if one is given."""
        keys = [{self.hierarchies[d].attribute: self.labels[d] for d in group} for group in self.groups]
        numbers: list[Codes] = [np.empty(0, np.int32)]
        places: list[Codes] = [np.empty(0, np.int32)]
        lacking = False
        with contextlib.closing(engine.codes(table, [*keys, *([second] if second else [])])) as batches:
            for batch in batches:
                lacking = any(column.null_count for column in batch.columns)
                if lacking:
                    break
                columns = [numbers_of(column) for column in batch.columns]
                found = self.numberings[0].number(columns[0])
                for group, numbering, column in zip(self.groups[1:], self.numberings[1:], columns[1:], strict=False):
                    found = numbering.number(found * np.int64(self._radix(group)) + column)
                numbers.append(found)
                if second:
                    places.append(columns[-1].astype(np.int32))
        if lacking:
            self._say_which(engine, table)
        return np.concatenate(numbers), np.concatenate(places) if second else None

    def _say_which(self, engine: TabularEngine, table: Tabular) -> None:
        for hierarchy, labels in zip(self.hierarchies, self.labels, strict=True):
            lacking = engine.first_other(table, hierarchy.attribute, labels)
            if lacking is None:
                continue
            if _DECIMAL.fullmatch(lacking):
                raise InputError(
                    f"{table.path}: the quasi-identifier {hierarchy.attribute!r} holds decimal numbers that its "
                    f"hierarchy lacks, such as {lacking}: make intervals or whole numbers of them first"
                )
            hierarchy.leaf_codes([lacking], where=str(table.path))
        raise InputError(f"{table.path}: it changed while it was read")

    def tuples(self) -> tuple[tuple[Hierarchy, ...], Codes, Codes]:
        """Return the hierarchies, the distinct tuples in lexicographic order, and the place of each number's."""
        columns: list[Ints] = [np.empty(0, np.int64)] * len(self.hierarchies)
        at: Ints | None = None
        for group, numbering in zip(reversed(self.groups), reversed(self.numberings), strict=True):
            keys = numbering.keys if at is None else numbering.keys[at]
            for d in reversed(group):
                keys, columns[d] = np.divmod(keys, len(self.labels[d]))
            at = keys
        order = np.lexsort(columns[::-1])
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        known = tuple(
            hierarchy.with_missing() if (column == hierarchy.size).any() else hierarchy
            for hierarchy, column in zip(self.hierarchies, columns, strict=True)
        )
        return known, np.column_stack([column[order] for column in columns]).astype(np.int32), place


def _longer(array: Ints, size: int) -> Ints:
    return np.concatenate([array, np.zeros(size - len(array), np.int64)])
