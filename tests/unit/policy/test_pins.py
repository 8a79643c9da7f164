"""Pins: which code a value counts under, what cannot be pinned, and by what size they are chosen."""

from __future__ import annotations

import pytest
import yaml

from anonymization.errors import DeclarationError
from anonymization.hierarchies.cut import faults, standing
from anonymization.policy.load import load_policies
from anonymization.policy.periods import parse_period
from anonymization.tables.plan import resolve

CHAINS = {
    "12": ("12", "kanto", "east"), "13": ("13", "kanto", "east"), "14": ("14", "kanto", "east"),
    "02": ("02", "tohoku", "east"), "03": ("03", "tohoku", "east"), "27": ("27", "kinki", "west"),
}  # fmt: skip

STANDING = {
    "every code": (None, {"12": "12", "13": "13", "14": "14", "02": "02", "03": "03", "27": "27"}),
    "one beside its rest": (
        ["east", "kanto", "13", "tohoku", "west", "kinki"],
        {"12": "kanto_O", "13": "13", "14": "kanto_O", "02": "tohoku", "03": "tohoku", "27": "kinki"},
    ),
    "the code above, whole": (
        ["east", "kanto", "tohoku", "west"],
        {"12": "kanto", "13": "kanto", "14": "kanto", "02": "tohoku", "03": "tohoku", "27": "west"},
    ),
    "a rest of the level above": (
        ["east", "kanto", "west"],
        {"12": "kanto", "13": "kanto", "14": "kanto", "02": "east_O", "03": "east_O", "27": "west"},
    ),
    "what has no code that stands": (["east"], {**dict.fromkeys(["12", "13", "14", "02", "03"], "east"), "27": "_O"}),
}


@pytest.mark.parametrize(("pins", "expected"), STANDING.values(), ids=STANDING)
def test_a_value_counts_under_the_nearest_code_that_stands(pins, expected):
    assert {value: stands.code for value, stands in standing(CHAINS, pins).items()} == expected


FAULTS = {
    "none": (["east", "kanto", "13", "tohoku", "west"], None),
    "of no code": (["east", "nowhere"], "are of no code of the hierarchy: ['nowhere']"),
    "no pins": ([], "name no code"),
    "twice": (["east", "west", "west"], "name a code twice: ['west']"),
    "without what is above": (["east", "13", "west"], "name ['13'], but not what is above: ['kanto']"),
    "alone in a rest": (["east", "kanto", "12", "13", "tohoku", "west"], "leave ['14'] alone in a rest"),
    "alone without any": (["east"], "leave ['west'] alone in a rest"),
}


@pytest.mark.parametrize(("pins", "told"), FAULTS.values(), ids=FAULTS)
def test_pins_that_are_no_cut_are_told(pins, told):
    found = faults(CHAINS, pins)
    assert found == [] if told is None else any(told in fault for fault in found)


def changed(policy_folder, **pins):
    path = policy_folder / "releases" / "monthly-audience.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | pins, allow_unicode=True, sort_keys=False))
    return load_policies(policy_folder)


REFUSED = {
    "not from 0 on": ({10: {}}, "`pins` begin with those from 0 persons on"),
    "of no dimension": ({0: {"place": ["13"]}}, "the unknown dimension 'place'"),
    "of no code": ({0: {"region": ["atlantis"]}}, "pins.0.region: they are of no code of the hierarchy: ['atlantis']"),
    "one alone": (
        {0: {"service": ["search", "mail", "news", "maps", "shopping"]}}, "leave ['music'] alone in a rest",
    ),
    "fewer than none": ({-1: {}}, "greater than or equal to 0"),
}  # fmt: skip


@pytest.mark.parametrize(("pins", "told"), REFUSED.values(), ids=REFUSED)
def test_a_release_with_wrong_pins_is_refused(policy_folder, pins, told):
    policies = changed(policy_folder, pins=pins)
    with pytest.raises(DeclarationError, match=r"(?s)releases/monthly-audience\.yaml.*") as error:
        policies.release("monthly-audience")
    assert told in str(error.value)


def dimensions_of(policies, name, expected):
    release = policies.release(name)
    plan = resolve(policies, release, parse_period(release.period, "2026-10"), expected=expected)
    return plan, {dimension.name: dimension for dimension in plan.tables[0].dimensions}


SIZES = {
    "none is expected": (None, 48, 11), "fewer than any": (0, 3, 3), "just below": (3_999, 3, 3), "at": (4_000, 8, 5),
    "between": (19_999, 8, 5), "more than any": (10**9, 48, 11),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "regions", "ages"), SIZES.values(), ids=SIZES)
def test_the_size_chooses_the_pins(policies, expected, regions, ages):
    _, found = dimensions_of(policies, "monthly-audience", expected)
    leaves = {name: set(d.parents) - d.inner for name, d in found.items()}
    assert (len(leaves["region"]), len(leaves["age_band"]), len(leaves["service"])) == (regions, ages, 6)


def test_a_dimension_says_what_its_codes_are(policies):
    plan, found = dimensions_of(policies, "monthly-audience", 5_000)
    region, age = found["region"], found["age_band"]
    assert region.parents["13"] == region.parents["kanto_O"] == "kanto"
    assert region.parents["kinki"] == region.parents["_O"] == "_T"
    assert (region.level_of["kanto_O"], region.level_of["kinki"], region.level_of["_O"]) == (
        "prefecture", "region", "region",
    )  # fmt: skip
    assert region.consists["kanto_O"] == ("08", "09", "10", "11", "12", "14")
    assert region.labels["kanto_O"] == ("Other Kanto", "関東（その他）")
    assert region.labels["_O"] == ("Other", "その他")
    assert region.uneven
    assert not age.uneven
    assert set(age.level_of.values()) == {"age_band"}
    assert age.unknown == {"unknown"}
    assert plan.recodes["age_band"]["60-69"] == "40-over_O"


def test_days_are_pinned_as_weeks(policies):
    plan, found = dimensions_of(policies, "web-audience", 5_000)
    assert plan.columns["day"] == "week"
    assert list(found["day"].parents) == [f"2026-W{week}" for week in range(40, 45)]
    assert found["browser"].consists["_O"] == ("Edge", "Firefox", "other", "unknown")
