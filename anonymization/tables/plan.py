"""From a declared release to a plan: every name resolved, every code known, nothing left to look up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from anonymization.errors import InputError
from anonymization.hierarchies.cut import standing
from anonymization.policy.calendar import DAY_OFF, WEEKDAY, days_off, iso_day, iso_week
from anonymization.policy.crosscheck import BY_DAY, BY_WEEK, DAY, DAY_TYPE, WEEK
from anonymization.policy.in_force import Barred, barred
from anonymization.policy.load import Policies
from anonymization.policy.periods import Period
from anonymization.policy.protection import Method, Zeros
from anonymization.policy.releases import Attribute, DimensionKind, DimensionSpec, Release, established_days
from anonymization.policy.sources import NOT_SPECIFIED, UNKNOWN
from anonymization.tables.headlines import Margin, by_default
from anonymization.tables.model import REST, REST_LEVEL, TOTAL, Dimension, Measure

ALL_LABELS = ("all", "全体")
NOT_SPECIFIED_LABELS = ("Not specified", "特定せず")
MAXIMUM_DAYS = 62
"""Days are bits of a BIGINT; a longer period would need a wider mask."""


@dataclass(frozen=True)
class TablePlan:
    """One table, resolved.

    Attributes:
        established: on how many days an id is seen that counts for the threshold; 1 where each does.
        headlines: the margins that are never given up for other cells.
    """

    name: str
    title: Mapping[str, str]
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    days: bool
    established: int = 1
    headlines: frozenset[Margin] = frozenset()


@dataclass(frozen=True)
class Plan:
    """A release of one period, resolved.

    Attributes:
        columns: event column of each event dimension.
        attributes: attribute of each person dimension.
        linking: the source that proves links, if the release reads it, else null.
        linked: sources whose persons may be linked.
        judging: a source that proves links which the release does not read: it tells which ids are one person, for the
            threshold alone.
        judged: sources whose ids it may link.
        members: sources whose persons are all members, whom a source that proves links links to.
        off: days off in the period.
        recodes: of a dimension that is published from coarser codes: value to code.
        expected: how many persons the home expected in a period, which its pins were chosen by, if it did.
        barred: by source the days whose events are not read, as the version of the policy that was in force then does
            not allow it.
    """

    release: Release
    period: Period
    tables: tuple[TablePlan, ...]
    columns: Mapping[str, str]
    attributes: Mapping[str, Attribute]
    linking: str | None
    linked: frozenset[str]
    judging: str | None
    judged: frozenset[str]
    members: frozenset[str]
    off: tuple[int, ...]
    recodes: Mapping[str, Mapping[str, str]]
    minimum_count: int
    withheld: bool
    expected: int | None = None
    barred: Mapping[str, Barred] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        """How the release is protected."""
        return Method(self.release.protection.method)

    @property
    def counted(self) -> frozenset[str]:
        """The sources of its measures."""
        return frozenset(measure.source for table in self.tables for measure in table.measures)

    def counts_holders(self, table: TablePlan, source: str) -> bool:
        """Whether the threshold counts others than the ids of a source: `counting/holders.py`."""
        return source in self.judged or (table.established > 1 and source not in self.members)

    def code_of_day(self, column: str, day: int) -> str:
        """Return the code of a day in a dimension that partitions the days."""
        if column == DAY_TYPE:
            return DAY_OFF if day in self.off else WEEKDAY
        return iso_week(day) if column == WEEK else iso_day(day)


def resolve(policies: Policies, release: Release, period: Period, *, expected: int | None = None) -> Plan:
    """Return the plan of a release's issue.

    Args:
        policies: the policy folder.
        release: a release of it.
        period: what it covers.
        expected: how many persons the home expects in a period; it chooses the release's pins.

    Raises:
        InputError: the period is longer than a key period allows.
    """
    if period.days > MAXIMUM_DAYS:
        raise InputError(f"{period.name} has {period.days} days; a release covers at most {MAXIMUM_DAYS}")
    off = days_off(period)
    linking, linked = links_among(policies, release.sources)
    judging, judged = links_beside(policies, release)
    pins = release.pinned(expected)
    specs = {name: _by_week(spec) if pins.get(name) == BY_WEEK else spec for name, spec in release.dimensions.items()}
    resolved = {name: _dimension(name, spec, policies, release, period, pins.get(name)) for name, spec in specs.items()}
    dimensions = {name: dimension for name, (dimension, _) in resolved.items()}
    tables = tuple(
        TablePlan(
            name=name,
            title=table.title.model_dump(),
            dimensions=tuple(dimensions[d] for d in table.dimensions),
            measures=tuple(
                Measure(
                    m,
                    spec.title.model_dump(),
                    spec.kind,
                    spec.source,
                    dict(spec.where),
                    spec.column,
                    linking if spec.source in {linking, *linked} else None,
                    _closed_lists(policies, spec.source, spec.where),
                    spec.known,
                )
                for m, spec in table.measures.items()
            ),
            days=table.days,
            established=established_days(release.protection, (release.dimensions[d] for d in table.dimensions)),
            headlines=_headlines(release, name, [dimensions[d] for d in table.dimensions]),
        )
        for name, table in release.tables.items()
    )
    return Plan(
        release=release,
        period=period,
        tables=tables,
        columns={name: spec.column for name, spec in specs.items() if spec.column is not None},
        attributes={
            name: release.attributes[spec.attribute]
            for name, spec in release.dimensions.items()
            if spec.attribute is not None
        },
        linking=linking,
        linked=linked,
        judging=judging,
        judged=judged,
        members=frozenset(
            name
            for name in release.sources
            if {p.namespace for p in policies.sources[name].persons} <= {link.to.namespace for link in policies.links}
        ),
        off=off,
        recodes={name: recodes for name, (_, recodes) in resolved.items() if recodes},
        minimum_count=release.protection.minimum_count,
        withheld=release.protection.zeros is Zeros.WITHHELD,
        expected=expected,
        barred=barred(policies, release, period),
    )


def _headlines(release: Release, table: str, dimensions: Sequence[Dimension]) -> frozenset[Margin]:
    """The margins that are declared, or those by default where the method can keep any."""
    if table in release.headlines:
        return frozenset(map(Margin, release.headlines[table]))
    return by_default(dimensions) if release.keeps_headlines else frozenset()


def _by_week(spec: DimensionSpec) -> DimensionSpec:
    """A dimension of days whose weeks stand, no day by itself."""
    return spec.model_copy(update={"column": WEEK, "levels": (WEEK,)})


def _closed_lists(policies: Policies, source: str, columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Every code that an event may hold, of each column that is held to a code list."""
    declared = {column.into or name: column for name, column in policies.sources[source].columns.items()}
    found = {}
    for name in columns:
        if (column := declared.get(name)) is not None and column.codes is not None:
            unknown = (UNKNOWN,) if column.optional else ()
            found[name] = tuple(dict.fromkeys((*policies.codelists[column.codes], *unknown)))
    return found


def links_among(policies: Policies, names: Sequence[str]) -> tuple[str | None, frozenset[str]]:
    """Return, of some sources, the one that proves links, if there is one, and those whose persons it may link."""
    linking = next((link for link in policies.links if link.source in names), None)
    if linking is None:
        return None, frozenset()
    linked = frozenset(
        name
        for name in names
        if name != linking.source
        and any(person.namespace == linking.from_.namespace for person in policies.sources[name].persons)
    )
    return linking.source, linked


def links_beside(policies: Policies, release: Release) -> tuple[str | None, frozenset[str]]:
    """Return a source that proves links which a release counts persons across, unlinked, and the sources of these.

    A house rule: that a release does not read a log of links makes no two persons of one.
    """
    counted = {measure.source for table in release.tables.values() for measure in table.measures.values()}
    if release.protection.minimum_count > 1:
        for link in policies.links:
            linkable = frozenset(
                source
                for source in counted
                if any(person.namespace == link.from_.namespace for person in policies.sources[source].persons)
            )
            if linkable and link.source not in release.sources:
                return link.source, linkable
    return None, frozenset()


def _dimension(
    name: str, spec: DimensionSpec, policies: Policies, release: Release, period: Period, pins: Sequence[str] | None
) -> tuple[Dimension, dict[str, str]]:
    """A dimension, and which code each value of it counts under where that is another than its own."""
    parents: dict[str, str] = {}
    level_of: dict[str, str] = {}
    labels: dict[str, tuple[str, str]] = {}
    consists: dict[str, tuple[str, ...]] = {}
    recodes: dict[str, str] = {}
    if (chains := spec.chains(policies.hierarchies, policies.codelists)) is not None:
        declared = policies.codelists[str(spec.hierarchy or spec.codelist)]
        last = len(spec.levels) - 1
        for value, stands in standing(chains, None if pins is None else spec.standing(chains, pins)).items():
            level = min(stands.depth, last)
            path = (stands.code, *chains[value][level + 1 : last + 1])
            for code, of, above in zip(path, spec.levels[level:], (*path[1:], TOTAL), strict=True):
                parents[code], level_of[code] = above, of
            labels |= {code: declared[code] for code in path[1:]} | {stands.code: stands.labels(declared)}
            if stands.code != value:
                consists[stands.code] = (*consists.get(stands.code, ()), value)
            recodes[value] = stands.code
    elif spec.column in (DAY, WEEK):
        labels = _labels_of_days(str(spec.column), period)
        parents = dict.fromkeys(labels, TOTAL)
        level_of = dict.fromkeys(labels, spec.levels[0])
    dimension = Dimension(
        name=name,
        title=spec.title.model_dump(),
        kind=DimensionKind(spec.kind),
        levels=spec.levels,
        parents=parents,
        level_of=level_of,
        labels=labels,
        complete=bool(parents),
        by_day=spec.column in BY_DAY,
        open=spec.open,
        concept=_concept(spec, release, period),
        merged=getattr(release.protection, "merge", None) == name,
        consists=consists,
        closed=bool(parents),
    )
    return dimension, recodes if consists else {}


def _concept(spec: DimensionSpec, release: Release, period: Period) -> str:
    """What a dimension classifies: a column of events, or an attribute as it is resolved in this period."""
    if spec.attribute is None:
        return f"column {spec.column}"
    attribute = release.attributes[spec.attribute]
    return f"attribute {attribute.source}.{attribute.column} {attribute.resolve.value} {period.name}"


def _labels_of_days(column: str, period: Period) -> dict[str, tuple[str, str]]:
    """The codes of a period's days or weeks; a week that reaches out of the period says which days of it count."""
    if column == DAY:
        return {code: (code, code) for code in map(iso_day, range(period.first, period.past))}
    weeks: dict[str, list[int]] = {}
    for day in range(period.first, period.past):
        weeks.setdefault(iso_week(day), []).append(day)
    return {
        week: (f"{iso_day(days[0])} to {iso_day(days[-1])}", f"{iso_day(days[0])}〜{iso_day(days[-1])}")
        for week, days in weeks.items()
    }


def with_codes(dimension: Dimension, codes: set[str]) -> Dimension:
    """Return the dimension with the codes that the data brought: a mesh, a dimension without a code list, a rest."""
    if dimension.merged:
        rests = {code for code in codes if code.endswith(REST)}
        listed = {code.removesuffix(REST) for code in codes}
        return _with_rests(replace(with_codes(replace(dimension, merged=False), listed), merged=True), rests)
    if dimension.complete:
        return dimension
    parents: dict[str, str] = {}
    level_of: dict[str, str] = {}
    for code in sorted(_with_ancestors(codes - {TOTAL}, dimension)):
        level = dimension.levels[0] if len(dimension.levels) == 1 else _mesh_level(code)
        above = _mesh_parent(code) if len(dimension.levels) > 1 else None
        parents[code] = above if above is not None and level != dimension.levels[-1] else TOTAL
        level_of[code] = level
    return Dimension(
        name=dimension.name,
        title=dimension.title,
        kind=dimension.kind,
        levels=dimension.levels,
        parents=parents,
        level_of=level_of,
        labels={code: NOT_SPECIFIED_LABELS if code == NOT_SPECIFIED else (code, code) for code in parents},
        complete=False,
        by_day=dimension.by_day,
        open=dimension.open,
        concept=dimension.concept,
        closed=False,
    )


def _with_rests(dimension: Dimension, rests: set[str]) -> Dimension:
    parents, level_of, labels = dict(dimension.parents), dict(dimension.level_of), dict(dimension.labels)
    for code in sorted(rests):
        above = code.removesuffix(REST)
        english, japanese = ALL_LABELS if above == TOTAL else dimension.labels.get(above, (above, above))
        parents[code], level_of[code] = above, REST_LEVEL
        labels[code] = (f"Rest of {english}", f"{japanese}の残り")
    return replace(dimension, parents=parents, level_of=level_of, labels=labels, rests=frozenset(rests))


def _with_ancestors(codes: set[str], dimension: Dimension) -> set[str]:
    """The codes and every code above them up to the top published level, listed or not."""
    found = set(codes)
    if len(dimension.levels) > 1:
        above = {_mesh_parent(code) for code in codes if _mesh_level(code) != dimension.levels[-1]} - {None}
        while above - found:
            new = {code for code in above if code is not None} - found
            found |= new
            above = {_mesh_parent(code) for code in new if _mesh_level(code) != dimension.levels[-1]} - {None}
    return found


MESH_DIGITS = {9: "mesh4", 8: "mesh3", 6: "mesh2"}
MESH_PARENT = {9: 8, 8: 6}


def _mesh_level(code: str) -> str:
    return MESH_DIGITS[len(code)]


def _mesh_parent(code: str) -> str | None:
    digits = MESH_PARENT.get(len(code))
    return None if digits is None else code[:digits]
