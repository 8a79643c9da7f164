"""Writing a package, equal to the byte wherever and whenever it is built.

One pinned writer, rows sorted by key, integers only, no times, no Parquet statistics. Its digest is the
SHA-256 of `MANIFEST.json`, which holds the SHA-256 of every file.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.files import indented, private_folder, write_private
from anonymization.policy.decide import Clause
from anonymization.policy.releases import DimensionKind
from anonymization.release.manifest import MANIFEST
from anonymization.release.not_allowed import days_not_allowed
from anonymization.release.package import (
    OCCURRING,
    SAYS_WHAT_CODES_ARE,
    codelist_rows,
    spreadsheet_safe,
    table_csv,
)
from anonymization.release.texts import notice, readme
from anonymization.tables.method import method_of
from anonymization.tables.model import ERROR_LEVEL, REST, TOTAL, Dimension, Measure, SafeTable, error_column
from anonymization.tables.plan import Plan


def write_package(
    folder: Path,
    plan: Plan,
    tables: Sequence[SafeTable],
    clauses: Sequence[Clause],
    lacking: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Write a package into an empty folder and return its digest.

    Args:
        folder: where.
        plan: what the release declares.
        tables: what is safe of it.
        clauses: that allow it.
        lacking: by source the days, written YYYY-MM-DD, whose logs are missing.
    """
    files: dict[str, bytes] = {}
    for table in tables:
        files[f"tables/{table.name}.csv"] = table_csv(table)
        files[f"tables/{table.name}.parquet"] = _table_parquet(table)
        for dimension in table.dimensions:
            files[f"codelists/{dimension.name}.csv"] = _codelist(dimension)
    descriptor = _descriptor(plan, tables, lacking)
    files["datapackage.json"] = indented(descriptor).encode()
    files["data-dictionary.csv"] = _dictionary(tables)
    files["NOTICE.md"] = notice(plan.release, plan.period, clauses).encode()
    files["README.md"] = readme(plan, tables, lacking).encode()
    files[MANIFEST] = indented(
        {"files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}}
    ).encode()
    for name, content in files.items():
        path = folder / name
        private_folder(path.parent)
        write_private(path, content)
    return hashlib.sha256(files[MANIFEST]).hexdigest()


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


def _codelist(dimension: Dimension) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("code", "parent", "level", "label_en", "label_ja"))
    writer.writerows([[spreadsheet_safe(value) for value in row] for row in codelist_rows(dimension)])
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
            english, japanese = _of_known(table, measure)
            meaning = f"{measure.title['en']}: {measure.how.meaning}{english}"
            writer.writerow((table.name, measure.name, meaning, f"{measure.title['ja']}{japanese}"))
            status = "F: free. C: confidential, the figure is empty"
            writer.writerow((table.name, f"{measure.name}_status", status, "F: 公表、C: 秘匿"))
            if error_column(measure) in table.frame.columns:
                within = (
                    f"How far off by noise: {ERROR_LEVEL:.0%} of figures or more are within so much, above or below"
                )
                ja = f"ノイズによる誤差の幅: 公表値の{ERROR_LEVEL:.0%}以上がこの範囲内"
                writer.writerow((table.name, error_column(measure), within, ja))
        if table.days:
            writer.writerow((table.name, "days", "Days of this day type in the period (a denominator)", "期間内の日数"))
    return buffer.getvalue().encode()


def _of_known(table: SafeTable, measure: Measure) -> tuple[str, str]:
    """What is said of a measure that leaves out whose attributes are not known, in English and Japanese."""
    people = [d.title for d in table.dimensions if d.kind is DimensionKind.PERSON] if measure.known else []
    if not people:
        return "", ""
    english, japanese = (joint.join(title[of] for title in people) for joint, of in ((" or ", "en"), ("・", "ja")))
    return f"; without persons of unknown {english.lower()}", f"（{japanese}が不明な人を除く）"


def _descriptor(plan: Plan, tables: Sequence[SafeTable], lacking: Mapping[str, Sequence[str]]) -> dict[str, Any]:
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
            **({"lacking": {source: list(days) for source, days in sorted(lacking.items())}} if lacking else {}),
            **({"not_allowed": days_not_allowed(plan.barred)} if plan.barred else {}),
            "metadata": SAYS_WHAT_CODES_ARE,
            "protection": method_of(plan.method).described(release.protection),
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
        if error_column(measure) in table.frame.columns:
            title = f"{measure.title['en']}: within so much, {ERROR_LEVEL:.0%} of figures"
            fields.append({"name": error_column(measure), "type": "integer", "title": title})
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
                **({"consists_of": {code: list(of) for code, of in d.consists.items()}} if d.consists else {}),
                **({} if d.closed else {"codes": OCCURRING}),
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
                    **({"filtered_of": {k: list(v) for k, v in m.lists.items()}} if m.lists else {}),
                    "links": m.links,
                    **({"known": "persons of whom every attribute that the table is by is known"} if m.known else {}),
                },
                **({"column": m.column} if m.column is not None else {}),
                **(
                    {"error": {"column": error_column(m), "level": f"{ERROR_LEVEL}"}}
                    if error_column(m) in table.frame.columns
                    else {}
                ),
                **({} if m.how.persons else {"contributions_of": table.persons_of(m).name}),
            }
            for m in table.measures
        },
        "days": table.days,
        "confidential": "somebody" if table.zeros_shown else "somebody or nobody",
        "not_listed": "fewer persons than the minimum publishable count, or none" if table.withheld else "none",
    }
