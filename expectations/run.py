"""Run a suite on a frame; the result holds outcomes only, never a value.

A gate is closed unless a suite says open: a frame without the columns it should have, an expectation that
raises, null where something is expected, a suite that cannot be read, is empty or lacks what it must hold is a failure
with a reason.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd

from expectations.library import great_expectations
from expectations.load import Suite
from expectations.required import MAY_BE_NULL

NUMBER = "noren"
"""What the meta of an expectation holds its number under: two of one type and column are two."""
NUMBERS_ALONE = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
NO_ROWS = "expect_table_row_count_to_equal"
"""The expectation of frames that hold a row for each finding."""


class Outcome(StrEnum):
    """What became of a check, or of a suite. Only what looked at something has passed."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOTHING = "nothing to check"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Scope:
    """What a suite looks at, or one column of its frame.

    Attributes:
        of: what is checked, in the plural.
        number: how many; the rows of the frame if null.
        why_not: why it does not apply to what is checked, if it does not.
    """

    of: str = "rows"
    number: int | None = None
    why_not: str = ""


EVERY_ROW = Scope()
Scopes = Mapping[str, Scope]
"""By frame, or by frame and column with a dot between."""


@dataclass(frozen=True)
class Check:
    """One expectation's outcome: what it means, whether it held, how much it looked at, and what it found there.

    Attributes:
        success: whether it held; a check that does not apply, or looks at nothing, holds and has not passed.
        checked: how many it looked at.
        of: of what.
        found: how many of them were at fault; null where the expectation is about all of them together.
        why_not: why it does not apply.
    """

    expectation: str
    column: str
    meaning: str
    success: bool
    checked: int = 0
    of: str = "rows"
    found: int | None = None
    why_not: str = ""

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        if not self.success:
            return Outcome.FAILED
        if self.why_not:
            return Outcome.NOT_APPLICABLE
        return Outcome.PASSED if self.checked else Outcome.NOTHING

    @property
    def looked_at(self) -> str:
        """In words how much it looked at, and what it found; or why it did not."""
        if self.outcome is Outcome.NOT_APPLICABLE:
            return self.why_not
        found = "" if self.found is None or not self.checked else f", {self.found:,} at fault"
        return f"{self.of}: {self.checked:,}{found}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**vars(self), "outcome": self.outcome.value, "looked_at": self.looked_at}


@dataclass(frozen=True)
class SuiteResult:
    """A suite's outcome."""

    name: str
    success: bool
    rows: int
    checks: tuple[Check, ...]
    error: str = ""

    @property
    def outcome(self) -> Outcome:
        """What became of it: passed where one of its checks looked at something, and all held."""
        found = {check.outcome for check in self.checks}
        if not self.success:
            return Outcome.FAILED
        return next(one for one in (Outcome.PASSED, Outcome.NOTHING, Outcome.NOT_APPLICABLE) if one in found)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for the verdict."""
        return {
            "name": self.name,
            "success": self.success,
            "rows": self.rows,
            "outcome": self.outcome.value,
            "error": self.error,
            "checks": [check.as_dict() for check in self.checks],
        }


def run_suite(
    suite: Suite, frame: pd.DataFrame, parameters: Mapping[str, float] | None = None, scopes: Scopes | None = None
) -> SuiteResult:
    """Run a suite on a frame.

    Args:
        suite: what is expected.
        frame: what the library computed; nothing of it is in the result.
        parameters: values for the suite's `$PARAMETER`s.
        scopes: what the frame's rows are about; that a suite does not apply excuses no row that is at fault.
    """
    failed = SuiteResult(suite.title, success=False, rows=len(frame), checks=(), error=suite.error)
    if suite.error:
        return failed
    try:
        with _quiet():
            outcomes = _validate(suite, frame, dict(parameters or {}))
        checks = tuple(
            _check(suite, one, frame, scopes or {}, held=held, found=found)
            for one, (held, found) in zip(suite.expectations, outcomes, strict=True)
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate stays closed and no value leaves
        return replace(failed, error=f"it raised {type(error).__name__}")
    return replace(failed, success=all(check.success for check in checks), checks=checks)


def _check(
    suite: Suite,
    expectation: Mapping[str, Any],
    frame: pd.DataFrame,
    scopes: Scopes,
    *,
    held: object,
    found: int | None,
) -> Check:
    """What became of one expectation."""
    column, name = str(expectation["kwargs"].get("column", "")), suite.name.removeprefix("candidate_")
    scope = scopes.get(f"{name}.{column}", scopes.get(name, EVERY_ROW))
    rows = int(frame[column].notna().sum()) if (suite.name, column) in MAY_BE_NULL else len(frame)
    success = held is True and not _null(suite.name, expectation["kwargs"], frame)
    checked = rows if scope.number is None else scope.number
    return Check(expectation["type"], column, expectation["notes"], success, checked, scope.of, found, scope.why_not)


def _null(suite: str, arguments: Mapping[str, Any], frame: pd.DataFrame) -> bool:
    """Whether a column that an expectation looks at holds null or NaN, which Great Expectations passes over."""
    named = [text for value in arguments.values() for text in (value if isinstance(value, list) else [value])]
    looked_at = [column for column in frame.columns if column in named and (suite, column) not in MAY_BE_NULL]
    return bool(frame[looked_at].isna().any(axis=None))


@contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations warns and logs about itself; none of it is ours, and a log could hold a value."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _validate(suite: Suite, frame: pd.DataFrame, parameters: dict[str, float]) -> Sequence[tuple[object, int | None]]:
    """Whether each expectation holds, and how many rows are at fault: each result is told apart by its own number.

    Of values Great Expectations is asked for none: a summary of no examples holds numbers alone.
    """
    gx, definition = great_expectations()
    expectations = [
        {"type": one["type"], "kwargs": dict(one["kwargs"]), "meta": {NUMBER: number}}
        for number, one in enumerate(suite.expectations)
    ]
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    asked = gx.ExpectationSuite(name=suite.title, expectations=expectations)
    results = batch.validate(asked, result_format=NUMBERS_ALONE, expectation_parameters=parameters).results
    found = {result.expectation_config.meta[NUMBER]: (result.success, _at_fault(result)) for result in results}
    if sorted(found) != list(range(len(expectations))) or len(results) != len(expectations):
        raise ValueError("an expectation was not evaluated")
    return [found[number] for number in range(len(expectations))]


def _at_fault(result: Any) -> int | None:
    """How many rows are at fault; every row where none should be; null where it is said of no single row."""
    count = result.result.get("unexpected_count")
    if count is None and result.expectation_config.type == NO_ROWS:
        count = result.result.get("observed_value")
    return None if count is None else int(count)
