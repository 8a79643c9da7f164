"""Generalization hierarchies: which coarser value stands for a value, level by level.

The number of rows is the size of the attribute's domain: the loss counts a generalized value by the share of rows it
covers, whether or not the data holds them.

A missing value is a value of its own, written as an empty field. Where the file has no row for it, it gets one:
itself on every level but the last, where the top label stands for it if the last level has a single label. It so
matches nothing but a missing value until everything matches everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError
from anonymization.hierarchies.file import MISSING, read_rows


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The generalization hierarchy of one attribute.

    Guarantees that it is a tree: on every level a value has one code, and a code has one parent.

    Attributes:
        attribute: the quasi-identifier's name.
        labels: `labels[level][code]`, every label of a level once; level 0 are the values, in file order.
        ancestors: (levels, size) int32 in C order: `ancestors[level, leaf]` is the leaf's code on that level; row 0
            counts up from 0.

    Raises:
        InputError: shapes that do not fit, or a code with two parents.
    """

    attribute: str
    labels: tuple[tuple[str, ...], ...]
    ancestors: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        if not self.labels or not self.labels[0]:
            raise InputError(f"the hierarchy of {self.attribute!r} is empty: it needs a row for every value")
        if self.ancestors.shape != (self.levels, self.size) or self.ancestors.dtype != np.int32:
            raise InputError(
                f"the hierarchy of {self.attribute!r}: ancestors are {self.ancestors.dtype} {self.ancestors.shape}, "
                f"not int32 {(self.levels, self.size)}"
            )
        for level in range(1, self.levels):
            _check_tree(self, level)

    @property
    def levels(self) -> int:
        """The number of levels, the values themselves counted."""
        return len(self.labels)

    @property
    def size(self) -> int:
        """The number of values, that is of rows: the domain's size."""
        return len(self.labels[0])

    def shares(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Return, for every level, the share of the rows that each code covers, in (0, 1]."""
        return tuple(
            np.bincount(self.ancestors[level], minlength=len(self.labels[level])) / self.size
            for level in range(self.levels)
        )

    def leaf_codes(self, values: Iterable[str | None], *, where: str = "the data") -> npt.NDArray[np.int32]:
        """Return the leaf code of every value; none stands for a missing value.

        Raises:
            InputError: a value is not in the hierarchy (named: it stands in a file that the caller gave).
        """
        known = {label: code for code, label in enumerate(self.labels[0])}
        codes = np.empty(0, np.int32)
        try:
            codes = np.fromiter((known[MISSING if value is None else value] for value in values), np.int32)
        except KeyError as error:
            value = error.args[0]
            named = repr(value) if value != MISSING else "a missing value"
            raise InputError(
                f"{self.attribute!r}: {named} of {where} is not in its hierarchy, which has {self.size} values, "
                f"{self.labels[0][0]!r} first: add a row for it"
            ) from None
        return codes

    def with_missing(self) -> Hierarchy:
        """Return the hierarchy with a row for missing values, unchanged where it has one."""
        if MISSING in self.labels[0]:
            return self
        labels, column = [], np.empty((self.levels, 1), np.int32)
        for level, known in enumerate(self.labels):
            single_top = level == self.levels - 1 > 0 and len(known) == 1
            code = known.index(MISSING) if MISSING in known else 0 if single_top else len(known)
            labels.append((*known, MISSING) if code == len(known) else known)
            column[level] = code
        return Hierarchy(self.attribute, tuple(labels), np.hstack([self.ancestors, column]))

    @classmethod
    def from_rows(cls, attribute: str, rows: Sequence[Sequence[str]], *, where: str = "") -> Hierarchy:
        """Return the hierarchy of rows, each a value and then its label on each coarser level.

        Args:
            attribute: the quasi-identifier's name.
            rows: one a value, all of one length.
            where: what messages call the rows' origin, such as a file name; lines count from 1.

        Raises:
            InputError: no row, a row of another length, a value twice, or a label with two parents.
        """
        where = where or f"the hierarchy of {attribute!r}"
        if not rows:
            raise InputError(f"{where}: empty; it needs a row for every value of {attribute!r}: value, then each level")
        levels = len(rows[0])
        codes: list[dict[str, int]] = [{} for _ in range(levels)]
        parents: list[dict[str, str]] = [{} for _ in range(levels)]
        ancestors = np.empty((levels, len(rows)), np.int32)
        for leaf, row in enumerate(rows):
            place = f"{where}, line {leaf + 1}"
            if len(row) != levels:
                raise InputError(f"{place}: {row[0] if row else ''!r} has {len(row)} fields, line 1 has {levels}")
            if row[0] in codes[0]:
                raise InputError(f"{place}: the value {row[0]!r} stands twice (before on line {codes[0][row[0]] + 1})")
            for level, label in enumerate(row):
                ancestors[level, leaf] = codes[level].setdefault(label, len(codes[level]))
                if level and parents[level - 1].setdefault(row[level - 1], label) != label:
                    raise InputError(
                        f"{place}: {row[level - 1]!r} on level {level - 1} stands below {label!r}, on an earlier line "
                        f"below {parents[level - 1][row[level - 1]]!r}: a label has one parent"
                    )
        return cls(attribute, tuple(tuple(known) for known in codes), ancestors)


def _check_tree(hierarchy: Hierarchy, level: int) -> None:
    """Refuse a code of the level below that has two parents on this one."""
    below, here = hierarchy.ancestors[level - 1], hierarchy.ancestors[level]
    if here.min() < 0 or here.max() >= len(hierarchy.labels[level]):
        raise InputError(f"the hierarchy of {hierarchy.attribute!r}: a code of level {level} has no label")
    parent = np.empty(len(hierarchy.labels[level - 1]), np.int32)
    parent[below] = here
    wrong = np.flatnonzero(parent[below] != here)
    if wrong.size:
        label = hierarchy.labels[level - 1][below[wrong[0]]]
        raise InputError(f"the hierarchy of {hierarchy.attribute!r}: {label!r} on level {level - 1} has two parents")


def read_hierarchy(path: Path, attribute: str) -> Hierarchy:
    """Return the hierarchy of a file; see `hierarchies.file` for what it may be.

    Raises:
        InputError: the file is missing, not readable, empty, or no tree; the message names file, line and label.
    """
    return Hierarchy.from_rows(attribute, read_rows(path, attribute), where=str(path))
