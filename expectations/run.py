"""Run a suite on a frame; the result holds outcomes only, never a value.

A gate is closed unless a suite says open: a frame without the columns it should have, an expectation that
raises, a suite without expectations or an unknown suite is a failure with a reason.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from expectations.library import great_expectations

SUITES = Path(__file__).parent / "suites"


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


def load_suite(name: str) -> dict[str, Any]:
    """Return a suite's JSON."""
    content: dict[str, Any] = json.loads((SUITES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def run_suite(name: str, frame: pd.DataFrame, parameters: Mapping[str, float] | None = None) -> SuiteResult:
    """Run a suite on a frame.

    Args:
        name: of a file in `expectations/suites/`.
        frame: what the library computed; nothing of it is in the result.
        parameters: values for the suite's `$PARAMETER`s.
    """
    try:
        declared = load_suite(name)["expectations"]
    except (OSError, ValueError, KeyError):
        return SuiteResult(name, success=False, rows=len(frame), checks=(), error="the suite cannot be read")
    if not declared:
        return SuiteResult(name, success=False, rows=len(frame), checks=(), error="the suite holds no expectation")
    try:
        with _quiet():
            outcomes = _validate(name, frame, dict(parameters or {}))
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate stays closed and no value leaves
        return SuiteResult(name, success=False, rows=len(frame), checks=(), error=f"it raised {type(error).__name__}")
    checks = tuple(
        Check(d["type"], str(d["kwargs"].get("column", "")), str(d["meta"]["notes"]), success=bool(outcome))
        for d, outcome in zip(declared, outcomes, strict=True)
    )
    return SuiteResult(name, success=all(check.success for check in checks), rows=len(frame), checks=checks)


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


def _validate(name: str, frame: pd.DataFrame, parameters: dict[str, float]) -> Sequence[bool]:
    gx, definition = great_expectations()
    suite = gx.ExpectationSuite(**load_suite(name))
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    result = batch.validate(suite, result_format="BOOLEAN_ONLY", expectation_parameters=parameters)
    found = {_key(r.expectation_config.type, r.expectation_config.kwargs): r.success for r in result.results}
    declared = load_suite(name)["expectations"]
    if len(result.results) != len(declared):
        raise ValueError("an expectation was not evaluated")
    return [found[_key(d["type"], d["kwargs"])] for d in declared]


def _key(kind: str, kwargs: Mapping[str, Any]) -> tuple[str, str]:
    return kind, str(kwargs.get("column", ""))
