"""Hierarchies: read as they are written, refused where they are no tree."""

from __future__ import annotations

import numpy as np
import pytest

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy, read_hierarchy


def written(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "city.csv"
    path.write_bytes(content.encode(encoding))
    return path


READ = {
    "semicolons": ("a;x;*\nb;x;*\nc;y;*\n", (("a", "b", "c"), ("x", "y"), ("*",))),
    "commas": ("a,x,*\nb,x,*\n", (("a", "b"), ("x",), ("*",))),
    "windows line ends": ("a;x\r\nb;y\r\n", (("a", "b"), ("x", "y"))),
    "no line end at the end": ("a;x\nb;y", (("a", "b"), ("x", "y"))),
    "quoted, with both marks inside": ('"a;1,5";"x, y"\n"b ""q""";z\n', (("a;1,5", 'b "q"'), ("x, y", "z"))),
    "commas inside labels of a semicolon file": ("a, b;x, y\nc, d;z, w\n", (("a, b", "c, d"), ("x, y", "z, w"))),
    "one level": ("a\nb\n", (("a", "b"),)),
    "a row for missing values": (";x;*\na;y;*\n", (("", "a"), ("x", "y"), ("*",))),
    "byte order mark": ("\ufeff東京;関東\n大阪;関西\n", (("東京", "大阪"), ("関東", "関西"))),
    "the same label on two levels": ("a;a;*\nb;a;*\n", (("a", "b"), ("a",), ("*",))),
}


@pytest.mark.parametrize(("content", "labels"), READ.values(), ids=READ)
def test_read(tmp_path, content, labels):
    hierarchy = read_hierarchy(written(tmp_path, content), "city")
    assert hierarchy.labels == labels
    assert hierarchy.ancestors.dtype == np.int32
    assert hierarchy.ancestors.flags.c_contiguous
    assert (hierarchy.ancestors[0] == np.arange(hierarchy.size)).all()


REFUSED = {
    "empty": ("", r"city\.csv: empty"),
    "ragged": ("a;x;*\nb;x\n", r"city\.csv, line 2: 'b' has 2 fields, line 1 has 3"),
    "blank line": ("a;x\n\nb;x\n", r"line 2: '' has 1 fields"),
    "a value twice": ("a;x\nb;x\na;x\n", r"line 3: the value 'a' stands twice \(before on line 1\)"),
    "a label with two parents": ("a;x;p\nb;x;q\n", r"line 2: 'x' on level 1 stands below 'q'.*below 'p'"),
    "an open quote": ('a;"x\n', r"line 1: not CSV"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_hierarchy(written(tmp_path, content), "city")


def test_not_a_readable_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_hierarchy(tmp_path / "none.csv", "city")
    with pytest.raises(InputError, match="not UTF-8"):
        read_hierarchy(written(tmp_path, "東京;関東\n", "shift-jis"), "city")
    with pytest.raises(InputError, match="cannot be read"):
        read_hierarchy(tmp_path, "city")


def test_two_parents_in_arrays():
    with pytest.raises(InputError, match="'x' on level 1 has two parents"):
        Hierarchy("city", (("a", "b"), ("x",), ("p", "q")), np.array([[0, 1], [0, 0], [0, 1]], np.int32))
    with pytest.raises(InputError, match="int32"):
        Hierarchy("city", (("a", "b"),), np.array([[0, 1]]))
    with pytest.raises(InputError, match="no label"):
        Hierarchy("city", (("a", "b"), ("x",)), np.array([[0, 1], [0, 1]], np.int32))


def test_shares_are_of_rows():
    hierarchy = Hierarchy.from_rows("city", [("a", "x", "*"), ("b", "x", "*"), ("c", "y", "*"), ("d", "x", "*")])
    assert [share.tolist() for share in hierarchy.shares()] == [[0.25] * 4, [0.75, 0.25], [1.0]]


def test_values_have_codes_and_a_lacking_one_is_named():
    hierarchy = Hierarchy.from_rows("city", [("a", "*"), ("b", "*")])
    assert hierarchy.leaf_codes(["b", "a", "b"]).tolist() == [1, 0, 1]
    with pytest.raises(InputError, match=r"'city': 'Osaka' of people\.csv is not in its hierarchy"):
        hierarchy.leaf_codes(["a", "Osaka", "Kyoto"], where="people.csv")
    with pytest.raises(InputError, match="a missing value"):
        hierarchy.leaf_codes([None])


MISSING = {
    "one top": ([("a", "x", "*"), ("b", "x", "*")], ("", "", "*"), 3),
    "two tops": ([("a", "x"), ("b", "y")], ("", ""), 3),
    "one level": ([("a",), ("b",)], ("",), 3),
    "has a row": ([("a", "x"), ("", "none")], ("", "none"), 2),
}


@pytest.mark.parametrize(("rows", "expected", "size"), MISSING.values(), ids=MISSING)
def test_missing_values_match_missing_values_only(rows, expected, size):
    hierarchy = Hierarchy.from_rows("city", rows).with_missing()
    (leaf,) = hierarchy.leaf_codes([None])
    path = tuple(hierarchy.labels[level][hierarchy.ancestors[level, leaf]] for level in range(hierarchy.levels))
    assert (path, hierarchy.size) == (expected, size)
    assert hierarchy.with_missing() is hierarchy
