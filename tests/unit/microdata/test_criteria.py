"""Criteria: which classes fail, by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import (
    Classes,
    Closeness,
    Distance,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    Presence,
    RecursiveDiversity,
)
from anonymization.microdata.full_domain.rollup import Rollups
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.histogram.kernels import merge_entries

TREE = Hierarchy.from_rows("s", [("1", "low", "*"), ("2", "low", "*"), ("3", "high", "*"), ("4", "high", "*")])


def classes(groups, population=None, *, ordered=True, tree=TREE):
    """One class a group of sensitive values, each its own value of the one quasi-identifier."""
    rows = [(f"c{i}", value) for i, group in enumerate(groups) for value in group]
    frame = pd.DataFrame(rows, columns=["q", "s"], dtype=str)
    hierarchy = Hierarchy.from_rows("q", [(f"c{i}",) for i in range(len(groups))])
    populace = (
        None
        if population is None
        else pd.DataFrame({"q": np.repeat([f"c{i}" for i in range(len(groups))], population)})
    )
    return count_tuples(
        frame, [hierarchy], sensitive="s", ordered=ordered, sensitive_hierarchy=tree, population=populace
    )


FAILS = {
    "3-anonymity": (KAnonymity(3), ["12", "123", "1111"], None, [True, False, False]),
    "3-map": (KMap(3), ["1", "12", "123"], [3, 2, 4], [False, True, False]),
    "presence": (Presence(0.25, 0.5), ["1", "12", "123"], [5, 4, 4], [True, False, True]),
    "presence of persons whom the population lacks": (Presence(0, 1), ["1", "1"], [1, 0], [False, True]),
    "distinct 2-diversity": (DistinctDiversity(2), ["11", "12", "1112"], None, [True, False, False]),
    "entropy 2-diversity, met exactly": (EntropyDiversity(2), ["12", "112", "1123"], None, [False, True, False]),
    "entropy 1-diversity": (EntropyDiversity(1), ["1", "11"], None, [False, False]),
    "recursive (2, 2)": (RecursiveDiversity(2, 2), ["112", "1112", "11122"], None, [True, True, False]),
    "recursive (1, 3)": (RecursiveDiversity(1, 3), ["12", "1234", "123344"], None, [True, False, True]),
    "0-closeness": (Closeness(0), ["12", "1122", "1212"], None, [False, False, False]),
}


@pytest.mark.parametrize(("criterion", "groups", "population", "expected"), FAILS.values(), ids=FAILS)
def test_fails(criterion, groups, population, expected):
    histogram = classes(groups, population)
    criterion.check(histogram)
    given = Rollups(histogram, [criterion]).bottom.classes
    assert criterion.fails(given).tolist() == expected


# Overall distribution of the two classes together: 1: 3/8, 2: 1/8, 3: 2/8, 4: 2/8.
DISTANCES = {
    "equal": (Distance.EQUAL, ["1113", "2344"], [0.375, 0.375]),
    "ordered": (Distance.ORDERED, ["1113", "2344"], [(0.375 + 0.25 + 0.25) / 3] * 2),
}


@pytest.mark.parametrize(("kind", "groups", "expected"), DISTANCES.values(), ids=DISTANCES)
def test_distances(kind, groups, expected):
    given = Rollups(classes(groups), [Closeness(1, kind)]).bottom.classes
    assert Closeness(1, kind).distances(given) == pytest.approx(expected)


def test_hierarchical_distance_by_hand():
    # Of "13" against 1/4 each: within low 1/4 moves one level of two, within high too; nothing moves between them.
    # Of "12": 1/4 + 1/4 move from high to low, both levels.
    given = Rollups(classes(["13", "24", "12", "34"]), [Closeness(1)]).bottom.classes
    assert Closeness(1, Distance.HIERARCHICAL).distances(given) == pytest.approx([0.25, 0.25, 0.5, 0.5])


def test_one_sensitive_value_has_no_distance():
    given = Rollups(classes(["1", "11"], tree=None), [Closeness(1)]).bottom.classes
    assert Closeness(1, Distance.ORDERED).distances(given).tolist() == [0, 0]


def test_merged_entries_are_counted_again():
    starts, codes, counts = merge_entries(
        np.array([1, 0, 1], np.int32),
        3,
        np.array([0, 2, 2, 4]),
        np.array([0, 2, 2, 1], np.int32),
        np.array([1, 2, 3, 4]),
        3,
    )
    assert starts.tolist() == [0, 0, 3, 3]
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {0: 1, 2: 5, 1: 4}


WRONG = {
    "k of 0": (lambda: KAnonymity(0), "k is 0: 1 or more"),
    "k-map of 0": (lambda: KMap(0), "k of k-map is 0"),
    "l of 0": (lambda: DistinctDiversity(0), "l is 0"),
    "entropy l below 1": (lambda: EntropyDiversity(0.5), "entropy l-diversity is 0.5"),
    "not a number": (lambda: EntropyDiversity(float("nan")), "is nan"),
    "c of 0": (lambda: RecursiveDiversity(0, 2), "c of recursive .* is 0"),
    "t above 1": (lambda: Closeness(1.5), "t is 1.5: 0 to 1"),
    "presence turned round": (lambda: Presence(0.5, 0.2), "0 <= minimum <= maximum <= 1"),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_wrong_parameters(make, message):
    with pytest.raises(InputError, match=message):
        make()


UNFIT = {
    "k above the persons": (KAnonymity(5), "k is 5, but the data holds 4 persons"),
    "no population": (KMap(2), "2-map: a population is needed"),
    "no population for presence": (Presence(0, 1), "a population is needed"),
    "no order": (Closeness(0.2, Distance.ORDERED), "'s' is not declared as ordered"),
    "no hierarchy": (Closeness(0.2, Distance.HIERARCHICAL), "needs a hierarchy of two levels"),
}


@pytest.mark.parametrize(("criterion", "message"), UNFIT.values(), ids=UNFIT)
def test_data_that_a_criterion_cannot_be_asked_of(criterion, message):
    with pytest.raises(InputError, match=message):
        criterion.check(classes(["12", "34"], ordered=False, tree=None))


def test_a_sensitive_attribute_is_needed():
    histogram = count_tuples(pd.DataFrame({"q": ["a"]}), [Hierarchy.from_rows("q", [("a",)])])
    with pytest.raises(InputError, match=r"distinct 2-diversity: a sensitive attribute is needed"):
        DistinctDiversity(2).check(histogram)
    with pytest.raises(InputError, match="without its sensitive attribute"):
        DistinctDiversity(2).fails(Classes(np.array([1])))
