"""Each source's format, plain and gzipped; byte-order marks, encodings, clocks and columns that are not as declared."""

from __future__ import annotations

import gzip
import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.pseudonyms import pseudonym

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


@pytest.mark.later_on_spark
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "Parquet"])
def test_a_packed_row_of_each_format_becomes_an_event(intake, name):
    source, content, extension, expected = FORMATS[name]
    check_event(intake.take(source, gzip.compress(content), f"a.{extension}.gz"), intake.events, source, expected)


@pytest.mark.later_on_spark
@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("Parquet", "combined log")])
def test_a_byte_order_mark_is_no_content(intake, name):
    source, content, extension, _ = FORMATS[name]
    assert intake.take(source, b"\xef\xbb\xbf" + content, f"a.{extension}").accepted == 1


@pytest.mark.later_on_spark
def test_the_voice_itself_is_never_read(intake):
    (event,) = intake.events(intake.take("service_usage", usage(), "a.parquet"))
    assert not {"voice_data", "error_message"} & set(event)
    assert "SECRET" not in str(event)


@pytest.mark.later_on_spark
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(ANALYTICS[1] + "\tmore", "record: not of the header's width", id="too wide"),
        pytest.param("1\t2", "record: not of the header's width", id="too narrow"),
        pytest.param(ANALYTICS[1].replace(str(MOMENT), str(MOMENT * 1000)), "time: not a time of the declared encoding", id="milliseconds for seconds"),
        pytest.param(ANALYTICS[1].replace(str(MOMENT), "2026-10-03T13:00:00Z"), "time: not a time of the declared encoding", id="ISO for epoch"),
        pytest.param(ANALYTICS[1].replace("\t31\t", "\t3.1e1\t"), "seconds_on_page: not a whole number from 0", id="no number"),
        pytest.param(ANALYTICS[1].replace("\t31\t", "\t86401\t"), "seconds_on_page: more than 86400, the most that it can be", id="above the most that is declared"),
        pytest.param(ANALYTICS[1].replace("\t31\t", "\t999999999999999999\t"), "seconds_on_page: more than 86400, the most that it can be", id="absurd"),
        pytest.param(ANALYTICS[1].replace("amp-1", "1.23457E+14"), "amp_client_id: in scientific notation or with a decimal point, as spreadsheets and floats write numbers", id="a spreadsheet's id"),
    ],
)  # fmt: skip
def test_broken_tsv_rows_are_quarantined(intake, row, reason):
    taken = intake.take("analytics", text(ANALYTICS[0], ANALYTICS[1], row), "a.tsv")
    assert (taken.accepted, taken.quarantined) == (1, {reason: 1})


@pytest.mark.later_on_spark
def test_codes_that_are_not_listed_are_counted_by_column(intake):
    codes = ("web", "Web", "web ", "ｗｅｂ", "ウェブ", "Organic Search", "", "other")
    rows = [SEARCH[1].replace("\tweb\t", f"\t{code}\t") for code in codes]
    taken = intake.take("searches", text(SEARCH[0], *rows), "a.tsv")
    assert (taken.accepted, taken.quarantined, taken.unlisted) == (7, {"category: missing": 1}, {"category": 5})


@pytest.mark.later_on_spark
def test_seconds_where_milliseconds_are_declared_are_quarantined(intake):
    taken = intake.take("displays", (json.dumps({**DISPLAY, "time": MOMENT}) + "\n").encode(), "a.jsonl")
    assert taken.accepted == 0
    assert list(taken.quarantined) == ["time: not a time of the declared encoding"]


def declared(intake, source, **changes):
    """The source declared otherwise."""
    content = intake.policies.sources[source].model_dump(mode="json", exclude_none=True)
    intake.policies = type("Own", (), {"sources": {source: Source.model_validate({**content, **changes})}})
    return intake


@pytest.mark.later_on_spark
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


@pytest.mark.later_on_spark
@pytest.mark.parametrize("secret", ["taro.yamada@example.com", "490154203237518", "4111111111111111"])
def test_what_a_user_agent_carries_is_in_no_event(intake, secret):
    agent = f"Mozilla/5.0 (Linux; Android 14; SH-54D Build/{secret}; IMEI/{secret}) Chrome/120.0 {secret}"
    taken = intake.take("displays", (json.dumps({**DISPLAY, "user_agent": agent}) + "\n").encode(), "a.jsonl")
    (event,) = intake.events(taken)
    assert secret not in json.dumps(event)
    assert event["os"] == "Android"


@pytest.mark.later_on_spark
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


@pytest.mark.later_on_spark
@pytest.mark.parametrize("name", ["_a.parquet", "a[1].parquet", "a*.parquet"])
def test_a_parquet_file_is_read_whatever_its_name(intake, name):
    assert intake.take("service_usage", usage(), name).accepted == 1


@pytest.mark.later_on_spark
def test_a_name_that_is_a_pattern_is_no_other_file(intake):
    """A browser's second download: its name as a pattern is the first one's."""
    for name, own in (("export1.tsv", "one"), ("export[1].tsv", "two")):
        taken = intake.take("analytics", text(ANALYTICS[0], ANALYTICS[1].replace("amp-1", own)), name)
        assert (taken.read, taken.accepted) == (1, 1)
    events = list(intake.home.events.rglob("*.parquet"))
    assert len({row["p"] for path in events for row in pq.ParquetFile(path).read().to_pylist()}) == 2


def test_a_column_is_read_where_a_folder_has_its_name(intake):
    """Folders are called source=... and arrived=...: no engine takes that for a column of the files in them."""
    columns = {
        "time": {"role": "time", "treatment": "time"},
        "arrived": {"role": "identifier", "treatment": "pseudonym"},
        "source": {"role": "attribute", "treatment": "code", "codes": "access_source"},
    }
    persons = [{"column": "arrived", "namespace": "client"}]
    own = declared(intake, "analytics", columns=columns, persons=persons)
    rows = [f"{MOMENT}\tp{n}\t{source}" for n, source in enumerate(("search", "mail", "direct"))]
    folder = own.home.landing / "source=analytics" / "arrived=2026-10-31"
    folder.mkdir(parents=True)
    taken = own.take("analytics", text("time\tarrived\tsource", *rows), f"{folder.relative_to(own.home.landing)}/a.tsv")
    events = own.events(taken)
    assert sorted(event["source"] for event in events) == ["direct", "mail", "search"]
    assert len({event["p"] for event in events}) == 3
    assert taken.codes == {"source": ["direct", "mail", "search"]}


TIMES = {
    "seconds": (pa.timestamp("s", "UTC"), MOMENT), "milliseconds": (pa.timestamp("ms", "Asia/Tokyo"), MOMENT * 10**3),
    "nanoseconds": (pa.timestamp("ns", "UTC"), MOMENT * 10**9 + 1),
}  # fmt: skip
MEMBERS = {
    "large text": pa.array(["7"], pa.large_string()), "dictionary": pa.array(["7"]).dictionary_encode(),
    "text view": pa.array(["7"], pa.string_view()), "whole number": pa.array([7], pa.int32()),
}  # fmt: skip


@pytest.mark.once_on_spark
@pytest.mark.parametrize("changes", [
    *(pytest.param({"time": pa.array([value], kind)}, id=name) for name, (kind, value) in TIMES.items()),
    *(pytest.param({"member_id": column}, id=name) for name, column in MEMBERS.items()),
    pytest.param({"Status": ["other"]}, id="two names but for their case"),
])  # fmt: skip
def test_types_of_parquet(intake, changes):
    taken = intake.take(
        "service_usage",
        usage(member_id=["7"]) if not changes else usage(**{"member_id": ["7"], **changes}),
        "a.parquet",
    )
    (event,) = intake.events(taken)
    assert (event["p"], event["day"], event["hour"]) == (
        pseudonym(intake.around.keys, "2026-10", "member\x1f7"),
        20_729,
        13,
    )
    assert event["status"] == "active"


@pytest.mark.once_on_spark
@pytest.mark.parametrize("ancient", [False, True], ids=["a local time, declared", "an instant of an old writer"])
def test_times_of_parquet_without_zone(intake, ancient):
    naive = pa.array([(MOMENT + (0 if ancient else 9 * 3600)) * 10**6], pa.timestamp("us"))
    sink = pa.BufferOutputStream()
    rows = pq.read_table(pa.BufferReader(usage()))
    pq.write_table(rows.set_column(0, "time", naive), sink, use_deprecated_int96_timestamps=ancient)
    own = (
        intake
        if ancient
        else declared(intake, "service_usage", time={"column": "time", "encoding": "timestamp", "clock": "wall"})
    )
    (event,) = own.events(own.take("service_usage", sink.getvalue().to_pybytes(), "a.parquet"))
    assert (event["day"], event["hour"]) == (20_729, 13)


def test_a_damaged_page_is_its_files_failure(intake):
    whole = pq.read_table(pa.BufferReader(usage()))
    rows = pa.concat_tables([whole] * 5000).set_column(1, "member_id", pa.array([f"m{n}" for n in range(5000)]))
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, row_group_size=1000, compression="zstd")
    content = bytearray(sink.getvalue().to_pybytes())
    content[len(content) // 2 : len(content) // 2 + 64] = b"\xff" * 64
    with pytest.raises(SourceError, match=r"a.parquet is damaged: of its 5,000 rows"):
        intake.take("service_usage", bytes(content), "a.parquet")


def test_a_text_of_parquet_that_is_not_utf_8_is_its_files_failure(intake):
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    with pytest.raises(SourceError, match=r"a.parquet is damaged"):
        intake.take("service_usage", usage(member_id=bad), "a.parquet")
