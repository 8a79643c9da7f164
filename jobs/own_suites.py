"""The suites of a policy folder: the shipped ones, and beside them those of its `expectations/`."""

from __future__ import annotations

from anonymization.policy.load import Policies
from expectations.load import Suites, load_suites


def own_suites(policies: Policies) -> Suites:
    """Return the suites that gate intake and releases under a policy folder."""
    return load_suites(policies.folder / "expectations")
