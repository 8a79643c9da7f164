"""The texts of a package: what it is, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anonymization.policy.decide import Clause
from anonymization.policy.periods import Period
from anonymization.policy.releases import Release
from anonymization.release.not_allowed import days_not_allowed
from anonymization.tables.method import method_of
from anonymization.tables.model import REST, TOTAL, SafeTable
from anonymization.tables.plan import Plan


def notice(release: Release, period: Period, clauses: Sequence[Clause]) -> str:
    """Return NOTICE.md: what the material is, on which clauses it stands, and what its recipient may not do."""
    quoted = "\n".join(f"- {clause}" for clause in clauses)
    told = method_of(release.protection.method).told(release.protection)
    return f"""# Notice

{release.title.en} ({release.title.ja}), {period.name}

This is statistical material, processed so that no person can be identified. {told.notice}

It is provided under the privacy policy in force since {", ".join(v.isoformat() for v in release.policy_versions)}:

{quoted}

The recipient must not try to identify a person from it, alone or together with other information, and must not
undo what was withheld.
"""


def readme(plan: Plan, tables: Sequence[SafeTable], lacking: Mapping[str, Sequence[str]]) -> str:
    """Return README.md: the tables, their columns, and how totals and withheld figures are written."""
    release, period = plan.release, plan.period
    told = method_of(release.protection.method).told(release.protection)
    lines = [
        f"# {release.title.en}",
        "",
        f"{release.title.ja}",
        "",
        f"{release.description.en} {release.description.ja}",
        "",
        f"Period: {period.first_date} to {period.last_date}.",
        "",
        *_lacking(lacking),
        *_not_allowed(plan),
        "| table | title | dimensions | measures |",
        "|---|---|---|---|",
    ]
    for table in tables:
        measures = ", ".join(measure.name for measure in table.measures)
        lines.append(f"| `tables/{table.name}` | {table.title['en']} | {', '.join(table.keys)} | {measures} |")
    lines += [
        "",
        "Each table comes as CSV and as Parquet, with equal content. A row is a cell: one column a dimension, with",
        f"its code or `{TOTAL}` for the total; rows of every level of a hierarchy stand side by side. After each",
        "measure stands its status: `F` free, `C` confidential (the figure is empty). `codelists/` explains the codes,",
        "`data-dictionary.csv` the columns, and `datapackage.json` has everything a program needs.",
        "",
    ]
    if any(dimension.merged for table in tables for dimension in table.dimensions):
        lines += [
            f"A code followed by `{REST}` is the rest of that code: everything below it that has no row of its own at",
            "the same other codes. What is a rest's at one hour, say, may have a row of its own at another.",
        ]
    if any(table.withheld for table in tables):
        lines.append("A combination that is not listed has fewer persons than the minimum publishable count, or none.")
    elif told.zeros:
        lines.append("Zeros are figures: nobody is there.")
    if told.reading:
        lines += ["", *told.reading]
    lines += [
        "",
        "Numbers of distinct persons do not add up over dimensions in which a person may be in several classes",
        "(kind `event` in `datapackage.json`); they do over those in which each person has one (kind `person`).",
    ]
    return "\n".join(lines) + "\n"


def _lacking(lacking: Mapping[str, Sequence[str]]) -> list[str]:
    """What was not collected, so that nobody takes it for zero."""
    if not lacking:
        return []
    return [
        "**Incomplete.** Logs of some days were not collected, or not all of them. What happened on them is in no",
        "figure, or in part: a zero of such a day says nothing, and figures of longer spans are too small.",
        "",
        *(f"- {source}: {', '.join(days)}" for source, days in sorted(lacking.items())),
        "",
    ]


def _not_allowed(plan: Plan) -> list[str]:
    """What was collected under a version of the policy that does not allow it, so that nobody takes it for zero."""
    if not plan.barred:
        return []
    return [
        "**Not used.** What was collected on these days came under a version of the privacy policy that does not allow",
        "its use for this material. It is in no figure: a zero of such a day says nothing, figures of longer spans are",
        "of the other days alone, and a number of `days` counts these days all the same.",
        "",
        *(f"- {source}: {', '.join(days)}" for source, days in days_not_allowed(plan.barred).items()),
        "",
    ]
