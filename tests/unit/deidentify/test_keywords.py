"""Search keywords: one spelling for one search, and none that holds personal data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymization.deidentify.keywords import cleaned, normalized, personal_data
from anonymization.policy.sources import NOT_SPECIFIED
from expectations import gate

SUITE = Path(gate.__file__).parent / "suites/candidate_identifiers.json"


@pytest.mark.parametrize(
    ("raw", "keyword"),
    [
        pytest.param("ＴＯＫＹＯ", "tokyo", id="full-width letters"),
        pytest.param("ﾃﾝｷ", "テンキ", id="half-width kana"),
        pytest.param("Straße", "strasse", id="case folding"),
        pytest.param("  東京　 天気\t", "東京 天気", id="spaces"),
        pytest.param("e\u0301cole", "école", id="composition"),
        pytest.param("天\u200b気\u202e", "天気", id="format characters"),
        pytest.param("🍣 寿司", "🍣 寿司", id="emoji"),
        pytest.param("ラーメン ramen 라면", "ラーメン ramen 라면", id="mixed scripts"),
        pytest.param('=HYPERLINK("x")', 'hyperlink("x")', id="a formula"),
        pytest.param("https://shop.example.jp/item?id=1", "shop.example.jp", id="an address of the web"),
        pytest.param("iphone 16", "iphone 16", id="a model"),
        pytest.param("2026年10月", "2026年10月", id="a date"),
        pytest.param("c++ std::vector", "c++ std::vector", id="colons of a programming language"),
        pytest.param("internationalization-of-software", "internationalization-of-software", id="a long word"),
    ],
)
def test_one_spelling(raw, keyword):
    assert normalized(raw) == keyword
    assert cleaned(raw) == (keyword, None)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        pytest.param("taro.yamada@example.com", "mail address", id="mail"),
        pytest.param("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ 届かない", "mail address", id="full-width mail in a text"),
        pytest.param("090-1234-5678", "telephone number", id="mobile"),
        pytest.param("０９０（１２３４）５６７８", "telephone number", id="full-width phone in brackets"),
        pytest.param("+81 90 1234 5678", None, id="international phone"),
        pytest.param("〇九〇一二三四五六七八", "telephone number", id="phone in kanji"),
        pytest.param("４１１１ １１１１ １１１１ １１１１", "long number", id="full-width card number"),
        pytest.param("4111-1111-1111-1111 使えない", "long number", id="card number with dashes"),
        pytest.param("1234 5678 9018", "long number", id="My Number"),
        pytest.param("490154203237518", "long number", id="IMEI"),
        pytest.param("千代田区丸の内1丁目9番1号", "postal address", id="address"),
        pytest.param("東京都港区芝公園4-2-8", "postal address", id="address with dashes"),
        pytest.param("〒100-0001", "postal address", id="postal code"),
        pytest.param("192.168.10.4", "network address", id="IPv4"),
        pytest.param("2001:db8::1", "network address", id="IPv6 in its short form"),
        pytest.param("fe80::1%eth0 ping", "network address", id="IPv6 with a zone"),
        pytest.param("::ffff:192.0.2.7", "network address", id="IPv4 within IPv6"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "token", id="JSON web token"),
        pytest.param("AKIAIOSFODNN7EXAMPLE", "token", id="access key"),
        pytest.param("key ghp_0123abcdefghijklmnopqrstuvwx", "token", id="token of a service"),
        pytest.param("x7gk2mq9zt4wv8nb3hj6rd5c", "token", id="a long token"),
        pytest.param("1000001 丸の内", "postal address", id="postal code without dash"),
        pytest.param("00:1b:44:11:3a:b7", "device identifier", id="MAC"),
        pytest.param("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "device identifier", id="UUID"),
        pytest.param("山田太郎", "name of a person", id="a name"),
        pytest.param("山田 太郎 住所", "name of a person", id="a name among words"),
    ],
)
def test_personal_data_takes_the_whole_keyword_away(raw, kind):
    assert personal_data(raw) is not None
    assert kind in (None, personal_data(raw))
    assert cleaned(raw) == (NOT_SPECIFIED, personal_data(raw))


@pytest.mark.parametrize("raw", ["", " ", "\u200b", '"" *'])
def test_nothing_to_search_is_no_keyword(raw):
    assert cleaned(raw)[0] == NOT_SPECIFIED


PATTERNS = [
    re.compile(pattern)
    for expectation in json.loads(SUITE.read_text(encoding="utf-8"))["expectations"]
    for pattern in expectation["kwargs"].get("regex_list", [])
]
"""By which the gate looks for identifiers in what is published."""

LIKE_PERSONS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="0123456789-.()@ ０１２９－ー", max_size=30),
    st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.(com|jp)", fullmatch=True),
    st.from_regex(r"[0-9a-f]{16,32}", fullmatch=True),
    st.from_regex(r"0[789]0[- ]?[0-9]{4}[- ]?[0-9]{4}", fullmatch=True),
)


@given(LIKE_PERSONS)
def test_a_kept_keyword_is_its_own_spelling_and_holds_no_personal_data(raw):
    keyword, _ = cleaned(raw)
    if keyword != NOT_SPECIFIED:
        assert cleaned(keyword) == (keyword, None)


@given(LIKE_PERSONS)
def test_the_gate_finds_no_identifier_in_a_kept_keyword(raw):
    keyword, _ = cleaned(raw)
    assert PATTERNS
    assert not [p.pattern for p in PATTERNS if p.search(keyword)]
