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
from typing import Any

import pandas as pd

from expectations.library import great_expectations
from expectations.load import Suite
from expectations.required import MAY_BE_NULL

NUMBER = "noren"
"""What the meta of an expectation holds its number under: two of one type and column are two."""


@dataclass(frozen=True)
class Check:
    """One expectation's outcome: what it means, and whether it held."""

    expectation: str
    column: str
    meaning: str
    success: bool


@dataclass(frozen=True)
class SuiteResult:
    """A suite's outcome."""

    name: str
    success: bool
    rows: int
    checks: tuple[Check, ...]
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for the verdict."""
        return {
            "name": self.name,
            "success": self.success,
            "rows": self.rows,
            "error": self.error,
            "checks": [vars(check) for check in self.checks],
        }


def run_suite(suite: Suite, frame: pd.DataFrame, parameters: Mapping[str, float] | None = None) -> SuiteResult:
    """Run a suite on a frame.

    Args:
        suite: what is expected.
        frame: what the library computed; nothing of it is in the result.
        parameters: values for the suite's `$PARAMETER`s.
    """
    failed = SuiteResult(suite.title, success=False, rows=len(frame), checks=(), error=suite.error)
    if suite.error:
        return failed
    try:
        with _quiet():
            outcomes = _validate(suite, frame, dict(parameters or {}))
        checks = tuple(
            Check(
                one["type"], str(one["kwargs"].get("column", "")), one["notes"],
                success=outcome is True and not _null(suite.name, one["kwargs"], frame),
            )
            for one, outcome in zip(suite.expectations, outcomes, strict=True)
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate stays closed and no value leaves
        return replace(failed, error=f"it raised {type(error).__name__}")
    return replace(failed, success=all(check.success for check in checks), checks=checks)


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


def _validate(suite: Suite, frame: pd.DataFrame, parameters: dict[str, float]) -> Sequence[object]:
    """The outcomes, in the order of the expectations: each result is told apart by its own number."""
    gx, definition = great_expectations()
    expectations = [
        {"type": one["type"], "kwargs": dict(one["kwargs"]), "meta": {NUMBER: number}}
        for number, one in enumerate(suite.expectations)
    ]
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    asked = gx.ExpectationSuite(name=suite.title, expectations=expectations)
    results = batch.validate(asked, result_format="BOOLEAN_ONLY", expectation_parameters=parameters).results
    found = {result.expectation_config.meta[NUMBER]: result.success for result in results}
    if sorted(found) != list(range(len(expectations))) or len(results) != len(expectations):
        raise ValueError("an expectation was not evaluated")
    return [found[number] for number in range(len(expectations))]
