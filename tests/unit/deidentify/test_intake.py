"""Every row of a log is accepted, quarantined or dropped, and counted; a file that is no log is refused."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.pseudonyms import pseudonym

from anonymization.errors import SourceError

CANARY = "canary-7f3a"
CLICK = {
    "time": "2026-10-03T12:34:56+09:00",
    "cookie_id": CANARY,
    "ip_address": "198.18.7.9",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "url": "https://news.example.jp/p/1?q=secret",
    "referrer": "https://www.example.com/x",
    "service": "news",
}
SUBSCRIBER = "2026-10-31,m1,山田 太郎,ヤマダ,1980-05-01,〒100-0001 東京都千代田区1-1,090-0000-0000,a@example.com,mail"
HEADER = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service"


def lines(*clicks):
    return "".join(json.dumps(click, ensure_ascii=False) + "\n" for click in clicks).encode()


def changed(**changes):
    return {**CLICK, **changes}


def table(**columns):
    rows = {
        "time": pa.array([1_759_463_696_000_000], pa.timestamp("us", "UTC")),
        "device_id": ["d1"],
        "latitude": [35.658581],
        "longitude": [139.745433],
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({k: v for k, v in {**rows, **columns}.items() if v is not None}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.later_on_spark
def test_a_click_becomes_an_event(intake):
    taken = intake.take("clicks", lines(CLICK), "a.jsonl")
    key = pseudonym(intake.around.keys, "2026-10", f"cookie\x1f{CANARY}")
    assert intake.events(taken) == [
        {
            "p": key, "day": 20_729, "hour": 12, "ip_network": "198.18.7.0/24", "browser": "Chrome", "os": "Windows",
            "device": "computer", "page": "/p/*", "referrer_host": "www.example.com", "service": "news",
        }
    ]  # fmt: skip


@pytest.mark.later_on_spark
def test_a_subscriber_becomes_an_event(intake):
    taken = intake.take("subscribers", f"{HEADER}\n{SUBSCRIBER}\n".encode(), "a.csv")
    (event,) = intake.events(taken)
    assert (event["age_band"], event["prefecture"], event["service"]) == ("40-49", "13", "mail")


@pytest.mark.later_on_spark
@pytest.mark.parametrize(
    ("born", "band"),
    [
        *((day, "unknown") for day in ("1900-01-01", "1899-12-30", "0001-01-01", "9999-12-31", "")),
        ("1909-10-31", "90-over"), ("1936-11-01", "80-89"), ("1970-01-01", "50-59"),
    ],
)  # fmt: skip
def test_a_date_that_stands_for_none_is_no_date_of_birth(intake, born, band):
    row = SUBSCRIBER.replace("1980-05-01", born)
    (event,) = intake.events(intake.take("subscribers", f"{HEADER}\n{row}\n".encode(), "a.csv"))
    assert event["age_band"] == band


@pytest.mark.later_on_spark
@pytest.mark.parametrize("code", [
    "〒100-0001 ", "〒100\u22120001 ", "〒100\u20100001 ", "〒100ー0001 ", "〒100－0001　", "１００‐０００１", "100-0001\n",
    "100-0001\u00a0", "T100\uff700001 ", "1000001 ", "",
])  # fmt: skip
def test_a_postal_code_is_read_over_however_its_dash_is_written(intake, code):
    row = SUBSCRIBER.replace("〒100-0001 東京都千代田区1-1", f'"{code}東京都千代田区1-1"')
    (event,) = intake.events(intake.take("subscribers", f"{HEADER}\n{row}\n".encode(), "a.csv"))
    assert event["prefecture"] == "13"


def test_a_position_becomes_a_mesh(intake):
    taken = intake.take("locations", table(), "a.parquet")
    (event,) = intake.events(taken)
    assert event["mesh"] // 10 == 53_393_599


def test_a_sign_in_links_two_pseudonyms(intake):
    row = {k: v for k, v in CLICK.items() if k not in ("url", "referrer")} | {"member_id": "m1"}
    taken = intake.take("links", lines(row), "a.jsonl")
    (event,) = intake.events(taken)
    assert event["linked_p"] == pseudonym(intake.around.keys, "2026-10", "member\x1fm1")


def test_a_row_of_a_month_that_was_erased_is_dropped_without_its_key(intake):
    intake.around = replace(intake.around, kept_from=date(2026, 10, 1))
    intake.around.keys.destroy("2026-09")
    rows = [changed(time=f"{day}T12:00:00+09:00") for day in ("2018-01-31", "2026-09-30", "2026-10-01")]
    taken = intake.take("clicks", lines(*rows), "a.jsonl")
    assert taken.dropped == {"before the policy's first version": 1, "of a month that was erased": 1}
    assert [event["day"] for event in intake.events(taken)] == [20_727]


ROWS = [
    pytest.param(b'{"time": "2026-10-03T12\n', {"line: not a JSON object": 1}, {}, id="cut JSON"),
    pytest.param(b'["a"]\n', {"line: not a JSON object": 1}, {}, id="not an object"),
    pytest.param(lines(changed(time=None)), {"time: missing": 1}, {}, id="no time"),
    pytest.param(lines(changed(time="2026-10-03T12:34:56")), {"time: no zone or offset": 1}, {}, id="no zone"),
    pytest.param(lines(changed(time="2026-10-03")), {"time: no zone or offset": 1}, {}, id="date without zone"),
    pytest.param(
        lines(changed(time="2026-02-30T12:34:56Z")),
        {"time: not a time of the declared encoding": 1},
        {},
        id="Feb 30",
    ),
    pytest.param(lines(changed(time="2026-12-03T12:34:56Z")), {"time: after its arrival": 1}, {}, id="future"),
    pytest.param(lines(changed(service="xyz")), {"service: not a code of the list 'service'": 1}, {}, id="bad code"),
    pytest.param(lines(changed(service=None)), {"service: missing": 1}, {}, id="no code"),
    pytest.param(lines(changed(url="nonsense")), {"url: not a URL or a path": 1}, {}, id="no URL"),
    pytest.param(lines(changed(cookie_id="x" * 257)), {"cookie_id: longer than 256 characters": 1}, {}, id="long id"),
    pytest.param(lines(CLICK)[:-1] * 2 + b"\n", {"line: not a JSON object": 1}, {}, id="two objects on a line"),
    pytest.param(lines(CLICK)[:-1] + b"] [{}\n", {"line: not a JSON object": 1}, {}, id="an object and a bracket"),
    pytest.param(lines(CLICK)[:-1] + b"} {}\n", {"line: not a JSON object": 1}, {}, id="an object and a brace"),
    pytest.param(lines(CLICK)[:-2] + b', "x": NaN}\n', {"line: not a JSON object": 1}, {}, id="NaN"),
    pytest.param(
        lines(CLICK)[:-2] + b', "x": [1, ]}\n', {"line: not a JSON object": 1}, {}, id="comma at the end of a list"
    ),
    pytest.param(
        lines(CLICK)[:-2] + b', "\\u0063ookie_id": "other"}\n',
        {"line: a name stands twice in its object": 1},
        {},
        id="a name twice",
    ),
    pytest.param(b"\xff\xfe\n", {"line: not UTF-8": 1}, {}, id="bad UTF-8"),
    pytest.param(b'{"time":\r1}\n', {"line: holds a carriage return": 1}, {}, id="carriage return"),
    pytest.param(b"a\0b\n", {"line: holds a NUL byte": 1}, {}, id="NUL"),
    pytest.param(lines(changed(cookie_id=None)), {}, {"no identifier": 1}, id="null person"),
    pytest.param(lines(changed(cookie_id="")), {}, {"no identifier": 1}, id="empty person"),
    pytest.param(lines(changed(cookie_id="opted")), {}, {"opted out": 1}, id="opted out"),
    pytest.param(
        lines(changed(time="2018-01-31T23:59:59+09:00")), {}, {"before the policy's first version": 1}, id="too old"
    ),
    pytest.param(b"\n\r\n", {}, {"blank line": 2}, id="blank lines"),
]


@pytest.mark.later_on_spark
@pytest.mark.parametrize(
    ("content", "quarantined", "dropped"),
    ROWS,
)
def test_each_row_is_accounted_for(intake, content, quarantined, dropped):
    taken = intake.take("clicks", lines(CLICK) + content, "a.jsonl")
    assert (taken.accepted, taken.quarantined, taken.dropped) == (1, quarantined, dropped)
    assert taken.read == 1 + sum(quarantined.values()) + sum(dropped.values())


def test_all_of_them_in_one_file(intake):
    contents, quarantined, dropped = zip(*(case.values for case in ROWS), strict=True)
    taken = intake.take("clicks", lines(CLICK) + b"".join(contents), "a.jsonl")
    assert (taken.quarantined, taken.dropped) == tuple(
        dict(sum(map(Counter, all_of), Counter())) for all_of in (quarantined, dropped)
    )


@pytest.mark.later_on_spark
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(SUBSCRIBER.replace("1980-05-01", "2027-01-01"), "birth_date: after the event's day", id="unborn"),
        pytest.param(SUBSCRIBER.replace("1980-05-01", "1980-13-01"), "birth_date: not a date YYYY-MM-DD", id="no date"),
        pytest.param(
            SUBSCRIBER.replace("1980-05-01", "1908-10-30"), "birth_date: more than 117 years ago", id="too old"
        ),
        pytest.param("2026-10-31,m1", "record: not of the header's width", id="too narrow"),
        pytest.param(SUBSCRIBER + ",more", "record: not of the header's width", id="too wide"),
    ],
)
def test_broken_subscribers_are_quarantined(intake, row, reason):
    taken = intake.take("subscribers", f"{HEADER}\n{SUBSCRIBER}\n{row}\n".encode(), "a.csv")
    assert (taken.accepted, taken.quarantined) == (1, {reason: 1})


def test_texts_that_look_like_no_json_are_read(intake):
    """What is looked at twice: NaN, infinities and commas within texts; objects within objects with a name twice."""
    odd = b', "x": ": NaN, inf, ]", "y": {"k": 1, "k": [[{}]]}}\n'
    taken = intake.take("clicks", lines(CLICK)[:-2] + odd, "a.jsonl")
    assert (taken.accepted, taken.quarantined) == (1, {})


@pytest.mark.later_on_spark
@pytest.mark.parametrize(
    "column", [{"latitude": [999.0]}, {"longitude": [-0.1]}, {"latitude": [float("nan")]}], ids=str
)
def test_positions_outside_the_mesh_are_quarantined(intake, column):
    taken = intake.take("locations", table(**column), "a.parquet")
    assert sum(taken.quarantined.values()) == 1


@pytest.mark.parametrize(
    ("source", "content", "name", "message"),
    [
        pytest.param("clicks", b"", "a.jsonl", "is empty", id="empty file"),
        pytest.param("clicks", gzip.compress(lines(CLICK) * 99)[:-9], "a.jsonl.gz", "cut or damaged", id="truncated gzip"),
        pytest.param("clicks", b"garbage\n", "a.jsonl", "no JSON object", id="no JSON"),
        pytest.param(
            "clicks", lines({("user" if k == "cookie_id" else k): v for k, v in CLICK.items()}), "a.jsonl",
            r"lacks the declared columns \['cookie_id'\] of source 'clicks'; 1 that are not declared stand there", id="renamed column",
        ),
        pytest.param("subscribers", b"as_of,member_id\n", "a.csv", "lacks the declared columns", id="CSV lacks columns"),
        pytest.param("subscribers", f"{HEADER},name\n".encode(), "a.csv", "columns twice: name$", id="CSV column twice"),
        pytest.param("subscribers", f"{HEADER},{CANARY},{CANARY}\n".encode(), "a.csv", "columns twice: 1 that are not declared", id="CSV column of a stranger twice"),
        pytest.param("subscribers", SUBSCRIBER.replace("m1", CANARY).encode() + b"\n", "a.csv", "9 that are not declared stand there: is one renamed, or the header missing", id="CSV without its header"),
        pytest.param("clicks", lines({CANARY: 1}), "a.jsonl", "lacks the declared columns", id="JSON of a stranger"),
        pytest.param("clicks", lines(CLICK).replace(b"\n", b" ") * 2, "a.jsonl", "no JSON object", id="line ends gone"),
        pytest.param("locations", b"PAR1 not really", "a.parquet", "not a whole Parquet file", id="not Parquet"),
        pytest.param("locations", table()[:-20], "a.parquet", "not a whole Parquet file", id="truncated Parquet"),
        pytest.param("locations", table(latitude=None), "a.parquet", "lacks the declared", id="Parquet lacks a column"),
        pytest.param("locations", table(latitude=["35.6"]), "a.parquet", "declared as a floating", id="wrong type"),
        pytest.param(
            "locations", table(time=pa.array([1], pa.timestamp("us"))), "a.parquet", "with time zone", id="time without zone"
        ),
        pytest.param("weblogs", lines(CLICK), "a.log", "no line of a combined log", id="another format"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_declared_is_refused(intake, source, content, name, message):
    with pytest.raises(SourceError, match=message) as caught:
        intake.take(source, content, name)
    assert CANARY not in str(caught.value)
    assert not list(intake.home.events.rglob("*.parquet"))


@pytest.mark.later_on_spark
def test_undeclared_columns_are_dropped_and_counted(intake):
    taken = intake.take("clicks", lines(changed(token=1, **{"taro@example.com": 2})), "a.jsonl")
    assert taken.undeclared == 2
    assert "token" not in intake.events(taken)[0]


@pytest.mark.later_on_spark
def test_the_same_content_changes_nothing(intake):
    first = intake.take("clicks", lines(CLICK), "a.jsonl")
    before = {p: p.read_bytes() for p in intake.home.events.rglob("*") if p.is_file()}
    second = intake.take("clicks", lines(CLICK), "other-name.jsonl", arrived=date(2026, 10, 30))
    assert not first.again
    assert second.again
    assert {p: p.read_bytes() for p in intake.home.events.rglob("*") if p.is_file()} == before


def test_crawlers_are_accepted_without_a_person(intake):
    taken = intake.take("clicks", lines(CLICK, changed(user_agent="curl/8.5.0", cookie_id=None)), "a.jsonl")
    assert (taken.accepted, taken.crawlers) == (2, 1)
    assert sorted(event["p"] is None for event in intake.events(taken)) == [False, True]


@pytest.mark.once_on_spark
@pytest.mark.parametrize(
    ("cookie", "member", "taken"),
    [
        pytest.param(CANARY, "gone", 1, id="a member: the sign-in tells which cookies the choice covers"),
        pytest.param(None, "gone", 0, id="a member, and nothing beside"),
        pytest.param("opted", "m1", 0, id="a cookie, whose choice covers no member"),
        pytest.param("opted", "gone", 0, id="both"),
        pytest.param(CANARY, "m1", 1, id="nobody"),
    ],
)
def test_a_sign_in_of_who_opted_out_is_taken_in_for_what_it_tells(intake, cookie, member, taken):
    row = {k: v for k, v in CLICK.items() if k not in ("url", "referrer")} | {"cookie_id": cookie, "member_id": member}
    done = intake.take("links", lines(row), "a.jsonl")
    assert (done.accepted, done.dropped) == (taken, {} if taken else {"opted out": 1})


def test_late_events_take_the_key_of_their_own_month(intake):
    row = changed(time="2026-09-30T23:00:00+09:00")
    taken = intake.take("clicks", lines(CLICK, row), "a.jsonl")
    pseudonyms = {event["day"]: event["p"] for event in intake.events(taken)}
    assert pseudonyms[20_726] == pseudonym(intake.around.keys, "2026-09", f"cookie\x1f{CANARY}")
    assert pseudonyms[20_726] != pseudonyms[20_729]


@pytest.mark.later_on_spark
def test_no_raw_value_leaves_the_identified_zone(intake):
    intake.take("clicks", lines(CLICK, changed(time="bad")), "a.jsonl")
    intake.take("subscribers", f"{HEADER}\n{SUBSCRIBER}\n".encode(), "a.csv")
    outside = [p for p in intake.home.root.rglob("*") if p.is_file() and not {"landing", "quarantine"} & set(p.parts)]
    held = b"".join(path.read_bytes() for path in outside)
    for secret in (CANARY, "198.18.7.9", "山田", "090-0000-0000", "a@example.com", "q=secret"):
        assert secret.encode() not in held


@pytest.mark.later_on_spark
def test_every_file_is_private(intake):
    intake.take("clicks", lines(CLICK, changed(time="bad")), "a.jsonl")
    made = [p for zone in (intake.home.events, intake.home.quarantine) for p in zone.rglob("*")]
    assert made
    assert all(p.stat().st_mode & 0o077 == 0 for p in made)


@pytest.mark.later_on_spark
def test_codes_seen_are_distinct_ones(intake):
    taken = intake.take("clicks", lines(CLICK, CLICK, {**CLICK, "service": "mail"}), "c.jsonl")
    assert taken.codes == {"service": sorted({CLICK["service"], "mail"})}
