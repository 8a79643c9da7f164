"""The base of every declaration in the policy folder: frozen, and strict about unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Declared(BaseModel):
    """A value read from the policy folder; unknown keys are errors, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A column, dimension, measure, table or source name: what is safe as an identifier everywhere."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""A release, recipient or officer name: also safe as a folder name."""


class Text(Declared):
    """A text in both languages of the house."""

    en: str
    ja: str
