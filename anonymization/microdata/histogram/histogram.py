"""The histogram of quasi-identifiers: each distinct tuple once, with its persons. All searching happens on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError
from anonymization.hierarchies.file import MISSING
from anonymization.hierarchies.hierarchy import Hierarchy

if TYPE_CHECKING:
    import pandas as pd

_RADIX_LIMIT = 2**62


@dataclass(frozen=True, eq=False)
class Sensitive:
    """The sensitive attribute's values by tuple, in compressed rows.

    Attributes:
        attribute: its column.
        labels: its values; in their order where `ordered`.
        starts: (m + 1,) int64: tuple i's entries are `starts[i]` to `starts[i + 1]`.
        codes: (entries,) int32: the value's place in `labels`, ascending within a tuple.
        counts: (entries,) int64: persons of this tuple with this value, at least 1.
        ordered: whether the values have an order (for the ordered t-closeness).
        hierarchy: of the values, for the hierarchical t-closeness; its leaves are `labels`.
    """

    attribute: str
    labels: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    ordered: bool = False
    hierarchy: Hierarchy | None = None

    @cached_property
    def totals(self) -> npt.NDArray[np.int64]:
        """Persons of each value, (labels,)."""
        return np.bincount(self.codes, self.counts, len(self.labels)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Distinct tuples of quasi-identifiers with their persons.

    Attributes:
        hierarchies: one a quasi-identifier, D of them.
        tuples: (m, D) int32 leaf codes, distinct, in lexicographic order.
        counts: (m,) int64 persons of each tuple; 0 where a tuple is of the population only.
        sensitive: the sensitive attribute, if one is given.
        population: (m,) int64 persons of the same tuple in the population (for k-map and delta-presence).

    Raises:
        InputError: shapes that do not fit, tuples out of order, negative counts, or nobody at all.
    """

    hierarchies: tuple[Hierarchy, ...]
    tuples: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    sensitive: Sensitive | None = None
    population: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        size = len(self.counts)
        if not self.hierarchies:
            raise InputError("no quasi-identifier is given: at least one is needed")
        if self.tuples.shape != (size, len(self.hierarchies)):
            raise InputError(f"tuples of shape {self.tuples.shape}: {(size, len(self.hierarchies))} is expected")
        if self.population is not None and self.population.shape != (size,):
            raise InputError(f"population counts of shape {self.population.shape}: {(size,)} is expected")
        if self.sensitive is not None and self.sensitive.starts.shape != (size + 1,):
            raise InputError(f"sensitive starts of shape {self.sensitive.starts.shape}: {(size + 1,)} is expected")
        if not size or self.counts.sum() == 0:
            raise InputError("the data holds no rows: at least one person is needed")
        if self.counts.min() < 0:
            raise InputError("counts below 0: a tuple has 0 persons or more")

    @cached_property
    def persons(self) -> int:
        """The number of persons in the data."""
        return int(self.counts.sum())

    @property
    def attributes(self) -> tuple[str, ...]:
        """The quasi-identifiers' names."""
        return tuple(hierarchy.attribute for hierarchy in self.hierarchies)

    @cached_property
    def heights(self) -> tuple[int, ...]:
        """The number of levels of each hierarchy."""
        return tuple(hierarchy.levels for hierarchy in self.hierarchies)


def count_tuples(
    frame: pd.DataFrame,
    hierarchies: Sequence[Hierarchy],
    *,
    sensitive: str | None = None,
    ordered: bool = False,
    sensitive_hierarchy: Hierarchy | None = None,
    population: pd.DataFrame | None = None,
) -> Histogram:
    """Return the histogram of a frame, one row a person.

    A missing value is a value of its own, that matches missing values only; an empty text is a missing value.

    Args:
        frame: one row a person.
        hierarchies: one a quasi-identifier; each names its column.
        sensitive: the sensitive attribute's column.
        ordered: whether its values have an order: numbers by size, else its hierarchy's order, else by text.
        sensitive_hierarchy: of the sensitive attribute.
        population: one row a person of the population, with the quasi-identifiers' columns.

    Raises:
        InputError: no rows, no hierarchy, an unknown column, decimal numbers, or a value that its hierarchy lacks.
    """
    if frame.empty:
        raise InputError("the data holds no rows: at least one person is needed")
    if not hierarchies:
        raise InputError("no quasi-identifier is given: at least one is needed")
    frames = {"the data": frame} if population is None else {"the data": frame, "the population": population}
    columns = {where: [text_column(part, h.attribute, where) for h in hierarchies] for where, part in frames.items()}
    known = tuple(
        hierarchy.with_missing() if any(MISSING in columns[where][d][1] for where in frames) else hierarchy
        for d, hierarchy in enumerate(hierarchies)
    )
    leaves = {
        where: np.column_stack(
            [h.leaf_codes(column[1], where=where)[column[0]] for h, column in zip(known, of, strict=True)]
        )
        for where, of in columns.items()
    }
    tuples, inverse = distinct_rows(np.vstack(list(leaves.values())), [h.size for h in known])
    own, others = inverse[: len(frame)], inverse[len(frame) :]
    counts = np.bincount(own, minlength=len(tuples)).astype(np.int64)
    values = None
    if sensitive is not None:
        values = sensitive_of(
            sensitive,
            text_column(frame, sensitive),
            own,
            np.ones(len(own), np.int64),
            len(tuples),
            hierarchy=sensitive_hierarchy,
            ordered=ordered,
        )
    persons = None if population is None else np.bincount(others, minlength=len(tuples)).astype(np.int64)
    return Histogram(known, tuples, counts, values, persons)


def text_column(frame: pd.DataFrame, column: str, where: str = "the data") -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return a column as codes of its distinct values, and these as text, a missing one as the empty text.

    Raises:
        InputError: no such column, or decimal numbers.
    """
    if column not in frame.columns:
        raise InputError(f"{where}: no column {column!r}; it has {list(frame.columns)}")
    import pandas as pd  # noqa: PLC0415 - a quarter of a second, and the command for rows has no frame

    codes, distinct = pd.factorize(frame[column], use_na_sentinel=False)
    if pd.api.types.is_float_dtype(distinct.dtype):
        numbers = np.asarray(distinct, np.float64)
        if not np.all(np.isnan(numbers) | (numbers == np.floor(numbers))):
            raise InputError(
                f"{where}: the column {column!r} holds decimal numbers; text, whole numbers, dates and booleans are "
                "allowed: round it first"
            )
        return codes, [MISSING if np.isnan(number) else str(int(number)) for number in numbers]
    return codes, [MISSING if pd.isna(value) else str(value) for value in distinct]


def distinct_rows(
    codes: npt.NDArray[np.int32], sizes: Sequence[int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the distinct rows in lexicographic order, and the place of each row among them.

    Args:
        codes: (rows, D), column d below `sizes[d]`.
        sizes: (D,) at least 1.
    """
    keys = np.zeros(len(codes), np.int64)
    bound = 1
    for column, size in zip(codes.T, sizes, strict=True):
        if bound * size >= _RADIX_LIMIT:  # the key would not fit: number what is there so far
            distinct, keys = np.unique(keys, return_inverse=True)
            bound = len(distinct)
        keys = keys * size + column
        bound *= size
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return np.ascontiguousarray(codes[first]), inverse


def sensitive_of(
    attribute: str,
    values: tuple[npt.NDArray[np.int64], Sequence[str]],
    own: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int64],
    tuples: int,
    *,
    hierarchy: Hierarchy | None = None,
    ordered: bool = False,
) -> Sensitive:
    """Return the sensitive attribute of rows by tuple.

    Args:
        attribute: its column.
        values: (rows,) the place of each row's value in a list of values, and the list.
        own: (rows,) the place of each row's tuple.
        weights: (rows,) persons of each row.
        tuples: the number of tuples.
        hierarchy: of the values.
        ordered: whether they have an order.
    """
    codes, texts = values
    if hierarchy is not None:
        hierarchy = hierarchy.with_missing() if MISSING in texts else hierarchy
        labels, places = hierarchy.labels[0], hierarchy.leaf_codes(texts)
    else:
        labels = _in_order(texts)
        place = {label: code for code, label in enumerate(labels)}
        places = np.array([place[text] for text in texts], np.int32)
    entries, inverse = np.unique(own * len(labels) + places[codes], return_inverse=True)
    counts = np.bincount(inverse, weights, len(entries)).astype(np.int64)
    of = entries // len(labels)
    starts = np.searchsorted(of, np.arange(tuples + 1)).astype(np.int64)
    return Sensitive(
        attribute,
        labels,
        starts,
        (entries % len(labels)).astype(np.int32),
        counts,
        ordered=ordered,
        hierarchy=hierarchy,
    )


def _in_order(values: Sequence[str]) -> tuple[str, ...]:
    """Distinct values by size where all are numbers, else by text; a missing value first."""
    given = {value for value in values if value != MISSING}
    try:
        ordered = sorted(given, key=float)
    except ValueError:
        ordered = sorted(given)
    return (*((MISSING,) if MISSING in values else ()), *ordered)
