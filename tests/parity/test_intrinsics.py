"""Each intrinsic, on every engine, against values computed by other means or written by hand."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest


def values(engine, expression, rows, kind=None):
    """The expression over the column x, one result a row, in order."""
    engine.register("given", pa.table({"n": list(range(len(rows))), "x": pa.array(rows, kind or pa.string())}))
    found = engine.fetch(f"SELECT n, {expression} AS y FROM given").to_pylist()
    engine.drop("given")
    return [row["y"] for row in sorted(found, key=lambda row: row["n"])]


TEXTS = {
    "EPOCH_OF(x)": {
        "2026-10-03T12:34:56+09:00": 1_790_998_496, "2026-10-03T03:34:56Z": 1_790_998_496,
        "2026-10-03T03:34:56.999999Z": 1_790_998_496, "1969-12-31T23:59:59Z": -1, "2024-02-29T00:00:00Z": 1_709_164_800,
        "2026-02-29T00:00:00Z": None, "2026-02-30T00:00:00Z": None, "2026-13-01T00:00:00Z": None,
        "2026-10-03T24:00:00Z": None, "2026-10-03T23:59:60Z": None, "0000-01-01T00:00:00Z": None,
        "2026-10-03t12:34:56z": None, "2026-10-03T12:34:56": None, "2026-10-03 12:34:56Z": None,
        "2026-10-03T12:34:56+14:00": 1_790_980_496, "2026-10-03T12:34:56+25:00": None, "２０２６-10-03T12:34:56Z": None,
        "": None, None: None,
    },
    "EPOCH_OF_COMMON_LOG(x)": {
        "17/May/2015:10:05:03 +0000": 1_431_857_103, "17/May/2015:19:05:03 +0900": 1_431_857_103,
        "31/Feb/2015:10:05:03 +0000": None, "17/Mai/2015:10:05:03 +0000": None, "17/May/2015 10:05:03": None, None: None,
    },
    "DAY_OF_DATE(x)": {
        "1970-01-01": 0, "2026-10-01": 20_727, "2024-02-29": 19_782, "2026-02-29": None, "2026-2-1": None,
        "1969-12-31": -1, "2026-10-01 ": None, "": None, None: None,
    },
    "SAFE_INT(x)": {
        "0": 0, "-7": -7, "+7": 7, "007": 7, "1.5": None, "1e3": None, " 1": None, "１": None, "": None, None: None,
        "999999999999999999": 999_999_999_999_999_999, "9999999999999999999": None,
    },
    "IP_NETWORK(x)": {
        "192.0.2.77": "192.0.2.0/24", "192.0.2.256": None, "192.0.2": None, "010.0.0.1": None,
        "2001:db8:a1:1:2:3:4:5": "2001:db8:a1::/48", "2001:0DB8:00a1::7": "2001:db8:a1::/48", "2001:db8::1": "2001:db8:0::/48",
        "::1": "0:0:0::/48", "fe80::": "fe80:0:0::/48", "1::2::3": None, "2001:db8:a1:1:2:3:4": None, "1:2": None,
        "host.example": None, "": None, None: None,
    },
    "URL_PATH(x)": {
        "https://a.example/x/y?q=1#z": "/x/y", "https://a.example": "/", "https://a.example?q": "/", "/p?x=1": "/p",
        "/p#f": "/p", "/日本/": "/日本/", "p": None, "mailto:a": None, "": None, None: None,
    },
    "URL_HOST(x)": {
        "https://A.Example:80/x": "a.example", "http://u:p@h.example/a": "h.example",
        "http://u@:80/": None, "http://@/": None, "http://a@b@c.example/": "b", "http://:80/": None, "/p": None, "mailto:a@b.example": None,
        "": None, None: None,
    },
    "REGEX_REPLACE_ALL(x, '-', '')": {"2026-10-01": "20261001", "--": "", "": "", None: None},
    "LIST_ITEM(FIELDS(x, '\t'), 2)": {"a\tb\tc": "b", "a\t": "", "\tb": "b", "a": None, "": None, None: None, "\t\t": ""},
    "LIST_ITEM(QUOTE_FIELDS(x), 2)": {'a "b" c': "b", '"b"': "b", "a": None, "": None, None: None, 'a""': "", '"日本': "日本"},
    "LIST_LENGTH(QUOTE_FIELDS(x))": {'a "b" c': 3, '"b"': 3, "a": 1, "": 1, '""': 3},
    "LIST_LENGTH(FIELDS(x, '\t'))": {"a\tb\tc": 3, "a\t": 2, "a": 1, "": 1, "\t\t": 3, "か\tb": 2},
    "JSON_VALID(x)": {
        '{"a": 1}': True, ' {"a": 1}': True, "{}": True, '{"a": "\\ud83d\\ude00"}': True, '{"a": 1, "a": 2}': True,
        '{"a": ": NaN, inf, ]"}': True, '{"a": "\\", NaN"}': True, '{"a": 1' + "0" * 400 + "}": True, '{"a": 1e400}': True,
        "[1]": False, "1": False, '{"a"': False, "": False, "null": False, '"x"': False,
        '{"a": 1}{"a": 2}': False, '{"a": 1} {}': False, '{"a": 1}, {}': False, '{"a": 1}] x': False, '{"a": 1}] [{}': False,
        '{"a": 1}} x': False, '{"a": 1}} {"b": {}': False, '{"a": 1}]} x': False, '{"a": 1}, "b": {}': False,
        '{"a": NaN}': False, '{"a": -Infinity}': False, '{"a": [1,inf]}': False, '{"a": 1,}': False, '{"a": [1, ]}': False,
        "{'a': 1}": False, "{a: 1}": False, '{"a": 01}': False, '{"a": +1}': False, '{"a": .5}': False, '{"a": 1.}': False,
        '{"a": "\t"}': False, '{"a": "\x01"}': False, '{"a": "\\x"}': False, '{"a": "\\ud800"}': False, '{"a": 1 /* */}': False,
    },
    "LIST_ITEM(JSON_FIELDS(x, 'a', 'b'), 2)": {
        '{"a": 1, "b": "v"}': "v", '{"b": "\\u3042\\n"}': "あ\n", '{"b": 12}': "12", '{"b": null}': None, '{"a": 1}': None,
        '{"b": true}': "true", '{"b": ""}': "",
    },
    "GROUP_ITEM(REGEX_GROUPS(x, '^(a+)(b*)$', 2), 1)": {"aab": "aa", "b": "", "": ""},
}  # fmt: skip


@pytest.mark.parametrize("expression", TEXTS)
def test_of_texts(engine, expression):
    cases = TEXTS[expression]
    assert dict(zip(cases, values(engine, expression, list(cases)), strict=True)) == cases


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "Europe/Berlin", "UTC", "Asia/Kathmandu"])
def test_local_day_and_hour(engine, zone):
    moments = [
        "1969-12-31T23:59:59", "1970-01-01T00:00:00", "2026-03-08T06:59:59", "2026-03-08T07:00:00", "2026-11-01T05:59:59",
        "2026-11-01T06:00:00", "2026-03-29T00:59:59", "2026-03-29T01:00:00", "2026-10-25T00:30:00", "2026-10-25T01:30:00",
        "2026-10-04T15:00:00", "2026-10-04T14:59:59",
    ]  # fmt: skip
    epochs = [int(datetime.fromisoformat(m).replace(tzinfo=UTC).timestamp()) for m in moments]
    local = [datetime.fromtimestamp(e, ZoneInfo(zone)) for e in epochs]
    days = [(moment.date() - date(1970, 1, 1)).days for moment in local]
    assert values(engine, f"DAY_OF(x, '{zone}')", [*epochs, None], pa.int64()) == [*days, None]
    assert values(engine, f"HOUR_OF(x, '{zone}')", [*epochs, None], pa.int64()) == [*(m.hour for m in local), None]


def test_of_a_typed_timestamp(engine):
    rows = [1_790_998_496_999_999, -1, None]
    assert values(engine, "EPOCH_OF_TIMESTAMP(x)", rows, pa.timestamp("us", "UTC")) == [1_790_998_496, -1, None]


def test_of_integers(engine):
    rows = [7, -7, 0, None]
    assert values(engine, "INT_DIV(x, 2)", rows, pa.int64()) == [3, -3, 0, None]
    assert values(engine, "BIT_COUNT(x)", [7, 0, 1 << 61, None], pa.int64()) == [3, 0, 1, None]
    assert values(engine, "SHIFT_LEFT(1, x)", [0, 3, 61, None], pa.int64()) == [1, 8, 1 << 61, None]


def test_bits_are_merged(engine):
    engine.register("bits", pa.table({"k": ["a", "a", "b"], "x": pa.array([1, 4, 2], pa.int64())}))
    rows = engine.fetch("SELECT k, BIT_OR_AGG(x) AS y FROM bits GROUP BY k").to_pylist()
    assert {row["k"]: row["y"] for row in rows} == {"a": 5, "b": 2}


def test_the_two_largest_are_taken(engine):
    kinds = [("a", 5), ("a", 7), ("a", 7), ("b", 3), ("b", None), ("c", None)]
    engine.register("given", pa.table({"k": [k for k, _ in kinds], "x": pa.array([x for _, x in kinds], pa.int64())}))
    items = ", ".join(f"LIST_ITEM(LARGEST_TWO(x), {place}) AS y{place}" for place in (1, 2))
    rows = engine.fetch(f"SELECT k, {items} FROM given GROUP BY k").to_pylist()
    assert {row["k"]: (row["y1"], row["y2"]) for row in rows} == {"a": (7, 7), "b": (3, None), "c": (None, None)}


def test_mesh(engine):
    places = {(35.658581, 139.745433): 533_935_992, (35.0, 139.0): 523_940_001, (43.068, 141.351): 644_142_881}
    table = pa.table({"lat": [p[0] for p in places], "lon": [p[1] for p in places]})
    engine.register("places", table)
    rows = engine.fetch("SELECT lat, MESH4(lat, lon) AS m FROM places").to_pylist()
    assert {row["lat"]: row["m"] for row in rows} == {lat: mesh for (lat, _), mesh in places.items()}


def test_text_hash_is_sha_256(engine):
    texts = ["1\x1fdirect", "山田", "x" * 300, "", None]
    expected = [None if t is None else int(hashlib.sha256(t.encode()).hexdigest()[:15], 16) for t in texts]
    assert values(engine, "TEXT_HASH(x)", texts) == expected


def test_pseudonym_is_hmac(engine):
    key = bytes(range(32))
    pads = [bytes(b ^ pad for b in key.ljust(64, b"\0")) for pad in (0x36, 0x5C)]
    messages = ["cookie\x1fc1", "member\x1f山田", "x" * 300, ""]
    binary = [pa.array([pad], pa.binary()) for pad in pads]
    engine.register("pads", pa.table({"i": binary[0], "o": binary[1]}))
    engine.register("messages", pa.table({"m": messages}))
    rows = engine.fetch("SELECT m, PSEUDONYM(i, o, m) AS p FROM messages CROSS JOIN pads").to_pylist()
    expected = {m: int(hmac.new(key, m.encode(), hashlib.sha256).hexdigest()[:15], 16) for m in messages}
    assert {row["m"]: row["p"] for row in rows} == expected


def test_field_names(engine):
    engine.register("json", pa.table({"x": ['{"b": 1, "a": {"c": 2}}']}))
    assert engine.fetch("SELECT JSON_FIELD_NAMES(x) AS y FROM json").to_pylist() == [{"y": "b\x1fa"}]
