"""The loops over the histogram that must be fast, compiled once and kept on disk by numba.

They are engine-free, single-threaded and deterministic; shapes and types are the callers' duty. Rows are the
entries of a histogram or of a roll-up of it; classes are numbered by first appearance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anonymization.compiled import compiled

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring keys over the table
_NEAR = 3  # bits of the key that stay together
_DIRECT = 4  # a table indexed by key pays while it has at most this many places a row


@compiled
def group(
    codes: npt.NDArray[Any], counts: Ints, table: Ints, offsets: Ints, key_range: int
) -> tuple[Codes, Ints, Ints]:
    """Group rows by their generalized codes.

    Args:
        codes: (rows, D) leaf codes.
        counts: (rows,) persons.
        table: each leaf's part of the key, dimension after dimension, times its stride.
        offsets: (D,) where each dimension starts in `table`.
        key_range: above every key.

    Returns:
        (rows,) the class of each row; (classes,) its first row; (classes,) its persons.
    """
    rows, width = codes.shape
    class_of = np.empty(rows, np.int32)
    first = np.empty(rows, np.int64)
    persons = np.empty(rows, np.int64)
    classes = 0
    direct = key_range <= _DIRECT * rows
    bits = _NEAR + 1
    while (1 << bits) < 2 * rows:
        bits += 1
    mask = (1 << bits) - 1
    shift = np.uint64(64 - bits + _NEAR)
    near = (1 << _NEAR) - 1
    ids = np.full(key_range if direct else 0, -1, np.int32)
    slots = np.full((0 if direct else 1 << bits, 2), -1, np.int64)  # key and class in one cache line
    for i in range(rows):
        key = np.int64(0)
        for d in range(width):
            key += table[offsets[d] + codes[i, d]]
        if direct:
            found = np.int64(ids[key])
            if found < 0:
                ids[key] = classes
        else:
            # Neighbouring rows have neighbouring keys: the last bits are kept, so that they share a cache line.
            slot = (np.int64((np.uint64(key >> _NEAR) * _MIX) >> shift) << _NEAR) | (key & near)
            while slots[slot, 1] >= 0 and slots[slot, 0] != key:
                slot = (slot + 1) & mask
            found = slots[slot, 1]
            if found < 0:
                slots[slot, 0] = key
                slots[slot, 1] = classes
        if found < 0:
            found = np.int64(classes)
            first[classes] = i
            persons[classes] = 0
            classes += 1
        class_of[i] = found
        persons[found] += counts[i]
    return class_of, first[:classes].copy(), persons[:classes].copy()


@compiled
def sums(class_of: Codes, values: Ints, classes: int) -> Ints:
    """Return (classes,): the sum of (rows,) values by class."""
    total = np.zeros(classes, np.int64)
    for i in range(len(class_of)):
        total[class_of[i]] += values[i]
    return total


@compiled
def marked_leaves(
    codes: npt.NDArray[Any], counts: Ints, class_of: Codes, marked: Bools, offsets: Ints, leaves: int
) -> Ints:
    """Return (leaves,): the persons of the rows of marked classes, by dimension and leaf code.

    Args:
        codes: (rows, D) leaf codes.
        counts: (rows,) persons.
        class_of: (rows,) the class of each row.
        marked: (classes,) whether its rows count.
        offsets: (D,) where each dimension starts in the result.
        leaves: the result's length.
    """
    rows, width = codes.shape
    found = np.zeros(leaves, np.int64)
    for i in range(rows):
        if marked[class_of[i]]:
            for d in range(width):
                found[offsets[d] + codes[i, d]] += counts[i]
    return found


@compiled
def merge_entries(
    class_of: Codes, classes: int, starts: Ints, codes: Codes, counts: Ints, values: int
) -> tuple[Ints, Codes, Ints]:
    """Merge the sensitive values of rows, in compressed rows, into those of their classes.

    Args:
        class_of: (rows,) the class of each row.
        classes: their number.
        starts: (rows + 1,) where each row's entries start.
        codes: (entries,) values.
        counts: (entries,) persons.
        values: the number of values.

    Returns:
        starts, codes and counts of the classes; a class's values in order of appearance.
    """
    rows = len(class_of)
    place = np.zeros(classes + 1, np.int64)
    for i in range(rows):
        place[class_of[i] + 1] += 1
    for c in range(classes):
        place[c + 1] += place[c]
    ends = place[:-1].copy()
    order = np.empty(rows, np.int64)
    for i in range(rows):
        order[ends[class_of[i]]] = i
        ends[class_of[i]] += 1
    seen = np.full(values, -1, np.int64)
    new_starts = np.zeros(classes + 1, np.int64)
    new_codes = np.empty(len(codes), np.int32)
    new_counts = np.empty(len(codes), np.int64)
    size = 0
    for c in range(classes):
        begin = size
        for j in range(place[c], place[c + 1]):
            for e in range(starts[order[j]], starts[order[j] + 1]):
                at = seen[codes[e]]
                if at < begin:
                    at = size
                    seen[codes[e]] = at
                    new_codes[at] = codes[e]
                    new_counts[at] = 0
                    size += 1
                new_counts[at] += counts[e]
        new_starts[c + 1] = size
    return new_starts, new_codes[:size].copy(), new_counts[:size].copy()


@compiled
def entropies(starts: Ints, counts: Ints) -> Floats:
    """Return (classes,): the entropy of each class's values, in nats; 0 for a class without persons."""
    classes = len(starts) - 1
    found = np.zeros(classes)
    for c in range(classes):
        total, weighted = 0.0, 0.0
        for e in range(starts[c], starts[c + 1]):
            total += counts[e]
            weighted += counts[e] * np.log(counts[e])
        if total > 0:
            found[c] = np.log(total) - weighted / total
    return found


@compiled
def heads_and_tails(starts: Ints, counts: Ints, length: int) -> tuple[Ints, Ints]:
    """Return (classes,) each: persons of the most frequent value, and of all from the `length`-th on."""
    classes = len(starts) - 1
    heads = np.zeros(classes, np.int64)
    tails = np.zeros(classes, np.int64)
    for c in range(classes):
        ascending = np.sort(counts[starts[c] : starts[c + 1]])
        if len(ascending):
            heads[c] = ascending[-1]
        for e in range(len(ascending) - length + 1):
            tails[c] += ascending[e]
    return heads, tails


@compiled
def equal_distances(starts: Ints, codes: Codes, counts: Ints, overall: Floats) -> Floats:
    """Return (classes,): half the sum of absolute differences between a class's distribution and the overall one."""
    classes = len(starts) - 1
    found = np.zeros(classes)
    for c in range(classes):
        total, distance = 0.0, 1.0
        for e in range(starts[c], starts[c + 1]):
            total += counts[e]
        for e in range(starts[c], starts[c + 1]):
            q = overall[codes[e]]
            distance += abs(counts[e] / total - q) - q
        found[c] = distance / 2 if total > 0 else 0.0
    return found


@compiled
def ordered_distances(starts: Ints, codes: Codes, counts: Ints, overall: Floats) -> Floats:
    """Return (classes,): the earth mover's distance over ordered values, one step being 1 / (values - 1)."""
    classes, values = len(starts) - 1, len(overall)
    found = np.zeros(classes)
    share = np.zeros(values)
    for c in range(classes):
        total = 0.0
        for e in range(starts[c], starts[c + 1]):
            total += counts[e]
        if total == 0 or values == 1:
            continue
        for e in range(starts[c], starts[c + 1]):
            share[codes[e]] = counts[e] / total
        moved = 0.0
        for v in range(values - 1):
            moved += share[v] - overall[v]
            found[c] += abs(moved)
        found[c] /= values - 1
        for e in range(starts[c], starts[c + 1]):
            share[codes[e]] = 0.0
    return found


@compiled
def hierarchical_distances(
    starts: Ints, codes: Codes, counts: Ints, overall: Floats, parents: Codes, sizes: Ints
) -> Floats:
    """Return (classes,): the earth mover's distance over a tree whose leaves stand equally deep.

    Args:
        starts: of the classes' entries.
        codes: (entries,) values, the tree's leaves.
        counts: (entries,) persons.
        overall: (values,) the overall distribution.
        parents: (levels - 1, values): row l holds the parent's code of each code of level l.
        sizes: (levels,) the number of codes of each level; the last is 1.
    """
    classes, height = len(starts) - 1, len(sizes) - 1
    found = np.zeros(classes)
    extra = np.zeros(len(overall))
    for c in range(classes):
        total = 0.0
        for e in range(starts[c], starts[c + 1]):
            total += counts[e]
        if total == 0:
            continue
        extra[:] = -overall
        for e in range(starts[c], starts[c + 1]):
            extra[codes[e]] += counts[e] / total
        here = extra
        for level in range(height):
            more, less = np.zeros(sizes[level + 1]), np.zeros(sizes[level + 1])
            for v in range(sizes[level]):
                if here[v] > 0:
                    more[parents[level, v]] += here[v]
                else:
                    less[parents[level, v]] -= here[v]
            found[c] += np.minimum(more, less).sum() * (level + 1) / height
            here = more - less
    return found


@compiled
def covered_shares(
    leaves: Ints, offsets: Ints, sizes: Ints, heights: Ints, blocks: Ints, covered: Ints, finest: Ints
) -> Floats:
    """Return (D, levels): the sum of shares of persons counted by leaf; columns beyond a dimension's height are 0.

    Added as integers and divided once, so that it does not depend on which leaf stands for a code.

    Args:
        leaves: persons by dimension and leaf.
        offsets: (D,) where each dimension starts in `leaves`.
        sizes: (D,) leaves of each dimension.
        heights: (D,) levels of each dimension.
        blocks: (D,) where each dimension starts in `covered`.
        covered: by dimension, level and leaf: how many leaves the leaf's code covers.
        finest: (D,) levels below which the sum of this level stands.
    """
    found = np.zeros((len(sizes), heights.max()))
    for d in range(len(sizes)):
        for level in range(finest[d], heights[d]):
            at = blocks[d] + level * sizes[d]
            total = 0
            for leaf in range(sizes[d]):
                total += leaves[offsets[d] + leaf] * covered[at + leaf]
            found[d, level] = total / sizes[d]
        found[d, : finest[d]] = found[d, finest[d]]
    return found


@compiled
def value_entropies(
    leaves: Ints, offsets: Ints, sizes: Ints, heights: Ints, blocks: Ints, ancestors: Codes, finest: Ints
) -> Floats:
    """Return (D, levels): the persons' number times the entropy of their values, in bits.

    Args:
        leaves: persons by dimension and leaf.
        offsets: (D,) where each dimension starts in `leaves`.
        sizes: (D,) leaves of each dimension.
        heights: (D,) levels of each dimension.
        blocks: (D,) where each dimension starts in `ancestors`.
        ancestors: by dimension, level and leaf: the leaf's code.
        finest: (D,) levels below which the figure of this level stands.
    """
    found = np.zeros((len(sizes), heights.max()))
    together = np.zeros(sizes.max(), np.int64)
    for d in range(len(sizes)):
        for level in range(finest[d], heights[d]):
            at = blocks[d] + level * sizes[d]
            total, weighted = 0, 0.0
            for leaf in range(sizes[d]):
                together[ancestors[at + leaf]] += leaves[offsets[d] + leaf]
            for leaf in range(sizes[d]):
                code = ancestors[at + leaf]
                if together[code]:
                    total += together[code]
                    weighted += together[code] * np.log2(together[code])
                    together[code] = 0
            if total:
                found[d, level] = total * np.log2(total) - weighted
        found[d, : finest[d]] = found[d, finest[d]]
    return found
