"""Read a Parquet file once, column by column: the one reader that decides what its rows are.

Arrow checks every page and every text of the columns in use. A file whose types both engines read alike is then read as
it lies; otherwise a copy with the columns in use, in the types that they read, takes its place for the one reading.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.deidentify.columns import compare_columns, unique, used
from anonymization.deidentify.screening import Screened
from anonymization.engine.base import ORIGIN
from anonymization.errors import SourceError
from anonymization.policy.sources import Clock, Source, TimeEncoding, Treatment

INSTANT, LOCAL = pa.timestamp("us", "UTC"), pa.timestamp("us")
AT_A_TIME = 1 << 16
"""Rows that are looked at together."""
AS_NUMBERS = frozenset((Treatment.PSEUDONYM, Treatment.CODE, Treatment.INTEGER, Treatment.VERSION))
"""Treatments of texts that may be delivered as whole numbers."""
EPOCHS = frozenset((TimeEncoding.EPOCH_SECONDS, TimeEncoding.EPOCH_MILLISECONDS))


def screen_parquet(path: Path, digest: str, source: Source, *, workspace: Path) -> Screened:
    """Screen a Parquet file: all of its rows are readable, under a plain name in `workspace`.

    Raises:
        SourceError: it is damaged, lacks a declared column, has one twice, or one of another type than declared.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        raise SourceError(
            f"{path.name} is not a whole Parquet file; source {source.source!r} declares Parquet"
        ) from None
    readable = workspace / f"{digest[:16]}.parquet"
    readable.unlink(missing_ok=True)
    with file:
        schema = file.schema_arrow
        undeclared = compare_columns(source, unique(source, schema.names, path.name), path.name)
        instants = {
            column.path
            for column in map(file.schema.column, range(len(file.schema)))
            if column.physical_type == "INT96"
        }
        wanted = pa.schema(
            [
                (name, _wanted(source, name, schema.field(name).type, path.name, instant=name in instants))
                for name in used(source)
            ]
        )
        cases = [name.lower() for name in schema.names]
        plain = len({*cases, ORIGIN}) > len(cases) and all(_alike(schema.field(f.name).type, f.type) for f in wanted)
        rows = _checked(file, path, wanted, None if plain else readable)
        layout = str(file.schema).partition("\n")[2] if plain else str(wanted)
    if plain:
        readable.symlink_to(path.absolute())
    return Screened(digest, readable, rows, undeclared=undeclared, schema=layout)


def _wanted(source: Source, name: str, kind: pa.DataType, file: str, *, instant: bool) -> pa.DataType:
    """The type in which engines read a column; `instant` is a time of an old writer (INT96), which is UTC."""
    treatment, encoding = source.columns[name].treatment, source.time.encoding
    if treatment is Treatment.TIME and encoding is TimeEncoding.TIMESTAMP:
        local = source.time.clock is Clock.WALL
        right = pa.types.is_timestamp(kind) and (instant or (kind.tz is None) == local)
        wanted, said = (LOCAL, "a timestamp without time zone") if local else (INSTANT, "a timestamp with time zone")
        if not right and pa.types.is_timestamp(kind) and not local:
            said += "; one without is read as the wall clock of the source's zone where `clock: wall` says so"
    elif treatment in (Treatment.LATITUDE, Treatment.LONGITUDE):
        right, wanted, said = pa.types.is_floating(kind), pa.float64(), "a floating-point number"
    else:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        whole = treatment in AS_NUMBERS or (treatment is Treatment.TIME and encoding in EPOCHS)
        day = treatment is Treatment.AGE_BAND or (treatment is Treatment.TIME and encoding is TimeEncoding.DATE)
        right = (
            pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
            or (whole and pa.types.is_integer(kind)) or (day and pa.types.is_date(kind))
        )  # fmt: skip
        wanted, said = pa.string(), "text" + (" or a whole number" if whole else " or a date" if day else "")
    if not right:
        raise SourceError(f"{file}: column {name!r} of source {source.source!r} is {kind}, declared as {said}")
    return wanted


def _alike(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether both engines read a type as the wanted one: texts are texts in the file, whatever Arrow calls them."""
    if wanted == pa.string():
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
    if pa.types.is_timestamp(wanted):
        return bool(pa.types.is_timestamp(kind) and kind.unit in ("us", "ms") and kind.tz is not None)
    return bool(kind == wanted)


def _checked(file: pq.ParquetFile, path: Path, wanted: pa.Schema, copy: Path | None) -> int:
    """Read every row of the columns in use, and write them where a copy is wanted; return how many there are."""
    rows, writer = 0, None if copy is None else pq.ParquetWriter(copy, wanted, compression="lz4")
    try:
        for batch in file.iter_batches(AT_A_TIME, columns=wanted.names, use_threads=False):
            batch.validate(full=True)
            rows += len(batch)
            if writer is not None:
                columns = [batch.column(field.name).cast(field.type, safe=False) for field in wanted]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=wanted))
    except (pa.ArrowException, OSError):
        raise SourceError(
            f"{path.name} is damaged: of its {file.metadata.num_rows:,} rows those behind row {rows:,} cannot be read"
            " as Parquet with texts in UTF-8; deliver it again"
        ) from None
    finally:
        if writer is not None:
            writer.close()
    return rows
