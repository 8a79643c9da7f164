"""Merged tables of other shapes than a map: a declared hierarchy, no kinds of day; and how rests are listed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from harness.events import registered

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import Release
from anonymization.release.package import codelist_rows, read_package
from anonymization.release.package_writing import write_package
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.recount_rests import must_be_listed
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.unlisted import withhold
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve, with_codes

DAY = 20_727
TITLE = {"en": "x", "ja": "x"}
DEVICE = {"kind": "event", "title": TITLE, "column": "device", "hierarchy": "device", "levels": ["device", "family"]}
PARTNER = {"kind": "event", "title": TITLE, "column": "partner", "levels": ["partner"], "codelist": "partner"}
VIEWERS = {"viewers": {"kind": "persons", "source": "displays", "title": TITLE}}


def release(policies, dimensions, **changed):
    declared = policies.release("media-and-ads").model_dump(mode="json", by_alias=True)
    declared |= {"sources": ["displays"], "attributes": {}, "dimensions": dimensions, "pins": {}}
    declared["tables"] = {"devices": {"title": TITLE, "dimensions": list(dimensions), "measures": VIEWERS}}
    declared["protection"] = {
        "method": "suppression",
        "minimum_count": 10,
        "zeros": "withheld",
        "merge": "device",
        "suppression_limit": 0,
    }
    return Release.model_validate(declared | changed)


def merged(engine, policies, dimensions, rows, least):
    """The table that a release makes of rows of persons, devices and partners."""
    declared = release(policies, dimensions)
    plan = replace(resolve(policies, declared, parse_period(declared.period, "2026-10")), minimum_count=least)
    given = registered(engine, policies, "displays", rows, ["p", "device", "partner"], day=DAY)
    (table,) = tabulate(engine, plan, {"displays": given})
    (safe,) = withhold([table], least)
    return plan, safe


ROWS = [
    *((p, "iPhone", "own") for p in (1, 2, 3)), *((p, "iPad", "own") for p in (3, 4)), (5, "iPod", "own"),
    *((p, "Sony", "own") for p in (1, 6, 7, 8)), *((p, "Sharp", "own") for p in (5, 6, 7)), (1, "Fujitsu", "own"),
    (9, "Mac", "own"), (9, "computer", "own"),
]  # fmt: skip

BY_DEVICE = {
    # One person had a Fujitsu: of the phones listed beside it the cheapest, Sharp, goes into its rest.
    "Sony": 4, "other_mobile": 5, "other_mobile~": 4,
    # One person was at computers: of the families listed beside it the cheapest goes along, of equals the first (Apple).
    TOTAL: 9, "_T~": 6,
}  # fmt: skip


def test_a_declared_hierarchy_without_other_dimensions(duckdb_engine, policies):
    _, safe = merged(duckdb_engine, policies, {"device": DEVICE}, ROWS, 3)
    found = dict(zip(safe.frame["device"], safe.frame["viewers"], strict=True))
    assert found == {
        code: n for code, n in BY_DEVICE.items() if code not in {"iPhone", "apple_mobile", "apple_mobile~"}
    }
    device = safe.dimensions[0]
    assert device.rests == {"_T~", "other_mobile~"}
    assert ("other_mobile~", "other_mobile", "rest", "Rest of Other phones and tablets") in {
        row[:4] for row in codelist_rows(device)
    }
    assert ("_T~", TOTAL, "rest", "Rest of all", "全体の残り") in codelist_rows(device)


def test_other_coordinates_have_rests_of_their_own(duckdb_engine, policies):
    rows = [*ROWS, *((p, "Mac", "travel-guide") for p in (9, 10, 11)), (9, "Sony", "travel-guide")]
    plan, safe = merged(duckdb_engine, policies, {"device": DEVICE, "partner": PARTNER}, rows, 3)
    found = safe.frame.set_index(["device", "partner"])["viewers"].to_dict()
    assert {code: n for (code, partner), n in found.items() if partner == "own"} == BY_DEVICE
    assert {code: n for (code, partner), n in found.items() if partner == "travel-guide"} == {TOTAL: 3}
    everywhere = {code: n for (code, partner), n in found.items() if partner == TOTAL}
    assert everywhere["computer_or_other"] == 3
    counted = recount(duckdb_engine, plan, {"displays": "given_displays"}, [safe])
    again = counted.set_index(["device", "partner"])["recounted"]
    assert {cell: again[cell] for cell in found} == found
    rows = counted[["device", "partner", "recounted"]]
    must = rows[must_be_listed(safe, rows)]
    assert set(must[["device", "partner"]].itertuples(index=False, name=None)) == {
        cell for cell in found if cell[0].endswith("~") or cell[0] == TOTAL
    }


def test_rests_are_read_back(duckdb_engine, policies, tmp_path):
    plan, safe = merged(duckdb_engine, policies, {"device": DEVICE}, ROWS, 3)
    write_package(tmp_path, plan, [safe], [])
    (again,) = read_package(tmp_path).tables
    assert again.frame.equals(safe.frame)
    assert (again.dimensions[0].merged, again.dimensions[0].rests) == (True, safe.dimensions[0].rests)
    assert "`~` is the rest" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_nobody_at_all_is_a_table_without_rows(duckdb_engine, policies):
    _, safe = merged(duckdb_engine, policies, {"device": DEVICE, "partner": PARTNER}, [], 3)
    assert len(safe.frame) == 0


def test_rests_of_a_mesh_bring_their_ancestors_along(policies):
    declared = policies.release("population-by-place")
    mesh = resolve(policies, declared, parse_period(declared.period, "2026-10")).tables[0].dimensions[0]
    known = with_codes(mesh, {TOTAL, "_T~", "533935~", "53393611"})
    assert known.parents == {"_T~": TOTAL, "533935": TOTAL, "533935~": "533935", "533936": TOTAL, "53393611": "533936"}
    assert known.rests == {"_T~", "533935~"}
    assert known.labels["533935~"] == ("Rest of 533935", "533935の残り")


TOTALS = {**VIEWERS, "displays": {"kind": "total", "source": "displays", "title": TITLE}}
CLICKERS = {
    **VIEWERS,
    "clickers": {"kind": "persons", "source": "displays", "title": TITLE, "where": {"action": ["click"]}},
}


def table(measures=VIEWERS, dimensions=("device",)):
    return {"title": TITLE, "dimensions": list(dimensions), "measures": measures}


def protection(**changed):
    return {
        "method": "suppression",
        "minimum_count": 10,
        "zeros": "withheld",
        "merge": "device",
        "suppression_limit": 0,
    } | changed


REFUSED = {
    "no such dimension": ({"protection": protection(merge="mesh")}, "which 'mesh' is not"),
    "a dimension without hierarchy": ({"protection": protection(merge="partner")}, "which 'partner' is not"),
    "zeros that are published": ({"protection": protection(zeros="published")}, "goes with `zeros: withheld`"),
    "a second table": ({"tables": {"a": table(), "b": table()}}, "for one table by 'device'"),
    "a table without it": ({"tables": {"a": table(dimensions=["partner"])}}, "for one table by 'device'"),
    "two populations": ({"tables": {"a": table(CLICKERS)}}, "of one population"),
    "totals": ({"tables": {"a": table(TOTALS)}}, "follow by subtraction"),
    "pins of several levels": (
        {"pins": {0: {"device": ["other_mobile"]}}},
        "`pins` of 'device', which has several levels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_merged_is_refused(policies, name):
    changed, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        release(policies, {"device": DEVICE, "partner": PARTNER}, **changed)
