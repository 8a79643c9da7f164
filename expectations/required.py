"""What each shipped suite must hold, whatever its file says: no edit of a file alone opens the gate.

A suite may hold more. Where one lacks an expectation that stands here, or has it with other arguments, it is an error,
and the gate is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonymization.files import canonical

Required = tuple[str, Mapping[str, Any]]
"""An expectation's type and its arguments."""


def _among(column: str, *values: object) -> Required:
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": list(values)}


def _true(column: str) -> Required:
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": [True]}


def _between(column: str, least: object, most: str) -> Required:
    limits = {"min_value": least, "max_value": {"$PARAMETER": most}}
    return "expect_column_values_to_be_between", {"column": column, **limits}


SOMETHING: Required = ("expect_table_row_count_to_be_between", {"min_value": 1})
NOTHING: Required = ("expect_table_row_count_to_equal", {"value": 0})
IDENTIFIERS = (
    r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}",
    r"(?<!\d)0\d{1,4}-\d{1,4}-\d{3,4}(?!\d)",
    r"(?<!\d)0[5789]0\d{8}(?!\d)",
    r"\+\d{1,3}[ -]?\d[\d -]{7,}",
    r"(?<!\d)(\d{1,3}\.){3}\d{1,3}(?![\d/])",
    r"(?i)(?<![0-9a-f:])([0-9a-f]{1,4}:){5,7}[0-9a-f]{1,4}(?![0-9a-f:/])",
    r"(?i)(?<![0-9a-f])([0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![0-9a-f])",
    r"(?i)(?<![0-9a-f])[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])",
    r"(?<!\d)\d{4}[ -]?\d{4}[ -]?\d{4}([ -]?\d{4})?(?!\d)",
    r"(?<!\d)\d{15}(?!\d)",
    r"https?://\S+\?\S+",
    r"(?i)(?<![0-9a-z])(?=[0-9a-z]*\d)[0-9a-f]{16,}(?![0-9a-z])",
)
REQUIRED: Mapping[str, tuple[Required, ...]] = {
    "intake_days": (
        SOMETHING,
        _among("balance", 0),
        _between("rejected_share", 0, "rejected_share"),
        _between("volume_ratio", {"$PARAMETER": "volume_low"}, "volume_high"),
        _between("lag_days", -1, "lag_days"),
    ),
    "intake_domains": (_true("in_domain"),),
    "candidate_schema": (SOMETHING, _true("as_described")),
    "candidate_cells": (
        SOMETHING,
        _among("status", "F", "C"),
        _true("empty_where_hidden"),
        _true("enough_persons"),
        _true("equals_recount"),
    ),
    "candidate_complete": (_true("listed"),),
    "candidate_margins": (_true("consistent"),),
    "candidate_audit": (NOTHING,),
    "candidate_together": (NOTHING,),
    "candidate_inside": (NOTHING,),
    "candidate_covering": (NOTHING,),
    "candidate_identifiers": (
        SOMETHING,
        ("expect_column_values_to_not_match_regex_list", {"column": "text", "regex_list": list(IDENTIFIERS)}),
    ),
    "candidate_labels": (_true("enough_persons"),),
    "candidate_levels": (_true("within_limit"),),
    "candidate_headlines": (_true("kept"),),
    "candidate_collected": (SOMETHING, _true("complete_or_acknowledged"), _true("told")),
    "candidate_policy": (
        SOMETHING,
        _true("permitted"),
        _true("one_key_period"),
        _true("policy_unchanged"),
    ),
}
MAY_BE_NULL = {("intake_days", "volume_ratio")}
"""Suite and column in which null is no fault: the volume of a day beside which no other is known."""


def lacking(name: str, expectations: tuple[Mapping[str, Any], ...]) -> list[str]:
    """Return the required expectations that a shipped suite lacks, each by its type and column."""
    return [
        f"{kind} of {arguments['column']!r}" if "column" in arguments else kind
        for kind, arguments in REQUIRED[name]
        if not any(one["type"] == kind and _covers(one["kwargs"], arguments) for one in expectations)
    ]


def _covers(given: Mapping[str, Any], required: Mapping[str, Any]) -> bool:
    """Whether arguments are those required, to the type (1 is not true); of patterns, at least those required."""
    more = {**given, "regex_list": required.get("regex_list")} if _has_all_patterns(given, required) else given
    return canonical(more) == canonical(required)


def _has_all_patterns(given: Mapping[str, Any], required: Mapping[str, Any]) -> bool:
    return "regex_list" in given and set(required.get("regex_list", ())) <= set(given["regex_list"])
