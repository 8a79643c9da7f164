"""Text logs are read once as bytes: what their records are, what is set aside, what is dropped; every byte is one of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tracemalloc

import pytest

from anonymization.deidentify.delivered import LINE_LIMIT, content_digest
from anonymization.deidentify.screening import screen
from anonymization.errors import SourceError
from anonymization.policy.sources import Format

GOOD = b'{"a": 1}\n'
LINES, JSON, CSV, TSV = Format.COMBINED_LOG, Format.JSON_LINES, Format.CSV, Format.TSV
HEAD = b"a,b\n"
BLANK, REPEATED = {"blank line": 1}, {"header line, repeated": 1}
QUOTE = "record: a quote stands within a field, or text behind one"


def screened(tmp_path, content: bytes, layout=LINES, name: str = "log.txt"):
    path = tmp_path / name
    path.write_bytes(content)
    workspace = tmp_path / "work"
    workspace.mkdir()
    quarantine = tmp_path / "quarantine" / "x.jsonl"
    return path, screen(path, content_digest(path), layout, workspace=workspace, quarantine=quarantine)


CASES = [
    pytest.param(LINES, GOOD * 3, GOOD * 3, {}, {}, id="clean"),
    pytest.param(LINES, b"a\nb", b"a\nb", {}, {}, id="no line feed at the end"),
    pytest.param(LINES, "東京\n".encode(), "東京\n".encode(), {}, {}, id="UTF-8"),
    pytest.param(LINES, b"\xef\xbb\xbfa\n", b"a\n", {}, {}, id="byte-order mark"),
    pytest.param(LINES, b"a\r\nb\r\n", b"a\nb\n", {}, {}, id="CRLF"),
    pytest.param(LINES, b"a\nb\r\n", b"a\nb\n", {}, {}, id="LF and CRLF"),
    pytest.param(LINES, b"a\rb\r", b"a\nb\n", {}, {}, id="CR alone"),
    pytest.param(LINES, b"a\rb\n" + GOOD, GOOD, {"line: holds a carriage return": 1}, {}, id="CR within a line"),
    pytest.param(LINES, b"a\n\nb\n", b"a\nb\n", {}, BLANK, id="blank line"),
    pytest.param(LINES, b"a\r\n\r\nb\r\n", b"a\nb\n", {}, BLANK, id="blank line of CRLF"),
    pytest.param(LINES, GOOD + b"\xff\xfe\n" + GOOD, GOOD * 2, {"line: not UTF-8": 1}, {}, id="bad UTF-8"),
    pytest.param(LINES, GOOD + b"\xe6\x9d\n", GOOD, {"line: not UTF-8": 1}, {}, id="cut character"),
    pytest.param(LINES, b"a\0b\n" + GOOD, GOOD, {"line: holds a NUL byte": 1}, {}, id="NUL"),
    pytest.param(LINES, b"x" * (LINE_LIMIT + 1) + b"\n" + GOOD, GOOD, {f"line: longer than {LINE_LIMIT} bytes": 1}, {}, id="long line"),
    pytest.param(LINES, b"x" * (LINE_LIMIT - 1) + b"\n", b"x" * (LINE_LIMIT - 1) + b"\n", {}, {}, id="line at the limit"),
    pytest.param(LINES, GOOD + b"x" * (12 * LINE_LIMIT), GOOD, {f"line: longer than {LINE_LIMIT} bytes": 1}, {}, id="long last line"),
    pytest.param(JSON, b'{"a":' + b"[" * 499 + b"]" * 499 + b"}\n", None, {}, {}, id="JSON as deep as may be"),
    pytest.param(JSON, GOOD + b'{"a":' + b"[" * 500 + b"]" * 500 + b"}\n", GOOD, {"line: JSON nested": 1}, {}, id="JSON that is deeper"),
    pytest.param(JSON, b'{"a":"' + b"[" * 501 + b'"}\n', None, {}, {}, id="brackets in a text"),
    pytest.param(JSON, b'{"a":[' + b"{}," * 600 + b"{}]}\n", None, {}, {}, id="a wide list"),
    pytest.param(JSON, GOOD + b'{"a":1' + b"0" * 1000 + b"}\n", GOOD, {"line: JSON nested": 1}, {}, id="a number without end"),
    pytest.param(TSV, b"a\tb\r\n1\t2\r\n", b"1\t2\n", {}, {}, id="TSV of CRLF"),
    pytest.param(TSV, b"a\tb\n1\t2\na\tb\n3\t4\n", b"1\t2\n3\t4\n", {}, REPEATED, id="TSV: header once more"),
    pytest.param(TSV, b'a\tb\n"1\t2\n', b'"1\t2\n', {}, {}, id="TSV: a quote is a quote"),
    pytest.param(CSV, HEAD + b"1,2\n", b"1\x1f2\n", {}, {}, id="CSV without quotes"),
    pytest.param(CSV, HEAD + b'"1",2\n', b"1\x1f2\n", {}, {}, id="CSV with quotes"),
    pytest.param(CSV, b'"a","b"\n"1, ""x""",2\n', b'1, "x"\x1f2\n', {}, {}, id="CSV: comma and quotes in quotes"),
    pytest.param(CSV, HEAD + b'"1\n\n2",3\n4,5\n', b"1  2\x1f3\n4\x1f5\n", {}, {}, id="CSV: blank line in quotes"),
    pytest.param(CSV, HEAD + b'"1\r\n2",3\r\n', b"1 2\x1f3\n", {}, {}, id="CSV: CRLF in quotes"),
    pytest.param(CSV, b'a,b\r1,2\r"3",4', b"1\x1f2\n3\x1f4\n", {}, {}, id="CSV of CR"),
    pytest.param(CSV, HEAD + b'"1\n\xff",2\n3,4\n', b"3\x1f4\n", {"line: not UTF-8": 1}, {}, id="CSV: bad byte in quotes"),
    pytest.param(CSV, HEAD + b'"1"x,2\n3,4\n', b"3\x1f4\n", {QUOTE: 1}, {}, id="CSV: text behind a quote"),
    pytest.param(CSV, HEAD + b'1,2\n3,"4', b"1\x1f2\n", {QUOTE: 1}, {}, id="CSV: quote open in the last line"),
    pytest.param(CSV, HEAD + b'5",2\n"3",4\n', b'5"\x1f2\n3\x1f4\n', {}, {}, id="CSV: a quote that opens nothing"),
    pytest.param(CSV, HEAD + b"\n1,2\n\n", b"1\x1f2\n", {}, {"blank line": 2}, id="CSV: blank lines"),
    pytest.param(CSV, HEAD + b'1,2\na,b\n"3",4\n', b"1\x1f2\n3\x1f4\n", {}, REPEATED, id="CSV: header once more"),
    pytest.param(CSV, HEAD + b"1,\x1f\n3,4\n", b"3\x1f4\n", {"record: holds the control character U+001F": 1}, {}, id="CSV: separator in a field"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "content", "kept", "rejected", "dropped"), CASES)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_records_are_kept_set_aside_or_dropped(tmp_path, layout, content, kept, rejected, dropped, compressed):
    stored = gzip.compress(content) if compressed else content
    if compressed and len(content) / len(stored) > 200:
        stored = gzip.compress(content, compresslevel=0)  # a long run of one byte would count as a bomb
    _, result = screened(tmp_path, stored, layout, "log.GZ" if compressed else "log.txt")
    assert result.digest == hashlib.sha256(stored).hexdigest()
    assert {
        reason[: len("line: JSON nested")] if "JSON" in reason else reason: n for reason, n in result.rejected.items()
    } == rejected
    assert dict(result.dropped) == dropped
    read = result.readable.read_bytes().removeprefix(
        b"" if result.header_line is None else result.header_line.encode() + b"\n"
    )
    if result.delimiter == ",":  # as it lies
        read = read.replace(b",", b"\x1f")
    expected = content if kept is None else kept
    assert read.rstrip(b"\n").split(b"\n") == expected.rstrip(b"\n").split(b"\n")
    assert result.records == len(expected.rstrip(b"\n").split(b"\n"))
    if layout in (CSV, TSV):
        assert result.header == ("a", "b")
    assert not result.readable.is_symlink() or not (rejected or dropped or compressed)


def test_what_is_set_aside_stays_in_the_quarantine(tmp_path):
    screened(tmp_path, GOOD + b"secret \xff\n")
    record = json.loads((tmp_path / "quarantine" / "x.jsonl").read_text())
    assert base64.b64decode(record["base64"]) == b"secret \xff"


def test_a_hundred_megabyte_line_is_set_aside_in_bounded_memory(tmp_path):
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.write(GOOD)
        for _ in range(100):
            file.write(b"y" * (1 << 20))
        file.write(b"\n" + GOOD)
    (tmp_path / "work").mkdir()
    tracemalloc.start()
    result = screen(path, content_digest(path), LINES, workspace=tmp_path / "work", quarantine=tmp_path / "q.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.readable.read_bytes() == GOOD * 2
    assert sum(result.rejected.values()) == 1
    assert peak < 40 << 20


@pytest.mark.parametrize(
    ("layout", "content", "name", "message"),
    [
        pytest.param(JSON, b"", "a.jsonl", "empty", id="empty file"),
        pytest.param(JSON, gzip.compress(GOOD * 1000)[:-12], "a.jsonl.gz", "cut or damaged", id="truncated gzip"),
        pytest.param(JSON, gzip.compress(GOOD) + b"PADDING", "a.gz", "cut or damaged", id="something behind gzip"),
        pytest.param(JSON, b"not gzip at all", "a.jsonl.GZ", "cut or damaged", id="not gzip"),
        pytest.param(JSON, gzip.compress(b"0" * (50 << 20)), "a.jsonl.gz", "expands", id="zip bomb"),
        pytest.param(JSON, b"PK\x03\x04...", "a.zip", "is zip; a text log is delivered plain or as gzip", id="zip"),
        pytest.param(JSON, b"\x1b$B;30F\x1b(B\n", "a.json", "ISO-2022-JP", id="ISO-2022-JP"),
        pytest.param(CSV, HEAD + b'1,2\n3,"4\n5,6\n', "a.csv", r"a.csv, line 3: a quote that is opened there", id="open quote"),
        pytest.param(CSV, HEAD + b'1,"2\n3,4\n"5",6\n', "a.csv", r"a.csv, line 2: a quote", id="closed by the next one's"),
        pytest.param(CSV, HEAD + b'1,"2\n3,4\n5",6\n7,8\n', "a.csv", r"a.csv, line 2: a quote", id="closed lines later, another width"),
        pytest.param(CSV, HEAD + b'1,"2\n' + b"3,4\n" * (1 << 18) + b'5",6\n', "a.csv", "line 2: a quote", id="closed a megabyte later"),
        pytest.param(TSV, b"a\tb\r1\t2\n3\t4\n", "a.tsv", "the header, cannot be read: holds a carriage return", id="CR and LF"),
    ],
)  # fmt: skip
def test_a_file_whose_records_cannot_be_told_apart_is_refused(tmp_path, layout, content, name, message):
    with pytest.raises(SourceError, match=message):
        screened(tmp_path, content, layout, name)
