"""Boxes: what is cut off a box is exactly what lies at or below a node, and nothing is counted twice."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anonymization.microdata.full_domain.frontier_boxes import BoxFrontier


def inside(low, high):
    return itertools.product(*(range(a, b + 1) for a, b in zip(low, high, strict=True)))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(sorted), min_size=1, max_size=4),
    st.data(),
)
def test_what_is_left_of_a_box(sides, data):
    low, high = [side[0] for side in sides], [side[-1] for side in sides]
    node = [data.draw(st.integers(a, 3)) for a in low]
    frontier = BoxFrontier([4] * len(sides), np.zeros((len(sides), 4)))
    frontier._heap.clear()
    frontier._cut(np.array(low), np.array(high), np.array(node), math.inf)
    left = Counter(one for _, start, end in frontier._heap for one in inside(start, end))
    expected = [one for one in inside(low, high) if any(a > b for a, b in zip(one, node, strict=True))]
    assert left == Counter(expected)
