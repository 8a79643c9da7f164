"""Text logs are read once as bytes; what no engine reads alike is set aside, the rest is untouched."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tracemalloc

import pytest

from anonymization.deidentify.screening import LINE_LIMIT, content_digest, screen
from anonymization.errors import SourceError

GOOD = b'{"a": 1}\n'


def screened(tmp_path, content: bytes, name: str = "log.jsonl"):
    path = tmp_path / name
    path.write_bytes(content)
    workspace = tmp_path / "work"
    workspace.mkdir()
    return path, screen(path, content_digest(path), workspace=workspace, quarantine=tmp_path / "quarantine" / "x.jsonl")


@pytest.mark.parametrize(
    ("content", "kept", "rejected"),
    [
        pytest.param(GOOD * 3, GOOD * 3, {}, id="clean"),
        pytest.param(b"a\nb", b"a\nb", {}, id="no newline at the end"),
        pytest.param("東京\n".encode(), "東京\n".encode(), {}, id="utf-8"),
        pytest.param(b"a\r\nb\r\n", b"a\r\nb\r\n", {}, id="carriage returns stay"),
        pytest.param(GOOD + b"\xff\xfe\n" + GOOD, GOOD * 2, {"line: not UTF-8": 1}, id="bad utf-8"),
        pytest.param(GOOD + b"\xe6\x9d\n", GOOD, {"line: not UTF-8": 1}, id="cut character"),
        pytest.param(b"a\0b\n" + GOOD, GOOD, {"line: holds a NUL byte": 1}, id="nul"),
        pytest.param(
            b"x" * (LINE_LIMIT + 1) + b"\n" + GOOD, GOOD, {f"line: longer than {LINE_LIMIT} bytes": 1}, id="long line"
        ),
        pytest.param(b"x" * (LINE_LIMIT - 1) + b"\n", b"x" * (LINE_LIMIT - 1) + b"\n", {}, id="line at the limit"),
        pytest.param(
            GOOD + b"x" * (12 * LINE_LIMIT), GOOD, {f"line: longer than {LINE_LIMIT} bytes": 1}, id="long last line"
        ),
    ],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_lines_are_kept_or_set_aside(tmp_path, content, kept, rejected, compressed):
    stored = gzip.compress(content) if compressed else content
    if compressed and len(content) / len(stored) > 200:
        stored = gzip.compress(content, compresslevel=0)  # a long run of one byte would count as a bomb
    path, result = screened(tmp_path, stored, "log.jsonl.gz" if compressed else "log.jsonl")
    assert result.digest == hashlib.sha256(stored).hexdigest()
    assert dict(result.rejected) == rejected
    readable = gzip.decompress(result.readable.read_bytes()) if result.readable.suffix == ".gz" else None
    assert (readable if readable is not None else result.readable.read_bytes()) == kept
    assert result.readable != path or not rejected


def test_what_is_set_aside_stays_in_the_quarantine(tmp_path):
    screened(tmp_path, GOOD + b"secret \xff\n")
    record = json.loads((tmp_path / "quarantine" / "x.jsonl").read_text())
    assert base64.b64decode(record["base64"]) == b"secret \xff\n"


def test_a_hundred_megabyte_line_is_set_aside_in_bounded_memory(tmp_path):
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.write(GOOD)
        for _ in range(100):
            file.write(b"y" * (1 << 20))
        file.write(b"\n" + GOOD)
    (tmp_path / "work").mkdir()
    tracemalloc.start()
    result = screen(path, content_digest(path), workspace=tmp_path / "work", quarantine=tmp_path / "q.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.readable.read_bytes() == GOOD * 2
    assert sum(result.rejected.values()) == 1
    assert peak < 40 << 20


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        pytest.param(b"", "a.jsonl", "empty", id="empty file"),
        pytest.param(gzip.compress(GOOD * 1000)[:-12], "a.jsonl.gz", "cut or damaged", id="truncated gzip"),
        pytest.param(b"not gzip at all", "a.jsonl.gz", "cut or damaged", id="not gzip"),
        pytest.param(gzip.compress(b"0" * (50 << 20)), "a.jsonl.gz", "expands", id="zip bomb"),
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path, content, name, message):
    with pytest.raises(SourceError, match=message):
        screened(tmp_path, content, name)
