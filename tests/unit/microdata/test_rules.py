"""Hierarchies by rule: the path from a value to everything, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymization.errors import InputError
from anonymization.hierarchies.by_rule import dates, intervals, mesh, networks, prefixes

PATHS = {
    "intervals double": (intervals, ["3", "17", "24"], "17", ("17", "15-19", "10-19", "0-19", "*")),
    "intervals below 0": (intervals, ["-7", "-1", "3"], "-7", ("-7", "(-10)-(-6)", "(-10)-(-1)", "*")),
    "one interval": (intervals, ["3", "4"], "4", ("4", "*")),
    "given widths": (lambda name, values: intervals(name, values, [2, 6]), ["3", "17"], "17", ("17", "16-17", "12-17", "*")),
    "days": (dates, ["2026-10-05", "2025-01-31"], "2026-10-05", ("2026-10-05", "2026-10", "2026", "*")),
    "times": (dates, ["2026-10-05T12:00:00", "2026-10-06"], "2026-10-05T12:00:00", ("2026-10-05T12:00:00", "2026-10-05", "2026-10", "2026", "*")),
    "postal codes": (prefixes, ["1500042", "1500043", "1520001"], "1500042", ("1500042", "150004*", "15000*", "1500*", "150*", "15*", "1*", "*")),
    "prefixes of several lengths": (prefixes, ["ab", "abcd"], "ab", ("ab", "ab", "ab", "a*", "*")),
    "half mesh": (mesh, ["533935992", "533935991"], "533935992", ("533935992", "53393599", "533935", "5339", "*")),
    "first mesh": (mesh, ["5339", "5340"], "5340", ("5340", "*")),
    "addresses": (networks, ["192.0.2.7", "198.51.100.1"], "192.0.2.7", ("192.0.2.7", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8", "*")),
    "addresses of both versions": (networks, ["192.0.2.7", "2001:db8::1"], "2001:db8::1", ("2001:db8::1", "2001:db8::/64", "2001:db8::/48", "2001:db8::/32", "*")),
    "a missing value is passed over": (mesh, ["5339", None, ""], "5339", ("5339", "*")),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "values", "value", "path"), PATHS.values(), ids=PATHS)
def test_paths(rule, values, value, path):
    hierarchy = rule("place", values)
    (leaf,) = hierarchy.leaf_codes([value])
    assert tuple(hierarchy.labels[n][hierarchy.ancestors[n, leaf]] for n in range(hierarchy.levels)) == path


REFUSED = {
    "no whole number": (lambda: intervals("age", ["1", "2.5"]), "'age': a value is no whole number"),
    "widths that do not nest": (lambda: intervals("age", ["1"], [5, 12]), "12 is none of 5"),
    "widths that do not grow": (lambda: intervals("age", ["1"], [5, 5]), "multiple of the one before"),
    "no date": (lambda: dates("born", ["5.10.2026"]), "'born': a value is no date"),
    "prefixes that ascend": (lambda: prefixes("post", ["123"], [1, 2]), r"\[1, 2\]: they must descend"),
    "a prefix of nothing": (lambda: prefixes("post", ["123"], [2, 0]), "down to 1"),
    "a mesh code of 7 digits": (lambda: mesh("place", ["5339359"]), "7 digits"),
    "mesh codes of two lengths": (lambda: mesh("place", ["53393599", "533935"]), "not of 6 digits"),
    "no mesh code": (lambda: mesh("place", ["5339-359"]), "no mesh code"),
    "no address": (lambda: networks("ip", ["192.0.2.300"]), "'ip': a value is no IPv4"),
    "nothing": (lambda: networks("ip", [None]), "'ip': no value is present"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30))
def test_every_interval_holds_its_values_and_the_widest_is_one(numbers):
    hierarchy = intervals("n", map(str, numbers))
    assert hierarchy.labels[-1] == ("*",)
    assert set(hierarchy.labels[0]) == {str(number) for number in numbers}


@given(st.lists(st.text("ab*", max_size=5), min_size=1, max_size=12).filter(any))
def test_prefixes_are_a_tree_for_any_text(values):
    assert prefixes("text", values).labels[-1] == ("*",)
