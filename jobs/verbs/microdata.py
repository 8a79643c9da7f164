"""Write the k-anonymous rows NAME of policies/microdata/, for people inside the house.

One row a person; the house rules give them to nobody outside. What is written are generalized values alone: no
pseudonym, no order, and nobody of a class of too few.
"""

from __future__ import annotations

import csv
import itertools
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq

from anonymization.engine.base import private_folder_of_this_run
from anonymization.files import indented, private_folder, private_stream, write_private
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import Criterion, DistinctDiversity, KAnonymity
from anonymization.microdata.files.published import Published, published_of_histogram, published_of_relation
from anonymization.microdata.full_domain.search import Choice, search
from anonymization.microdata.full_domain.search_in_engine import search_relation
from anonymization.microdata.histogram.coded import Coded, code_relation, histogram_limit
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.histogram.of_relation import fetch_histogram
from anonymization.policy.allowed import check_microdata
from anonymization.policy.decide import Clause
from anonymization.policy.in_force import Barred, barred
from anonymization.policy.load import Policies
from anonymization.policy.microdata import Microdata
from anonymization.policy.periods import Period, parse_period
from anonymization.policy.requests import today
from anonymization.release.inputs import left_out_of, opened_events, require_period
from anonymization.release.left_out import LeftOut, told_of_choices
from anonymization.release.not_allowed import count_not_allowed, days_not_allowed, told_of_not_allowed
from anonymization.release.setting import Setting, opened
from anonymization.release.states import inputs_of
from anonymization.tables.counting.persons import profile_sql, profile_statements
from anonymization.tables.plan import links_among
from jobs.declared_hierarchies import declared_hierarchy
from jobs.options import engine_option, master_option, period_option

RELATION = "profile"


@click.command("microdata", help=__doc__)
@click.argument("name")
@period_option
@engine_option
@master_option
def command(name: str, period: str, engine: str, master: str | None) -> None:
    with opened() as setting:
        written = write_microdata(setting, name, period, engine=engine, master=master)
    for figure, value in written.report.items():
        click.echo(f"{figure}: {value}")
    click.echo(written.folder)


@dataclass(frozen=True)
class Profiled:
    """Whose events count; see `tables.facts.Whose`."""

    period: Period
    linking: str | None
    linked: frozenset[str]


@dataclass(frozen=True)
class Written:
    """The rows of one period.

    Attributes:
        folder: `rows.csv`, `rows.parquet`, `report.json` and `NOTICE.md`, readable by their owner alone.
        report: what was asked and achieved; no row's value is in it.
    """

    folder: Path
    report: dict[str, object]


@dataclass(frozen=True, eq=False)
class Found:
    """What is to be written.

    Attributes:
        hierarchies: one a quasi-identifier.
        persons: of the population.
        choice: the generalization.
        published: the rows.
        in_engine: whether the nodes were evaluated there, because the histogram has too many tuples to be fetched.
    """

    hierarchies: tuple[Hierarchy, ...]
    persons: int
    choice: Choice
    published: Published
    in_engine: bool


def write_microdata(
    setting: Setting, name: str, period_text: str, *, engine: str = "duckdb", master: str | None = None
) -> Written:
    """Write the rows of a period; rows of an earlier run are replaced.

    Guarantees that at least k persons of the population share each row's quasi-identifiers, with as many sensitive
    values as declared.

    Raises:
        Refusal: the policy does not allow it, or no generalization does what is declared.
        InputError: no such declaration, no events, or a setting that is none.
    """
    started = time.perf_counter()
    policies, spec = setting.policies, setting.policies.rows(name)
    period = parse_period(spec.period, period_text)
    known = (policies.policy, policies.sources, policies.links, policies.recipients)
    clauses = check_microdata(spec, *known, on=today(policies))
    require_period(policies, f"microdata {name!r}", spec.policy_versions, period)
    not_used = barred(policies, spec, period)
    limit = histogram_limit()
    spilled = private_folder_of_this_run(setting.home.temporary, "rows")
    try:
        with _coded(setting, spec, period, not_used, engine, master) as (coded, left_out, not_read):
            given = _found_in_engine(spec, coded, spilled) if coded.tuples > limit else fetch_histogram(coded)
        found = given if isinstance(given, Found) else _found_in_memory(spec, given)
        told = left_out.told(_least(policies, spec))
        report = _report(spec, period, found) | {"left_out_by_choice": told_of_choices(told)}
        report |= {"not_allowed": told_of_not_allowed(not_read)} if not_read else {}
        report |= {"seconds": round(time.perf_counter() - started, 3)}
        folder = _written(
            setting, spec, period, found.published, report, notice(spec, period, found, clauses, not_used)
        )
    finally:
        shutil.rmtree(spilled, ignore_errors=True)
    return Written(folder, report)


@contextmanager
def _coded(
    setting: Setting, spec: Microdata, period: Period, days: Mapping[str, Barred], engine: str, master: str | None
) -> Iterator[tuple[Coded, LeftOut, Mapping[str, Mapping[str, Any]]]]:
    """Yield the distinct tuples of the population's attributes, in an engine; who was left out; what is not read."""
    inputs = inputs_of(setting, spec.sources, period, barred=days)
    whose = Profiled(period, *links_among(setting.policies, spec.sources))
    with opened_events(setting.home, setting.policies, inputs, engine=engine, master=master) as (opened, events):
        for statement in profile_statements(whose, spec.attributes, events):
            opened.create(statement.name, statement.sql)
        opened.create(RELATION, profile_sql(whose, list(spec.attributes), [spec.population], events))
        coded = code_relation(opened, RELATION, hierarchies(setting.policies, spec), sensitive=spec.sensitive)
        opened.drop(RELATION)
        not_read = count_not_allowed(opened, setting, inputs, days, _least(setting.policies, spec))
        yield coded, left_out_of(opened, setting.home, inputs, spec.sources), not_read


def _least(policies: Policies, spec: Microdata) -> int:
    """By what numbers of persons are rounded down before they are told."""
    types = tuple(policies.sources[source].information_type for source in spec.sources)
    return max(spec.k, policies.policy.minimum_count(types))


def _found_in_memory(spec: Microdata, histogram: Histogram) -> Found:
    solution = search(histogram, asked_of(spec), suppression_limit=spec.suppression_limit)
    published = published_of_histogram(histogram, solution)
    return Found(histogram.hierarchies, histogram.persons, solution, published, in_engine=False)


def _found_in_engine(spec: Microdata, coded: Coded, spilled: Path) -> Found:
    """Search without fetching the histogram; what is published lies in the folder then, and not in the engine."""
    choice = search_relation(coded, asked_of(spec), suppression_limit=spec.suppression_limit)
    published = published_of_relation(coded, choice, asked_of(spec), spilled / "groups.parquet")
    return Found(coded.hierarchies, coded.persons, choice, published, in_engine=True)


def asked_of(spec: Microdata) -> list[Criterion]:
    """Return the criteria that are declared."""
    diverse = [] if spec.distinct_l is None else [DistinctDiversity(spec.distinct_l)]
    return [KAnonymity(spec.k), *diverse]


def hierarchies(policies: Policies, spec: Microdata) -> list[Hierarchy]:
    """Return the hierarchy of each quasi-identifier, anything on top."""
    return [
        declared_hierarchy(policies, name, quasi.hierarchy, quasi.codelist)
        for name, quasi in spec.quasi_identifiers.items()
    ]


def _report(spec: Microdata, period: Period, found: Found) -> dict[str, object]:
    choice = found.choice
    return {
        "microdata": spec.microdata,
        "requested_by": spec.owner,
        "period": period.name,
        "asked": [str(criterion) for criterion in asked_of(spec)],
        "suppression_limit": spec.suppression_limit,
        "persons": found.persons,
        "left_out": choice.suppressed_records,
        "levels": dict(zip(spec.quasi_identifiers, choice.levels, strict=True)),
        "classes": choice.classes,
        "min_class": choice.min_class,
        "loss": choice.losses.loss,
        "loss_arithmetic": choice.losses.loss_arithmetic,
        "proven_optimal": choice.proven_optimal,
        "evaluated_in": "engine" if found.in_engine else "memory",
    }


def notice(
    spec: Microdata,
    period: Period,
    found: Found,
    clauses: Sequence[Clause],
    not_used: Mapping[str, Barred],
) -> str:
    """Return NOTICE.md: the categories of items and the method, which the law asks to be told, and for whom it is."""
    chosen = zip(found.hierarchies, found.choice.levels, strict=True)
    items = [f"- {h.attribute}: {_method(h, level)}" for h, level in chosen]
    items += [f"- {spec.sensitive}: as it is, not generalized"] if spec.sensitive else []
    asked = " and ".join(map(str, asked_of(spec)))
    left_out = f"{found.choice.suppressed_records:,} of {found.persons:,}"
    return "\n".join(
        [
            f"# {spec.title.en} ({spec.title.ja}), {period.name}",
            "",
            f"{spec.description.en} {spec.description.ja}",
            "",
            "**These rows stay inside the house.** They remain personal information in law; the house rules give them",
            "to nobody outside, whoever it is.",
            "",
            "Categories of items, and what was done to each:",
            "",
            *items,
            "",
            f"Method: full-domain generalization to {asked}; {left_out} persons were left out.",
            "Every other item, names and identifiers among them, was taken out. The rows are in order of their values.",
            "",
            "Allowed by:",
            "",
            *(f"- {clause}" for clause in clauses),
            "",
            *_not_used(not_used),
        ]
    )


def _not_used(barred: Mapping[str, Barred]) -> list[str]:
    days = [f"- {source}: {', '.join(of)}" for source, of in days_not_allowed(barred).items()]
    return ["Not used, as the policy in force on these days does not allow it:", "", *days, ""] if days else []


def _method(hierarchy: Hierarchy, level: int) -> str:
    if level == 0:
        return "kept as it is"
    if level == hierarchy.levels - 1:
        return "taken out: one value for all"
    return f"generalized to level {level} of {hierarchy.levels - 1}, {len(hierarchy.labels[level])} values"


def _written(
    setting: Setting, spec: Microdata, period: Period, published: Published, report: dict[str, object], told: str
) -> Path:
    """Write the folder beside its place, then put it there."""
    folder = setting.home.microdata / spec.microdata / period.name
    part = private_folder(folder.with_name(f".{period.name}.{secrets.token_hex(4)}"))
    try:
        _write_rows(published, part)
        write_private(part / "report.json", indented(report, as_given=True))
        write_private(part / "NOTICE.md", told)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_rows(published: Published, folder: Path) -> None:
    """Write the rows as CSV and Parquet, a part at a time."""
    tables = published.tables()
    first = next(tables)
    with (
        private_stream(folder / "rows.csv") as lines,
        private_stream(folder / "rows.parquet") as columns,
        pq.ParquetWriter(columns, first.schema) as file,
    ):
        for number, table in enumerate(itertools.chain([first], tables)):
            file.write_table(table)
            table.to_pandas().to_csv(
                lines, mode="wb", index=False, header=number == 0, quoting=csv.QUOTE_MINIMAL, lineterminator="\n"
            )
