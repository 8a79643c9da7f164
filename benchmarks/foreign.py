"""k and loss of k-anonymous rows that another program wrote: from the texts alone, by the same formula for all.

The share of a text is the hierarchy's rows that it covers, divided by all of its rows. A text is read as

- a label of the hierarchy, on the lowest level that has it: the rows below it;
- `*`: all rows;
- a range of whole numbers `a-b`, as Mondrian writes them: the rows whose value is a number from a to b;
- values with commas between, as Mondrian writes sets: those rows.

Rows that are not there, and rows that read `*` throughout, are suppressed ones: share 1 in every dimension, and no
class. Ranges and sets need not be labels of the hierarchy, so a program that writes them chooses among more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anonymization.errors import InputError
from anonymization.microdata.hierarchy import Hierarchy
from anonymization.microdata.recoding import Aggregate
from anonymization.microdata.rows import SUPPRESSED

COUNT = "count"
"""The column that says how many persons a row stands for, where rows are not persons."""
_RANGE = re.compile(r"(-?\d+)-(-?\d+)")


@dataclass(frozen=True)
class Quality:
    """What some rows achieve.

    Attributes:
        k: persons of the smallest class; 0 where all are suppressed.
        loss: geometric, in [0, 1].
        suppressed: persons.
    """

    k: int
    loss: float
    suppressed: int


def covered(hierarchy: Hierarchy, text: str) -> int:
    """Return how many rows of the hierarchy a published text covers.

    Raises:
        InputError: it is nothing that the module's docstring lists.
    """
    for labels, ancestors in zip(hierarchy.labels, hierarchy.ancestors, strict=True):
        if text in labels:
            return int((ancestors == labels.index(text)).sum())
    if text == SUPPRESSED:
        return hierarchy.size
    values = hierarchy.labels[0]
    bounds = _RANGE.fullmatch(text)
    if bounds is not None:
        low, high = map(int, bounds.groups())
        found = sum(value.lstrip("-").isdecimal() and low <= int(value) <= high for value in values)
        if found:
            return found
    parts = set(text.split(","))
    if not parts <= set(values):
        raise InputError(f"{hierarchy.attribute!r}: {text!r} is neither a label, nor a range, nor a set of values")
    return len(parts)


def quality(frame: pd.DataFrame, hierarchies: Sequence[Hierarchy], persons: int) -> Quality:
    """Return what rows achieve.

    Args:
        frame: texts; a row a person, or with a `count` of persons.
        hierarchies: one a quasi-identifier.
        persons: of the input.

    Raises:
        InputError: more persons than were in the input, or a text that cannot be read.
    """
    names = [hierarchy.attribute for hierarchy in hierarchies]
    counts = frame[COUNT].astype(np.int64) if COUNT in frame else pd.Series(1, frame.index)
    gone = persons - int(counts.sum())
    if gone < 0:
        raise InputError(f"{counts.sum()} persons came out of {persons}")
    losses = []
    for hierarchy in hierarchies:
        size, texts = hierarchy.size, frame[hierarchy.attribute]
        share = texts.map({text: covered(hierarchy, text) / size for text in texts.unique()})
        least = persons / size
        losses.append((float((share * counts).sum()) + gone - least) / (persons - least) if size > 1 else 0.0)
    hidden = (frame[names] == SUPPRESSED).all(axis=1)
    classes = counts[~hidden].groupby([frame.loc[~hidden, name] for name in names]).sum()
    return Quality(
        int(classes.min()) if len(classes) else 0,
        Aggregate.GEOMETRIC.of(np.array(losses)),
        gone + int(counts[hidden].sum()),
    )
