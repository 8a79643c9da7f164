"""The texts of a package: what it is, and how to read it."""

from __future__ import annotations

from collections.abc import Sequence

from anonymization.policy.decide import Clause
from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey, DifferentialPrivacy, Protection
from anonymization.policy.releases import Release
from anonymization.tables.model import REST, TOTAL, SafeTable

UNIT = "a person in a calendar month"
"""What differential privacy protects: everything that one person did in it."""


def protection_block(protection: Protection) -> dict[str, object]:
    """Return what a package says of its protection: what an auditor needs, and nothing that helps an attacker.

    Of cell keys the noise's own parameters are secret; of differential privacy everything is public.
    """
    if not isinstance(protection, DifferentialPrivacy):
        return {"method": protection.method, "minimum_publishable_count": protection.minimum_count}
    spent = {"rho": protection.rho, "epsilon": protection.epsilon, "delta": protection.delta}
    bounds = {"max_cells": protection.max_cells, "max_per_cell": protection.max_per_cell}
    return {
        "method": protection.method,
        "mechanism": protection.mechanism.value,
        "unit": UNIT,
        **{name: f"{amount:f}" for name, amount in spent.items() if amount is not None},
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }


def _what_it_holds(protection: Protection) -> str:
    """How each figure was protected, for NOTICE.md."""
    if isinstance(protection, DifferentialPrivacy):
        return (
            "It holds no information about an\nindividual: every figure carries random noise, so that it would be"
            " about as likely if any one person were left out\n(differential privacy; `datapackage.json` says how"
            " much)."
        )
    held = (
        "It holds no information about an\nindividual: every figure counts at least"
        f" {protection.minimum_count} distinct persons, or is zero, or is withheld."
    )
    if isinstance(protection, CellKey):
        held += (
            "\nA figure was changed by a little, at random but always in the same way for the same persons; so figures"
            " do not add up."
        )
    return held


def notice(release: Release, period: Period, clauses: Sequence[Clause]) -> str:
    """Return NOTICE.md: what the material is, on which clauses it stands, and what its recipient may not do."""
    quoted = "\n".join(f"- {clause}" for clause in clauses)
    return f"""# Notice

{release.title.en} ({release.title.ja}), {period.name}

This is statistical material, processed so that no person can be identified. {_what_it_holds(release.protection)}

It is provided under the privacy policy in force since {", ".join(v.isoformat() for v in release.policy_versions)}:

{quoted}

The recipient must not try to identify a person from it, alone or together with other information, and must not
undo what was withheld.
"""


def readme(release: Release, period: Period, tables: Sequence[SafeTable]) -> str:
    """Return README.md: the tables, their columns, and how totals and withheld figures are written."""
    lines = [
        f"# {release.title.en}",
        "",
        f"{release.title.ja}",
        "",
        f"{release.description.en} {release.description.ja}",
        "",
        f"Period: {period.first_date} to {period.last_date}.",
        "",
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
    elif not isinstance(release.protection, DifferentialPrivacy):
        lines.append("Zeros are figures: nobody is there.")
    lines += _on_noise(release.protection)
    lines += [
        "",
        "Numbers of distinct persons do not add up over dimensions in which a person may be in several classes",
        "(kind `event` in `datapackage.json`); they do over those in which each person has one (kind `person`).",
    ]
    return "\n".join(lines) + "\n"


def _on_noise(protection: Protection) -> list[str]:
    """How to read figures with noise."""
    if isinstance(protection, CellKey):
        return [
            "",
            "Figures carry a small noise: read small differences as none, and do not add figures up.",
        ]
    if isinstance(protection, DifferentialPrivacy):
        return [
            "",
            "Figures carry random noise, and may be negative: they are right on average, also in sums, so do not cut",
            "them off at zero before adding. A combination that is not listed has few persons, or none. Each person",
            f"counts in at most {protection.max_cells} of the finest cells of a table.",
        ]
    return []
