"""Write files whose bytes depend on their content alone: private, whole or absent."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.files import private_folder, write_private


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, 0600, whole or not at all, with the folders that it lies in."""
    private_folder(path.parent)
    write_private(path, content)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write text lines; a name that ends in `.gz` is compressed, without a time in its header."""
    content = ("\n".join(lines) + "\n").encode()
    write_bytes(path, _compressed(content) if path.suffix == ".gz" else content)


def _compressed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=3, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]], encoding: str = "utf-8") -> None:
    """Write a CSV file with a header; a name that ends in `.gz` is compressed."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    content = buffer.getvalue().encode(encoding)
    write_bytes(path, _compressed(content) if path.suffix == ".gz" else content)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(path, sink.getvalue().to_pybytes())
