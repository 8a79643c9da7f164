"""What a release declares: for whom, for what, over which persons, in which tables, how protected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from anonymization.policy.declared import Declared, Name, Slug, Text
from anonymization.policy.protection import (
    OPEN_ESTABLISHED_DAYS,
    CellKey,
    DifferentialPrivacy,
    PersonsExpected,
    Protection,
    Zeros,
)
from anonymization.policy.sources import UNKNOWN


class PeriodKind(StrEnum):
    """How long one issue of a release covers."""

    MONTH = "month"
    WEEK = "week"
    """ISO 8601; one that lies in two months is in two key periods, and refused."""
    DAY = "day"


class Resolution(StrEnum):
    """How a person attribute is resolved when a person has several values in the period."""

    LATEST = "latest"
    """The value on the latest day; of several on that day, the greatest code."""
    EARLIEST = "earliest"
    """The value on the earliest day; of several on that day, the smallest code."""
    MOST_FREQUENT = "most_frequent"
    """The value of most events; ties go to the smallest code."""


class Attribute(Declared):
    """A person attribute: one value a person, `unknown` for a person without any."""

    source: Name
    column: Name
    resolve: Resolution


class DimensionKind(StrEnum):
    """Whether persons add up over a dimension."""

    PERSON = "person"
    """Each person has one value: persons add up."""
    EVENT = "event"
    """A person may be in several: max(children) <= parent <= sum(children)."""


class DimensionSpec(Declared):
    """One dimension: a person attribute, or a column of the events.

    `levels` are the published levels, finest first, below the total. A dimension with one level needs no
    hierarchy. `mesh` is a hierarchy by rule (levels `mesh4`, `mesh3`, `mesh2`); every other hierarchy is
    `policies/hierarchies/<name>.csv`, whose columns are levels 0 (the value itself), 1, 2 and so on.
    Beside the events' own columns there are `day`, `week` (ISO 8601) and `day_type`.
    """

    kind: DimensionKind
    title: Text
    attribute: Name | None = None
    column: Name | None = None
    hierarchy: Name | None = None
    levels: tuple[Name, ...] = Field(min_length=1)
    codelist: Name | None = None
    finest: int = Field(default=0, ge=0)
    """The hierarchy's level that `levels` begins with: what is below it is recoded to it before anything is counted."""
    open: bool = False
    """Whether its codes are of no closed list (search keywords, pages): only codes of at least N persons are listed."""

    def chains(
        self, hierarchies: Mapping[str, Mapping[str, tuple[str, ...]]], codelists: Mapping[str, Mapping[str, object]]
    ) -> dict[str, tuple[str, ...]] | None:
        """Return each value's codes from the finest that may be published on, by the policy folder's lists.

        None where no list of it holds the codes: days, a mesh, what is open.
        """
        if self.hierarchy is not None and self.hierarchy != "mesh":
            return {value: (value, *above)[self.finest :] for value, above in hierarchies[self.hierarchy].items()}
        if self.codelist is not None:
            return {code: (code,) for code in codelists[self.codelist]}
        return None

    def standing(self, chains: Mapping[str, tuple[str, ...]], pins: Sequence[str]) -> tuple[str, ...]:
        """Return pins with the codes of whom no attribute is known of: they are no part of a rest, and always stand."""
        unknown = chains.get(UNKNOWN, ()) if self.kind is DimensionKind.PERSON else ()
        return (*pins, *(code for code in unknown if code not in pins))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.finest > 0 and self.hierarchy in (None, "mesh"):
            raise ValueError("`finest` is a level of a hierarchy of `policies/hierarchies/`")
        if self.open and (self.column is None or self.hierarchy is not None or self.codelist is not None):
            raise ValueError("an `open` dimension is an events' column without hierarchy and code list")
        if (self.kind is DimensionKind.PERSON) != (self.attribute is not None):
            raise ValueError("a `person` dimension names an `attribute`, an `event` dimension a `column`")
        if (self.kind is DimensionKind.EVENT) != (self.column is not None):
            raise ValueError("a `person` dimension names an `attribute`, an `event` dimension a `column`")
        if len(self.levels) > 1 and self.hierarchy is None:
            raise ValueError("a dimension with several levels names its `hierarchy`")
        return self


class MeasureKind(StrEnum):
    """What is counted."""

    PERSONS = "persons"
    """Distinct persons."""
    PERSON_DAYS = "person_days"
    """Distinct pairs of person and day; divided by `days` it is the mean daily number of persons."""
    TOTAL = "total"
    """Events, or the sum of an integer column: additive over every dimension."""


class MeasureSpec(Declared):
    """One measure; measures with equal `source` and `where` describe one population and share its state."""

    title: Text
    kind: MeasureKind
    source: Name
    where: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    """Only events whose coded column has one of these codes."""
    column: Name | None = None
    """For `total`: the integer column to sum; without it, events are counted."""
    known: bool = False
    """Whether only persons count of whom every attribute is known that the table is by."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.column is not None and self.kind is not MeasureKind.TOTAL:
            raise ValueError("only a `total` sums a `column`")
        return self


class TableSpec(Declared):
    """One table: the cube of its dimensions, every margin included."""

    title: Text
    dimensions: tuple[Name, ...] = Field(min_length=1)
    measures: dict[Name, MeasureSpec] = Field(min_length=1)
    days: bool = False
    """Publish the number of days of each `day_type` as the denominator column `days`."""

    @model_validator(mode="after")
    def _every_population_counts_persons(self) -> Self:
        counted = {
            (m.source, tuple(sorted(m.where.items())), m.known)
            for m in self.measures.values()
            if m.kind is MeasureKind.PERSONS
        }
        for name, measure in self.measures.items():
            if (measure.source, tuple(sorted(measure.where.items())), measure.known) not in counted:
                raise ValueError(
                    f"measure {name!r} needs a `persons` measure of the same source, filter and `known` beside it"
                )
        return self


ReleaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
"""A release's name: a folder, a file, and the start of its tables' names in the mart."""
RESERVED = frozenset({"release", "period", "version", "days"})
"""Columns that published tables and the mart's tables have of their own."""
BESIDE = ("_status", "_error")
"""How the names of the columns end that stand beside a measure."""
BOUNDED = "_bounded"
"""How the name of a measure ends whose contributions are bounded: it is never equated with one that is not."""
LONGEST_IDENTIFIER = 63
"""PostgreSQL's, in bytes; it cuts longer ones silently."""


class Release(Declared):
    """One release: `policies/releases/<name>.yaml`."""

    release: ReleaseName
    title: Text
    description: Text
    owner: Slug
    """Who requests it; never the one who approves it."""
    recipient: Slug
    purpose: Name
    period: PeriodKind
    policy_versions: tuple[date, ...] = Field(min_length=1)
    """The versions of the policy that the period's events fall under."""
    sources: tuple[Name, ...] = Field(min_length=1)
    """Every source read, also those that only give attributes or links: what is joined is declared."""
    attributes: dict[Name, Attribute] = Field(default_factory=dict)
    dimensions: dict[Name, DimensionSpec]
    tables: dict[Name, TableSpec] = Field(min_length=1)
    headlines: dict[Name, tuple[tuple[Name, ...], ...]] = Field(default_factory=dict)
    """By table, the margins that are never given up for other cells, each by its dimensions, the grand total by none.
    By default the grand total and each dimension alone that has a closed list of codes."""
    pins: dict[PersonsExpected, dict[Name, tuple[str, ...]]] = Field(default_factory=dict)
    """From how many persons expected on, which codes of a dimension stand by themselves; see `Release.pinned`."""
    protection: Protection

    def pinned(self, expected: int | None) -> Mapping[str, tuple[str, ...]]:
        """Return the codes that stand by themselves, by dimension; every code of a dimension that is not named does.

        A value counts under the nearest code at or above it that stands: by itself, where no code below that one does,
        else under the rest of it. What is pinned is fixed before a period is counted, since levels that followed the
        figures would tell of them.

        Args:
            expected: how many persons a home expects in a period, a declared figure; None stands for no bound.
        """
        sizes = [size for size in self.pins if expected is not None and size <= expected]
        return self.pins[max(sizes)] if sizes else {}

    @model_validator(mode="after")
    def _pins_are_for_every_size(self) -> Self:
        if self.pins and 0 not in self.pins:
            raise ValueError(f"`pins` begin with those from 0 persons on; there are those from {sorted(self.pins)} on")
        for size, pins in self.pins.items():
            for name in pins:
                if name not in self.dimensions:
                    raise ValueError(f"`pins` from {size} on name the unknown dimension {name!r}")
                if self.dimensions[name].open or self.dimensions[name].hierarchy == "mesh":
                    raise ValueError(f"`pins` from {size} on: {name!r} has no closed list of codes to pin")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, attribute in self.attributes.items():
            if attribute.source not in self.sources:
                raise ValueError(f"attribute {name!r} reads source {attribute.source!r}, which `sources` omits")
        for name, dimension in self.dimensions.items():
            if dimension.attribute is not None and dimension.attribute not in self.attributes:
                raise ValueError(f"dimension {name!r} names the unknown attribute {dimension.attribute!r}")
        for name, table in self.tables.items():
            unknown = sorted(set(table.dimensions) - set(self.dimensions))
            if unknown:
                raise ValueError(f"table {name!r} names unknown dimensions {unknown}; known: {sorted(self.dimensions)}")
            for measure in table.measures.values():
                if measure.source not in self.sources:
                    raise ValueError(f"table {name!r} reads source {measure.source!r}, which `sources` omits")
        return self

    @property
    def keeps_headlines(self) -> bool:
        """Whether its method hides figures one by one: drawn noise hides none, and what is withheld goes upward."""
        protection = self.protection
        if isinstance(protection, DifferentialPrivacy):
            return False
        return protection.zeros is Zeros.PUBLISHED or getattr(protection, "merge", None) is not None

    @model_validator(mode="after")
    def _headlines_are_margins(self) -> Self:
        if self.headlines and not self.keeps_headlines:
            raise ValueError(
                "`headlines` are for figures that are hidden one by one: `differential_privacy` hides none, and with"
                " `zeros: withheld` whatever covers a hidden one goes with it; leave them out"
            )
        for name, margins in self.headlines.items():
            if name not in self.tables:
                raise ValueError(f"`headlines` name the unknown table {name!r}; known: {sorted(self.tables)}")
            own = self.tables[name].dimensions
            where = f"`headlines` of table {name!r}"
            if not margins:
                raise ValueError(f"{where} name no margin: list some, such as `[]`, the grand total, or leave them out")
            for margin in margins:
                if unknown := sorted(set(margin) - set(own)):
                    raise ValueError(f"{where} name the unknown dimensions {unknown}; the table's: {sorted(own)}")
                if len(set(margin)) < len(margin):
                    raise ValueError(f"{where}: {list(margin)} is no margin: it names a dimension twice")
            if len({frozenset(margin) for margin in margins}) < len(margins):
                raise ValueError(f"{where} name a margin twice")
        return self

    @model_validator(mode="after")
    def _known_by_something(self) -> Self:
        for name, table in self.tables.items():
            of_persons = any(self.dimensions[d].kind is DimensionKind.PERSON for d in table.dimensions)
            for label, measure in table.measures.items():
                if measure.known and not of_persons:
                    raise ValueError(
                        f"table {name!r}, measure {label!r}: `known` is for tables with a `person` dimension, by whose"
                        " attribute somebody is known; leave it out"
                    )
        return self

    @model_validator(mode="after")
    def _can_be_merged(self) -> Self:
        name = getattr(self.protection, "merge", None)
        if name is None:
            return self
        merged = self.dimensions.get(name)
        if merged is None or merged.kind is not DimensionKind.EVENT or merged.hierarchy is None:
            raise ValueError(f"`merge` names an `event` dimension with a `hierarchy`, which {name!r} is not")
        if self.protection.zeros is not Zeros.WITHHELD:
            raise ValueError("`merge` goes with `zeros: withheld`: what is merged may hold nobody")
        (table, *others) = self.tables.values()
        populations = {(m.source, tuple(sorted(m.where.items()))) for m in table.measures.values()}
        kinds = {self.dimensions[d].kind for d in table.dimensions if d in self.dimensions}
        if others or name not in table.dimensions or len(populations) > 1 or kinds != {DimensionKind.EVENT}:
            raise ValueError(f"`merge` is for one table by {name!r} and other `event` dimensions, of one population")
        if any(m.kind is MeasureKind.TOTAL for m in table.measures.values()):
            raise ValueError("`merge` is for persons and person-days: totals of what is merged follow by subtraction")
        if any(self.dimensions[d].open for d in table.dimensions):
            raise ValueError("`merge` is for dimensions with known codes, none of them `open`")
        for pinned in sorted({dimension for pins in self.pins.values() for dimension in pins}):
            if len(self.dimensions[pinned].levels) > 1:  # what is merged is counted level by level
                raise ValueError(f"`merge` does not go with `pins` of {pinned!r}, which has several levels")
        return self

    @model_validator(mode="after")
    def _sensitive_dimensions_are_declared(self) -> Self:
        sensitive = getattr(self.protection, "sensitive", ())
        if unknown := sorted(set(sensitive) - set(self.dimensions)):
            raise ValueError(f"`sensitive` names unknown dimensions {unknown}; known: {sorted(self.dimensions)}")
        return self

    @model_validator(mode="after")
    def _measures_fit_the_method(self) -> Self:
        for name, table in self.tables.items():
            if table.days and isinstance(self.protection, DifferentialPrivacy):
                raise ValueError(f"table {name!r}: `days` divide person-days, which `differential_privacy` has not")
            for label, measure in table.measures.items():
                fault = _fault_of_measure(self.protection, label, measure)
                if fault is not None:
                    raise ValueError(f"table {name!r}, measure {label!r}: {fault}")
        return self

    @model_validator(mode="after")
    def _bounds_are_of_totals(self) -> Self:
        totals = {n for t in self.tables.values() for n, m in t.measures.items() if m.kind is MeasureKind.TOTAL}
        if unknown := sorted(set(getattr(self.protection, "most_per_person", ())) - totals):
            raise ValueError(f"`most_per_person` names {unknown}, which are no totals; there are {sorted(totals)}")
        return self

    @model_validator(mode="after")
    def _fit_for_the_mart(self) -> Self:
        for name, table in self.tables.items():
            in_mart = f"{self.release}__{name}__latest"
            if len(in_mart) > LONGEST_IDENTIFIER:
                raise ValueError(f"table {name!r}: {in_mart!r} is longer than {LONGEST_IDENTIFIER}, a database's limit")
            beside = {f"{measure}{end}" for measure in table.measures for end in BESIDE}
            if taken := sorted((RESERVED | beside) & {*table.dimensions, *table.measures}):
                raise ValueError(f"table {name!r} uses the reserved column names {taken}: name them otherwise")
        return self


def established_days(protection: Protection, dimensions: Iterable[DimensionSpec]) -> int:
    """Return on how many days an id is seen that counts for the threshold over some dimensions; 1 where each does."""
    if isinstance(protection, DifferentialPrivacy):
        return 1
    by_default = OPEN_ESTABLISHED_DAYS if any(dimension.open for dimension in dimensions) else 1
    return protection.established_days or by_default


def _fault_of_measure(protection: Protection, name: str, measure: MeasureSpec) -> str | None:
    """Return why a measure cannot be protected by the release's method, if it cannot."""
    if isinstance(protection, CellKey):
        return _fault_beside_cell_keys(protection, name, measure.kind)
    if not isinstance(protection, DifferentialPrivacy):
        return None
    if measure.kind is MeasureKind.PERSON_DAYS:
        return "`differential_privacy` protects persons and totals, not person-days"
    if measure.kind is MeasureKind.TOTAL and protection.max_per_cell is None:
        return "a total needs `protection.max_per_cell`, the most that a person contributes to one finest cell"
    if not name.endswith(BOUNDED):
        return f"its contributions are bounded, and its name says so: end it in {BOUNDED!r}"
    return None


def _fault_beside_cell_keys(protection: CellKey, name: str, kind: MeasureKind) -> str | None:
    if kind is MeasureKind.TOTAL and name not in protection.most_per_person:
        return f"a total needs `protection.most_per_person`, such as `{{{name}: 1000}}`: what nobody exceeds"
    if kind is MeasureKind.PERSONS:
        return None
    if protection.zeros is Zeros.WITHHELD:
        return "with `zeros: withheld`, `cell_key` is for persons alone: what sums tell is asked where all is listed"
    return protection.fault_of_totals
