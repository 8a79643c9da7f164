"""Limits of what is hidden: declared for each size, refused where they are missing or contradict something."""

from __future__ import annotations

import pytest
import yaml

from anonymization.errors import DeclarationError
from anonymization.policy.load import load_policies

NEEDED = "`suppression_limit` is missing: the share of cells with somebody in that may be hidden, from 0 (none) to less"
REFUSED = {
    "missing": ("service-usage", None, NEEDED),
    "below nothing": ("service-usage", -0.1, "suppression_limit.0: Input should be greater than or equal to 0"),
    "everything": ("service-usage", 1, "suppression_limit.0: Input should be less than 1"),
    "no number": ("service-usage", "few", "suppression_limit.0: Input should be a valid number"),
    "not of every size": ("service-usage", {4000: 0.1}, "begins with that from 0 persons on; there are [4000]"),
    "laxer where more are expected": (
        "service-usage", {0: 0.1, 4000: 0.05, 20000: 0.2},
        "contradicts itself: 0.05 from 4000 persons on, but 0.2 from 20000 on",
    ),
    "where nothing is hidden": ("population-by-place", 0.1, "contradicts `merge: mesh`, which hides nothing"),
}  # fmt: skip


def loaded(policy_folder, name, limit):
    path = policy_folder / "releases" / f"{name}.yaml"
    content = yaml.safe_load(path.read_text())
    content["protection"].pop("suppression_limit")
    content["protection"] |= {} if limit is None else {"suppression_limit": limit}
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    return load_policies(policy_folder).release(name)


@pytest.mark.parametrize(("name", "limit", "told"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_limit_is_refused(policy_folder, name, limit, told):
    with pytest.raises(DeclarationError) as refused:
        loaded(policy_folder, name, limit)
    assert f"releases/{name}.yaml: protection.suppression" in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("declared", "limits"),
    [
        pytest.param(0.25, {None: 0.25, 0: 0.25, 10**9: 0.25}, id="one for every size"),
        pytest.param({0: 0.5, 100: 0.2}, {0: 0.5, 99: 0.5, 100: 0.2, None: 0.2}, id="by size, strictest without one"),
    ],
)
def test_the_size_chooses_the_limit(policy_folder, declared, limits):
    protection = loaded(policy_folder, "service-usage", declared).protection
    assert {expected: protection.limit(expected) for expected in limits} == limits


def test_every_shipped_release_has_a_limit(policies):
    assert all(release.protection.limit(None) is not None for release in policies.releases.values())
