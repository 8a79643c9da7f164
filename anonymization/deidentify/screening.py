"""Read a text log once as bytes: know it by its content, set aside what engines do not read alike.

Bad UTF-8, NUL bytes, over-long and empty lines never reach an engine. A file without them, the rule, is read by
the engine as it lies; otherwise a cleaned copy in the identified zone takes its place for the one reading.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from anonymization.errors import SourceError
from anonymization.files import private_folder, private_stream, sweep
from anonymization.policy.sources import Encoding

LINE_LIMIT = 1 << 20
"""Longest line an engine sees, in bytes."""
EXPANSION_LIMIT = 300
"""A gzip file may expand this many times; logs reach about 30, a bomb 1,000."""
CHUNK = 1 << 22
HEAD = 1 << 16
BOM = codecs.BOM_UTF8
CODECS = {Encoding.UTF_8: "utf-8", Encoding.SHIFT_JIS: "cp932"}
NAMES = {Encoding.UTF_8: "UTF-8", Encoding.SHIFT_JIS: "Shift-JIS"}


@dataclass(frozen=True)
class Screened:
    """What the screening found.

    Attributes:
        digest: SHA-256 of the file's bytes as delivered.
        readable: what the engine reads: the file itself, or a cleaned copy of it.
        rejected: lines set aside, by reason.
        blank: empty lines, taken out and kept nowhere.
    """

    digest: str
    readable: Path
    rejected: Mapping[str, int] = field(default_factory=dict)
    blank: int = 0


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def screen(
    path: Path, digest: str, *, workspace: Path, quarantine: Path, encoding: Encoding = Encoding.UTF_8
) -> Screened:
    """Screen a text log; lines no engine should see go to `quarantine`, the rest is readable, as UTF-8.

    Args:
        path: the file as delivered; `.gz` is decompressed.
        digest: its `content_digest`.
        encoding: how its characters are encoded, as declared.
        workspace: a 0700 folder for a cleaned copy, if one is needed.
        quarantine: the file that takes the set-aside lines (JSON lines: reason, base64 of the line).

    Raises:
        SourceError: the file is empty, its gzip data is cut or damaged, it expands without measure, or its
            characters are in another encoding than declared.
    """
    if path.stat().st_size == 0:
        raise SourceError(f"{path.name} is empty (0 bytes); an empty day is delivered by no file at all")
    if encoding is Encoding.UTF_8:
        _refuse_another_encoding(path)
        if all(_acceptable(block) for block in _blocks(path)):
            return Screened(digest, path)
    clean = workspace / f"{digest[:16]}{''.join(s for s in path.suffixes if s != '.gz')}"
    rejected: Counter[str] = Counter()
    blank = 0
    private_folder(quarantine.parent)
    sweep(quarantine)
    with clean.open("wb") as kept, private_stream(quarantine) as aside:
        for number, raw in enumerate(_lines(path)):
            line, reason = _read(raw.removeprefix(BOM) if number == 0 else raw, encoding)
            if not line.strip(b"\r\n"):
                blank += 1
            elif reason is None:
                kept.write(line)
            else:
                rejected[reason] += 1
                record = {"reason": reason, "base64": base64.b64encode(raw[:LINE_LIMIT]).decode()}
                aside.write(f"{json.dumps(record)}\n".encode())
    if not rejected:
        quarantine.unlink()
    return Screened(digest, clean, dict(rejected), blank)


def _acceptable(block: bytes) -> bool:
    """Whether a block of whole lines holds nothing to set aside or to take out."""
    if block.startswith(BOM) or b"\0" in block or block[:1] in b"\r\n":
        return False
    if not block.isascii():
        try:
            block.decode("utf-8")
        except UnicodeDecodeError:
            return False
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    lengths = np.diff(ends, prepend=-1, append=len(block))
    # where lines of one or two bytes stand, ends included, the slower look says whether they are empty
    short = lengths[:-1].min(initial=LINE_LIMIT) <= len(b"\r\n")
    return bool(lengths.max() <= LINE_LIMIT) and not (short and (b"\n\n" in block or b"\n\r\n" in block))


def _read(line: bytes, encoding: Encoding) -> tuple[bytes, str | None]:
    """A line as UTF-8, and why no engine should see it."""
    if len(line) > LINE_LIMIT:
        return line, f"line: longer than {LINE_LIMIT} bytes"
    if b"\0" in line:
        return line, "line: holds a NUL byte"
    try:
        return line.decode(CODECS[encoding]).encode(), None
    except UnicodeDecodeError:
        return line, f"line: not {NAMES[encoding]}"


def _refuse_another_encoding(path: Path) -> None:
    """Refuse a file whose first lines are not UTF-8, most of them, but all of them Shift-JIS or UTF-16."""
    head = next(_chunks(path), b"")[:HEAD]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError(f"{path.name} is UTF-16; deliver it as UTF-8, or as Shift-JIS with `encoding: shift_jis`")
    foreign = [line for line in head.split(b"\n")[:-1] if not line.isascii()]
    wrong = [line for line in foreign if not _decodes(line, Encoding.UTF_8)]
    if len(wrong) > max(1, len(foreign) // 2) and all(_decodes(line, Encoding.SHIFT_JIS) for line in wrong):
        raise SourceError(f"{path.name} is not UTF-8; it can be read as Shift-JIS: declare `encoding: shift_jis`")


def _decodes(line: bytes, encoding: Encoding) -> bool:
    try:
        line.decode(CODECS[encoding])
    except UnicodeDecodeError:
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, decompressed, in chunks of bounded size."""
    with path.open("rb") as raw:
        file: BinaryIO = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[assignment]
        limit = path.stat().st_size * EXPANSION_LIMIT + CHUNK if path.suffix == ".gz" else None
        total = 0
        try:
            while chunk := file.read(CHUNK):
                total += len(chunk)
                if limit is not None and total > limit:
                    raise SourceError(f"{path.name} expands more than {EXPANSION_LIMIT} times: not a log")
                yield chunk
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceError(
                f"{path.name} is not a whole gzip file: its compressed data is cut or damaged; deliver it again"
            ) from None


def _blocks(path: Path) -> Iterator[bytes]:
    """Blocks that end at a line's end; a line longer than the limit comes as a block that fails."""
    carry = b""
    for chunk in _chunks(path):
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            carry += chunk
            if len(carry) > LINE_LIMIT:
                yield carry
                carry = b""
            continue
        yield carry + chunk[:end]
        carry = chunk[end:]
    if carry:
        yield carry


def _lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; of a line over the limit only its first `LINE_LIMIT` + 1 bytes are held."""
    carry = b""
    for chunk in _chunks(path):
        for piece in _newline_pieces(chunk):
            if len(carry) <= LINE_LIMIT:
                carry += piece if len(piece) <= LINE_LIMIT else piece[: LINE_LIMIT + 1]
            if piece.endswith(b"\n"):
                yield carry
                carry = b""
    if carry:
        yield carry


def _newline_pieces(chunk: bytes) -> Iterator[bytes]:
    """Split at line feeds alone: a carriage return is part of its line."""
    start = 0
    while (end := chunk.find(b"\n", start)) >= 0:
        yield chunk[start : end + 1]
        start = end + 1
    if start < len(chunk):
        yield chunk[start:]
