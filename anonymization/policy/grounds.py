"""Grounds beside the policy's purposes: consent that was obtained, and what laws permit (clause 3's exceptions).

A ground is recorded with its days, its scope and the record that proves it; of whose consent it is, that record tells,
which is kept elsewhere: no person's id stands in the policy folder.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from anonymization.policy.declared import Declared, Name, Slug

LIKE_AN_ID = re.compile(r"@|\d{5}|[^\W\d_]\d|\d[^\W\d_]")
"""An `@`, five digits in a row, or letters and digits in one word."""


def _of_nobody(text: str) -> str:
    if LIKE_AN_ID.search(text):
        raise ValueError(
            "this looks like somebody's id (an @, five digits in a row, or letters and digits in one word): name the"
            " record, such as CONSENT-2026-014, in which the persons are listed"
        )
    return text


Reference = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_of_nobody)]
"""Words that name a record, a law, or what was agreed, and nobody."""


class GroundKind(StrEnum):
    """Which of clause 3's exceptions it is."""

    CONSENT = "consent"
    """Prior customer consent has been obtained."""
    LAW = "law"
    """Such provision is permitted under laws or ordinances."""

    @property
    def words(self) -> str:
        """The exception in the policy's own words."""
        if self is GroundKind.CONSENT:
            return "the case where prior customer consent has been obtained"
        return "the case where such provision is permitted under laws or ordinances"


class Ground(Declared):
    """What lets personal information be provided to a third party."""

    kind: GroundKind
    scope: Reference
    """What was consented to, or is permitted, in words."""
    reference: Reference
    """The record of the consent, or the law and its article."""
    since: date
    """The day on which the consent was obtained, or from which on the law permits it."""
    until: date | None = None
    """The last day on which it holds; none where it holds until it is taken back."""
    recipients: tuple[Slug, ...] = Field(min_length=1)
    information_types: tuple[Name, ...] = Field(min_length=1)
    purposes: tuple[Name, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.until < self.since:
            raise ValueError(f"it holds from {self.since} until {self.until}: the last day is not before the first")
        return self

    def holds(self, recipient: str, day: date) -> bool:
        """Whether it is about a recipient, and holds on a day."""
        return recipient in self.recipients and self.since <= day and (self.until is None or day <= self.until)

    def covers(self, information_type: str, purpose: str) -> bool:
        """Whether it is about a type of information, and a purpose."""
        return information_type in self.information_types and purpose in self.purposes

    def __str__(self) -> str:
        """Its kind, its record, and its last day."""
        return f"{self.kind.value} {self.reference}" + ("" if self.until is None else f", until {self.until}")
