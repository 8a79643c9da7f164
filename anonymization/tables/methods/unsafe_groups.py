"""Groups of whom all, or nearly all, share a class: whoever is known to be in the group is known to be in the class.

A group is the persons of one cell, a class one code of another dimension at its finest published level. A number of
persons may be as large as it likes and still say of each of them where they live (Hundepool et al., *Statistical
Disclosure Control*, 2012, section 5.2.3, group disclosure).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.disclosure.rules import group_disclosure
from anonymization.disclosure.system import Booleans, Floats, Integers
from anonymization.policy.releases import DimensionKind
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable, Table, figures

Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Disclosing:
    """What tells of a whole group, of the rows of a table.

    Attributes:
        full: cells that hold all of a group, or all but too few.
        empty: of a group all of whose persons are in one class, the class without them that is the fullest elsewhere:
            where it may hold somebody, the other one may not hold all.
        floor: how few the full cells must be able to hold; infinite where `empty` makes them uncertain.
    """

    full: Booleans
    empty: Booleans
    floor: Floats


def disclosing_groups(table: Table, measure: Measure, dimension: Dimension, least: int, *, small: bool) -> Disclosing:
    """Return which cells tell the class of a whole group.

    Over a dimension of persons the classes of a group add up to it: all are in one where the others are empty; and
    where all but a few are, the few are unsafe themselves. Over events a person may be in several classes, and what is
    told is how many are outside of one: 0 to N - 1 are too few.

    Args:
        table: true figures.
        measure: a number of persons of it.
        dimension: the one whose codes are the classes; nobody is known by `unknown`.
        least: N.
        small: whether a group of fewer than N counts too. Its number is hidden at any rate.
    """
    persons = table.frame[measure.name].to_numpy(dtype=np.int64)
    inner, group, size = _groups(table.frame, table.keys, dimension, persons)
    full, empty = np.zeros(len(persons), dtype=bool), np.zeros(len(persons), dtype=bool)
    floor = np.full(len(persons), np.inf)
    rows = np.flatnonzero(inner)
    codes = table.frame[dimension.name].to_numpy(dtype=object)
    known = ~np.isin(codes[rows], list(dimension.unknown))
    large = size[rows] >= least
    told = group_disclosure(persons[rows], group[rows]) & known & (large | small)
    full[rows] = told
    empty[rows[_fullest_elsewhere(codes[rows], persons[rows], group[rows], told)]] = True
    if dimension.kind is DimensionKind.EVENT:
        nearly = rows[known & large & (persons[rows] > 0) & (size[rows] - persons[rows] < least)]
        full[nearly] = True
        floor[nearly] = np.maximum(size[nearly] - least, 0)
    return Disclosing(full, empty, floor)


def may_tell_of_groups(table: Table, dimension: Dimension) -> bool:
    """Whether a dimension's classes are looked at without being declared sensitive.

    Those of persons are, unless another dimension classifies the same of them: a place is in one region.
    """
    of_persons = dimension.kind is DimensionKind.PERSON
    alike = (other for other in table.dimensions if other.concept == dimension.concept != "")
    return of_persons and all(other is dimension for other in alike)


def told_groups(table: SafeTable, measure: Measure, dimension: Dimension) -> pd.DataFrame:
    """Return the published cells that hold all of a published group, or all but too few: rows of the table's frame.

    Those come first that fewest of their group are outside of, of equal ones the largest.
    """
    persons = figures(table, measure)
    inner, _, size = _groups(table.frame, table.keys, dimension, np.nan_to_num(persons).astype(np.int64))
    known = ~table.frame[dimension.name].isin(dimension.unknown).to_numpy()
    least = table.minimum_count
    told = np.flatnonzero(inner & known & (persons > 0) & (size >= least) & (size - persons < least))
    rows: pd.DataFrame = table.frame.iloc[told[np.lexsort((-persons[told], (size - persons)[told]))]]
    return rows


def _groups(
    frame: pd.DataFrame, keys: list[str], dimension: Dimension, persons: Integers
) -> tuple[Booleans, Integers, Integers]:
    """Which rows are classes; of each row its group, and how many are in it; 0 where no row says so."""
    codes = frame[dimension.name].to_numpy(dtype=object)
    inner = np.array([code != TOTAL and code not in dimension.inner for code in codes], dtype=bool)
    others = [key for key in keys if key != dimension.name]
    group = np.zeros(len(frame), dtype=np.int64)
    if others:
        group = np.asarray(frame.groupby(others, sort=False).ngroup(), dtype=np.int64)
    of_group = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.int64)
    whole = codes == TOTAL
    of_group[group[whole]] = persons[whole]
    return inner, group, of_group[group]


def _fullest_elsewhere(codes: Objects, persons: Integers, group: Integers, told: Booleans) -> Integers:
    """Of each group that is told of, the class without anybody that has the most persons in all groups: positions."""
    weight = pd.Series(persons).groupby(codes).transform("sum").to_numpy()
    order = np.lexsort((codes.astype(str), -weight))
    order = order[(np.isin(group, group[told]) & (persons == 0))[order]]
    return np.asarray(order[np.unique(group[order], return_index=True)[1]], dtype=np.int64)
