"""Properties of local recoding: its guarantees recounted, brute force, and a dual bound as an oracle."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.local.recoding import Aggregate, recode_locally

pytestmark = pytest.mark.usefixtures("kernels")

MANY = examples(150)
WORK = 30_000


@st.composite
def hierarchies(draw, name):
    """A random tree, with one label at the top or several."""
    size = draw(st.integers(1, 6))
    column = list(range(size))
    rows = [[str(leaf)] for leaf in range(size)]
    for level in range(draw(st.integers(0, 3))):
        parents = {code: draw(st.integers(0, 2)) for code in sorted(set(column))}
        column = [parents[code] for code in column]
        for row, code in zip(rows, column, strict=True):
            row.append(f"{level}/{code}")
    if draw(st.booleans()):
        rows = [[*row, "*"] for row in rows]
    return Hierarchy.from_rows(name, rows)


@st.composite
def histograms(draw, most=12, persons=5):
    found = [draw(hierarchies(f"d{d}")) for d in range(draw(st.integers(1, 3)))]
    leaves = st.tuples(*[st.integers(0, h.size - 1) for h in found])
    rows = sorted(draw(st.lists(leaves, min_size=1, max_size=most, unique=True)))
    counts = draw(st.lists(st.integers(1, persons), min_size=len(rows), max_size=len(rows)))
    counts[draw(st.integers(0, len(rows) - 1))] += draw(st.sampled_from([0, 0, 20]))
    return Histogram(tuple(found), np.array(rows, np.int32), np.array(counts, np.int64))


def rows_covered(hierarchy, level, code):
    return hierarchy.size if level == hierarchy.levels else int((hierarchy.ancestors[level] == code).sum())


def person_loss(hierarchy, level, code):
    """What a person loses in one dimension, by the definition."""
    size = hierarchy.size
    return (rows_covered(hierarchy, level, code) / size - 1 / size) / (1 - 1 / size) if size > 1 else 0.0


def lowest(hierarchy, leaves):
    """The lowest level on which all leaves have one code, and the code."""
    for level in range(hierarchy.levels):
        codes = {int(hierarchy.ancestors[level, leaf]) for leaf in leaves}
        if len(codes) == 1:
            return level, codes.pop()
    return hierarchy.levels, 0


def class_loss(histogram, tuples):
    """The sum over dimensions of what a person of the class loses."""
    columns = zip(histogram.hierarchies, histogram.tuples[list(tuples)].T, strict=True)
    return sum(person_loss(h, *lowest(h, column)) for h, column in columns)


def check(histogram, k, limit, solution):
    """Every guarantee, recounted from the solution and the histogram alone."""
    persons = np.zeros(len(histogram.counts), np.int64)
    np.add.at(persons, solution.tuple_of, solution.amount)
    assert persons.tolist() == histogram.counts.tolist()
    assert solution.amount.min() >= 1
    assert solution.suppressed <= Fraction(str(limit)) * histogram.persons
    x = np.full(len(histogram.hierarchies), float(solution.suppressed))
    for c in range(solution.classes):
        own = solution.class_of == c
        size = int(solution.amount[own].sum())
        assert size >= k
        for d, hierarchy in enumerate(histogram.hierarchies):
            published = int(solution.levels[c, d]), int(solution.codes[c, d])
            assert published == lowest(hierarchy, histogram.tuples[solution.tuple_of[own], d])
            x[d] += size * person_loss(hierarchy, *published)
    assert set(solution.class_of[solution.class_of >= 0].tolist()) == set(range(solution.classes))
    assert solution.losses == pytest.approx(x / histogram.persons, abs=1e-12)
    assert solution.min_class == (min(solution.sizes) if solution.classes else 0)


@MANY
@given(
    given_=histograms(),
    k=st.integers(1, 8),
    limit=st.sampled_from([0.0, 0.0, 0.1, 0.4]),
    aggregate=st.sampled_from(Aggregate),
)
def test_the_guarantees_hold(given_, k, limit, aggregate):
    k = min(k, given_.persons)
    solution = recode_locally(given_, k, suppression_limit=limit, aggregate=aggregate, work=WORK)
    check(given_, k, limit, solution)
    swept = recode_locally(given_, k, aggregate=aggregate, work=0)
    assert aggregate.of(solution.losses) <= aggregate.of(swept.losses)
    if k == 1:
        assert solution.loss == 0


@MANY
@given(given_=histograms(most=40, persons=2), k=st.sampled_from([20, 25, 60]))
def test_the_guarantees_hold_for_large_classes(given_, k):
    k = min(k, given_.persons)
    check(given_, k, 0.0, recode_locally(given_, k, work=WORK))


@MANY
@given(given_=histograms(), k=st.integers(1, 8))
def test_every_run_gives_the_same(given_, k):
    k = min(k, given_.persons)
    one, other = (recode_locally(given_, k, work=WORK) for _ in range(2))
    for name in ("tuple_of", "class_of", "amount", "levels", "codes"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert one.loss == other.loss


@MANY
@given(given_=histograms(), k=st.integers(1, 8))
def test_everybody_in_one_class_is_one_class(given_, k):
    whole = recode_locally(given_, given_.persons, work=WORK)
    assert (whole.classes, whole.min_class) == (1, given_.persons)


def full_domain_optimum(histogram, k, aggregate):
    """Levels of the best full-domain recoding without suppression, by trying all; none where none keeps k."""
    best = None
    for levels in itertools.product(*[range(height) for height in histogram.heights]):
        codes = [
            h.ancestors[level][column]
            for h, level, column in zip(histogram.hierarchies, levels, histogram.tuples.T, strict=True)
        ]
        groups = {}
        for code, persons in zip(zip(*codes, strict=True), histogram.counts, strict=True):
            groups[code] = groups.get(code, 0) + int(persons)
        if min(groups.values()) < k:
            continue
        losses = [
            sum(size * person_loss(h, level, code[d]) for code, size in groups.items()) / histogram.persons
            for d, (h, level) in enumerate(zip(histogram.hierarchies, levels, strict=True))
        ]
        loss = aggregate.of(np.array(losses))
        if best is None or loss < best[0]:
            best = loss, levels
    return best


@MANY
@given(given_=histograms(), k=st.integers(1, 8), aggregate=st.sampled_from(Aggregate), work=st.sampled_from([0, WORK]))
def test_never_worse_than_the_full_domain_optimum_that_is_handed_in(given_, k, aggregate, work):
    k = min(k, given_.persons)
    best = full_domain_optimum(given_, k, aggregate)
    if best is not None:
        solution = recode_locally(given_, k, aggregate=aggregate, at_most=best[1], work=work)
        check(given_, k, 0.0, solution)
        assert aggregate.of(solution.losses) <= best[0] + 1e-12


@MANY
@given(given_=histograms(), k=st.integers(1, 5), distinct=st.integers(1, 3))
def test_a_criterion_holds_in_every_class(given_, k, distinct):
    k = min(k, given_.persons)
    distinct = min(distinct, len(given_.counts))

    def acceptable(tuples, amounts):
        return len(set(tuples.tolist())) >= distinct and amounts.min() > 0

    solution = recode_locally(given_, k, acceptable=acceptable, work=WORK)
    check(given_, k, 0.0, solution)
    for c in range(solution.classes):
        own = solution.class_of == c
        assert acceptable(solution.tuple_of[own], solution.amount[own])


def partitions(people):
    """All ways to put people into classes."""
    if not people:
        yield []
        return
    first, rest = people[0], people[1:]
    for smaller in partitions(rest):
        yield [[first], *smaller]
        for i, own in enumerate(smaller):
            yield [*smaller[:i], [first, *own], *smaller[i + 1 :]]


def exhaustive_optimum(histogram, k):
    """The least arithmetic loss of any partition of the persons."""
    people = np.repeat(np.arange(len(histogram.counts)), histogram.counts).tolist()
    totals = (
        sum(len(own) * class_loss(histogram, own) for own in classes)
        for classes in partitions(people)
        if min(map(len, classes)) >= k
    )
    return min(totals) / len(people) / len(histogram.hierarchies)


def dual_bound(histogram, k):
    """What no recoding's arithmetic loss can be below.

    Give every person a value so that, below any combination of nodes with at least k persons, the k largest values
    sum to k times its cost at most. A class of s persons then costs at least the sum of their values: the mean of any
    s of them is at most that of the k largest. Here a person's value starts at its cheapest combination's cost, which
    is allowed, and is raised, person after person, as far as every combination above it has room.
    """
    nodes = [
        {(level, int(code)) for level, row in enumerate(h.ancestors) for code in row} | {(h.levels, 0)}
        for h in histogram.hierarchies
    ]
    boxes = []
    for box in itertools.product(*nodes):
        below = [
            i for i, leaves in enumerate(histogram.tuples)
            if all(level == h.levels or h.ancestors[level, leaf] == code for h, (level, code), leaf in zip(histogram.hierarchies, box, leaves, strict=True))
        ]  # fmt: skip
        if histogram.counts[below].sum() >= k:
            boxes.append(
                (sum(person_loss(h, *node) for h, node in zip(histogram.hierarchies, box, strict=True)), below)
            )
    people = np.repeat(np.arange(len(histogram.counts)), histogram.counts)
    v = np.array([min(cost for cost, below in boxes if i in below) for i in people])
    members = [(k * cost, np.flatnonzero(np.isin(people, below))) for cost, below in boxes]
    for person in range(len(people)):
        rooms = []
        for total, below in members:
            if person in below:
                others = np.sort(v[below[below != person]])[::-1]
                rooms.append(total - others[: k - 1].sum())
        v[person] = max(v[person], min(rooms))
    assert all(np.sort(v[below])[::-1][:k].sum() <= total + 1e-9 for total, below in members)
    return v.sum() / len(people) / len(histogram.hierarchies)


@examples(60)
@given(given_=histograms(most=7, persons=1), k=st.integers(2, 3))
def test_between_the_dual_bound_and_every_partition(given_, k):
    k = min(k, given_.persons)
    if given_.persons > 8:
        return
    best = exhaustive_optimum(given_, k)
    solution = recode_locally(given_, k, aggregate=Aggregate.ARITHMETIC, work=WORK)
    assert dual_bound(given_, k) <= best + 1e-9
    assert solution.loss_arithmetic >= best - 1e-9


def test_small_inputs_are_nearly_always_solved_to_the_optimum():
    random = np.random.default_rng(7)
    tree = Hierarchy.from_rows("a", [[str(i), str(i // 2), str(i // 4), "*"] for i in range(8)])
    flat = Hierarchy.from_rows("b", [[str(i), "*"] for i in range(3)])
    solved = 0
    for _ in range(60):
        leaves = np.unique(np.column_stack([random.integers(0, 8, 8), random.integers(0, 3, 8)]), axis=0)
        histogram = Histogram((tree, flat), leaves.astype(np.int32), np.ones(len(leaves), np.int64))
        k = int(random.integers(2, 4))
        found = recode_locally(histogram, k, aggregate=Aggregate.ARITHMETIC, work=WORK).loss_arithmetic
        solved += found <= exhaustive_optimum(histogram, k) + 1e-9
    assert solved >= 57


@examples(25)
@given(given_=histograms(most=20, persons=2), k=st.integers(2, 6))
def test_never_below_the_dual_bound(given_, k):
    k = min(k, given_.persons)
    solution = recode_locally(given_, k, aggregate=Aggregate.ARITHMETIC, work=WORK)
    assert solution.loss_arithmetic >= dual_bound(given_, k) - 1e-9
