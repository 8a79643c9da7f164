"""Each source's format, plain and gzipped; byte-order marks, encodings, clocks and columns that are not as declared."""

from __future__ import annotations

import gzip
import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anonymization.errors import SourceError
from anonymization.policy.sources import Source

ARRIVED = date(2026, 10, 31)
MOMENT = 1_791_000_000
"""2026-10-03 13:00:00 in Tokyo."""
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
DISPLAY = {
    "time": MOMENT * 1000, "cookie_id": "c1", "action": "click", "kind": "ad", "partner": "recipes", "entry": None,
    "service": "news", "campaign": "k1", "url": "https://x.example/a?q=1", "ip_address": "198.18.7.9", "user_agent": MAC,
}  # fmt: skip
ANALYTICS = (
    "time\tamp_client_id\tpage\tseconds_on_page\treferrer\taccess_source\tbrowser\tbrowser_version\tos\tos_version",
    f"{MOMENT}\tamp-1\thttps://x.example/p\t31\thttps://www.example.com/q\tsearch\tSafari\t17.4.1\tiOS\t17.4",
)
SEARCH = ("time\tcookie_id\tquery\tcategory\tresults", "2026-10-03T13:00:00+09:00\tc1\t  ＴＯＫＹＯ　天気 \tweb\t12")
CSV = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service\r\n2026-10-31,m1,n,k,1980-05-01,東京都千代田区1-1,0,a,mail\r\n"


def parquet(**columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def usage(**changes):
    return parquet(**{
        "time": pa.array([MOMENT * 10**6], pa.timestamp("us", "UTC")), "member_id": ["m1"], "service": ["mail"],
        "status": ["active"], "channel": ["voice"], "voice_seconds": ["12"], "voice_data": ["SECRET"],
        "error_message": ["SECRET"], **changes,
    })  # fmt: skip


def text(*rows, end="\n"):
    return "".join(row + end for row in rows).encode()


FORMATS = {
    "JSON lines": ("displays", (json.dumps(DISPLAY) + "\n").encode(), "jsonl", {"partner": "recipes", "action": "click", "page": "/a", "browser": "Safari"}),
    "CSV": ("subscribers", CSV.encode(), "csv", {"prefecture": "13", "age_band": "40-49", "service": "mail"}),
    "TSV": ("analytics", text(*ANALYTICS), "tsv", {"access_source": "search", "browser_version": "17", "referrer_host": "www.example.com", "seconds_on_page": 31}),
    "TSV with CRLF": ("analytics", text(*ANALYTICS, end="\r\n"), "tsv", {"access_source": "search", "os": "iOS", "os_version": "17"}),
    "TSV of searches": ("searches", text(*SEARCH), "tsv", {"keyword": "tokyo 天気", "category": "web"}),
    "Parquet": ("service_usage", usage(), "parquet", {"status": "active", "channel": "voice", "voice_seconds": 12}),
    "combined log": (
        "weblogs", f'198.18.7.9 - - [03/Oct/2026:13:00:00 +0900] "GET /a?q=1 HTTP/1.1" 200 12 "-" "{MAC}"\n'.encode(),
        "log", {"browser": "Safari", "page": "/a"},
    ),
}  # fmt: skip


def check_event(taken, events, source, expected):
    (event,) = events(taken)
    assert {column: event[column] for column in expected} == expected
    if source != "subscribers":
        assert (event["day"], event["hour"]) == (20_729, 13)


@pytest.mark.parametrize(("source", "content", "extension", "expected"), FORMATS.values(), ids=FORMATS)
def test_a_row_of_each_format_becomes_an_event(intake, source, content, extension, expected):
    check_event(intake.take(source, content, f"a.{extension}"), intake.events, source, expected)


@pytest.mark.once_on_spark
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "Parquet"])
def test_a_packed_row_of_each_format_becomes_an_event(intake, name):
    source, content, extension, expected = FORMATS[name]
    check_event(intake.take(source, gzip.compress(content), f"a.{extension}.gz"), intake.events, source, expected)


@pytest.mark.once_on_spark
@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("Parquet", "combined log")])
def test_a_byte_order_mark_is_no_content(intake, name):
    source, content, extension, _ = FORMATS[name]
    assert intake.take(source, b"\xef\xbb\xbf" + content, f"a.{extension}").accepted == 1


def test_the_voice_itself_is_never_read(intake):
    (event,) = intake.events(intake.take("service_usage", usage(), "a.parquet"))
    assert not {"voice_data", "error_message"} & set(event)
    assert "SECRET" not in str(event)


@pytest.mark.once_on_spark
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(ANALYTICS[1] + "\tmore", "record: not of the header's width", id="too wide"),
        pytest.param("1\t2", "record: not of the header's width", id="too narrow"),
        pytest.param(ANALYTICS[1].replace(str(MOMENT), str(MOMENT * 1000)), "time: not a time of the declared encoding", id="milliseconds for seconds"),
        pytest.param(ANALYTICS[1].replace(str(MOMENT), "2026-10-03T13:00:00Z"), "time: not a time of the declared encoding", id="ISO for epoch"),
        pytest.param(ANALYTICS[1].replace("\t31\t", "\t3.1e1\t"), "seconds_on_page: not a whole number from 0", id="no number"),
        pytest.param(ANALYTICS[1].replace("amp-1", "1.23457E+14"), "amp_client_id: in scientific notation, as spreadsheets round numbers: it tells persons apart no more", id="a spreadsheet's id"),
    ],
)  # fmt: skip
def test_broken_tsv_rows_are_quarantined(intake, row, reason):
    taken = intake.take("analytics", text(ANALYTICS[0], ANALYTICS[1], row), "a.tsv")
    assert (taken.accepted, taken.quarantined) == (1, {reason: 1})


def test_seconds_where_milliseconds_are_declared_are_quarantined(intake):
    taken = intake.take("displays", (json.dumps({**DISPLAY, "time": MOMENT}) + "\n").encode(), "a.jsonl")
    assert taken.accepted == 0
    assert list(taken.quarantined) == ["time: not a time of the declared encoding"]


def declared(intake, source, **changes):
    """The source declared otherwise."""
    content = intake.policies.sources[source].model_dump(mode="json", exclude_none=True)
    intake.policies = type("Own", (), {"sources": {source: Source.model_validate({**content, **changes})}})
    return intake


def test_shift_jis_is_read_where_it_is_declared(intake):
    taken = declared(intake, "subscribers", encoding="shift_jis").take("subscribers", CSV.encode("cp932"), "a.csv")
    (event,) = intake.events(taken)
    assert event["prefecture"] == "13"


@pytest.mark.parametrize(
    ("source", "content", "name", "message"),
    [
        pytest.param(
            "subscribers",
            (CSV + 2 * CSV.split("\r\n", 1)[1]).encode("cp932"),
            "a.csv",
            "Shift-JIS",
            id="Shift-JIS that is not declared",
        ),
        pytest.param("subscribers", CSV.encode("utf-16"), "a.csv", "UTF-16", id="UTF-16"),
        pytest.param("analytics", text("a\tb", "1\t2"), "a.tsv", "lacks the declared columns", id="another TSV"),
    ],
)
def test_a_file_in_another_encoding_is_refused_with_a_hint(intake, source, content, name, message):
    with pytest.raises(SourceError, match=message):
        intake.take(source, content, name)


@pytest.mark.once_on_spark
@pytest.mark.parametrize(
    ("time", "reason"),
    [
        pytest.param("2026-10-03T13:00:00+09:00", None, id="with its offset"),
        pytest.param("2026-10-31T23:30:00Z", None, id="the day's clock may run ahead by one day"),
        pytest.param("2026-11-02T08:00:00Z", "time: after its arrival", id="a local clock written as UTC, days ahead"),
        pytest.param("2026-10-03T13:00:00", "time: no zone or offset", id="a local clock without an offset"),
    ],
)
def test_clocks(intake, time, reason):
    taken = intake.take("searches", text(SEARCH[0], SEARCH[1].replace("2026-10-03T13:00:00+09:00", time)), "a.tsv")
    assert taken.quarantined == ({} if reason is None else {reason: 1})


BEACON = {"cookie_id": "c1", "page": "/a", "ip_address": None, "user_agent": MAC}


@pytest.mark.once_on_spark
@pytest.mark.parametrize(
    ("zone", "time", "expected"),
    [
        pytest.param("Asia/Tokyo", "2026-10-03T13:00:00Z", (20_729, 13), id="Tokyo's clock, called UTC"),
        pytest.param("Asia/Tokyo", "2026-10-03 23:59:59.5", (20_729, 23), id="no offset at all"),
        pytest.param("Asia/Tokyo", "2026-10-03T00:30:00-05:00", (20_729, 0), id="another offset"),
        pytest.param("America/New_York", "2026-03-08T01:59:59Z", (20_520, 1), id="before the clocks went forward"),
        pytest.param("America/New_York", "2026-03-08T02:30:00Z", "time: a time that the clocks of America/New_York passed over", id="an hour that never was"),
        pytest.param("Asia/Tokyo", "2026-10-03T25:00:00Z", "time: not a time of the declared encoding", id="no hour"),
    ],
)  # fmt: skip
def test_a_wall_clock_is_read_as_it_hung(intake, policies, zone, time, expected):
    beacon = {**BEACON, "time": time, "beacon": next(iter(policies.codelists["beacon"]))}
    own = declared(intake, "beacons", zone=zone)
    taken = own.take("beacons", (json.dumps(beacon) + "\n").encode(), "a.jsonl")
    if isinstance(expected, str):
        assert taken.quarantined == {expected: 1}
    else:
        (event,) = own.events(taken)
        assert (event["day"], event["hour"]) == expected


@pytest.mark.once_on_spark
@pytest.mark.parametrize("secret", ["taro.yamada@example.com", "490154203237518", "4111111111111111"])
def test_what_a_user_agent_carries_is_in_no_event(intake, secret):
    agent = f"Mozilla/5.0 (Linux; Android 14; SH-54D Build/{secret}; IMEI/{secret}) Chrome/120.0 {secret}"
    taken = intake.take("displays", (json.dumps({**DISPLAY, "user_agent": agent}) + "\n").encode(), "a.jsonl")
    (event,) = intake.events(taken)
    assert secret not in json.dumps(event)
    assert event["os"] == "Android"


@pytest.mark.once_on_spark
@pytest.mark.parametrize(
    ("length", "reason"),
    [
        pytest.param(256, None, id="the longest"),
        pytest.param(257, "query: longer than 256 characters", id="longer"),
        pytest.param(300_000, "query: longer than 256 characters", id="a megabyte less a little"),
        pytest.param(350_000, "line: longer than 1048576 bytes", id="a megabyte"),
    ],
)
def test_a_keyword_without_end_is_set_aside(intake, length, reason):
    long = SEARCH[1].replace("  ＴＯＫＹＯ　天気 ", "あ" * length)
    taken = intake.take("searches", text(SEARCH[0], SEARCH[1], long), "a.tsv")
    assert taken.quarantined == ({} if reason is None else {reason: 1})
    assert taken.read == 2


@pytest.mark.once_on_spark
@pytest.mark.parametrize("name", ["_a.tsv", "a b.tsv", "a[1].tsv", "a*.tsv", "a?{b,c}.tsv", "a%20b.tsv", "時.tsv.gz"])
def test_a_file_is_read_whatever_its_name(intake, name):
    """Names that mean something else to an engine: hidden ones to Spark, wildcards to both."""
    content = text(*ANALYTICS)
    assert intake.take("analytics", gzip.compress(content) if name.endswith("gz") else content, name).accepted == 1


@pytest.mark.once_on_spark
@pytest.mark.parametrize("name", ["_a.parquet", "a[1].parquet", "a*.parquet"])
def test_a_parquet_file_is_read_whatever_its_name(intake, name):
    assert intake.take("service_usage", usage(), name).accepted == 1
