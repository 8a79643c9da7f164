"""Headlines: the margins of a table that are published first, and why one of them is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anonymization.tables.model import TOTAL, Dimension

if TYPE_CHECKING:
    from anonymization.disclosure.system import Booleans

Margin = frozenset[str]
"""The dimensions that a margin is by; none for the grand total."""


class Why(StrEnum):
    """Why a headline is hidden."""

    UNSAFE = "it is unsafe itself"
    OTHERS = "others that are unsafe would follow from it"
    EARLIER = "with what is out already it would tell of a few persons"


def by_default(dimensions: Iterable[Dimension]) -> frozenset[Margin]:
    """Return the grand total, and the margin of each dimension alone that has a closed list of codes."""
    return frozenset([Margin(), *(Margin([d.name]) for d in dimensions if d.closed)])


def headline_rows(frame: pd.DataFrame, keys: Sequence[str], margins: Collection[Margin]) -> Booleans:
    """Return which rows of a table's frame are cells of some margins."""
    by = (frame[list(keys)] != TOTAL).to_numpy()
    found = np.zeros(len(frame), dtype=bool)
    for margin in margins:
        found |= (by == np.array([key in margin for key in keys], dtype=bool)).all(axis=1)
    return found
