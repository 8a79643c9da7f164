"""The package: what a recipient gets, equal to the byte wherever and whenever it is built.

One pinned writer, rows sorted by key, integers only, no times, no Parquet statistics. Its digest is the
SHA-256 of `MANIFEST.json`, which holds the SHA-256 of every file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.errors import IntegrityError
from anonymization.home import private_folder
from anonymization.policy.decide import Clause
from anonymization.policy.periods import EPOCH, Period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.release.manifest import MANIFEST, canonical_file, check_manifest
from anonymization.release.texts import notice, protection_block, readme
from anonymization.tables.model import REST, REST_LEVEL, TOTAL, Dimension, Measure, SafeTable
from anonymization.tables.sheets import Issue
from anonymization.tables.spec import Plan

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""
ALL = {"en": "All", "ja": "全体"}


@dataclass(frozen=True)
class Package:
    """A package read back from its files alone."""

    digest: str
    descriptor: Mapping[str, Any]
    tables: tuple[SafeTable, ...]


def write_package(folder: Path, plan: Plan, tables: Sequence[SafeTable], clauses: Sequence[Clause]) -> str:
    """Write a package into an empty folder and return its digest."""
    files: dict[str, bytes] = {}
    for table in tables:
        files[f"tables/{table.name}.csv"] = table_csv(table)
        files[f"tables/{table.name}.parquet"] = _table_parquet(table)
        for dimension in table.dimensions:
            files[f"codelists/{dimension.name}.csv"] = _codelist(dimension)
    descriptor = _descriptor(plan, tables)
    files["datapackage.json"] = canonical_file(descriptor)
    files["data-dictionary.csv"] = _dictionary(tables)
    files["NOTICE.md"] = notice(plan.release, plan.period, clauses).encode()
    files["README.md"] = readme(plan.release, plan.period, tables).encode()
    files[MANIFEST] = canonical_file(
        {"files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}}
    )
    for name, content in files.items():
        path = folder / name
        private_folder(path.parent)
        path.write_bytes(content)
        path.chmod(0o600)
    return hashlib.sha256(files[MANIFEST]).hexdigest()


def table_csv(table: SafeTable) -> bytes:
    """Return a table as CSV: empty where confidential, the status beside it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.frame.columns)
    texts = table.frame.astype(object).where(table.frame.notna(), "")
    for row in texts.itertuples(index=False):
        writer.writerow([_spreadsheet_safe(value) for value in row])
    return buffer.getvalue().encode()


def _spreadsheet_safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _as_written(field: str) -> str:
    """The text that `_spreadsheet_safe` made the field of."""
    return field[1:] if field.startswith("'") and field[1:].startswith(FORMULA) else field


def _table_parquet(table: SafeTable) -> bytes:
    fields = [
        pa.field(name, pa.int64() if pd.api.types.is_integer_dtype(dtype) else pa.string())
        for name, dtype in table.frame.dtypes.items()
    ]
    arrow = pa.Table.from_pandas(table.frame, schema=pa.schema(fields), preserve_index=False).replace_schema_metadata(
        None
    )
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink, compression="zstd", write_statistics=False, store_schema=False, use_dictionary=False)
    return bytes(sink.getvalue().to_pybytes())


def codelist_rows(dimension: Dimension) -> list[tuple[str, str, str, str, str]]:
    """Return a dimension's codes, the total first: code, parent, level, English and Japanese label."""
    rows = [(TOTAL, "", "", ALL["en"], ALL["ja"])]
    for code in sorted(dimension.parents):
        english, japanese = dimension.labels.get(code, (code, code))
        rows.append((code, dimension.parents[code], dimension.level_of[code], english, japanese))
    return rows


def _codelist(dimension: Dimension) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("code", "parent", "level", "label_en", "label_ja"))
    writer.writerows([[_spreadsheet_safe(value) for value in row] for row in codelist_rows(dimension)])
    return buffer.getvalue().encode()


def _dictionary(tables: Sequence[SafeTable]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("table", "column", "meaning_en", "meaning_ja"))
    for table in tables:
        for dimension in table.dimensions:
            meaning = f"{dimension.title['en']}; codes in codelists/{dimension.name}.csv; {TOTAL} is the total"
            writer.writerow((table.name, dimension.name, meaning, dimension.title["ja"]))
        for measure in table.measures:
            writer.writerow((table.name, measure.name, _meaning(measure), measure.title["ja"]))
            status = "F: free. C: confidential, the figure is empty"
            writer.writerow((table.name, f"{measure.name}_status", status, "F: 公表、C: 秘匿"))
        if table.days:
            writer.writerow((table.name, "days", "Days of this day type in the period (a denominator)", "期間内の日数"))
    return buffer.getvalue().encode()


def _meaning(measure: Measure) -> str:
    return {
        MeasureKind.PERSONS: f"{measure.title['en']}: distinct persons",
        MeasureKind.PERSON_DAYS: f"{measure.title['en']}: distinct pairs of person and day; by days, the daily mean",
        MeasureKind.TOTAL: f"{measure.title['en']}: total",
    }[measure.kind]


def _descriptor(plan: Plan, tables: Sequence[SafeTable]) -> dict[str, Any]:
    release = plan.release
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": f"{release.release}-{plan.period.name}",
        "title": release.title.en,
        "description": release.description.en,
        "resources": [_resource(table, extension) for table in tables for extension in ("csv", "parquet")],
        "noren": {
            "release": release.release,
            "recipient": release.recipient,
            "purpose": release.purpose,
            "policy_versions": [version.isoformat() for version in release.policy_versions],
            "period": {
                "name": plan.period.name,
                "first_day": plan.period.first_date.isoformat(),
                "last_day": plan.period.last_date.isoformat(),
            },
            "protection": protection_block(release.protection),
            "tables": {table.name: _audit_block(table) for table in tables},
        },
    }


def _resource(table: SafeTable, extension: str) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [
        {"name": d.name, "type": "string", "title": d.title["en"], "constraints": {"required": True}}
        for d in table.dimensions
    ]
    for measure in table.measures:
        fields.append({"name": measure.name, "type": "integer", "title": measure.title["en"]})
        fields.append({"name": f"{measure.name}_status", "type": "string", "constraints": {"enum": ["F", "C"]}})
    if table.days:
        fields.append({"name": "days", "type": "integer", "title": "Days"})
    schema = {"fields": fields, "primaryKey": table.keys, "missingValues": [""]}
    return {
        "name": f"{table.name}-{extension}",
        "path": f"tables/{table.name}.{extension}",
        "format": extension,
        "mediatype": "text/csv" if extension == "csv" else "application/vnd.apache.parquet",
        "title": table.title["en"],
        "schema": schema,
    }


def _audit_block(table: SafeTable) -> dict[str, Any]:
    """What an auditor needs without asking."""
    return {
        "title": dict(table.title),
        "dimensions": {
            d.name: {
                "kind": d.kind.value,
                "levels": list(d.levels),
                "title": dict(d.title),
                "by_day": d.by_day,
                "concept": d.concept,
                **(
                    {"merged": f"{REST} after a code: everything below it that is not listed at the same coordinates"}
                    if d.merged
                    else {}
                ),
                **(
                    {"open": "codes of fewer persons than the minimum publishable count are not listed"}
                    if d.open
                    else {}
                ),
            }
            for d in table.dimensions
        },
        "measures": {
            m.name: {
                "kind": m.kind.value,
                "title": dict(m.title),
                "population": {
                    "source": m.source,
                    "filter": {k: list(v) for k, v in m.where.items()},
                    "links": m.links,
                },
                **({"column": m.column} if m.column is not None else {}),
                **({} if m.kind is MeasureKind.PERSONS else {"contributions_of": table.persons_of(m).name}),
            }
            for m in table.measures
        },
        "days": table.days,
        "confidential": "somebody" if table.zeros_shown else "somebody or nobody",
        "not_listed": "fewer persons than the minimum publishable count, or none" if table.withheld else "none",
    }


def read_package(folder: Path) -> Package:
    """Read a package back, from its files alone, after its manifest was checked.

    Raises:
        IntegrityError: the package is not what its manifest says, or not what a package is.
    """
    digest = check_manifest(folder)
    try:
        descriptor = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
        block = descriptor["noren"]
        least = _minimum_count(block)
        method = Method(block["protection"]["method"])
        tables = tuple(
            replace(_read_table(folder, name, table, least), method=method) for name, table in block["tables"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise IntegrityError(f"the package cannot be read back: {type(error).__name__}") from None
    return Package(digest, descriptor, tables)


def issue_of(package: Package, name: str) -> Issue:
    """Return what a package tells of its period, as the audit reads it.

    Args:
        package: the package.
        name: what messages call it: release, period and version.

    Raises:
        IntegrityError: its description does not say of which days it is.
    """
    block = package.descriptor["noren"]
    try:
        first, last = (date.fromisoformat(block["period"][key]) for key in ("first_day", "last_day"))
    except (KeyError, ValueError):
        raise IntegrityError(f"{name}: the description does not name the first and last day") from None
    kind = {1: PeriodKind.DAY, 7: PeriodKind.WEEK}.get((last - first).days + 1, PeriodKind.MONTH)
    period = Period(kind, block["period"]["name"], (first - EPOCH).days, (last - EPOCH).days + 1)
    return Issue(name, period, package.tables, _minimum_count(block))


def _minimum_count(block: Mapping[str, Any]) -> int:
    """The minimum publishable count; 1 where noise protects and no rule looks at true counts."""
    return int(block["protection"].get("minimum_publishable_count", 1))


def _read_table(folder: Path, name: str, block: Mapping[str, Any], least: int) -> SafeTable:
    frame = pq.read_table(folder / f"tables/{name}.parquet").to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    order = list(frame.columns)  # the description's keys are sorted; the columns keep the declared order
    dimensions = tuple(_read_dimension(folder, d, block["dimensions"][d]) for d in order if d in block["dimensions"])
    measures = tuple(
        Measure(
            m,
            spec["title"],
            MeasureKind(spec["kind"]),
            spec["population"]["source"],
            {k: tuple(v) for k, v in spec["population"]["filter"].items()},
            spec.get("column"),
            spec["population"]["links"],
        )
        for m, spec in sorted(block["measures"].items(), key=lambda item: order.index(item[0]))
    )
    if len(dimensions) != len(block["dimensions"]):
        raise IntegrityError(f"tables/{name}.parquet lacks a dimension that the description names")
    if block["days"]:
        frame["days"] = frame["days"].astype("int64")
    table = SafeTable(
        name, block["title"], dimensions, measures, frame, least,
        days=block["days"], withheld=block["not_listed"] != "none",
        zeros_shown=block["confidential"] == "somebody",
    )  # fmt: skip
    if table_csv(table) != (folder / f"tables/{name}.csv").read_bytes():
        raise IntegrityError(f"tables/{name}.csv and tables/{name}.parquet do not say the same")
    return table


def _read_dimension(folder: Path, name: str, spec: Mapping[str, Any]) -> Dimension:
    with (folder / f"codelists/{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: _as_written(text) for key, text in row.items()} for row in csv.DictReader(file)]
    rows = [row for row in rows if row["code"] != TOTAL]
    return Dimension(
        name=name,
        title=spec["title"],
        kind=DimensionKind(spec["kind"]),
        levels=tuple(spec["levels"]),
        parents={row["code"]: row["parent"] for row in rows},
        level_of={row["code"]: row["level"] for row in rows},
        labels={row["code"]: (row["label_en"], row["label_ja"]) for row in rows},
        complete=True,
        by_day=bool(spec["by_day"]),
        open="open" in spec,
        concept=spec["concept"],
        merged="merged" in spec,
        rests=frozenset(row["code"] for row in rows if "merged" in spec and row["level"] == REST_LEVEL),
    )
