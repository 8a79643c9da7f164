"""k and loss of k-anonymous rows that another program wrote: from the texts alone, by the same formula for all.

The share of a text is the hierarchy's rows that it covers, divided by all of its rows. A text is read as

- a label of the hierarchy, on the lowest level that has it: the rows below it;
- `*`: all rows;
- a range of whole numbers `a-b`, as Mondrian writes them: the rows whose value is a number from a to b;
- values with commas between, as Mondrian writes sets: those rows.

Rows that are not there, and rows that read `*` throughout, are suppressed ones: share 1 in every dimension, and no
class. Ranges and sets need not be labels of the hierarchy, so who writes them chooses among more and loses less with
the same classes. Classes are compared alike in two ways more: each text replaced by the lowest label that covers it,
and each class of a program that writes labels as the ranges and sets of its persons' values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.files.rows import SUPPRESSED
from anonymization.microdata.local.recoding import Aggregate

COUNT = "count"
"""The column that says how many persons a row stands for, where rows are not persons."""
_RANGE = re.compile(r"(-?\d+)-(-?\d+)")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Quality:
    """What some rows achieve.

    Attributes:
        k: persons of the smallest class; 0 where all are suppressed.
        loss: geometric, in [0, 1], of what is written.
        as_labels: the same, with the lowest label that covers it for each text.
        suppressed: persons.
    """

    k: int
    loss: float
    as_labels: float
    suppressed: int


def covered(hierarchy: Hierarchy, text: str) -> Bools:
    """Return which rows of the hierarchy a published text covers.

    Raises:
        InputError: it is nothing that the module's docstring lists.
    """
    for labels, ancestors in zip(hierarchy.labels, hierarchy.ancestors, strict=True):
        if text in labels:
            return np.asarray(ancestors == labels.index(text))
    if text == SUPPRESSED:
        return np.ones(hierarchy.size, np.bool_)
    values = hierarchy.labels[0]
    bounds = _RANGE.fullmatch(text)
    if bounds is not None:
        low, high = map(int, bounds.groups())
        found = np.array([_is_number(value) and low <= int(value) <= high for value in values])
        if found.any():
            return found
    parts = set(text.split(","))
    if not parts <= set(values):
        raise InputError(f"{hierarchy.attribute!r}: {text!r} is neither a label, nor a range, nor a set of values")
    return np.isin(np.array(values), list(parts))


def labelled(hierarchy: Hierarchy, rows: Bools) -> Bools:
    """Return the rows below the lowest label that covers these, all where there is none."""
    for ancestors in hierarchy.ancestors:
        codes = np.unique(ancestors[rows])
        if len(codes) == 1:
            return np.asarray(ancestors == codes[0])
    return np.ones(hierarchy.size, np.bool_)


def quality(frame: pd.DataFrame, hierarchies: Sequence[Hierarchy], persons: int) -> Quality:
    """Return what rows achieve.

    Args:
        frame: texts; a row a person, or with a `count` of persons.
        hierarchies: one a quasi-identifier.
        persons: of the input.

    Raises:
        InputError: more persons than were in the input, or a text that cannot be read.
    """
    counts = frame[COUNT].astype(np.int64) if COUNT in frame else pd.Series(1, frame.index)
    gone = persons - int(counts.sum())
    if gone < 0:
        raise InputError(f"{counts.sum()} persons came out of {persons}")
    written: list[float] = []
    as_labels: list[float] = []
    for hierarchy in hierarchies:
        texts = frame[hierarchy.attribute]
        rows = {text: covered(hierarchy, text) for text in texts.unique()}
        labels = {text: labelled(hierarchy, of) for text, of in rows.items()}
        for losses, found in ((written, rows), (as_labels, labels)):
            covers = texts.map({text: int(of.sum()) for text, of in found.items()})
            losses.append(_loss(hierarchy, int((covers * counts).sum()), gone, persons))
    hidden = _hidden(frame, hierarchies)
    classes = counts[~hidden].groupby([frame.loc[~hidden, hierarchy.attribute] for hierarchy in hierarchies]).sum()
    return Quality(
        int(classes.min()) if len(classes) else 0,
        Aggregate.GEOMETRIC.of(np.array(written)),
        Aggregate.GEOMETRIC.of(np.array(as_labels)),
        gone + int(counts[hidden].sum()),
    )


def loss_as_sets(before: pd.DataFrame, after: pd.DataFrame, hierarchies: Sequence[Hierarchy]) -> float:
    """Return the geometric loss of the same classes, had they been written as ranges and sets.

    Args:
        before: texts, a row a person.
        after: the same persons in the same order, as published.
        hierarchies: one a quasi-identifier.
    """
    hidden = _hidden(after, hierarchies)
    class_of = after.groupby([hierarchy.attribute for hierarchy in hierarchies]).ngroup()[~hidden]
    losses = []
    covers: npt.NDArray[np.int64]
    for hierarchy in hierarchies:
        values = before.loc[~hidden, hierarchy.attribute]
        if all(map(_is_number, hierarchy.labels[0])):
            known = np.sort(np.array(hierarchy.labels[0], np.int64))
            groups = values.astype(np.int64).groupby(class_of)
            above = np.searchsorted(known, groups.max(), "right")
            covers = np.asarray(above - np.searchsorted(known, groups.min(), "left"), np.int64)
        else:
            groups = values.groupby(class_of)
            covers = np.asarray(groups.nunique(), np.int64)
        covering = int((covers * groups.size().to_numpy()).sum())
        losses.append(_loss(hierarchy, covering, int(hidden.sum()), len(after)))
    return Aggregate.GEOMETRIC.of(np.array(losses))


def _loss(hierarchy: Hierarchy, covered_rows: int, suppressed: int, persons: int) -> float:
    """x_d of the library's loss, of the hierarchy's rows that all published persons' texts cover together."""
    least = persons / hierarchy.size
    shares = covered_rows / hierarchy.size + suppressed
    return (shares - least) / (persons - least) if hierarchy.size > 1 else 0.0


def _hidden(frame: pd.DataFrame, hierarchies: Sequence[Hierarchy]) -> pd.Series[bool]:
    return (frame[[hierarchy.attribute for hierarchy in hierarchies]] == SUPPRESSED).all(axis=1)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
