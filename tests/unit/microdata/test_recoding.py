"""Local recoding on small inputs: what a class publishes, what is refused, and what never happens."""

from __future__ import annotations

import numpy as np
import pytest

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.local.nodes import SCALE, space_of, tree_of
from anonymization.microdata.local.recoding import Aggregate, recode_locally

pytestmark = pytest.mark.usefixtures("kernels")

COLOUR = Hierarchy.from_rows(
    "colour", [["red", "warm", "*"], ["orange", "warm", "*"], ["blue", "cold", "*"], ["green", "cold", "*"]]
)
PLACE = Hierarchy.from_rows("place", [["a", "north", "*"], ["b", "north", "*"], ["c", "south", "*"]])
FOREST = Hierarchy.from_rows("code", [["x", "X"], ["y", "X"], ["z", "Z"], ["w", "Z"]])
FLAT = Hierarchy.from_rows("alone", [["only"]])


def histogram(hierarchies, rows):
    """Rows: (codes..., persons)."""
    given = np.array(rows)
    return Histogram(tuple(hierarchies), given[:, :-1].astype(np.int32), given[:, -1].astype(np.int64))


def published(solution, hierarchies):
    """Every class as (size, labels), sorted."""
    classes = []
    for levels, codes, size in zip(solution.levels, solution.codes, solution.sizes, strict=True):
        labels = tuple(
            h.labels[level][code] if level < h.levels else "(hidden)"
            for h, level, code in zip(hierarchies, levels, codes, strict=True)
        )
        classes.append((int(size), labels))
    return sorted(classes)


CASES = [
    ("k of 1 publishes every value", [COLOUR], [(0, 1), (2, 1), (3, 5)], 1, [(1, ("blue",)), (1, ("red",)), (5, ("green",))]),
    ("equal rows stay whole", [COLOUR, PLACE], [(1, 1, 9)], 4, [(9, ("orange", "b"))]),
    ("k of all persons is one class", [COLOUR], [(0, 1), (1, 1), (2, 1)], 3, [(3, ("*",))]),
    ("neighbours below one node", [COLOUR], [(0, 2), (1, 2), (2, 2), (3, 2)], 3, [(4, ("cold",)), (4, ("warm",))]),
    ("a class takes surplus of a large tuple", [COLOUR], [(0, 9), (1, 1)], 2, [(2, ("warm",)), (8, ("red",))]),
    ("each class its own levels", [COLOUR], [(0, 5), (1, 5), (2, 3), (3, 3)], 5, [(5, ("orange",)), (5, ("red",)), (6, ("cold",))]),
    ("without a common label a value is hidden", [FOREST, PLACE], [(0, 0, 1), (2, 0, 1)], 2, [(2, ("(hidden)", "a"))]),
    ("a domain of one value", [FLAT, COLOUR], [(0, 0, 1), (0, 1, 1)], 2, [(2, ("only", "warm"))]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("hierarchies", "rows", "k", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
@pytest.mark.parametrize("aggregate", list(Aggregate))
def test_what_is_published(hierarchies, rows, k, expected, aggregate):
    solution = recode_locally(histogram(hierarchies, rows), k, aggregate=aggregate)
    assert published(solution, hierarchies) == expected
    assert solution.min_class == min(size for size, _ in expected)
    assert solution.classes == len(expected)


def test_losses_are_those_of_the_definition():
    # 2 of 10 persons under "warm": (2/4 - 1/4) / (1 - 1/4) = 1/3 of the domain; nobody loses in the other dimension
    solution = recode_locally(histogram([COLOUR, PLACE], [(0, 0, 9), (1, 0, 1)]), 2)
    assert solution.losses == pytest.approx([2 / 10 / 3, 0])
    assert solution.loss == pytest.approx((1 + 2 / 30) ** 0.5 - 1)
    assert solution.loss_arithmetic == pytest.approx(1 / 30)


REFUSED = [
    ("k below 1", {"k": 0}, "k is 0"),
    ("fewer persons than k", {"k": 9}, "holds 4 persons"),
    ("a limit above 1", {"k": 2, "suppression_limit": 1.5}, "1.5"),
    ("levels that do not keep k", {"k": 2, "at_most": [0]}, "suppress 2 persons: 0 may be"),
    ("levels that do not exist", {"k": 2, "at_most": [3]}, "one of each of"),
    ("too many levels", {"k": 2, "at_most": [0, 0]}, "one of each of"),
    ("nothing acceptable", {"k": 2, "acceptable": lambda _rows, _amounts: False}, "not even as a single class"),
]


@pytest.mark.parametrize(("arguments", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        recode_locally(histogram([COLOUR], [(0, 2), (1, 1), (2, 1)]), **arguments)


def test_suppression_drops_the_outlier_that_costs_more_than_it_is_worth():
    rows = [(0, 0, 50), (3, 2, 1)]
    kept = recode_locally(histogram([COLOUR, PLACE], rows), 40)
    assert (kept.suppressed, kept.classes, kept.loss) == (0, 1, pytest.approx(1))
    dropped = recode_locally(histogram([COLOUR, PLACE], rows), 40, suppression_limit=0.02)
    assert (dropped.suppressed, dropped.classes, dropped.min_class) == (1, 1, 50)
    assert dropped.losses == pytest.approx([1 / 51, 1 / 51])
    assert dropped.class_of.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("limit", "suppressed"), [(0.0, 0), (0.0097, 0), (0.0099, 1), (0.0195, 1), (0.0197, 2), (1.0, 2)]
)
def test_no_more_is_suppressed_than_the_limit(limit, suppressed):
    # two outliers among 102 persons, each in a class of its own neighbours
    given = histogram([COLOUR, PLACE], [(0, 0, 50), (1, 0, 1), (2, 2, 50), (3, 2, 1)])
    solution = recode_locally(given, 40, suppression_limit=limit)
    assert (solution.suppressed, solution.classes) == (suppressed, 2)


def test_a_full_domain_recoding_bounds_the_loss():
    # the sweep closes red; what is left must hide its colour. Level 1 for all loses less where the search may not look
    given = histogram([COLOUR], [(0, 3), (1, 1), (2, 2), (3, 2)])
    for levels in ([1], [2]):
        bounded = recode_locally(given, 3, at_most=levels, work=0)
        share = {1: 1 / 3, 2: 1.0}[levels[0]]
        assert bounded.loss_arithmetic <= share
        assert bounded.min_class >= 3


def test_classes_that_a_criterion_refuses_are_merged():
    # the second column of the rows is what a class must show two values of: l-diversity, with a row a value
    rows = [(0, 0, 3), (1, 0, 3), (2, 1, 3), (3, 1, 3)]
    values = np.array([0, 0, 0, 1])

    def diverse(tuples, _amounts):
        return len(set(values[tuples])) > 1

    solution = recode_locally(histogram([COLOUR, PLACE], rows), 3, acceptable=diverse)
    for c in range(solution.classes):
        assert diverse(solution.tuple_of[solution.class_of == c], None)
    assert solution.min_class >= 3
    assert sorted(solution.amount.tolist()) == [3, 3, 3, 3]


def test_rows_may_repeat():
    given = histogram([COLOUR], [(0, 1), (0, 1), (1, 1), (1, 1)])
    solution = recode_locally(given, 2)
    assert published(solution, [COLOUR]) == [(2, ("orange",)), (2, ("red",))]
    assert sorted(solution.tuple_of.tolist()) == [0, 1, 2, 3]


def test_tuples_of_the_population_alone_are_nobody():
    solution = recode_locally(histogram([COLOUR], [(0, 0), (1, 2), (3, 2)]), 2)
    assert sorted(solution.tuple_of.tolist()) == [1, 2]
    assert solution.loss == 0


def test_large_and_deep_hierarchies_are_walked_not_tabled():
    rows = [[str(i), str(i // 4), str(i // 64), "*"] for i in range(3_000)]
    deep = Hierarchy.from_rows("number", rows)
    given = histogram([deep, COLOUR], [(i, i % 4, 1) for i in range(0, 3_000, 2)])
    swept, found = recode_locally(given, 3, work=0), recode_locally(given, 3)
    assert space_of(given.hierarchies, given.tuples).trees[0].size > 1_024
    assert found.min_class >= 3
    assert found.loss <= swept.loss
    assert found.amount.sum() == 1_500


def test_only_nodes_that_join_values_of_the_data_are_kept():
    # red, blue and green: "warm" covers red alone, so that red's next node is the top
    tree = tree_of(COLOUR, np.array([0, 2, 3]))
    assert [(int(a), int(b)) for a, b in zip(tree.level, tree.code, strict=True)] == [
        (0, 0),
        (0, 2),
        (0, 3),
        (1, 1),
        (2, 0),
    ]
    assert tree.parent.tolist() == [4, 3, 3, 4, 4]
    assert tree.loss.tolist() == pytest.approx([0, 0, 0, 1 / 3, 1])
    assert tree.joins()[1].tolist() == [4, 1, 3, 3, 4]


def test_fused_dimensions_split_again_and_their_tables_agree():
    given = histogram([COLOUR, PLACE], [(a, b, 1) for a in range(4) for b in range(3)])
    space = space_of(given.hierarchies, given.tuples)
    assert space.groups == ((0, 1),)
    nodes = space.leaves(given.tuples)
    assert space.split(space.fused(nodes).T).tolist() == nodes.tolist()
    tables = space.tables(nodes, given.counts, np.array([0.25, 0.75]))
    red_a, green_c = tables.leaves[0, 0], tables.leaves[11, 0]
    assert tables.pair[red_a * tables.width[0] + green_c] == SCALE
    assert tables.pair[red_a * tables.width[0] + red_a] == 0
