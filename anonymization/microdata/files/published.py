"""The rows of a full-domain generalization, sorted by their values, so that their order says nothing.

They come as groups of equal rows, a part at a time: of a histogram in memory, or of a relation by one sort in SQL.
However many persons there are, no more than a part of the rows is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.files import files_of
from anonymization.microdata.criteria import Criterion
from anonymization.microdata.full_domain.search import Choice, Solution
from anonymization.microdata.full_domain.search_in_engine import fails_sql, forget_keys, keyed, ranked
from anonymization.microdata.histogram.coded import Coded
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.histogram.units import Key, unpacked

PART = 1_048_576
"""Rows at a time."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of equal rows, ascending.

    Attributes:
        codes: by column, (groups,) the place of each group's text.
        persons: (groups,) int64 rows of each group, at least 1.
    """

    codes: tuple[Ints, ...]
    persons: Ints


@dataclass(frozen=True, eq=False)
class Published:
    """What is published of persons.

    Attributes:
        columns: by name, the texts that may stand there, ascending.
        groups: all of it, ascending, in parts.
    """

    columns: dict[str, tuple[str, ...]]
    groups: Iterable[Groups]

    def tables(self, rows: int = PART) -> Iterator[pa.Table]:
        """Yield the rows as texts, so many at a time; one empty table where there is none."""
        waiting: list[pa.Table] = [self._table(tuple(np.zeros(0, np.int64) for _ in self.columns))]
        size, told = 0, False
        for codes in self._spans(rows):
            waiting.append(self._table(codes))
            size += waiting[-1].num_rows
            if size >= rows:
                whole = pa.concat_tables(waiting)
                yield whole.slice(0, rows)
                waiting, size, told = [whole.slice(rows)], size - rows, True
        if size or not told:
            yield pa.concat_tables(waiting)

    def _spans(self, rows: int) -> Iterator[tuple[Ints, ...]]:
        """The rows' codes, no more than so many at a time: a group may be larger."""
        for part in self.groups:
            ends = np.cumsum(part.persons)
            for start in range(0, int(ends[-1]) if len(ends) else 0, rows):
                at = np.searchsorted(ends, np.arange(start, min(start + rows, int(ends[-1]))), side="right")
                yield tuple(codes[at] for codes in part.codes)

    def _table(self, codes: Sequence[Ints]) -> pa.Table:
        texts = (pa.array(labels, pa.string()) for labels in self.columns.values())
        taken = [text.take(pa.array(code)) for text, code in zip(texts, codes, strict=True)]
        return pa.table(dict(zip(self.columns, taken, strict=True)))


def published_of_histogram(histogram: Histogram, solution: Solution) -> Published:
    """Return what a solution publishes: generalized quasi-identifiers and the sensitive value, if there is one."""
    tuples, persons = np.flatnonzero(solution.kept), histogram.counts[solution.kept]
    values, radix, sensitive = np.zeros(len(tuples), np.int64), 1, histogram.sensitive
    if sensitive is not None:
        lengths = np.diff(sensitive.starts)[tuples]
        before = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(sensitive.starts[tuples] - before, lengths)
        tuples, persons, radix = np.repeat(tuples, lengths), sensitive.counts[places], len(sensitive.labels)
        values = sensitive.codes[places].astype(np.int64)
    # Persons of each class and value, and one tuple of it: there are far fewer of them than tuples to be sorted.
    cells = solution.class_of[tuples].astype(np.int64) * radix + values
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    persons = np.add.reduceat(persons[order], starts) if len(starts) else persons
    tuples, values = tuples[order[starts]], values[order[starts]]
    columns: dict[str, tuple[str, ...]] = {}
    codes: list[Ints] = []
    for d, (hierarchy, level) in enumerate(zip(histogram.hierarchies, solution.levels, strict=True)):
        columns[hierarchy.attribute], ranks = ranked(hierarchy.labels[level])
        codes.append(ranks[hierarchy.ancestors[level][histogram.tuples[tuples, d]]])
    if sensitive is not None:
        columns[sensitive.attribute], ranks = ranked(sensitive.labels)
        codes.append(ranks[values])
    order = np.lexsort(codes[::-1])
    return Published(columns, [Groups(tuple(code[order] for code in codes), persons[order])])


def published_of_relation(coded: Coded, choice: Choice, criteria: Sequence[Criterion], path: Path) -> Published:
    """Return what a choice publishes; suppressed classes are left out whole, and the rest is sorted, by the engine.

    Args:
        coded: what was searched.
        choice: what was found.
        criteria: what was asked.
        path: where the engine may write the groups, as Parquet; whoever calls removes them (`files_of`).

    Raises:
        EngineError: the engine failed.
    """
    rows, fails = keyed(coded, coded.name, choice.levels), fails_sql(criteria, coded.tuples)
    by = ", ".join(rows.names)
    if coded.sensitive is None:
        asked = f"SELECT {by}, n FROM ({rows.classes(valued=False)}) AS c WHERE NOT ({fails}) ORDER BY {by}"
        parts = coded.engine.write_parquet(asked, path)
    else:
        coded.engine.create("cells", rows.cells())
        sizes = f"SELECT {by}, CAST(SUM(n) AS BIGINT) AS n, COUNT(*) AS l FROM cells GROUP BY {by}"
        good = f"SELECT {by} FROM ({sizes}) AS s WHERE NOT ({fails})"
        on = " AND ".join(f"c.{name} = g.{name}" for name in rows.names)
        selected = ", ".join(f"c.{name} AS {name}" for name in (*rows.names, "v", "n"))
        asked = f"SELECT {selected} FROM cells AS c JOIN ({good}) AS g ON {on} ORDER BY {by}, v"
        parts = coded.engine.write_parquet(asked, path)
        coded.engine.drop("cells")
    forget_keys(coded)
    columns = {
        h.attribute: ranked(h.labels[level])[0] for h, level in zip(coded.hierarchies, choice.levels, strict=True)
    }
    radices = [len(labels) for labels in columns.values()]
    columns |= {} if coded.sensitive is None else {coded.sensitive: coded.values}
    return Published(columns, _read(files_of(path, parts), rows.keys, coded, radices))


def _read(paths: Iterable[Path], keys: Sequence[Key], coded: Coded, radices: Sequence[int]) -> Iterator[Groups]:
    """Yield the groups of files, one after the other; keys are taken apart to the places of texts."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                values = [
                    value
                    for i, key in enumerate(keys)
                    for value in unpacked(batch.column(f"k{i}").to_numpy(), key.radices)
                ]
                codes = [
                    code
                    for unit, value in zip(coded.units, values, strict=True)
                    for code in unpacked(value, [radices[d] for d in unit.dimensions])
                ]
                if coded.sensitive is not None:
                    codes.append(batch.column("v").to_numpy().astype(np.int64))
                yield Groups(tuple(codes), batch.column("n").to_numpy())
