"""The written verdict of a stage: what a scheduler's next step reads, for status 0 alone proves nothing.

A verdict is closed unless it says done: missing, not whole, of another stage or of another run are all closed.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from anonymization.errors import Refusal
from anonymization.files import write_private


class Outcome(StrEnum):
    """How a stage ended: refused is a check that said no, failed is everything else that is not done."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Verdict(BaseModel):
    """How a stage ended.

    Attributes:
        stage: the verb.
        exit_code: what the process ends with.
        result: what the next step needs.
        reasons: why it is not done; no person's value is in them.
        policy_digest: of the policy folder that the stage read, if it came so far.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    stage: str
    outcome: Outcome
    exit_code: int
    result: dict[str, Any] = {}
    reasons: list[str] = []
    policy_digest: str | None = None
    seconds: float

    @property
    def is_done(self) -> bool:
        """Whether outcome and exit code both say so."""
        return self.outcome is Outcome.DONE and self.exit_code == 0


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Write a verdict, 0600, whole or not at all; what stood there is replaced.

    Raises:
        OSError: it cannot be written.
    """
    write_private(path, verdict.model_dump_json(indent=1) + "\n")


def read_verdict(path: Path, *, stage: str, **expected: object) -> Verdict:
    """Return the verdict of a stage that is done.

    Args:
        path: the file that the stage was told to write.
        stage: the verb.
        expected: what its result must hold, such as `release="monthly-audience"`.

    Raises:
        Refusal: the file is missing, not whole, of another stage, of another run, or does not say done.
    """
    try:
        verdict = Verdict.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise Refusal(f"{stage}: no verdict at {path}: it never ran, or was ended before it could say how") from None
    except (OSError, ValidationError) as error:
        raise Refusal(f"{stage}: {path} is no whole verdict ({type(error).__name__})") from None
    if verdict.stage != stage:
        raise Refusal(f"{stage}: {path} is the verdict of another stage, {verdict.stage!r}")
    if not verdict.is_done:
        why = "; ".join(verdict.reasons) or "no reason was written"
        raise Refusal(f"{stage}: {verdict.outcome}, exit code {verdict.exit_code}: {why}")
    if others := sorted(name for name, value in expected.items() if verdict.result.get(name) != value):
        raise Refusal(f"{stage}: {path} is the verdict of another run: it differs in {', '.join(others)}")
    return verdict
