"""Checks across files of the policy folder: what one names, another declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from anonymization.hierarchies.cut import faults
from anonymization.policy.decide import EXCEPTED, Clause
from anonymization.policy.microdata import Microdata
from anonymization.policy.model import PolicyDocument, Recipient
from anonymization.policy.protection import DifferentialPrivacy
from anonymization.policy.releases import DimensionSpec, MeasureKind, PeriodKind, Release, established_days
from anonymization.policy.sources import Source, Treatment

MESH = "mesh"
MESH_LEVELS = ("mesh4", "mesh3", "mesh2")
DAY, WEEK, DAY_TYPE = "day", "week", "day_type"
BY_DAY = (DAY, WEEK, DAY_TYPE)
"""Event dimensions that partition the days; the latter two are derived from the day."""
BY_WEEK = (WEEK,)
"""What is pinned of days."""
NOT_PINNED = (WEEK, DAY_TYPE, "hour", MESH)
OF_KNOWN_CODES = frozenset(
    (Treatment.CODE, Treatment.USER_AGENT, Treatment.DEVICE_MODEL, Treatment.AGE_BAND, Treatment.PREFECTURE)
)
"""Treatments that make codes of closed lists alone, which nobody's own text can enter."""

FEWEST_DAYS = {PeriodKind.MONTH: 28, PeriodKind.WEEK: 7, PeriodKind.DAY: 1}
"""Of a period of each kind."""

Hierarchies = Mapping[str, Mapping[str, tuple[str, ...]]]
Codelists = Mapping[str, Mapping[str, tuple[str, str]]]


def check_source(source: Source, policy: PolicyDocument, codelists: Codelists) -> list[str]:
    """Return what is wrong with a source, seen beside the policy and the code lists."""
    path = f"sources/{source.source}.yaml"
    errors = []
    known = sorted({name for one in policy.ever for name in one.information_types})
    if source.information_type not in known:
        errors.append(f"{path}: information_type: {source.information_type!r} is unknown; known: {known}")
    for name in source.purposes:
        stated = [one.purposes[name] for one in policy.ever if name in one.purposes]
        if not stated:
            errors.append(f"{path}: purposes: {name!r} is unknown; known: {_purposes(policy)}")
        elif not any(source.information_type in purpose.types for purpose in stated):
            errors.append(
                f"{path}: purposes: {name!r} ({stated[-1].clause}) does not cover {source.information_type!r}"
            )
    for name, column in source.columns.items():
        if column.treatment is Treatment.CODE and column.codes not in codelists:
            errors.append(f"{path}: columns.{name}.codes: no code list {column.codes!r}; known: {sorted(codelists)}")
        elif column.unlisted is not None and column.unlisted not in codelists[str(column.codes)]:
            errors.append(f"{path}: columns.{name}.unlisted: {column.unlisted!r} is no code of {column.codes!r}")
    return errors


def _purposes(policy: PolicyDocument) -> list[str]:
    """The purposes of every version: events may have been collected under an earlier one."""
    return sorted({name for one in policy.ever for name in one.purposes})


def check_choices(policy: PolicyDocument, sources: Mapping[str, Source]) -> list[str]:
    """Return namespaces by whose ids nobody can choose, and those by which somebody would choose what no source has."""
    of_sources = {person.namespace: name for name, source in sources.items() for person in source.persons}
    of_choices = {namespace: name for name, choice in policy.choices.items() for namespace in choice.namespaces}
    errors = [
        f"sources/{of_sources[namespace]}.yaml: persons: no choice of policy.yaml is made by ids of the namespace"
        f" {namespace!r}; add it to the `namespaces` of one of {sorted(policy.choices)}"
        for namespace in sorted(of_sources.keys() - of_choices.keys())
    ]
    return errors + [
        f"policy.yaml: choices.{of_choices[namespace]}.namespaces: no source has ids of {namespace!r};"
        f" there are {sorted(of_sources)}"
        for namespace in sorted(of_choices.keys() - of_sources.keys())
    ]


def check_recipients(policy: PolicyDocument, recipients: Mapping[str, Recipient]) -> list[str]:
    """Return recipients that are none of those whom the policy lists, or that lack a contract."""
    errors = []
    for name, recipient in recipients.items():
        party, of = policy.recipient_classes[recipient.recipient_class], recipient.recipient_class.value
        if party.members and recipient.member not in party.members:
            said = "names no `member`" if recipient.member is None else f"{recipient.member!r} is none of them"
            errors.append(
                f"recipients.yaml: {name}: the class {of} is a closed list, and {said}: {'; '.join(party.members)}."
                f" {Clause(party.clause, party.text)}"
            )
        if not party.members and recipient.member is not None:
            errors.append(f"recipients.yaml: {name}: the policy lists no members of the class {of}; leave `member` out")
        if party.needs_contract and recipient.contract is None:
            errors.append(f"recipients.yaml: {name}: a recipient of the class {of} needs a `contract`")
    return errors


def check_grounds(policy: PolicyDocument, recipients: Mapping[str, Recipient]) -> list[str]:
    """Return grounds for recipients that nobody knows, or that clause 3's exceptions are not about."""
    errors = []
    for name, ground in policy.grounds.items():
        for recipient in ground.recipients:
            where = f"policy.yaml: grounds.{name}.recipients: {recipient!r}"
            if recipient not in recipients:
                errors.append(f"{where} is unknown; known: {sorted(recipients)}")
            elif (of := recipients[recipient].recipient_class) not in EXCEPTED:
                classes = sorted(one.value for one in EXCEPTED)
                errors.append(
                    f"{where} is of the class {of.value}, which needs no exception of clause 3; allowed: {classes}"
                )
    return errors


def check_release_spec(
    release: Release,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    recipients: Mapping[str, Recipient],
    hierarchies: Hierarchies,
    codelists: Codelists,
) -> list[str]:
    """Return what is wrong with a release's declaration, seen beside the rest of the folder."""
    errors = _check_parties(release, policy, sources, recipients)
    if not set(release.sources) <= set(sources):
        return errors
    errors += _check_columns(release, sources)
    for name, dimension in release.dimensions.items():
        errors += _check_dimension(name, dimension, hierarchies, codelists)
    errors = errors or _check_pins(release, hierarchies, codelists)
    errors += _check_open(release, sources)
    if isinstance(release.protection, DifferentialPrivacy):
        return errors + _check_privacy(release, release.protection, policy)
    least = policy.minimum_count(tuple(sources[source].information_type for source in release.sources))
    if not _keywords(list(sources.values())).isdisjoint(dimension.column for dimension in release.dimensions.values()):
        least = max(least, policy.house_rules.minimum_publishable_counts.search_keywords)
    if release.protection.minimum_count < least:
        errors.append(f"protection.minimum_count: {release.protection.minimum_count} is below the house rule, {least}")
    return errors


def _check_privacy(release: Release, protection: DifferentialPrivacy, policy: PolicyDocument) -> list[str]:
    """What is wrong with what a release spends; a rule on true counts has no place beside drawn noise."""
    errors = [
        f"dimensions.{name}: what was typed is held back by a threshold alone; `differential_privacy` has none"
        for name, dimension in release.dimensions.items()
        if dimension.open
    ]
    budget = policy.house_rules.privacy_budget
    if budget is None:
        return [
            *errors,
            "protection: `differential_privacy` spends `house_rules.privacy_budget`: declare one",
        ]
    spent = {"rho": (protection.cost, budget.rho), "delta": (protection.delta or Decimal(0), budget.delta)}
    return errors + [
        f"protection.{name}: {cost:f} is more than the house's whole budget of a month, {most:f}"
        for name, (cost, most) in spent.items()
        if cost > most
    ]


def _check_parties(
    declared: Release | Microdata,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    recipients: Mapping[str, Recipient],
) -> list[str]:
    """What is wrong with the recipient, the purpose, the sources and the policy's versions that are named."""
    errors = []
    if declared.recipient not in recipients:
        errors.append(f"recipient: {declared.recipient!r} is unknown; known: {sorted(recipients)}")
    if declared.purpose not in _purposes(policy):
        errors.append(f"purpose: {declared.purpose!r} is unknown; known: {_purposes(policy)}")
    unknown = sorted(set(declared.sources) - set(sources))
    if unknown:
        errors.append(f"sources: {unknown} are unknown; known: {sorted(sources)}")
    versions = {version.effective for version in policy.versions}
    errors += [
        f"policy_versions: {v} is none of {sorted(map(str, versions))}"
        for v in declared.policy_versions
        if v not in versions
    ]
    return errors


def _produced(source: Source) -> set[str]:
    return {name for names in source.event_columns.values() for name in names}


def _check_columns(release: Release, sources: Mapping[str, Source]) -> list[str]:
    errors = []
    for name, attribute in release.attributes.items():
        if attribute.column not in _produced(sources[attribute.source]):
            known = sorted(_produced(sources[attribute.source]))
            errors.append(
                f"attributes.{name}: events of {attribute.source!r} have no {attribute.column!r}; they have {known}"
            )
    for name, table in release.tables.items():
        for label, measure in table.measures.items():
            produced = _produced(sources[measure.source]) | {DAY_TYPE, WEEK}
            event_columns = [release.dimensions[d].column for d in table.dimensions if release.dimensions[d].column]
            wanted = [*event_columns, *measure.where, *([measure.column] if measure.column else [])]
            errors += [
                f"tables.{name}.measures.{label}: events of {measure.source!r} have no {column!r};"
                f" they have {sorted(produced)}"
                for column in wanted
                if column not in produced
            ]
            if measure.kind is MeasureKind.TOTAL and measure.column in (*BY_DAY, "hour", MESH):
                errors.append(f"tables.{name}.measures.{label}: {measure.column!r} is no quantity")
    return errors


def _keywords(sources: Sequence[Source]) -> set[str]:
    """The event columns that hold search keywords."""
    return {
        column.into or name
        for source in sources
        for name, column in source.columns.items()
        if column.treatment is Treatment.KEYWORD
    }


def _check_open(release: Release, sources: Mapping[str, Source]) -> list[str]:
    """Codes of no closed list are data themselves: listed from N persons on, and over them persons alone are counted.

    Drawn noise has thresholds of its own.
    """
    keywords = _keywords([sources[source] for source in release.sources])
    drawn = isinstance(release.protection, DifferentialPrivacy)
    errors = _check_established(release)
    errors += [
        f"dimensions.{name}: without a `codelist` or a `hierarchy` a code of a few persons would be a label that is"
        " published; name one, or declare `open: true`: then codes of fewer persons than the minimum are not listed"
        for name, dimension in release.dimensions.items()
        if not (dimension.open or drawn or _closed(dimension, release, sources))
        or (dimension.column in keywords and not dimension.open)
    ]
    errors += [
        f"attributes.{name}: a search keyword is no attribute of a person"
        for name, attribute in release.attributes.items()
        if attribute.column in keywords
    ]
    for name, table in release.tables.items():
        kinds = {measure.kind for measure in table.measures.values()}
        if any(release.dimensions[d].open for d in table.dimensions) and (
            kinds != {MeasureKind.PERSONS}
            or len(table.measures) > 1
            or any(release.dimensions[d].attribute is not None for d in table.dimensions)
        ):
            errors.append(
                f"tables.{name}: over an open dimension one number of persons is counted, by event dimensions"
            )
    return errors


def _check_established(release: Release) -> list[str]:
    """An id is established by the days on which it is seen, which a period must have."""
    days, most = established_days(release.protection, release.dimensions.values()), FEWEST_DAYS[release.period]
    if days <= most:
        return []
    names_codes = any(dimension.open for dimension in release.dimensions.values())
    return [
        f"protection.established_days: nobody is seen on {days} days in a period of {most}; declare {most} at most"
        + (", and know that with 1 one person's many ids may name a code" if names_codes else "")
    ]


def _check_pins(release: Release, hierarchies: Hierarchies, codelists: Codelists) -> list[str]:
    errors = []
    for size, pins in release.pins.items():
        for name, codes in pins.items():
            spec = release.dimensions[name]
            where = f"pins.{size}.{name}"
            chains = spec.chains(hierarchies, codelists)
            if spec.column == DAY and codes != BY_WEEK:
                errors.append(f"{where}: days stand by themselves or as weeks: `[{WEEK}]` is what may be pinned")
            elif spec.column in NOT_PINNED or (chains is None and spec.column != DAY):
                errors.append(f"{where}: codes of texts are pinned, by a hierarchy or a code list, and days as weeks")
            elif chains is not None:
                errors += [f"{where}: they {fault}" for fault in faults(chains, spec.standing(chains, codes))]
    return errors


def _closed(dimension: DimensionSpec, release: Release, sources: Mapping[str, Source]) -> bool:
    """Whether all codes are known beforehand: by a code list or hierarchy, or as the intake makes no others."""
    if dimension.codelist is not None or dimension.hierarchy is not None:
        return True
    attribute = release.attributes.get(str(dimension.attribute))
    column = str(dimension.column) if attribute is None else attribute.column
    treatments = {
        source.columns[declared].treatment
        for source in (sources[name] for name in ([attribute.source] if attribute else release.sources))
        for declared, made in source.event_columns.items()
        if column in made
    }
    return column in (*BY_DAY, "hour", MESH) or (bool(treatments) and treatments <= OF_KNOWN_CODES)


def _check_dimension(name: str, dimension: DimensionSpec, hierarchies: Hierarchies, codelists: Codelists) -> list[str]:
    errors = []
    where = f"dimensions.{name}"
    if dimension.codelist is not None and dimension.codelist not in codelists:
        errors.append(f"{where}.codelist: {dimension.codelist!r} is unknown; known: {sorted(codelists)}")
    if dimension.hierarchy == MESH:
        at = [MESH_LEVELS.index(level) for level in dimension.levels if level in MESH_LEVELS]
        if len(at) != len(dimension.levels) or at != list(range(at[0], at[0] + len(at))):
            errors.append(f"{where}.levels: neighbouring levels of {list(MESH_LEVELS)}, finest first")
    elif dimension.hierarchy is not None and dimension.hierarchy not in hierarchies:
        errors.append(f"{where}.hierarchy: {dimension.hierarchy!r} is unknown; known: {sorted([*hierarchies, MESH])}")
    elif dimension.hierarchy is not None:
        depth = 1 + len(next(iter(hierarchies[dimension.hierarchy].values()), ()))
        if dimension.finest + len(dimension.levels) > depth:
            wanted = f"{len(dimension.levels)} levels from level {dimension.finest} on"
            errors.append(f"{where}.levels: {wanted}, but the hierarchy has {depth}")
        if dimension.hierarchy not in codelists:
            errors.append(f"{where}: codelists/{dimension.hierarchy}.csv labels the hierarchy's codes, and is missing")
        else:
            rows = hierarchies[dimension.hierarchy].items()
            codes = {code for value, parents in rows for code in (value, *parents)}
            bare = sorted(codes - set(codelists[dimension.hierarchy]))
            errors += [f"{where}: codelists/{dimension.hierarchy}.csv has no labels for {bare}"] if bare else []
            rests = sorted(code for code in codes if code.endswith("~"))
            errors += [f"{where}: codes ending in `~` are those of rests: {rests}"] if rests else []
    return errors


def check_microdata_spec(
    microdata: Microdata,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    recipients: Mapping[str, Recipient],
    hierarchies: Hierarchies,
    codelists: Codelists,
) -> list[str]:
    """Return what is wrong with a declaration of rows, seen beside the rest of the folder."""
    errors = _check_parties(microdata, policy, sources, recipients)
    if not set(microdata.sources) <= set(sources):
        return errors
    for name, attribute in microdata.attributes.items():
        source = sources[attribute.source]
        texts = _produced(source) - {DAY, "hour", MESH} - _keywords([source])
        if attribute.column not in texts:
            errors.append(f"attributes.{name}: {attribute.column!r} is no attribute in events of {attribute.source!r};"
                          f" these have {sorted(texts)}")  # fmt: skip
    for name, quasi in microdata.quasi_identifiers.items():
        kind, known = ("hierarchy", hierarchies) if quasi.hierarchy else ("codelist", codelists)
        named = getattr(quasi, kind)
        if named not in known:
            errors.append(f"quasi_identifiers.{name}.{kind}: {named!r} is unknown; known: {sorted(known)}")
    return errors
