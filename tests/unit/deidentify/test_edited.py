"""Raw logs without a person's records, in every format: what is another's stays as it lies, whatever spells the ids."""

from __future__ import annotations

import gzip
import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anonymization.deidentify.edited import Edit, edited, records_of
from anonymization.deidentify.whose import Whose
from anonymization.errors import SourceError
from anonymization.release.person_links import linked_of

PEOPLE = {
    "clicks": [("cookie", "me-0001")],
    "searches": [("cookie", "me-0001")],
    "subscribers": [("member", "me-0001")],
    "event_attendees": [("attendee", "出席1")],
    "weblogs": [("address", "2001:db8::1"), ("address", "198.18.0.1"), ("address", "me.example.jp")],
    "service_usage": [("member", "100")],
    "locations": [("device", "me-0001")],
    "links": [("member", "me-0001"), ("cookie", "mine-01")],
}
HEAD = b"as_of,member_id,name\n"
ATTENDED = "attended_on,attendee_id,name\r\n".encode("cp932")
COMBINED = b'%s - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x"\n'
CASES = {
    "JSON": ("clicks", b'{"cookie_id":"me-0001"}\n{"cookie_id": "you"}\n', b'{"cookie_id": "you"}\n'),
    "the last line without its end": ("clicks", b'{"cookie_id":"you"}\n{"cookie_id":"me-0001"}', b'{"cookie_id":"you"}\n'),
    "an escape": ("clicks", b'{"cookie_id":"\\u006de-0001"}\n{"cookie_id":"\\u0079ou"}\n', b'{"cookie_id":"\\u0079ou"}\n'),
    "full width, blanks": ("clicks", '{"cookie_id":" ｍｅ-０００1 "}\n{}\n'.encode(), b"{}\n"),
    "a longer id": ("clicks", b'{"cookie_id":"me-00012"}\n', None),
    "an id in another column": ("clicks", b'{"cookie_id":"you","url":"/me-0001"}\n', None),
    "a name that stands twice": ("clicks", b'{"cookie_id":"me-0001","cookie_id":"x"}\n{"cookie_id":"x"}\n', b'{"cookie_id":"x"}\n'),
    "a name that stands twice, the other way": ("clicks", b'{"cookie_id":"x","cookie_id":"me-0001"}\n{"cookie_id":"x"}\n', b'{"cookie_id":"x"}\n'),
    "a cut line": ("clicks", b'{"cookie_id":"me-0001","ti\n{"cookie_id":"me-00012","ti\n', b'{"cookie_id":"me-00012","ti\n'),
    "a line that is not UTF-8": ("clicks", b'{"cookie_id":"me-0001","x":"\xff"}\n{"x":"\xff"}\n', b'{"x":"\xff"}\n'),
    "a mark, and Windows' ends": ("clicks", b'\xef\xbb\xbf{"cookie_id":"you"}\r\n{"cookie_id":"me-0001"}\r\n', b'{"cookie_id":"you"}\n'),
    "carriage returns": ("searches", b"time\tcookie_id\rt\tme-0001\rt\tyou\r", b"time\tcookie_id\nt\tyou\n"),
    "TSV": ("searches", b"time\tcookie_id\nt\tme-0001\nt\tyou\n\n", b"time\tcookie_id\nt\tyou\n\n"),
    "TSV of another width": ("searches", b"time\tcookie_id\nt\tx\tme-0001\nt\tx\tyou\n", b"time\tcookie_id\nt\tx\tyou\n"),
    "CSV": ("subscribers", HEAD + b"d,me-0001,N\nd,you,N\n", HEAD + b"d,you,N\n"),
    "CSV in quotes, over lines": (
        "subscribers", HEAD + b'd,"you","a\n""b"\nd,"me-0001","a\nb"\nd,x,"me-0001"\n', HEAD + b'd,"you","a\n""b"\nd,x,"me-0001"\n',
    ),
    "CSV of a quote that is open": ("subscribers", HEAD + b'd,you,"a\nd,me-0001,b\nd,x,"c"\n', HEAD + b'd,you,"a\nd,x,"c"\n'),
    "Shift-JIS": (
        "event_attendees", ATTENDED + "d,出席1,表\r\nd,出席2,表\r\n".encode("cp932"),
        b"attended_on,attendee_id,name\n" + "d,出席2,表\n".encode("cp932"),
    ),
    "a combined log": (
        "weblogs", COMBINED % b"2001:0DB8:0::0001" + COMBINED % b"::ffff:c612:1" + COMBINED % b"ME.example.jp." + COMBINED % b"198.18.0.10",
        COMBINED % b"198.18.0.10",
    ),
    "a cut combined log": ("weblogs", b"198.18.0.1 - - [17/\n198.18.0.10 - - [17/\n", b"198.18.0.10 - - [17/\n"),
    "sign-ins with either id": (
        "links", b'{"cookie_id":"mine-01","member_id":"x"}\n{"cookie_id":"y","member_id":"me-0001"}\n{"cookie_id":"y","member_id":"x"}\n',
        b'{"cookie_id":"y","member_id":"x"}\n',
    ),
    "nobody's": ("subscribers", HEAD + b"d,you,me-0001\n", None),
}  # fmt: skip


def whose(policies, source, *, alone=False):
    declared = policies.sources[source]
    return Whose(declared, linked_of(policies, source), policies.spellings, PEOPLE[source], alone=alone)


def made(policies, path, source, edit):
    target = io.BytesIO()
    done = edited(path, policies.sources[source], whose(policies, source), edit, target)
    again = edited(path, policies.sources[source], whose(policies, source), edit)
    assert done == again
    if done is not None and done.digest:
        assert done.digest == hashlib.sha256(target.getvalue()).hexdigest()
    return done, target.getvalue()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("source", "content", "left"), CASES.values(), ids=CASES)
def test_a_persons_records_are_left_out(policies, tmp_path, source, content, left, packed):
    path = tmp_path / ("log.gz" if packed else "log")
    path.write_bytes(gzip.compress(content) if packed else content)
    done, written = made(policies, path, source, Edit())
    if left is None:
        assert done is None
        return
    assert (gzip.decompress(written) if packed else written) == left
    found = list(records_of(path, policies.sources[source], whose(policies, source)))
    assert len(found) == done.records


def test_a_log_of_nobody_else_is_left_without_a_record(policies, tmp_path):
    for source, content in (("clicks", b'{"cookie_id":"me-0001"}\n'), ("subscribers", HEAD + b"d,me-0001,N\n")):
        (path := tmp_path / source).write_bytes(content)
        assert made(policies, path, source, Edit())[0].digest == ""


def test_a_record_across_two_chunks_is_found(policies, tmp_path, monkeypatch):
    monkeypatch.setattr("anonymization.deidentify.delivered.CHUNK", 16)
    (path := tmp_path / "log").write_bytes(b'{"cookie_id":"you"}\n{"cookie_id":"me-0001"}\n')
    assert made(policies, path, "clicks", Edit())[1] == b'{"cookie_id":"you"}\n'


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_parquet(policies, tmp_path, kind):
    ids = pa.array(["100", "1000", None, "100"]).cast(pa.int64() if kind == pa.int64() else pa.string())
    table = pa.table({"member_id": ids.cast(kind), "channel": ["web", "web", "app", None]})
    pq.write_table(table, path := tmp_path / "log.parquet")
    done, written = made(policies, path, "service_usage", Edit())
    left = pq.read_table(io.BytesIO(written))
    assert (done.records, left.schema.types, left.column("member_id").to_pylist()) == (
        2,
        table.schema.types,
        ids.to_pylist()[1:3],
    )
    done, written = made(policies, path, "service_usage", Edit("channel", "voice", missing=True))
    assert (done.records, pq.read_table(io.BytesIO(written)).column("channel").to_pylist()) == (
        1,
        ["web", "web", "app", "voice"],
    )


def test_times_of_an_old_writer_stay_so(policies, tmp_path):
    table = pa.table({"time": pa.array([0, 1], pa.timestamp("us")), "device_id": ["me-0001", "you"]})
    pq.write_table(table, path := tmp_path / "log.parquet", use_deprecated_int96_timestamps=True)
    written = made(policies, path, "locations", Edit())[1]
    schema = pq.ParquetFile(io.BytesIO(written)).schema
    assert schema.column(0).physical_type == "INT96"


SETS = {
    "JSON": ("clicks", b'{"cookie_id":"me-0001","service":"x"}\n{"cookie_id":"you","service":"x"}\n', "service", b'{"cookie_id": "me-0001", "service": "\xe6\x96\xb0"}\n{"cookie_id":"you","service":"x"}\n'),
    "JSON without the column": ("clicks", b'{"cookie_id":"me-0001"}\n', "service", b'{"cookie_id": "me-0001", "service": "\xe6\x96\xb0"}\n'),
    "CSV": ("subscribers", HEAD + b'd,me-0001,"a,b"\nd,you,x\n', "name", HEAD + "d,me-0001,新\nd,you,x\n".encode()),
    "TSV": ("searches", b"time\tcookie_id\tquery\nt\tme-0001\tx\n", "query", "time\tcookie_id\tquery\nt\tme-0001\t新\n".encode()),
    "Shift-JIS": ("event_attendees", ATTENDED + "d,出席1,表\n".encode("cp932"), "name", b"attended_on,attendee_id,name\n" + "d,出席1,新\n".encode("cp932")),
    "as it is": ("subscribers", HEAD + "d,me-0001,新\n".encode(), "name", None),
    "a broken line": ("clicks", b'{"cookie_id":"me-0001","ti\n', "service", None),
}  # fmt: skip


@pytest.mark.parametrize(("source", "content", "column", "left"), SETS.values(), ids=SETS)
def test_a_value_is_another_one(policies, tmp_path, source, content, column, left):
    (path := tmp_path / "log").write_bytes(content)
    done, written = made(policies, path, source, Edit(column, "新"))
    assert (done and written) == left


def test_a_value_that_the_log_cannot_hold_is_an_error(policies, tmp_path):
    (path := tmp_path / "log").write_bytes(ATTENDED + "d,出席1,表\n".encode("cp932"))
    with pytest.raises(SourceError, match="--value cannot be written in the encoding of 'event_attendees'"):
        made(policies, path, "event_attendees", Edit("name", "😀"))


def test_of_a_disclosure_a_sign_in_is_whose_member_it_names(policies, tmp_path):
    lines = [{"cookie_id": c, "member_id": m} for c, m in (("mine-01", "x"), ("y", "me-0001"), ("mine-01", None))]
    (path := tmp_path / "log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert list(records_of(path, policies.sources["links"], whose(policies, "links", alone=True))) == lines[1:]
