"""Microdata: one row a person, k-anonymous, for people inside the house; the house rules give it to nobody outside.

What is written are generalized values alone: no pseudonym, no order, and nobody of a class of too few.
"""

from __future__ import annotations

import csv
import json
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anonymization.home import private_folder
from anonymization.microdata.criteria import Criterion, DistinctDiversity, KAnonymity
from anonymization.microdata.grouping import group_relation
from anonymization.microdata.hierarchy import Hierarchy
from anonymization.microdata.histogram import Histogram
from anonymization.microdata.lattice import Solution, search
from anonymization.policy.crosscheck import check_microdata
from anonymization.policy.decide import Clause
from anonymization.policy.load import Policies
from anonymization.policy.microdata import Microdata
from anonymization.tables.period import Period, parse_period
from anonymization.tables.profile import profile_sql, profile_statements
from anonymization.tables.spec import links_among
from jobs.build import find_inputs, opened_events, require_period
from jobs.declared_hierarchies import declared_hierarchy
from jobs.setting import Setting

RELATION = "profile"


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


def write_microdata(
    setting: Setting, name: str, period_text: str, *, engine: str = "duckdb", master: str | None = None
) -> Written:
    """Write the rows of a period; rows of an earlier run are replaced.

    Guarantees that at least k persons of the population share each row's quasi-identifiers, with as many sensitive
    values as declared.

    Raises:
        Refusal: the policy does not allow it, or no generalization does what is declared.
        InputError: no such declaration, or no events.
    """
    started = time.perf_counter()
    policies, spec = setting.policies, setting.policies.rows(name)
    period = parse_period(spec.period, period_text)
    clauses = check_microdata(spec, policies.policy, policies.sources, policies.links, policies.recipients)
    require_period(policies, f"microdata {name!r}", spec.policy_versions, period)
    histogram = _histogram(setting, spec, period, engine, master)
    asked: list[Criterion] = [KAnonymity(spec.k)]
    asked += [DistinctDiversity(spec.distinct_l)] if spec.distinct_l is not None else []
    solution = search(histogram, asked, suppression_limit=spec.suppression_limit)
    rows = frame_of(histogram, solution)
    report = _report(spec, period, histogram, solution, asked) | {"seconds": round(time.perf_counter() - started, 3)}
    folder = _written(setting, spec, period, rows, report, notice(spec, period, histogram, solution, asked, clauses))
    return Written(folder, report)


def _histogram(setting: Setting, spec: Microdata, period: Period, engine: str, master: str | None) -> Histogram:
    inputs = find_inputs(setting.home, spec.sources, period)
    whose = Profiled(period, *links_among(setting.policies, spec.sources))
    with opened_events(setting.home, setting.policies, inputs, engine=engine, master=master) as (opened, events):
        for statement in profile_statements(whose, spec.attributes, events):
            opened.create(statement.name, statement.sql)
        opened.create(RELATION, profile_sql(whose, list(spec.attributes), [spec.population], events))
        return group_relation(opened, RELATION, hierarchies(setting.policies, spec), sensitive=spec.sensitive)


def hierarchies(policies: Policies, spec: Microdata) -> list[Hierarchy]:
    """Return the hierarchy of each quasi-identifier, anything on top."""
    return [
        declared_hierarchy(policies, name, quasi.hierarchy, quasi.codelist)
        for name, quasi in spec.quasi_identifiers.items()
    ]


def frame_of(histogram: Histogram, solution: Solution) -> pd.DataFrame:
    """Return the rows: generalized quasi-identifiers and the sensitive value, sorted, so that order says nothing."""
    kept = np.flatnonzero(solution.kept)
    entries, persons = kept, histogram.counts[kept]
    sensitive = histogram.sensitive
    if sensitive is not None:
        spans = [np.arange(sensitive.starts[i], sensitive.starts[i + 1]) for i in kept]
        places = np.concatenate([*spans, np.empty(0, np.int64)]).astype(np.int64)
        entries, persons = np.repeat(kept, [len(span) for span in spans]), sensitive.counts[places]
    columns: dict[str, object] = {
        h.attribute: np.array(h.labels[level], object)[h.ancestors[level][histogram.tuples[entries, d]]]
        for d, (h, level) in enumerate(zip(histogram.hierarchies, solution.levels, strict=True))
    }
    if sensitive is not None:
        columns[sensitive.attribute] = np.array(sensitive.labels, object)[sensitive.codes[places]]
    frame = pd.DataFrame(columns)
    whole = frame.loc[np.repeat(np.arange(len(frame)), persons)]
    return whole.sort_values(list(columns), kind="stable", ignore_index=True)


def _report(
    spec: Microdata, period: Period, histogram: Histogram, solution: Solution, asked: Sequence[Criterion]
) -> dict[str, object]:
    return {
        "microdata": spec.microdata,
        "period": period.name,
        "asked": [str(criterion) for criterion in asked],
        "suppression_limit": spec.suppression_limit,
        "persons": histogram.persons,
        "left_out": solution.suppressed_records,
        "levels": dict(zip(histogram.attributes, solution.levels, strict=True)),
        "classes": solution.classes,
        "min_class": solution.min_class,
        "loss": solution.losses.loss,
        "loss_arithmetic": solution.losses.loss_arithmetic,
        "proven_optimal": solution.proven_optimal,
    }


def notice(
    spec: Microdata,
    period: Period,
    histogram: Histogram,
    solution: Solution,
    asked: Sequence[Criterion],
    clauses: Sequence[Clause],
) -> str:
    """Return NOTICE.md: the categories of items and the method, which the law asks to be told, and for whom it is."""
    chosen = zip(histogram.hierarchies, solution.levels, strict=True)
    items = [f"- {h.attribute}: {_method(h, level)}" for h, level in chosen]
    items += [f"- {spec.sensitive}: as it is, not generalized"] if spec.sensitive else []
    left_out = f"{solution.suppressed_records:,} of {histogram.persons:,}"
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
            f"Method: full-domain generalization to {' and '.join(map(str, asked))}; {left_out} persons were left out.",
            "Every other item, names and identifiers among them, was taken out. The rows are in order of their values.",
            "",
            "Allowed by:",
            "",
            *(f"- {clause}" for clause in clauses),
            "",
        ]
    )


def _method(hierarchy: Hierarchy, level: int) -> str:
    if level == 0:
        return "kept as it is"
    if level == hierarchy.levels - 1:
        return "taken out: one value for all"
    return f"generalized to level {level} of {hierarchy.levels - 1}, {len(hierarchy.labels[level])} values"


def _written(
    setting: Setting, spec: Microdata, period: Period, rows: pd.DataFrame, report: dict[str, object], told: str
) -> Path:
    """Write the folder beside its place, then put it there."""
    folder = setting.home.microdata / spec.microdata / period.name
    part = private_folder(folder.with_name(f".{period.name}.{secrets.token_hex(4)}"))
    try:
        rows.to_csv(part / "rows.csv", index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        rows.to_parquet(part / "rows.parquet", index=False)
        (part / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (part / "NOTICE.md").write_text(told, encoding="utf-8")
        for path in part.iterdir():
            path.chmod(0o600)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("microdata")
