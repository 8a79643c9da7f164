"""The package: what a recipient gets, read back from its files alone.

It is written by `package_writing`; what a reading checks against is here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.errors import IntegrityError, ProtectionError
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.release.manifest import check_manifest
from anonymization.tables.method import method_of
from anonymization.tables.model import REST_LEVEL, TOTAL, Dimension, Measure, SafeTable

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""
ALL = {"en": "All", "ja": "全体"}
SAYS_WHAT_CODES_ARE = 2
"""From this `metadata` on a description says what coarser codes consist of, and of which list a filter takes codes."""
OCCURRING = "those that occur"
"""What the description says of a dimension whose code list is not closed."""


@dataclass(frozen=True)
class Package:
    """A package read back from its files alone."""

    digest: str
    descriptor: Mapping[str, Any]
    tables: tuple[SafeTable, ...]

    @property
    def lacking(self) -> Mapping[str, list[str]]:
        """By source the days whose logs are missing."""
        return dict(self.descriptor["noren"].get("lacking", {}))

    @property
    def not_allowed(self) -> Mapping[str, list[str]]:
        """By source the days that were collected under a version of the policy which does not allow their use."""
        return dict(self.descriptor["noren"].get("not_allowed", {}))

    @property
    def says_what_codes_are(self) -> bool:
        """Whether an audit can relate groupings and filters by what they consist of, not by their codes alone."""
        return int(self.descriptor["noren"].get("metadata", 1)) >= SAYS_WHAT_CODES_ARE


def table_csv(table: SafeTable) -> bytes:
    """Return a table as CSV: empty where confidential, the status beside it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.frame.columns)
    texts = table.frame.astype(object).where(table.frame.notna(), "")
    for row in texts.itertuples(index=False):
        writer.writerow([spreadsheet_safe(value) for value in row])
    return buffer.getvalue().encode()


def spreadsheet_safe(value: object) -> object:
    """Return a value as a file holds it: a text that a spreadsheet would run as a formula gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _as_written(field: str) -> str:
    """The text that `spreadsheet_safe` made the field of."""
    return field[1:] if field.startswith("'") and field[1:].startswith(FORMULA) else field


def codelist_rows(dimension: Dimension) -> list[tuple[str, str, str, str, str]]:
    """Return a dimension's codes, the total first: code, parent, level, English and Japanese label."""
    rows = [(TOTAL, "", "", ALL["en"], ALL["ja"])]
    for code in sorted(dimension.parents):
        english, japanese = dimension.labels.get(code, (code, code))
        rows.append((code, dimension.parents[code], dimension.level_of[code], english, japanese))
    return rows


def read_package(folder: Path) -> Package:
    """Read a package back, from its files alone, after its manifest was checked.

    Raises:
        IntegrityError: the package is not what its manifest says, or not what a package is.
    """
    digest = check_manifest(folder)
    try:
        descriptor = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
        block = descriptor["noren"]
        least, method = minimum_count(block), Method(block["protection"]["method"])
        tables = tuple(_read_table(folder, name, table, least, method) for name, table in block["tables"].items())
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, ProtectionError) as error:
        raise IntegrityError(f"the package cannot be read back: {type(error).__name__}") from None
    return Package(digest, descriptor, tables)


def minimum_count(block: Mapping[str, Any]) -> int:
    """Return the minimum publishable count; 1 where drawn noise protects and no rule looks at true counts.

    Raises:
        KeyError: it is not said, though the method has one: nothing would be too few.
        ProtectionError: the method is unknown.
    """
    said = block["protection"]
    if method_of(said["method"]).drawn:
        return int(said.get("minimum_publishable_count", 1))
    return int(said["minimum_publishable_count"])


def _read_table(folder: Path, name: str, block: Mapping[str, Any], least: int, method: Method) -> SafeTable:
    frame = pq.read_table(folder / f"tables/{name}.parquet", partitioning=None).to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype()}.get
    )
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
            {k: tuple(v) for k, v in spec["population"].get("filtered_of", {}).items()},
            "known" in spec["population"],
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
        zeros_shown=block["confidential"] == "somebody", method=method,
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
        consists={code: tuple(of) for code, of in spec.get("consists_of", {}).items()},
        closed="codes" not in spec,
    )
