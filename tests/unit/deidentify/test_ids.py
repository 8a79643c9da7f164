"""One person, one id: however it is spelt; what stands for no id is nobody's; what tells persons apart no more is refused."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pyarrow as pa
import pytest
from harness.pseudonyms import pseudonym
from hypothesis import example, given
from hypothesis import strategies as st

from anonymization.deidentify.ids import AS_A_NUMBER, NO_ADDRESS, NO_DIGITS, PLACEHOLDERS, TOO_LONG, plain, spelt
from anonymization.policy.sources import Case, IdForm, Spelling, spellings

TEXT, DIGITS, ADDRESS = Spelling(), Spelling(IdForm.DIGITS), Spelling(IdForm.ADDRESS)
FOLD = Spelling(case=Case.FOLD)
SPELT = [
    *((TEXT, raw, "M1") for raw in ("M1", " M1", "M1 ", "Ｍ１", "M\u200b1", "\ufeffM1", "M1\u3000", "\tM1\r\n", "M\u00ad1")),
    (TEXT, "m1", "m1"), (FOLD, "M1", "m1"), (FOLD, "ＳＴＲＡẞＥ", "strasse"),
    (TEXT, "12e45678", "12e45678"), (TEXT, "1e5", "1e5"), (TEXT, "007", "007"), (TEXT, "GA1.2.123.456", "GA1.2.123.456"),
    (TEXT, "123456789.1234567890", "123456789.1234567890"), (TEXT, "{1B9D-7}", "{1B9D-7}"), (TEXT, "a b", "a b"),
    (TEXT, "12345678901234567890123", "12345678901234567890123"), (TEXT, "nullius", "nullius"), (TEXT, "-5", "-5"),
    (TEXT, "x" * 256, "x" * 256), (DIGITS, "００１", "001"),
    *((ADDRESS, raw, "192.0.2.7") for raw in ("192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207", " 192.0.2.7 ")),
    *((ADDRESS, raw, "2001:db8::1") for raw in ("2001:db8::1", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "[2001:0db8::0001]")),
    (ADDRESS, "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), (ADDRESS, "WWW.Example.JP.", "www.example.jp"), (ADDRESS, "a_b", "a_b"),
]  # fmt: skip
NONE = [
    *((TEXT, raw) for raw in sorted(PLACEHOLDERS)),
    *((TEXT, raw) for raw in ("", " ", "\u3000", "\u200b", "NULL", "ｎｕｌｌ", "#REF!", "NaN", "0", "000000", "０００", "-0-0-", "0.0", "True")),
    *((TEXT, raw) for raw in ("00000000-0000-0000-0000-000000000000", "UNDEFINED", "{00000000-0000}", '{"a":1}', '["x"]', "[]", "{ }")),
    (ADDRESS, ".".join("0000")), (ADDRESS, "::"), (ADDRESS, "-"), (ADDRESS, "unknown"), (ADDRESS, "::ffff:0.0.0.0"), (DIGITS, "0000"),
]  # fmt: skip
REFUSED = [
    *((TEXT, raw, AS_A_NUMBER) for raw in ("1.23E+14", "1.23e14", "1,23E+14", "１．２３Ｅ＋１４", "1E+14", "1e-7", "123456e+09", "1001.0", "1001.", "-7.00")),
    *((DIGITS, raw, AS_A_NUMBER) for raw in ("12e4", "1.5e3", "1001.0")), (DIGITS, "M1", NO_DIGITS), (DIGITS, "1 2", NO_DIGITS),
    *((ADDRESS, raw, NO_ADDRESS) for raw in ("www.example.jp:443", "192.0.2", "010.0.0.1", "192.0.2.256", "fe80::1%eth0", "192.0.2.7:80", "a b", "/x")),
    (TEXT, "x" * 257, TOO_LONG), (TEXT, "ﷺ" * 20, TOO_LONG),
]  # fmt: skip


@pytest.mark.parametrize(("spelling", "raw", "expected"), SPELT)
def test_spellings_of_one_id_are_one(spelling, raw, expected):
    assert spelt(raw, spelling) == (expected, None)
    assert spelt(expected, spelling) == (expected, None)


@pytest.mark.parametrize(("spelling", "raw"), NONE)
def test_what_stands_for_no_id_is_none(spelling, raw):
    assert spelt(raw, spelling) == (None, None)


@pytest.mark.parametrize(("spelling", "raw", "fault"), REFUSED)
def test_what_tells_persons_apart_no_more_is_refused(spelling, raw, fault):
    assert spelt(raw, spelling) == (None, fault)


def test_most_ids_are_spelt_by_the_engine(engine):
    """What SQL takes for plain is what Python makes of it, of every case here; and the ids of the synthetic logs are plain."""
    usual = ["m0123456789abcdef", "amp-9f8e7d6c5b4a", "1B9D6BCD-BBFD-4B2D-9B5D-AB8DFBBD4BED", "12345678", "00000001"]
    texts = sorted({*usual, *(raw for _, raw, *_ in (*SPELT, *NONE, *REFUSED))})
    engine.register("raw", pa.table({"x": texts}))
    for spelling in (TEXT, FOLD, DIGITS, ADDRESS):
        rows = engine.fetch(f"SELECT x, {plain('x', spelling)} AS y FROM raw").to_pylist()
        assert {row["x"]: (row["y"], None) for row in rows if row["y"] is not None} == {
            row["x"]: tuple(spelt(row["x"], spelling)) for row in rows if row["y"] is not None
        }
        if spelling is not ADDRESS:
            assert {row["x"] for row in rows if row["y"] is not None} >= {"12345678", "00000001"}
    assert {
        row["x"] for row in engine.fetch(f"SELECT x FROM raw WHERE {plain('x', TEXT)} IS NOT NULL").to_pylist()
    } >= {*usual}


@given(st.text(max_size=12), st.sampled_from([TEXT, FOLD, DIGITS, ADDRESS]))
@example("ǰ̌", FOLD)
def test_what_is_spelt_is_spelt_so_again(raw, spelling):
    once = spelt(raw, spelling)
    assert once.id is None or once.fault is None
    if once.id is not None:
        assert spelt(once.id, spelling) == once
        assert unicodedata.is_normalized("NFKC", once.id)


BROWSER = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
CLICK = {
    "time": "2026-10-03T12:34:56+09:00", "ip_address": None, "user_agent": BROWSER, "url": "/p", "referrer": None, "service": "news",
}  # fmt: skip


def jsonl(*ids, **more):
    text = "".join(
        json.dumps({**CLICK, "cookie_id": "@", **more}, ensure_ascii=False).replace('"@"', one) + "\n" for one in ids
    )
    return text.encode()


def test_one_person_in_a_log_is_one(intake):
    ids = ('"M1"', '" M1"', '"Ｍ１"', '"M\\u200b1"', '"M1\\n"')
    taken = intake.take("clicks", jsonl(*ids, '"m1"', '"cookie-0001"'), "a.jsonl")
    named = {
        name: pseudonym(intake.around.keys, "2026-10", f"cookie\x1f{name}") for name in ("M1", "m1", "cookie-0001")
    }
    assert sorted(event["p"] for event in intake.events(taken)) == sorted(
        [named["M1"]] * 5 + [named["m1"], named["cookie-0001"]]
    )
    assert taken.by_case == 1


@pytest.mark.later_on_spark
def test_what_is_no_id_in_a_log_is_nobody(intake):
    none = (
        "true",
        "false",
        '{"a":1}',
        '{"a": "b"}',
        '["x"]',
        '"undefined"',
        '"00000000-0000-0000-0000-000000000000"',
        "0",
        '" "',
        "null",
    )
    refused = (
        "1.23457E+14",
        "1.23457e14",
        '"1.23457E14"',
        '"1.23457E+14"',
        "1001.0",
        "123456789.1234567890",
        '"' + "x" * 257 + '"',
    )
    taken = intake.take("clicks", jsonl('"cookie-0001"', *none, *refused), "a.jsonl")
    assert (taken.accepted, taken.dropped) == (1, {"no identifier": len(none)})
    assert taken.quarantined == {f"cookie_id: {AS_A_NUMBER}": 6, f"cookie_id: {TOO_LONG}": 1}


@pytest.mark.later_on_spark
def test_the_next_id_counts_where_the_first_is_none(intake):
    row = {k: v for k, v in CLICK.items() if k not in ("url", "referrer")}
    ids = [
        ("cookie-0001", "member-0001"),
        ("null", "member-0001"),
        ("ＮＵＬＬ", " member-0001"),
        ("undefined", "member-0001"),
    ]
    content = "".join(json.dumps({**row, "cookie_id": c, "member_id": m}) + "\n" for c, m in ids)
    events = intake.events(intake.take("links", content.encode(), "a.jsonl"))
    cookie, member = (
        pseudonym(intake.around.keys, "2026-10", person)
        for person in ("cookie\x1fcookie-0001", "member\x1fmember-0001")
    )
    assert sorted(event["p"] for event in events) == sorted([cookie, member, member, member])
    assert {event["linked_p"] for event in events} == {member}


def test_addresses_and_opt_outs_are_spelt_alike(intake):
    intake.around = replace(
        intake.around, optouts=[("address", "::FFFF:192.0.2.9"), ("address", "2001:0db8:0::9"), ("cookie", "x")]
    )
    hosts = (
        "192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207", "2001:db8::1", "2001:DB8::1", "2001:db8:0:0:0:0:0:1",
        "192.0.2.9", "2001:db8::9", "www.example.jp:443",
    )  # fmt: skip
    line = ' - - [03/Oct/2026:13:00:00 +0900] "GET /a HTTP/1.1" 200 12 "-" "-"\n'
    taken = intake.take("weblogs", "".join(host + line for host in hosts).encode(), "a.log")
    assert (taken.accepted, taken.dropped, taken.quarantined) == (6, {"opted out": 2}, {f"host: {NO_ADDRESS}": 1})
    named = {pseudonym(intake.around.keys, "2026-10", f"address\x1f{a}") for a in ("192.0.2.7", "2001:db8::1")}
    assert {event["p"] for event in intake.events(taken)} == named


def test_a_namespace_has_one_spelling(policies):
    one, two = policies.sources["weblogs"], policies.sources["partner_sites"]
    assert spellings([one, two])["address"] == ADDRESS
    silent = two.model_copy(update={"persons": tuple(p.model_copy(update={"form": None}) for p in two.persons)})
    assert spellings([silent, one])["address"] == ADDRESS
    other = two.model_copy(update={"persons": tuple(p.model_copy(update={"form": IdForm.TEXT}) for p in two.persons)})
    with pytest.raises(
        ValueError, match=r"the form of ids of 'address' is address in sources/weblogs.yaml and text in sources/partner"
    ):
        spellings([one, other])
