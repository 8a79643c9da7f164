"""Tables as values: dimensions, measures, true tables that stay inside, and safe tables that may leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.policy.sources import UNKNOWN
from anonymization.tables.measures import KINDS, Kind

TOTAL = "_T"
"""The code of a total, as in SDMX."""
REST, REST_LEVEL = "~", "rest"
"""What follows a place's code in the code of its rest, and the level that a rest is listed under."""
FREE, CONFIDENTIAL = "F", "C"
"""SDMX CONF_STATUS of a published and of a suppressed figure."""
ERROR_LEVEL = 0.95
"""Of figures with noise, at least so many are within the error that is stated beside them."""


@dataclass(frozen=True)
class Dimension:
    """A dimension with its codes.

    Attributes:
        kind: whether persons add up over it.
        levels: published levels, finest first, below the total.
        parents: code to its parent's code; a code of the top level has the total as its parent.
        level_of: code to its level.
        labels: code to its labels in English and Japanese.
        complete: whether every code is known beforehand (then every combination is published, zeros too).
        by_day: whether it partitions days (then person-days add up over it).
        open: whether its codes are of an open vocabulary: there may be more of them, unlisted.
        merged: whether codes that are not listed are merged into the rest of the code above them: `<parent>~` is every
            code below the parent that is not listed at the same other coordinates.
        concept: what it is a classification of, as text: dimensions of one concept in several tables and
            releases classify alike. Empty for a table of its own.
        rests: codes of merged places: what of a parent is not listed at the same other coordinates.
        consists: of codes of the finest published level that are not base codes of the concept, which they consist of.
        closed: whether its code list holds every code of the concept; else it holds those that occur.
    """

    name: str
    title: Mapping[str, str]
    kind: DimensionKind
    levels: tuple[str, ...]
    parents: Mapping[str, str]
    level_of: Mapping[str, str]
    labels: Mapping[str, tuple[str, str]]
    complete: bool
    by_day: bool = False
    open: bool = False
    concept: str = ""
    merged: bool = False
    rests: frozenset[str] = frozenset()
    consists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed: bool = True

    def ancestors(self, code: str) -> tuple[str, ...]:
        """Return a code's ancestors, nearest first, the total last."""
        found = []
        while code != TOTAL:
            code = self.parents[code]
            found.append(code)
        return tuple(found)

    def extends(self, codes: Iterable[str]) -> bool:
        """Whether some of the codes are not known here."""
        return bool(set(codes) - set(self.parents) - {TOTAL})

    @cached_property
    def inner(self) -> frozenset[str]:
        """Codes that others are below of."""
        return frozenset(self.parents.values()) - {TOTAL}

    @cached_property
    def unknown(self) -> frozenset[str]:
        """The codes of what is unknown: nobody is known by them."""
        return frozenset([UNKNOWN, *(code for code, of in self.consists.items() if tuple(of) == (UNKNOWN,))])

    @cached_property
    def uneven(self) -> bool:
        """Whether a code that has none below it stands at another level than the finest."""
        return not self.merged and any(self.level_of[c] != self.levels[0] for c in set(self.parents) - self.inner)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Every code, in order, the total first."""
        return (TOTAL, *sorted(self.parents))


@dataclass(frozen=True)
class Measure:
    """A measure of one population.

    Attributes:
        links: the source that proves which cookies belong to a member, where persons are counted across it.
        lists: of each filtered column that has one, its closed code list: every code that an event may hold.
        population: what measures of the same persons share: source, links and filter, as text.
        known: whether only persons count of whom every attribute is known that the table is by.
    """

    name: str
    title: Mapping[str, str]
    kind: MeasureKind
    source: str
    where: Mapping[str, tuple[str, ...]]
    column: str | None = None
    links: str | None = None
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: bool = False

    @property
    def population(self) -> str:
        """The population as text: source, what links its persons, and filter."""
        filters = ";".join(f"{column}={'|'.join(codes)}" for column, codes in sorted(self.where.items()))
        known = " of known attributes" if self.known else ""
        return f"{self.source}{f' by {self.links}' if self.links else ''}[{filters}]{known}"

    @property
    def how(self) -> Kind:
        """What a measure of its kind is."""
        return KINDS[self.kind]


@dataclass(frozen=True)
class Table:
    """A table of true values: inside only, and no longer than the build.

    Attributes:
        frame: one row a cell; a text column a dimension, an int64 column a measure, `days` where declared; for
            cell keys, a column a measure with the sum of its persons' record keys.
        largest: of each `total` that is judged by its contributions, the two largest ones of single persons: int64
            columns `first` >= `second`, 0 where there are fewer persons, rows as in `frame`.
        contributors: of a `total` beside which no persons are published, the number of its contributors.
        for_threshold: of a measure of persons, where it is not the figure itself, how many the threshold counts in each
            row: holders, of whom one may have several ids.
        headlines: the margins that are never given up for other cells, each by its dimensions.
    """

    name: str
    title: Mapping[str, str]
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    frame: pd.DataFrame
    days: bool = False
    largest: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    contributors: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    for_threshold: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    headlines: frozenset[frozenset[str]] = frozenset()

    def few(self, measure: Measure, minimum_count: int) -> npt.NDArray[np.bool_]:
        """Return the rows with somebody, but with fewer persons than the threshold asks for."""
        persons = self.frame[measure.name].to_numpy(dtype=np.int64)
        return np.asarray((persons > 0) & (self.for_threshold.get(measure.name, persons) < minimum_count))

    @property
    def keys(self) -> list[str]:
        """The names of the dimension columns."""
        return [dimension.name for dimension in self.dimensions]


@dataclass(frozen=True)
class SafeTable:
    """A protected table, as it is published.

    Attributes:
        frame: one row a cell, sorted by its codes; a text column a dimension; for each measure a nullable Int64
            column, empty where confidential, and `<measure>_status`; with noise `<measure>_error`, too; `days` where
            declared.
        minimum_count: the minimum publishable count of persons.
        withheld: hidden cells are not listed, so that nobody can tell them from cells without anybody.
        zeros_shown: every cell without anybody is published as such, so that somebody is in a hidden one.
        method: how it was protected; only figures protected by suppression are exact, and add up.
    """

    name: str
    title: Mapping[str, str]
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    frame: pd.DataFrame
    minimum_count: int
    days: bool = False
    withheld: bool = False
    zeros_shown: bool = True
    method: Method = field(kw_only=True)

    @property
    def keys(self) -> list[str]:
        """The names of the dimension columns."""
        return [dimension.name for dimension in self.dimensions]

    def persons_of(self, measure: Measure) -> Measure:
        """Return the measure that counts the persons of a measure's population."""
        return next(m for m in self.measures if m.population == measure.population and m.how.persons)


def figures(table: Table | SafeTable, measure: Measure) -> npt.NDArray[np.float64]:
    """Return a measure's column as numbers, NaN where it is empty."""
    return np.asarray(table.frame[measure.name].astype("Float64").to_numpy(dtype=float, na_value=np.nan))


def error_column(measure: Measure) -> str:
    """Return the column beside a measure that says how far off its figures may be (`ERROR_LEVEL`)."""
    return f"{measure.name}_error"


def with_errors(table: SafeTable, errors: Mapping[str, npt.NDArray[np.int64]]) -> SafeTable:
    """Return a table with errors beside its figures, in place of any that were there; none where a figure is hidden.

    Args:
        table: as it is published.
        errors: of each measure, row by row, how far off its figure may be.
    """
    columns: dict[str, pd.Series] = {key: table.frame[key] for key in table.keys}
    for measure in table.measures:
        status = table.frame[f"{measure.name}_status"]
        columns |= {measure.name: table.frame[measure.name], f"{measure.name}_status": status}
        error = pd.Series(errors[measure.name], index=status.index, dtype="Int64")
        columns[error_column(measure)] = error.mask(status != FREE)
    columns |= {"days": table.frame["days"]} if table.days else {}
    return replace(table, frame=pd.DataFrame(columns))


def cell_text(keys: Sequence[str], codes: Iterable[object]) -> str:
    """Return a cell's coordinates as text."""
    return ", ".join(f"{key}={code}" for key, code in zip(keys, codes, strict=True))


def level_columns(table: Table | SafeTable) -> list[pd.Series]:
    """Return, a column a dimension, the level of each row's code, or the total."""
    return [table.frame[d.name].map(d.level_of).astype(object).fillna(TOTAL) for d in table.dimensions]
