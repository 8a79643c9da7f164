"""The analysts' mart: every version that is out, as tables to be queried.

The mart is made equal to the ledger: versions that are out and not in it are loaded, withdrawn ones are removed.
It holds what left the house and nothing else, so it can be made again at any time.

Schema `statistics`, the same in a DuckDB file and in PostgreSQL:

- `<release>__<table>`: one table a release table, with `period` and `version` before its own columns;
- `<release>__<table>__latest`: of each period, the newest version that is out;
- `publications`: what is loaded; `codelists`: the codes with their parents, levels and labels.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from anonymization.errors import IntegrityError
from anonymization.home import Home
from anonymization.quoting import quoted
from anonymization.release.delivered import whole_copy
from anonymization.release.ledger.ledger import Ledger, Publication
from anonymization.release.mart.database import SCHEMA, MartDatabase, open_mart
from anonymization.release.mart.state import loaded, published
from anonymization.release.package import Package, codelist_rows, read_package
from anonymization.tables.model import SafeTable

PUBLICATIONS = {"release": "text", "period": "text", "version": "bigint", "digest": "text", "candidate": "text"}
CODELISTS = {
    "release": "text", "period": "text", "version": "bigint", "dimension": "text",
    "code": "text", "parent": "text", "level": "text", "label_en": "text", "label_ja": "text",
}  # fmt: skip
FIRST = {"period": "The period, YYYY-MM or YYYY-MM-DD", "version": "The version; a higher one replaces a lower one"}
ONE_VERSION = "release = ? AND period = ? AND version = ?"


def sync(home: Home, ledger: Ledger) -> tuple[list[Publication], list[Publication]]:
    """Make the mart equal to what the ledger says is out, all of it or nothing; return what came and what went.

    A version that is damaged, and its candidate too, is left out by its name, and stops no other.

    Raises:
        IntegrityError: versions are left out; all else was done.
        NorenError: the mart's database cannot be reached, or does not do it.
    """
    damaged = []
    with open_mart(home) as database:
        _prepare(database)
        out, there = published(ledger), loaded(database)
        new, gone = [p for p in out if p not in there], [p for p in there if p not in out]
        for publication in gone:
            _remove(database, publication)
        for publication in list(new):
            try:
                folder = whole_copy(home, publication)
                package = read_package(folder)
            except IntegrityError as error:
                damaged.append(str(error))
                new.remove(publication)
                continue
            _load(database, publication, package, folder)
    if damaged:
        raise IntegrityError(f"not loaded, though all else is: {'; '.join(damaged)}")
    return new, gone


def mart_table(release: str, table: str) -> str:
    """Return the name of a release table in the mart, without its schema."""
    return f"{release.replace('-', '_')}__{table}"


def _prepare(database: MartDatabase) -> None:
    database.rows(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    _make(database, "publications", PUBLICATIONS)
    _make(database, "codelists", CODELISTS)
    _describe(database, "TABLE", "publications", "Versions that are out and loaded here")
    _describe(database, "TABLE", "codelists", "Codes of every dimension, with parent, level and labels")


def _load(database: MartDatabase, publication: Publication, package: Package, folder: Path) -> None:
    p = publication
    meanings = _meanings(folder)
    for table in package.tables:
        _load_table(database, publication, table, meanings)
    dimensions = {dimension.name: dimension for table in package.tables for dimension in table.dimensions}
    for dimension in dimensions.values():
        codes = pd.DataFrame(codelist_rows(dimension), columns=["code", "parent", "level", "label_en", "label_ja"])
        codes.insert(0, "dimension", dimension.name)
        database.load("codelists", _versioned(codes, p, release=True))
    database.rows(
        f"INSERT INTO {SCHEMA}.publications ({', '.join(PUBLICATIONS)}) VALUES (?, ?, ?, ?, ?)",
        (p.release, p.period, p.version, p.digest, p.candidate),
    )


def _load_table(
    database: MartDatabase, publication: Publication, table: SafeTable, meanings: Mapping[tuple[str, str], str]
) -> None:
    name = mart_table(publication.release, table.name)
    kinds = {c: "bigint" if pd.api.types.is_integer_dtype(t) else "text" for c, t in table.frame.dtypes.items()}
    columns = {"period": "text", "version": "bigint", **{str(c): kind for c, kind in kinds.items()}}
    _make(database, name, columns)
    database.load(name, _versioned(table.frame, publication))
    newest = f"SELECT max(p.version) FROM {SCHEMA}.publications p WHERE p.release = {_text(publication.release)}"
    chosen = ", ".join(map(quoted, columns))
    database.rows(
        f"CREATE OR REPLACE VIEW {SCHEMA}.{quoted(name + '__latest')} AS SELECT {chosen}"
        f" FROM {SCHEMA}.{quoted(name)} t WHERE t.version = ({newest} AND p.period = t.period)"
    )
    _describe(database, "TABLE", name, table.title["en"])
    _describe(database, "VIEW", f"{name}__latest", f"{table.title['en']}: the newest version of each period")
    for column in columns:
        meaning = FIRST.get(column) or meanings[table.name, column]
        database.rows(f"COMMENT ON COLUMN {SCHEMA}.{quoted(name)}.{quoted(column)} IS {_text(meaning)}")


def _versioned(frame: pd.DataFrame, publication: Publication, *, release: bool = False) -> pa.Table:
    """Return rows with the version that they are of."""
    content = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    own = {"release": publication.release} if release else {}
    for column, value in {"version": publication.version, "period": publication.period, **own}.items():
        kind = pa.int64() if isinstance(value, int) else pa.string()
        content = content.add_column(0, column, pa.array([value] * len(frame), kind))
    return content


def _remove(database: MartDatabase, publication: Publication) -> None:
    p = publication
    prefix = mart_table(p.release, "")
    for name in database.tables():
        if name.startswith(prefix):
            database.rows(
                f"DELETE FROM {SCHEMA}.{quoted(name)} WHERE period = ? AND version = ?", (p.period, p.version)
            )
    for name in ("codelists", "publications"):
        database.rows(f"DELETE FROM {SCHEMA}.{name} WHERE {ONE_VERSION}", (p.release, p.period, p.version))


def _make(database: MartDatabase, name: str, columns: Mapping[str, str]) -> None:
    """Make a table, or give it the columns that a newer version brought."""
    fields = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    database.rows(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{quoted(name)} ({fields})")
    for column in columns.keys() - set(database.columns(name)):
        database.rows(f"ALTER TABLE {SCHEMA}.{quoted(name)} ADD COLUMN {quoted(column)} {columns[column]}")


def _describe(database: MartDatabase, kind: str, name: str, meaning: str) -> None:
    database.rows(f"COMMENT ON {kind} {SCHEMA}.{quoted(name)} IS {_text(meaning)}")


def _meanings(folder: Path) -> dict[tuple[str, str], str]:
    """Return the data dictionary: table and column to meaning."""
    with (folder / "data-dictionary.csv").open(encoding="utf-8", newline="") as file:
        return {(row["table"], row["column"]): row["meaning_en"] for row in csv.DictReader(file)}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
