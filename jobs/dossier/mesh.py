"""Squares of the Japanese regional mesh: where each lies, by its code (JIS X 0410)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

WEST = 100.0
"""Degrees east at which the first codes begin."""


def square(code: str) -> tuple[float, float, float, float]:
    """Return west, south, width and height of a square in degrees.

    Of the first square (80 km) the code has 4 digits: of the latitude by two thirds of a degree, and of the longitude
    from 100 degrees. Two more digits divide it into 8 by 8, two more that into 10 by 10; a ninth names a quarter:
    1 south west, 2 south east, 3 north west, 4 north east.

    Args:
        code: of 4, 6, 8 or 9 digits.
    """
    south, west = int(code[:2]) / 1.5, int(code[2:4]) + WEST
    height, width = 2 / 3, 1.0
    for at, parts in ((4, 8), (6, 10)):
        if len(code) > at:
            height, width = height / parts, width / parts
            south, west = south + int(code[at]) * height, west + int(code[at + 1]) * width
    if len(code) == 9:  # noqa: PLR2004 - digits of a half mesh
        height, width, quarter = height / 2, width / 2, int(code[8]) - 1
        south, west = south + quarter // 2 * height, west + quarter % 2 * width
    return west, south, width, height


def squares(codes: Iterable[str]) -> npt.NDArray[np.float64]:
    """Return the corners of squares, as longitude and latitude; one row of four a code."""
    corners = [
        [(west, south), (west + width, south), (west + width, south + height), (west, south + height)]
        for west, south, width, height in map(square, codes)
    ]
    return np.array(corners, dtype=np.float64).reshape(-1, 4, 2)
