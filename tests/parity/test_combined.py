"""Lines of the combined log: cut at quotes or taken by groups, the fields are those of one regular expression."""

from __future__ import annotations

import re

import pytest

from anonymization.deidentify.readers import COMBINED, COMBINED_FIELDS, open_raw
from anonymization.deidentify.screening import Screened
from anonymization.policy.sources import Source

REST = '[17/May/2015:10:05:03 +0000] "GET /a?b=1 HTTP/1.1" 200 12 "https://r.example/" "Mozilla/5.0 (X; Y) \'q\'"'
LINES = {
    "plain": f"198.18.0.1 - - {REST}",
    "IPv6": f"2001:db8::1 - frank {REST}",
    "no size": f"h - - {REST}".replace(" 12 ", " - "),
    "a user of two words": f"h - frank smith {REST}",
    "a user with spaces around": f"h -  frank  {REST}",
    "a quote in the user": f'h - fr"ank {REST}',
    "two quotes in the user": f'h - fr""ank {REST}',
    "a bracket in the user": f"h - fr[ank {REST}",
    "a date in the user": f"h - [17/May/2015:10:05:03 +0000] {REST}",
    "an escaped quote in the request": f"h - - {REST}".replace("/a?b", '/a\\"b'),
    "an escaped quote in the agent": f"h - - {REST}".replace("X; Y", 'X; \\"Y\\"'),
    "a backslash": f"h - - {REST}".replace("/a?b", "/a\\\\b"),
    "nothing in the quotes": 'h - - [t] "" 400 0 "" ""',
    "Japanese": f"h - - {REST}".replace("/a?b", "/日本"),
    "a virtual host, IPv4": f"www.example.jp:443 192.0.2.1 - - {REST}",
    "a virtual host, IPv6": f"www.example.jp 2001:db8::1 - frank {REST}",
    "a virtual host and a quote": f"www.example.jp ::1 - - {REST}".replace("/a?b", '/a\\"b'),
    "cut": f"198.18.0.1 - - {REST}"[:-9],
    "a quote that is not escaped": f"h - - {REST}".replace("/a?b", '/a"b'),
    "no status": f"h - - {REST}".replace(" 200 ", " x "),
    "another log": "2026-10-03 something else",
}  # fmt: skip
OTHERS = {name for name in LINES if name.startswith("a virtual host")}


@pytest.fixture
def source(policies):
    """The shipped source, no column dropped."""
    declared = policies.sources["weblogs"].model_dump(mode="json", exclude_none=True)
    for name, column in declared["columns"].items():
        if column["treatment"] == "drop":
            column |= {"role": "attribute", "treatment": "host", "into": f"e_{name}"}
    return Source.model_validate(declared)


def test_fields_are_those_of_the_pattern(engine, source, tmp_path_factory):
    path = tmp_path_factory.mktemp("combined") / "a.log"
    path.write_text("".join(line + "\n" for line in LINES.values()), encoding="utf-8", newline="")
    screened = Screened("", path, len(LINES))
    rows = engine.fetch(open_raw(engine, source, {0: screened}, "raw_combined").sql).to_pylist()
    found = {row["line"]: row for row in rows}
    assert len(rows) == len(LINES)
    for name, line in LINES.items():
        row, match = found[line], re.match(COMBINED, line)
        if name in OTHERS:
            assert row["broken"] == "line: not of the combined log, an address stands behind the host", name
            continue
        assert (row["broken"] is None) == (match is not None), name
        if match is None:
            continue
        expected = dict(zip(COMBINED_FIELDS, match.groups(), strict=True))
        parts = [*expected.pop("request").split(" "), "", ""]
        expected |= dict(zip(("method", "target", "protocol"), parts, strict=False))
        for field, text in expected.items():
            assert row[f"raw_{field}"] == (None if text in ("", "-") else text), (name, field)
