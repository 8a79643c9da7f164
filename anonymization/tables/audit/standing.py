"""Standing needs: what must stay possible of figures that are out, whatever is published after them.

A reader cannot tell why a total is hidden, and so no public audit knows what it needs: that a company's month is
dominated by two persons is known at its build alone. The intervals that unsafe cells need are kept inside for as long
as the release stands, by table, measure and row of the package; later releases are held to them. So is the figure of
which somebody is the only contributor: whoever that is knows it beside every later release.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from anonymization.errors import IntegrityError


@dataclass(frozen=True)
class Standing:
    """What must stay possible of one figure that is out.

    Attributes:
        row: of the table, as it is published.
        reach, width, floor: as of `Needs`; null where the figure may be as large as it is.
        alone: the figure, where one person alone contributes to it and knows it; else null.
    """

    table: str
    measure: str
    row: int
    reach: float
    width: float
    floor: float | None = None
    alone: int | None = None


def as_text(needs: Sequence[Standing]) -> str:
    """Return needs as JSON lines."""
    return "".join(json.dumps(asdict(need), ensure_ascii=False) + "\n" for need in needs)


def from_text(text: str) -> tuple[Standing, ...]:
    """Return needs from JSON lines.

    Raises:
        IntegrityError: the text is not what `as_text` writes.
    """
    try:
        return tuple(Standing(**json.loads(line)) for line in text.splitlines())
    except (ValueError, TypeError):
        raise IntegrityError("standing needs cannot be read back") from None
