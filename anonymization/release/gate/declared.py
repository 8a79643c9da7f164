"""Whether a package is what its release declares: columns, texts, and what the policy says now."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anonymization.errors import PolicyRefusal
from anonymization.policy.allowed import check_release
from anonymization.policy.calendar import iso_day
from anonymization.policy.periods import one_key_period
from anonymization.release.candidate import Candidate
from anonymization.release.gaps import Gaps
from anonymization.release.inputs import Inputs
from anonymization.release.package import Package
from anonymization.release.setting import Setting
from anonymization.tables.method import method_of
from anonymization.tables.model import SafeTable, error_column
from anonymization.tables.plan import Plan


def schema(plan: Plan, tables: Sequence[SafeTable]) -> pd.DataFrame:
    """Whether each table has exactly the columns that the release declares, of their types, and errors as they are."""
    rows = []
    declared = {table.name: table for table in plan.tables}
    stated = method_of(plan.method).errors(plan, plan.release.protection, tables)
    for table, beside in zip(tables, stated, strict=True):
        spec = declared[table.name]
        errors = [error_column(m) for m in spec.measures if error_column(m) in beside.frame.columns]
        expected = [d.name for d in spec.dimensions]
        expected += [name for m in spec.measures for name in (m.name, f"{m.name}_status")]
        expected += [*errors, *(["days"] if spec.days else [])]
        rows += [
            (table.name, name, name in table.frame.columns and beside.frame[name].equals(table.frame[name]))
            for name in errors
        ]
        rows += [(table.name, column, column in table.frame.columns) for column in expected]
        rows += [(table.name, column, column in expected) for column in table.frame.columns]
        rows += [(table.name, m.name, pd.api.types.is_integer_dtype(table.frame[m.name])) for m in table.measures]
    rows += [(name, "", name in {table.name for table in tables}) for name in declared]
    return pd.DataFrame(rows, columns=["table", "column", "as_described"])


def texts(package: Path) -> pd.DataFrame:
    """Return every text of a package but its manifest's digests: lines of texts, and distinct fields of tables."""
    rows: set[tuple[str, str]] = set()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        if path.suffix == ".csv":
            content = path.read_text(encoding="utf-8")
            rows |= {(name, field) for row in csv.reader(io.StringIO(content)) for field in row if field}
        elif path.suffix in (".md", ".json") and path.name != "MANIFEST.json":
            rows |= {(name, line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    return pd.DataFrame(sorted(rows), columns=["file", "text"])


def collected(inputs: Inputs, package: Package, gaps: Gaps, unknown: Gaps) -> pd.DataFrame:
    """Whether each source has logs of every day, or an officer knows of its gaps; whether the package tells them.

    It tells as well which days the policy does not allow to be used.
    """
    barred = {source: sorted(map(iso_day, days)) for source, days in inputs.barred.items()}
    rows = [
        (
            source,
            source not in unknown,
            package.lacking.get(source, []) == sorted(gaps.get(source, ()))
            and package.not_allowed.get(source, []) == barred.get(source, []),
        )
        for source in inputs.taken
    ]
    named = {*package.lacking, *package.not_allowed} - inputs.taken.keys()
    rows += [(source, True, False) for source in sorted(named)]
    return pd.DataFrame(rows, columns=["source", "complete_or_acknowledged", "told"])


def policy(setting: Setting, candidate: Candidate, plan: Plan) -> pd.DataFrame:
    """Whether the policy allows the release, of one key period, and is the one that it was built under."""
    policies, request = setting.policies, candidate.request
    try:
        check_release(plan.release, policies.policy, policies.sources, policies.links, policies.recipients)
        permitted = True
    except PolicyRefusal:
        permitted = False
    unchanged = request.built_under(policies.digest, policies.digest_of(request.release))
    row = (permitted, one_key_period(plan.period), unchanged)
    return pd.DataFrame([row], columns=["permitted", "one_key_period", "policy_unchanged"])
