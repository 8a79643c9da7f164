"""A delivered file's bytes: known by their digest, unpacked, cut into whole lines; what is no text log is refused."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from anonymization.errors import SourceError
from anonymization.policy.sources import Encoding

LINE_LIMIT = 1 << 20
"""Longest line that is read, with its end, in bytes."""
EXPANSION_LIMIT = 300
"""A gzip file may expand this many times; logs reach about 30, a bomb 1,000."""
CHUNK = 1 << 22
HEAD = 1 << 16
CODECS = {Encoding.UTF_8: "utf-8", Encoding.SHIFT_JIS: "cp932"}
NAMES = {Encoding.UTF_8: "UTF-8", Encoding.SHIFT_JIS: "Shift-JIS"}
GZIP = b"\x1f\x8b"
OTHER_CONTAINERS = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
}
ISO_2022_JP = (b"\x1b$B", b"\x1b$@", b"\x1b(J")


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packed(path: Path) -> bool:
    """Whether a file is gzip, which its first bytes say.

    Raises:
        SourceError: it is named `.gz` and is none, or is of another container.
    """
    with path.open("rb") as file:
        start = file.read(8)
    kind = next((name for magic, name in OTHER_CONTAINERS.items() if start.startswith(magic)), None)
    if kind is not None:
        raise SourceError(f"{path.name} is {kind}; a text log is delivered plain or as gzip")
    if path.suffix.lower() == ".gz" and not start.startswith(GZIP):
        raise SourceError(_damaged(path))
    return start.startswith(GZIP)


def _damaged(path: Path) -> str:
    return f"{path.name} is not a whole gzip file: its compressed data is cut or damaged; deliver it again"


def chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, unpacked, in chunks of bounded size.

    Raises:
        SourceError: its gzip data is cut or damaged, or expands without measure.
    """
    unpack = packed(path)
    with path.open("rb") as raw:
        file: BinaryIO = gzip.GzipFile(fileobj=raw) if unpack else raw  # type: ignore[assignment]
        limit = path.stat().st_size * EXPANSION_LIMIT + CHUNK if unpack else None
        total = 0
        try:
            while chunk := file.read(CHUNK):
                total += len(chunk)
                if limit is not None and total > limit:
                    raise SourceError(f"{path.name} expands more than {EXPANSION_LIMIT} times: not a log")
                yield chunk
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceError(_damaged(path)) from None


def with_line_feeds(pieces: Iterator[bytes]) -> Iterator[bytes]:
    r"""Yield the bytes with `\n` for `\r\n`; and for `\r`, where the first chunk ends no line otherwise.

    A carriage return that is left stands within a line.
    """
    alone = None
    held = b""
    for piece in pieces:
        chunk = held + piece
        if alone is None:
            alone = b"\n" not in chunk and b"\r" in chunk.rstrip(b"\r")
        held = b"\r" if chunk.endswith(b"\r") and not alone else b""
        if b"\r" in chunk:
            chunk = chunk[: len(chunk) - len(held)].replace(b"\r\n", b"\n")
            chunk = chunk.replace(b"\r", b"\n") if alone else chunk
        yield chunk
    if held:
        yield b"\n"


def blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines; of a line over the limit no more than `LINE_LIMIT` + 1 bytes."""
    carry = b""
    for chunk in pieces:
        first, end = chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1
        if end == 0:
            carry = (carry + chunk)[: LINE_LIMIT + 1]
            continue
        if len(carry) + first > LINE_LIMIT:
            yield (carry + chunk[: first - 1])[: LINE_LIMIT + 1] + b"\n"
            carry = b""
        else:
            first = 0
        if carry or end > first:
            yield carry + chunk[first:end]
        carry = chunk[end:][: LINE_LIMIT + 1]
    if carry:
        yield carry


def lines_of(block: bytes) -> list[bytes]:
    """Return a block's lines, without their ends."""
    lines = block.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def refuse_another_encoding(path: Path, encoding: Encoding) -> None:
    """Refuse a file that is in another encoding than declared, as far as its first lines tell.

    Raises:
        SourceError: it is UTF-16 or ISO-2022-JP, or most of its lines are Shift-JIS where UTF-8 is declared.
    """
    head = next(chunks(path), b"")[:HEAD]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError(f"{path.name} is UTF-16; deliver it as UTF-8, or as Shift-JIS with `encoding: shift_jis`")
    if any(escape in head for escape in ISO_2022_JP):
        raise SourceError(
            f"{path.name} is ISO-2022-JP; deliver it as UTF-8, or as Shift-JIS with `encoding: shift_jis`"
        )
    if encoding is not Encoding.UTF_8:
        return
    foreign = [line for line in head.split(b"\n")[:-1] if not line.isascii()]
    wrong = [line for line in foreign if not decodes(line, Encoding.UTF_8)]
    if len(wrong) > max(1, len(foreign) // 2) and all(decodes(line, Encoding.SHIFT_JIS) for line in wrong):
        raise SourceError(f"{path.name} is not UTF-8; it can be read as Shift-JIS: declare `encoding: shift_jis`")


def decodes(text: bytes, encoding: Encoding) -> bool:
    """Whether bytes are text of an encoding."""
    try:
        text.decode(CODECS[encoding])
    except UnicodeDecodeError:
        return False
    return True
