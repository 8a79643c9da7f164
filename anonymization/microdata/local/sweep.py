"""The sweep: a first local recoding, by visiting the nodes of the lattice once, in ascending order of their loss.

At every node the groups that reach k persons are closed, and the sweep goes on with the rest, so that every tuple
ends up in a class about as fine as its surroundings allow. What is left in the end goes where it costs least, and
every class is tightened to its lowest common ancestors. A node costs one pass over the tuples that are left.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import numpy as np

from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.local.nodes import Floats, Ints, Longs, Space, Tables
from anonymization.microdata.local.recoding_kernels import attach_rest, tighten
from anonymization.microdata.local.sweep_kernels import Marks, Scratch, close_groups

Entries = tuple[Ints, Ints, Longs]
"""Who is in which class, in columns: tuple, class (-1: suppressed), persons; by class."""

_ALL_NODES = 1 << 18  # a lattice up to this size is visited whole
_SOME_NODES = 20_000  # of a larger one so many are visited
_ATTACHED = 10**9  # pairs of a left tuple and a class up to which all are compared


def mixed(numbers: Marks) -> Marks:
    """Return numbers that look random: SplitMix64 (Steele, Lea and Flood 2014), the same on every machine."""
    z = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def level_losses(histogram: Histogram) -> list[Floats]:
    """Return, for every dimension, the mean loss of a person on each of its levels."""
    out = []
    for d, hierarchy in enumerate(histogram.hierarchies):
        persons = np.bincount(histogram.tuples[:, d], histogram.counts, hierarchy.size)
        losses = [
            (persons * (share[row] * hierarchy.size - 1)).sum() / (max(hierarchy.size - 1, 1) * histogram.persons)
            for share, row in zip(hierarchy.shares(), hierarchy.ancestors, strict=True)
        ]
        out.append(np.array(losses))
    return out


def visiting_order(losses: Sequence[Floats]) -> Ints:
    """Return the (visits, D) levels of nodes by ascending sum of their dimensions' losses.

    All nodes of a lattice of up to 2^18; of a larger one the 20,000 first found from the bottom, and the top.
    """
    heights = [len(own) for own in losses]
    if np.prod(heights, dtype=float) <= _ALL_NODES:
        nodes = np.indices(heights, np.int32).reshape(len(heights), -1)
        total = np.sum([own[row] for own, row in zip(losses, nodes, strict=True)], axis=0)
        return np.ascontiguousarray(nodes.T[np.argsort(total, kind="stable")])
    bottom = (0,) * len(heights)
    heap, seen = [(0.0, bottom)], {bottom}
    found: list[tuple[int, ...]] = []
    while heap and len(found) < _SOME_NODES:
        total, node = heapq.heappop(heap)
        found.append(node)
        for d, level in enumerate(node):
            above = (*node[:d], level + 1, *node[d + 1 :])
            if level + 1 < heights[d] and above not in seen:
                seen.add(above)
                heapq.heappush(heap, (total + float(losses[d][level + 1] - losses[d][level]), above))
    return np.array([*found, [height - 1 for height in heights]], np.int32)


def marks_of(histogram: Histogram, space: Space, visits: Ints) -> tuple[Marks, Longs]:
    """Return the marks of all levels' codes, and (visits, G) where those of a node's levels start."""
    alone: list[list[Marks]] = []
    numbered = 0
    for hierarchy, tree in zip(histogram.hierarchies, space.trees, strict=True):
        leaf = np.where(tree.level == 0, tree.code, 0)
        own = []
        for level, labels in enumerate(hierarchy.labels):
            marks = mixed(np.arange(numbered, numbered + len(labels), dtype=np.uint64))
            own.append(marks[hierarchy.ancestors[level][leaf]])
            numbered += len(labels)
        alone.append(own)
    fused_marks: list[Marks] = []
    starts, total = np.zeros((len(visits), len(space.groups)), np.int64), 0
    for g, group in enumerate(space.groups):
        heights = [len(alone[d]) for d in group]
        for levels in itertools.product(*map(range, heights)):
            fused = np.zeros(1, np.uint64)
            for d, level in zip(group, levels, strict=True):
                fused = (fused[:, None] + alone[d][level][None, :]).reshape(-1)
            fused_marks.append(fused)
        starts[:, g] = total + len(fused_marks[-1]) * np.ravel_multi_index([visits[:, d] for d in group], heights)
        total += len(fused_marks[-1]) * int(np.prod(heights))
    return np.concatenate(fused_marks), starts


def closed(histogram: Histogram, space: Space, tables: Tables, k: int, visits: Ints) -> tuple[Ints, int]:
    """Return the class of every tuple after the visits, -1 where it has none, and the number of classes.

    Args:
        histogram: the persons.
        space: its nodes.
        tables: of the histogram's tuples.
        k: persons that close a group.
        visits: (visits, D) levels, in visiting order.
    """
    marks, starts = marks_of(histogram, space, visits)
    size = len(tables.counts)
    places = 1 << (2 * size - 1).bit_length()
    class_of = np.empty(size, np.int32)
    scratch = Scratch(
        np.empty(size, np.int64), np.empty(size, np.uint64), np.empty(size, np.int64),
        np.empty(places, np.uint64), np.empty(places, np.int64), np.empty(places, np.int32),
    )  # fmt: skip
    return class_of, close_groups(tables.leaves, tables.counts, marks, starts, k, class_of, scratch)


def boxes_of(tables: Tables, entries: Entries, classes: int) -> tuple[Ints, Longs, Longs]:
    """Return the (classes, G) lowest nodes, the persons and the cost a person of every class.

    Args:
        tables: of the tuples.
        entries: their tuples, classes and persons.
        classes: how many there are.
    """
    box = np.zeros((classes, len(tables.width)), np.int32)
    size, cost = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    tighten(tables, *entries, box, size, cost)
    return box, size, cost


def sweep(histogram: Histogram, space: Space, tables: Tables, k: int, losses: Sequence[Floats]) -> tuple[Ints, int]:
    """Return the class of every tuple, each of at least k persons, and the number of classes.

    Args:
        histogram: at least k persons.
        space: its nodes.
        tables: of the histogram's tuples.
        k: persons a class must have.
        losses: of every dimension's levels; nodes are visited by ascending sum.
    """
    class_of, classes = closed(histogram, space, tables, k, visiting_order(losses))
    rest = np.flatnonzero(class_of < 0)
    if not classes:
        return np.zeros_like(class_of), 1
    if len(rest) * classes > _ATTACHED:
        rest, classes = _in_runs(tables, class_of, rest, k, classes)
    if len(rest):
        box, size, cost = boxes_of(tables, (np.arange(len(class_of), dtype=np.int32), class_of, tables.counts), classes)
        attach_rest(tables, class_of, box, size, cost)
    return class_of, classes


def _in_runs(tables: Tables, class_of: Ints, rest: Longs, k: int, classes: int) -> tuple[Longs, int]:
    """Make classes of neighbours in the tuples' own order; return what is left, and the number of classes."""
    run: list[int] = []
    persons = 0
    for i in rest.tolist():
        run.append(i)
        persons += int(tables.counts[i])
        if persons >= k:
            class_of[run] = classes
            classes += 1
            run, persons = [], 0
    return np.array(run, np.int64), classes
