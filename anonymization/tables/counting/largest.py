"""The two largest contributions of single persons to a total: what dominance and the p% rule look at.

They are counted in the engine, where a row is a person and a cell. Here they are carried through unions of
cells whose persons are apart: the two largest of a union are among the two largest of its parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.tables.model import Measure

Integers = npt.NDArray[np.int64]
LARGEST = ("x", "y")
"""What the columns of the largest and of the second largest contribution begin with, in the SQL's result."""


def first_of(measure: str) -> str:
    """Return the column of a measure's largest contribution, as long as it stands beside the measures."""
    return f"{measure}#1"


def second_of(measure: str) -> str:
    """Return the column of a measure's second largest contribution."""
    return f"{measure}#2"


def largest_of_unions(first: Integers, second: Integers, group: Integers) -> tuple[Integers, Integers]:
    """Return the two largest contributions of each union of cells.

    Args:
        first: of each cell, its largest contribution; 0 where there is none.
        second: of each cell, its second largest; 0 where there is none.
        group: of each cell, the union that it goes into: 0, 1, 2 and so on, none left out.
    """
    order = np.lexsort((-first, group))
    first, second, group = first[order], second[order], group[order]
    start = np.flatnonzero(np.diff(group, prepend=-1))
    runner_up = second[start]
    following = start + 1
    another = following < len(group)
    another[another] = group[following[another]] == group[start[another]]
    runner_up[another] = np.maximum(runner_up[another], first[following[another]])
    return first[start], runner_up


def taken_out(frame: pd.DataFrame, measures: Sequence[Measure]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return a frame without the columns of largest contributions, and these by measure: `first`, `second`."""
    found = {}
    for measure in measures:
        columns = [first_of(measure.name), second_of(measure.name)]
        if columns[0] in frame.columns:
            found[measure.name] = frame[columns].set_axis(["first", "second"], axis=1)
            frame = frame.drop(columns=columns)
    return frame, found
