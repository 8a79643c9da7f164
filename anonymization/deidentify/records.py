"""The records of a text log as bytes: where each begins and ends, and why one is none.

In every format but CSV a record is a line. A record of CSV may span lines, within quotes (RFC 4180): what is broken
over several lines could be any of their records, so that the file is refused, with the line; what is broken in one
line is one record, and set aside.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from anonymization.deidentify.delivered import LINE_LIMIT, NAMES, decodes
from anonymization.errors import SourceError
from anonymization.policy.sources import Encoding, Format

SEPARATOR = "\x1f"
"""Between the fields of a record of CSV that engines read; no field holds it."""
DEEPEST = 500
LONGEST_NUMBER, LONGEST_NAME = 1_000, 50_000
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
LONG_NUMBER = re.compile(rb"[0-9]{%d}" % LONGEST_NUMBER)
LONG_NAME = re.compile(rb'"(?:[^"\\]|\\.){%d,}"\s*:' % LONGEST_NAME)
LIMITS = (
    f"nested deeper than {DEEPEST}, or with a number of {LONGEST_NUMBER:,} digits or a name of {LONGEST_NAME:,} bytes"
)

csv.field_size_limit(max(csv.field_size_limit(), LINE_LIMIT))


@dataclass(frozen=True)
class Record:
    """A record: as it was delivered, and as engines read it, or why they do not."""

    delivered: bytes
    readable: bytes
    fault: str | None = None


def fault_of(line: bytes, layout: Format, encoding: Encoding) -> str | None:
    """Return why no engine should see a line, if so."""
    if len(line) >= LINE_LIMIT:
        return f"line: longer than {LINE_LIMIT} bytes"
    if b"\0" in line:
        return "line: holds a NUL byte"
    if b"\r" in line:
        return "line: holds a carriage return"
    if not decodes(line, encoding):
        return f"line: not {NAMES[encoding]}"
    if layout is Format.JSON_LINES and is_beyond(line):
        return f"line: JSON {LIMITS}"
    return None


def is_beyond(line: bytes) -> bool:
    """Whether a line of JSON is beyond what every reader takes: depth, digits of a number, length of a name."""
    if len(line) > LONGEST_NUMBER and LONG_NUMBER.search(line) is not None:
        return True
    if len(line) > LONGEST_NAME and LONG_NAME.search(line) is not None:
        return True
    if line.count(b"[") + line.count(b"{") <= DEEPEST:
        return False
    depth = deepest = 0
    for mark in re.findall(rb"[][{}]", STRING.sub(b"", line)):
        depth += 1 if mark in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest > DEEPEST


class CsvRecords:
    """The records of CSV in the lines of a file, and the number of the line in which each begins."""

    def __init__(self, lines: Iterator[bytes], file: str, encoding: Encoding) -> None:
        self._lines, self._file, self._encoding = lines, file, encoding
        self._read: list[bytes] = []
        self.begun = 0
        self._width: int | None = None

    def __iter__(self) -> Iterator[Record]:
        """Yield each record, blank lines between them too.

        Raises:
            SourceError: a record is broken over several lines.
        """
        reader = csv.reader(self._texts(), strict=True)
        while True:
            self.begun += len(self._read) or 1
            self._read = []
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                if len(self._read) > 1:
                    raise SourceError(self._unclosed()) from None
                yield self._made(None)
                continue
            if len(self._read) > 1 and self._width not in (None, len(fields)):
                raise SourceError(self._unclosed())
            self._width = self._width or len(fields)
            yield self._made(fields)

    def _texts(self) -> Iterator[str]:
        size = 0
        for line in self._lines:
            size = len(line) if not self._read else size + len(line)
            self._read.append(line)
            if size >= LINE_LIMIT and len(self._read) > 1:
                raise SourceError(self._unclosed())
            # each byte a character, so that quotes and commas stay what they are; of what is too long nothing is read
            yield (line.decode("latin-1") if size < LINE_LIMIT else "") + "\n"

    def _unclosed(self) -> str:
        return (
            f"{self._file}, line {self.begun}: a quote that is opened there is not closed where its field ends, so that"
            ' records behind it cannot be told apart; allowed: fields in quotes, "" for a quote within (RFC 4180)'
        )

    def _made(self, fields: list[str] | None) -> Record:
        delivered = b"\n".join(self._read)
        fault = next(filter(None, (fault_of(line, Format.CSV, self._encoding) for line in self._read)), None)
        if fields is None:
            return Record(delivered, b"", fault or "record: a quote stands within a field, or text behind one")
        readable = SEPARATOR.join(fields).replace("\r\n", " ").replace("\n", " ").replace("\r", " ").encode("latin-1")
        if fault is None and readable.count(SEPARATOR.encode()) != max(len(fields) - 1, 0):
            fault = "record: holds the control character U+001F"
        return Record(delivered, readable, fault)
