"""A raw log record by record, and the same log without some records, or with another value in some.

Records are told apart as the screening does it (`screening.py`). What an edit does not concern stays as it is, but for
a byte-order mark and the ends of lines; compression stays. The same edit of the same bytes makes the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.deidentify.delivered import CODECS, chunks, packed, with_line_feeds
from anonymization.deidentify.records import CsvRecords
from anonymization.deidentify.screening import BOM, DELIMITERS
from anonymization.deidentify.whose import Whose, fields_of
from anonymization.errors import SourceError
from anonymization.policy.sources import Format, Source, Treatment

FORMATS = frozenset((Format.JSON_LINES, Format.CSV, Format.TSV, Format.PARQUET))
"""Of logs in which a value can be another one; a line of a web server is what it has written."""
FIXED = frozenset((Treatment.TIME, Treatment.PSEUDONYM, Treatment.LATITUDE, Treatment.LONGITUDE))
"""When, who and where it was is no value that a person corrects: another row would be another event."""
AT_A_TIME = 1 << 16


@dataclass(frozen=True)
class Edit:
    """What becomes of a person's records.

    Attributes:
        column: in which a value is set; empty where the records are left out.
        value: that is set.
        missing: whether it is set only where there is none.
    """

    column: str = ""
    value: str = ""
    missing: bool = False

    def sets(self, there: object) -> bool:
        """Whether a value takes the place of what stands in the column."""
        empty = there is None or there == ""
        return bool(self.column) and (empty if self.missing else there != self.value)


def correctable(source: Source) -> list[str]:
    """Return the columns of a source that a correction may name."""
    return sorted(name for name, column in source.columns.items() if column.treatment not in FIXED)


@dataclass
class _Part:
    """A record, or bytes that hold none of the person's.

    Attributes:
        text: as it lies, with its end.
        fields: the record's, if it is one of the person's; `broken` where it cannot be read as one.
    """

    text: bytes
    fields: dict[str, Any] | None = None
    broken: bool = False


def records_of(path: Path, source: Source, whose: Whose) -> Iterator[dict[str, Any]]:
    """Yield the person's records of a raw log: raw columns and values; of a broken one its text, as `record`.

    Raises:
        SourceError: the file cannot be read.
    """
    if source.format is Format.PARQUET:
        with _parquet(path) as file:
            for batch in _batches(file, path):
                mask = _mask(batch, whose)
                if any(mask):
                    yield from batch.filter(pa.array(mask)).to_pylist()
        return
    if _holds(path, whose):
        codec = CODECS[source.encoding]
        for part in _parts(path, source, whose):
            if part.fields is not None:
                yield part.fields
            elif part.broken:
                yield {"record": part.text.decode(codec, errors="replace").rstrip("\n")}


@dataclass(frozen=True)
class Edited:
    """What an edit would make of a file.

    Attributes:
        digest: of its content; empty where no record would be left.
        records: how many records it concerns.
    """

    digest: str
    records: int


class _Digesting(io.RawIOBase):
    """A file that takes a digest of what is written to it, and hands it on."""

    def __init__(self, target: IO[bytes] | None) -> None:
        self.digest = hashlib.sha256()
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.digest.update(content)
        if self._target is not None:
            self._target.write(content)
        return len(content)


def edited(path: Path, source: Source, whose: Whose, edit: Edit, target: IO[bytes] | None = None) -> Edited | None:
    """Return what an edit makes of a file, and write it where a target is given; None where it concerns no record.

    Raises:
        SourceError: the file cannot be read.
    """
    made = _Digesting(target)
    if source.format is Format.PARQUET:
        concerned, left = _edited_parquet(path, whose, edit, made)
    elif not _holds(path, whose):
        return None
    else:
        concerned, left = _edited_text(path, source, whose, edit, made)
    if not concerned:
        return None
    return Edited(made.digest.hexdigest() if left else "", concerned)


def _holds(path: Path, whose: Whose) -> bool:
    """Whether a text log may hold a record of the person; an id may lie across two chunks."""
    if whose.nobody:
        return False
    before = b""
    for chunk in chunks(path):
        if whose.may_hold(before[-1024:] + chunk):
            return True
        before = chunk
    return False


def _edited_text(path: Path, source: Source, whose: Whose, edit: Edit, made: _Digesting) -> tuple[int, bool]:
    concerned, left, first = 0, False, source.format in DELIMITERS
    unpacked: Any = gzip.GzipFile(fileobj=made, mode="wb", mtime=0, filename="") if packed(path) else made
    for part in _parts(path, source, whose):
        text: bytes | None = part.text
        if part.broken and not edit.column:
            text = None
        elif part.fields is not None:
            there = part.fields.get(edit.column)
            text = (_changed(part, source, edit) if edit.sets(there) else part.text) if edit.column else None
        concerned += text is not part.text
        if text is not None:
            left |= not first
            first = False
            unpacked.write(text)
    if unpacked is not made:
        unpacked.close()
    return concerned, left


def _changed(part: _Part, source: Source, edit: Edit) -> bytes:
    fields = {**(part.fields or {}), edit.column: edit.value}
    if source.format is Format.JSON_LINES:
        text = json.dumps(fields, ensure_ascii=False)
    else:
        row = io.StringIO()
        if source.format is Format.CSV:
            csv.writer(row, lineterminator="").writerow(fields.values())
        else:
            row.write("\t".join(str(value or "") for value in fields.values()))
        text = row.getvalue()
    try:
        return f"{text}\n".encode(CODECS[source.encoding])
    except UnicodeEncodeError:
        raise SourceError(
            f"--value cannot be written in the encoding of {source.source!r}, {source.encoding}"
        ) from None


def _parts(path: Path, source: Source, whose: Whose) -> Iterator[_Part]:
    """The records of a text log, in order; those of nobody or of others are bytes."""
    delimiter = DELIMITERS.get(source.format)
    if delimiter is None:
        for line in _lines(path):
            yield _line(line, source, whose)
        return
    if source.format is Format.CSV:
        try:
            for _ in CsvRecords(_bare(path), path.name, source.encoding):
                pass
        except SourceError:  # nobody can tell its records apart, and none was taken in
            for line in _lines(path):
                yield _Part(line, broken=_mentioned(line, source, whose))
            return
        records: Iterator[bytes] = (
            record.delivered + b"\n" for record in CsvRecords(_bare(path), path.name, source.encoding)
        )
    else:
        records = _lines(path)
    header: list[str] | None = None
    for text in records:
        if header is None and text.strip():
            header = next(csv.reader([_decoded(text, source) or ""], delimiter=delimiter), [])
            yield _Part(text)
        else:
            yield _row(text, header or [], source, whose)


def _row(text: bytes, header: list[str], source: Source, whose: Whose) -> _Part:
    if not whose.may_hold(text):
        return _Part(text)
    decoded = _decoded(text, source)
    if decoded is not None:
        if source.format is Format.CSV:
            try:
                row = next(csv.reader(io.StringIO(decoded, newline=""), strict=True), [])
            except csv.Error:
                row = []
        else:
            row = decoded.rstrip("\n").split(DELIMITERS[source.format])
        if len(row) == len(header):
            fields: dict[str, Any] = {name: value or None for name, value in zip(header, row, strict=True)}
            return _Part(text, fields if whose.owns(fields) else None)
    return _Part(text, broken=_mentioned(text, source, whose))


def _line(text: bytes, source: Source, whose: Whose) -> _Part:
    if not whose.may_hold(text):
        return _Part(text)
    decoded = _decoded(text, source)
    fields = None if decoded is None else fields_of(source, decoded.rstrip("\n"))
    if fields is None:
        return _Part(text, broken=_mentioned(text, source, whose))
    return _Part(text, dict(fields) if whose.owns(fields) else None)


def _mentioned(text: bytes, source: Source, whose: Whose) -> bool:
    return whose.may_hold(text) and whose.mentions(text.decode(CODECS[source.encoding], errors="replace"))


def _decoded(text: bytes, source: Source) -> str | None:
    try:
        return text.decode(CODECS[source.encoding])
    except UnicodeDecodeError:
        return None


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a text log, each with its end, which is a line feed."""
    carry, first = b"", True
    for chunk in with_line_feeds(chunks(path)):
        piece = carry + chunk
        if first and len(piece) < len(BOM) and BOM.startswith(piece):
            carry = piece
            continue
        piece, first = (piece.removeprefix(BOM) if first else piece), False
        *whole, carry = piece.split(b"\n")
        yield from (line + b"\n" for line in whole)
    if carry:
        yield carry + b"\n"


def _bare(path: Path) -> Iterator[bytes]:
    return (line[:-1] for line in _lines(path))


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        raise SourceError(f"{path.name} is not a whole Parquet file") from None


def _batches(file: pq.ParquetFile, path: Path) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(AT_A_TIME, use_threads=False)
    except (pa.ArrowException, OSError):
        raise SourceError(f"{path.name} is damaged, and cannot be read to its end") from None


def _mask(batch: pa.RecordBatch, whose: Whose) -> list[bool]:
    there = [column for column in whose.columns if column in batch.schema.names]
    if whose.nobody or not there:
        return [False] * len(batch)
    columns = [batch.column(column).to_pylist() for column in there]
    return [whose.owns(dict(zip(there, row, strict=True))) for row in zip(*columns, strict=True)]


def _edited_parquet(path: Path, whose: Whose, edit: Edit, made: _Digesting) -> tuple[int, bool]:
    concerned = 0
    with _parquet(path) as file:
        old = [c.path for c in map(file.schema.column, range(len(file.schema))) if c.physical_type == "INT96"]
        writer = pq.ParquetWriter(
            pa.PythonFile(made, mode="w"),
            file.schema_arrow,
            compression="zstd",
            use_deprecated_int96_timestamps=bool(old),
        )
        for there in _batches(file, path):
            mask, batch = _mask(there, whose), there
            if edit.column and any(mask):
                mask, batch = _set(there, mask, edit)
            elif any(mask):
                batch = there.filter(pa.array([not one for one in mask]))
            concerned += sum(mask)
            writer.write_batch(batch)
        writer.close()
    return concerned, True


def _set(batch: pa.RecordBatch, mask: list[bool], edit: Edit) -> tuple[list[bool], pa.RecordBatch]:
    """A batch with a value set in a column of texts, and in which rows."""
    at = batch.schema.get_field_index(edit.column)
    kind = batch.schema.field(at).type
    values = batch.column(at).to_pylist()
    mask = [mine and edit.sets(None if there is None else str(there)) for mine, there in zip(mask, values, strict=True)]
    try:
        value = pa.scalar(edit.value).cast(kind.value_type if pa.types.is_dictionary(kind) else kind).as_py()
    except pa.ArrowException:
        raise SourceError(f"--value cannot be written in the column {edit.column!r}, which is {kind}") from None
    changed = [value if mine else there for mine, there in zip(mask, values, strict=True)]
    return mask, batch.set_column(at, batch.schema.field(at), pa.array(changed, kind))
