"""Findings: what an audit says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A figure of a few persons that the published figures give away.

    Attributes:
        release: release, period and version.
        cell: coordinates; of a population that no table lists, those that imply it.
        low, high: feasible minimum and maximum; -1 where there is no maximum.
        derived_from: the published figures from which it follows.
    """

    release: str
    table: str
    measure: str
    cell: str
    low: int
    high: int
    derived_from: tuple[str, ...]

    def __str__(self) -> str:
        """One line for people."""
        bounds = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high if self.high >= 0 else 'any'}"
        return (
            f"{self.release}, {self.table}.{self.measure}, {self.cell}: {bounds}, from {'; '.join(self.derived_from)}"
        )
