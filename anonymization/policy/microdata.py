"""What a set of k-anonymous rows declares: one row a person, for people inside the house."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from anonymization.policy.declared import Declared, Name, Slug, Text
from anonymization.policy.releases import Attribute, PeriodKind, ReleaseName


class QuasiIdentifier(Declared):
    """An attribute by which an attacker may know a person.

    It is generalized along `policies/hierarchies/<hierarchy>.csv`, or, where only a `codelist` is named, from its code
    to anything.
    """

    hierarchy: Name | None = None
    codelist: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.hierarchy is None) == (self.codelist is None):
            raise ValueError("a quasi-identifier names its `hierarchy`, or else its `codelist`")
        return self


class Microdata(Declared):
    """k-anonymous rows: `policies/microdata/<name>.yaml`.

    Every attribute is a quasi-identifier or the sensitive one: nothing of a person is kept as it is.
    """

    microdata: ReleaseName
    title: Text
    description: Text
    owner: Slug
    recipient: Slug
    purpose: Name
    period: PeriodKind
    policy_versions: tuple[date, ...] = Field(min_length=1)
    """The versions of the policy that the period's events fall under."""
    population: Name
    """The source whose persons have a row each."""
    sources: tuple[Name, ...] = Field(min_length=1)
    """Every source read, also those that only give attributes or links: what is joined is declared."""
    attributes: dict[Name, Attribute] = Field(min_length=1)
    quasi_identifiers: dict[Name, QuasiIdentifier] = Field(min_length=1)
    sensitive: Name | None = None
    k: int = Field(ge=2)
    """Persons of the smallest class, at least."""
    distinct_l: int | None = Field(default=None, ge=2)
    """Distinct sensitive values of a class, at least."""
    suppression_limit: float = Field(default=0.0, ge=0, le=1)
    """Share of persons that may be left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        roles = [*self.quasi_identifiers, *([self.sensitive] if self.sensitive else [])]
        if sorted(roles) != sorted(self.attributes):
            raise ValueError("each attribute is either a quasi-identifier or the sensitive attribute, once")
        if self.distinct_l is not None and self.sensitive is None:
            raise ValueError("`distinct_l` counts values of the `sensitive` attribute, and none is named")
        named = {self.population, *(attribute.source for attribute in self.attributes.values())}
        if not named <= set(self.sources):
            raise ValueError(f"`sources` names every source read; {sorted(named - set(self.sources))} is missing")
        return self
