"""Read a text log once as bytes: the one reader that decides what its records are.

What engines get is a text of whole records, one a line, in UTF-8: no empty line, no NUL byte, no carriage return,
nothing that one of them reads otherwise. A plain file that is so, the rule, is read as it lies; otherwise a copy in the
identified zone takes its place for the one reading. Every byte belongs to a record that is handed on, set aside or
dropped; what is handed on is counted, and a file of which an engine reads another number is refused (see `intake.py`).
"""

from __future__ import annotations

import base64
import codecs
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from anonymization.deidentify.delivered import (
    CODECS,
    LINE_LIMIT,
    blocks,
    chunks,
    lines_of,
    packed,
    refuse_another_encoding,
    with_line_feeds,
)
from anonymization.deidentify.records import (
    DEEPEST,
    LONGEST_NUMBER,
    SEPARATOR,
    CsvRecords,
    Record,
    fault_of,
    is_beyond,
)
from anonymization.errors import SourceError
from anonymization.files import PRIVATE, private_folder, private_stream, sweep
from anonymization.policy.sources import Encoding, Format

BOM = codecs.BOM_UTF8
BLANK_LINE, REPEATED_HEADER = "blank line", "header line, repeated"
DELIMITERS = {Format.CSV: ",", Format.TSV: "\t"}
"""Between the fields of formats with a header, as delivered."""


@dataclass(frozen=True)
class Screened:
    """What the screening found.

    Attributes:
        digest: SHA-256 of the file's bytes as delivered.
        readable: what the engine reads, under a plain name: a link to the file, or a cleaned copy of it.
        records: how many records it holds, a header not among them.
        header: of a format that has one, its columns.
        header_line: the header as it stands in `readable`, if it does.
        delimiter: between the fields of `readable`, where the format has a header.
        rejected: records set aside, by reason.
        dropped: lines that are no record, by reason, kept nowhere.
        undeclared: how many columns of a Parquet file its source does not declare.
        schema: of a Parquet file: its columns and their types, as they stand in `readable`.
    """

    digest: str
    readable: Path
    records: int
    header: tuple[str, ...] = ()
    header_line: str | None = None
    delimiter: str = ""
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    undeclared: int = 0
    schema: str = ""

    @property
    def layout(self) -> tuple[object, ...]:
        """What is equal for files of a source that an engine can read as one."""
        return self.header, self.header_line, self.delimiter, self.schema


def screen(
    path: Path, digest: str, layout: Format, *, workspace: Path, quarantine: Path, encoding: Encoding = Encoding.UTF_8
) -> Screened:
    """Screen a text log; records that no engine should see go to `quarantine`, the rest is readable, as UTF-8.

    Args:
        path: the file as delivered; gzip is decompressed.
        digest: its `content_digest`.
        layout: its format, as declared.
        encoding: how its characters are encoded, as declared.
        workspace: a 0700 folder for what the engine reads.
        quarantine: the file that takes the records set aside (JSON lines: reason, base64 of the record).

    Raises:
        SourceError: the file is empty, its gzip data is cut or damaged, it expands without measure, its characters are
            in another encoding than declared, or its records cannot be told apart.
    """
    if path.stat().st_size == 0:
        raise SourceError(f"{path.name} is empty (0 bytes); an empty day is delivered by no file at all")
    refuse_another_encoding(path, encoding)
    readable = workspace / f"{digest[:16]}.txt"
    readable.unlink(missing_ok=True)
    if encoding is Encoding.UTF_8 and not packed(path):
        screened = _as_it_lies(path, digest, layout, readable)
        if screened is not None:
            readable.symlink_to(path.absolute())
            return screened
    private_folder(quarantine.parent)
    sweep(quarantine)
    with private_stream(quarantine) as aside, os.fdopen(_private(readable), "wb") as kept:
        rewriting = _Rewriting(path, layout, encoding, kept, aside)
        rewriting.run()
    if not rewriting.rejected:
        quarantine.unlink()
    return Screened(
        digest,
        readable,
        rewriting.records,
        rewriting.header,
        delimiter=rewriting.delimiter,
        rejected=rewriting.rejected,
        dropped=rewriting.dropped,
    )


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)


def _as_it_lies(path: Path, digest: str, layout: Format, readable: Path) -> Screened | None:
    """What a plain file holds if engines can read it as it lies."""
    delimiter, header, records = DELIMITERS.get(layout), b"", 0
    for number, block in enumerate(blocks(chunks(path))):
        lines = _acceptable(block, layout)
        if lines is None:
            return None
        if delimiter is not None:
            if number == 0:
                header = block.split(b"\n", 1)[0]
            # a line like the header, or one that ends like it: a closer look says which
            if block.count(header + b"\n") != (number == 0) or block.endswith(b"\n" + header):
                return None
        records += lines
    if delimiter is None:
        return Screened(digest, readable, records)
    line = header.decode()
    return Screened(digest, readable, records - 1, tuple(line.split(delimiter)), line, delimiter)


def _acceptable(block: bytes, layout: Format) -> int | None:
    """The number of a block's lines if all of them can be read as they lie, else none."""
    if block.startswith(BOM) or b"\0" in block or b"\r" in block or block[:1] == b"\n" or b"\n\n" in block:
        return None
    if layout is Format.CSV and (b'"' in block or SEPARATOR.encode() in block):
        return None
    if not block.isascii():
        try:
            block.decode("utf-8")
        except UnicodeDecodeError:
            return None
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    longest = int(np.diff(ends, prepend=-1, append=len(block)).max())
    if longest > LINE_LIMIT:
        return None
    if layout is Format.JSON_LINES:
        looked_at = longest > LONGEST_NUMBER or block.count(b"[") + block.count(b"{") > len(ends) + DEEPEST
        if looked_at and any(map(is_beyond, lines_of(block))):
            return None
    return len(ends) + (not block.endswith(b"\n"))


class _Rewriting:
    """A copy of a log for engines, record by record; blocks that can stay as they are, as a whole."""

    def __init__(self, path: Path, layout: Format, encoding: Encoding, kept: IO[bytes], aside: IO[bytes]) -> None:
        self._path, self._layout, self._encoding, self._kept, self._aside = path, layout, encoding, kept, aside
        self.records = 0
        self.rejected: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.header: tuple[str, ...] = ()
        self.delimiter = SEPARATOR if layout is Format.CSV else DELIMITERS.get(layout, "")
        self._header_line: bytes | None = None

    def run(self) -> None:
        """Write the copy and what is set aside."""
        pieces = _without_mark(blocks(with_line_feeds(chunks(self._path))))
        if self._layout is Format.CSV:
            lines = (line for block in pieces for line in lines_of(block))
            for record in CsvRecords(lines, self._path.name, self._encoding):
                self._take(record)
            return
        for block in pieces:
            text = self._whole(block)
            if text is None:
                for line in lines_of(block):
                    self._take(Record(line, line, fault_of(line, self._layout, self._encoding)))
            else:
                self._kept.write(text if text.endswith(b"\n") else text + b"\n")

    def _whole(self, block: bytes) -> bytes | None:
        """A block as engines read it, if nothing of it is to be looked at by itself."""
        if self._layout in DELIMITERS and (self._header_line is None or self._header_line in block):
            return None
        try:
            text = block if self._encoding is Encoding.UTF_8 else block.decode(CODECS[self._encoding]).encode()
        except UnicodeDecodeError:
            return None
        lines = _acceptable(text, self._layout)
        self.records += lines or 0
        return None if lines is None else text

    def _take(self, record: Record) -> None:
        if not record.delivered:
            self.dropped[BLANK_LINE] += 1
        elif self._layout in DELIMITERS and self._header_line is None:
            self._begin(record)
        elif record.fault is not None:
            self.rejected[record.fault] += 1
            content = {"reason": record.fault, "base64": base64.b64encode(record.delivered[:LINE_LIMIT]).decode()}
            self._aside.write(f"{json.dumps(content)}\n".encode())
        elif record.delivered == self._header_line:
            self.dropped[REPEATED_HEADER] += 1
        else:
            self.records += 1
            self._kept.write(self._text(record.readable).encode() + b"\n")

    def _begin(self, header: Record) -> None:
        if header.fault is not None:
            what = header.fault.split(": ", 1)[1]
            raise SourceError(f"{self._path.name}: its first line, the header, cannot be read: {what}")
        self._header_line = header.delivered
        self.header = tuple(self._text(header.readable).split(self.delimiter))

    def _text(self, text: bytes) -> str:
        return text.decode(CODECS[self._encoding])


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks without a byte-order mark at the start."""
    for number, block in enumerate(pieces):
        yield block.removeprefix(BOM) if number == 0 else block
