"""The search against a plain one: every node, rows as tuples, each definition spelled out once more."""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.errors import Refusal
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import (
    Closeness,
    Distance,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    Presence,
    RecursiveDiversity,
)
from anonymization.microdata.full_domain import rollup
from anonymization.microdata.full_domain import search as module
from anonymization.microdata.full_domain.evaluate import HistogramEvaluator, total
from anonymization.microdata.full_domain.search import search
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.loss import Domain, Metric, Objective

MANY = examples(60)
LIMITS = (0.0, 0.1, 0.35, 1.0)
ILLNESSES = Hierarchy.from_rows(
    "illness", [("1", "low", "*"), ("2", "low", "*"), ("3", "high", "*"), ("4", "high", "*")]
)


@st.composite
def trees(draw, attribute):
    """A hierarchy of 1 to 5 values and 1 to 4 levels; the last level need not be a single label."""
    size, levels = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    column = [f"{attribute}{i}" for i in range(size)]
    rows = [[value] for value in column]
    for level in range(1, levels):
        names = sorted({row[-1] for row in rows})
        parent = {name: f"{level}.{draw(st.integers(0, max(0, len(names) - 2)))}" for name in names}
        for row in rows:
            row.append(parent[row[-1]])
    return rows


@st.composite
def cases(draw):
    """Two or three attributes, persons with a sensitive value, and a population that holds them and others."""
    names = [f"q{d}" for d in range(draw(st.integers(1, 3)))]
    rows = {name: draw(trees(name)) for name in names}
    person = st.tuples(*(st.integers(0, len(rows[name]) - 1) for name in names), st.integers(1, 4))
    persons = draw(st.lists(person, min_size=1, max_size=24))
    others = draw(st.lists(person, max_size=12))

    def frame(given):
        columns = {name: [rows[name][one[d]][0] for one in given] for d, name in enumerate(names)}
        return pd.DataFrame(columns | {"illness": [str(one[-1]) for one in given]})

    return rows, frame(persons), frame(persons + others)


def distance(kind, own, overall):
    """The earth mover's distance of two distributions over 1, 2, 3, 4, spelled out."""
    if kind is Distance.EQUAL:
        return sum(abs(own[v] - overall[v]) for v in "1234") / 2
    if kind is Distance.ORDERED:
        return sum(abs(sum(own[v] - overall[v] for v in "1234"[: i + 1])) for i in range(4)) / 3
    moved = {v: own[v] - overall[v] for v in "1234"}
    within = sum(
        min(max(moved[a], 0) + max(moved[b], 0), max(-moved[a], 0) + max(-moved[b], 0)) for a, b in ("12", "34")
    )
    return within / 2 + abs(moved["1"] + moved["2"])


def satisfied(criterion, persons, populace, everybody):  # noqa: PLR0911 - one line a criterion
    """Whether a class of (illness, …) persons satisfies a criterion."""
    counts = Counter(persons)
    descending = sorted(counts.values(), reverse=True)
    n = len(persons)
    match criterion:
        case KAnonymity(k):
            return n >= k
        case KMap(k):
            return populace >= k
        case Presence(minimum, maximum):
            return populace > 0 and minimum - 1e-9 <= n / populace <= maximum + 1e-9
        case DistinctDiversity(l):
            return len(counts) >= l
        case EntropyDiversity(l):
            return math.exp(-sum(c / n * math.log(c / n) for c in descending)) >= l - 1e-9
        case RecursiveDiversity(c, l):
            return descending[0] < c * sum(descending[l - 1 :])
        case Closeness(t, kind):
            own = {v: counts[v] / n for v in "1234"}
            overall = {v: everybody.count(v) / len(everybody) for v in "1234"}
            return distance(kind, own, overall) <= t + 1e-9
    raise AssertionError(criterion)


def loss(metric, rows, names, values, node, gone, published):
    """A node's loss from its rows: `values` is the list of persons' values, `gone` whom it suppresses."""
    n = len(values)
    if metric is Metric.DISCERNIBILITY:
        return sum(size**2 for size in published) + n * len(gone)
    terms, bits = [], 0.0
    for d, name in enumerate(names):
        up = {row[0]: row[node[d]] for row in rows[name]}
        own, together = Counter(v[d] for v in values), Counter(up[v[d]] for v in values)
        bits -= sum(math.log2(own[v[d]] / together[up[v[d]]]) for v in values)
        lost = Counter(up[values[i][d]] for i in gone)
        bits -= sum(b * math.log2(b / len(gone)) for b in lost.values())
        size = len(rows[name])
        share = sum(1 if i in gone else list(up.values()).count(up[v[d]]) / size for i, v in enumerate(values))
        terms.append((share - n / size) / (n - n / size) if size > 1 else 0.0)
    if metric is Metric.ENTROPY:
        return bits
    if metric is Metric.LOSS_ARITHMETIC:
        return sum(terms) / len(terms)
    return math.prod(1 + x for x in terms) ** (1 / len(terms)) - 1


def naive(rows, frame, population, criteria, limit, metric):
    """The least loss over all nodes, or none."""
    names = list(rows)
    values = list(frame[names].itertuples(index=False, name=None))
    illness, others = list(frame["illness"]), list(population[names].itertuples(index=False, name=None))
    best = None
    for node in itertools.product(*(range(len(rows[name][0])) for name in names)):
        ups = [{row[0]: row[level] for row in rows[name]} for name, level in zip(names, node, strict=True)]
        classes, populace = defaultdict(list), Counter()
        for i, value in enumerate(values):
            classes[tuple(up[v] for up, v in zip(ups, value, strict=True))].append(i)
        for value in others:
            populace[tuple(up[v] for up, v in zip(ups, value, strict=True))] += 1
        kept = {
            key: members for key, members in classes.items()
            if all(satisfied(c, [illness[i] for i in members], populace[key], illness) for c in criteria)
        }  # fmt: skip
        gone = {i for key, members in classes.items() if key not in kept for i in members}
        if len(gone) > math.floor(limit * len(values) + 1e-9):
            continue
        here = loss(metric, rows, names, values, node, gone, [len(members) for members in kept.values()])
        best = here if best is None else min(best, here)
    return best


CRITERIA = {
    "k": [KAnonymity(2)],
    "k 4": [KAnonymity(4)],
    "k-map": [KMap(3)],
    "presence, at most": [Presence(0, 0.7)],
    "presence, between": [Presence(0.4, 0.9)],
    "distinct l": [KAnonymity(2), DistinctDiversity(2)],
    "entropy l": [EntropyDiversity(1.8)],
    "entropy l, whole": [EntropyDiversity(2), KAnonymity(2)],
    "recursive": [RecursiveDiversity(2.0, 2)],
    "recursive, with k": [RecursiveDiversity(0.9, 2), KAnonymity(3)],
    "t equal": [Closeness(0.3), KAnonymity(2)],
    "t ordered": [Closeness(0.2, Distance.ORDERED)],
    "t hierarchical": [Closeness(0.35, Distance.HIERARCHICAL)],
    "everything": [KAnonymity(2), DistinctDiversity(2), Closeness(0.5), Presence(0.1, 0.95), KMap(2)],
}


def counted(case):
    rows, frame, population = case
    hierarchies = [Hierarchy.from_rows(name, given) for name, given in rows.items()]
    return count_tuples(
        frame, hierarchies, sensitive="illness", ordered=True, sensitive_hierarchy=ILLNESSES, population=population
    )


@pytest.fixture(params=["dense", "rolled up", "lazy"])
def way(request, monkeypatch):
    """Each way to search: small inputs skip roll-ups and are searched in an array, so they are told not to."""
    if request.param != "dense":
        monkeypatch.setattr(rollup, "_SMALL", 0)
    if request.param == "lazy":
        monkeypatch.setattr(module, "DENSE_LIMIT", 0)


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.value)
@pytest.mark.parametrize("criteria", CRITERIA.values(), ids=CRITERIA)
@pytest.mark.usefixtures("way")
@examples(12)
@given(case=cases(), limit=st.sampled_from(LIMITS))
def test_equal_to_trying_every_node(case, limit, criteria, metric):
    rows, frame, population = case
    expected = naive(rows, frame, population, criteria, limit, metric)
    impossible = any(isinstance(c, KAnonymity) and c.k > len(frame) for c in criteria)
    if impossible:
        return
    if expected is None:
        with pytest.raises(Refusal, match="no generalization gives"):
            search(counted(case), criteria, suppression_limit=limit, metric=metric)
        return
    found = search(counted(case), criteria, suppression_limit=limit, metric=metric)
    assert found.proven_optimal
    assert found.losses.of(metric) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.lower_bound == found.losses.of(metric)


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.value)
@pytest.mark.usefixtures("way")
@examples(40)
@given(case=cases(), k=st.integers(1, 5))
def test_no_bound_is_above_a_value_that_it_bounds(case, k, metric):
    histogram = counted(case)
    objective = Objective(metric, Domain.of(histogram))
    evaluator = HistogramEvaluator(histogram, [KAnonymity(k)], objective, histogram.persons)
    nodes = list(itertools.product(*map(range, histogram.heights)))
    found = {node: evaluator.evaluate(node) for node in reversed(nodes)}
    for node, outcome in found.items():
        above = max(found[w].squares for w in nodes if all(map(operator.le, w, node)))
        for v in (v for v in nodes if all(map(operator.le, node, v)) and found[v].tables is not None):
            bound = total(found[v].tables, node)
            if not objective.separable:
                bound = above + found[v].constant
            assert bound <= outcome.value + 1e-9 * abs(outcome.value)


@MANY
@given(case=cases(), limit=st.sampled_from(LIMITS), k=st.integers(1, 4))
def test_what_is_published_is_k_anonymous(case, limit, k):
    rows, frame, _ = case
    histogram = counted(case)
    if k > len(frame):
        return
    try:
        found = search(histogram, [KAnonymity(k)], suppression_limit=limit)
    except Refusal:
        return
    names = list(rows)
    at = {tuple(leaf): i for i, leaf in enumerate(histogram.tuples.tolist())}
    published, classes = Counter(), defaultdict(set)
    for row in frame.itertuples(index=False):
        leaves = [
            rows[name].index(next(r for r in rows[name] if r[0] == value))
            for name, value in zip(names, row, strict=False)
        ]
        i = at[tuple(leaves)]
        if found.kept[i]:
            key = tuple(rows[name][leaf][level] for name, leaf, level in zip(names, leaves, found.levels, strict=True))
            published[key] += 1
            classes[found.class_of[i]].add(key)
        else:
            assert found.class_of[i] == -1
    assert all(size >= k for size in published.values())
    assert (found.classes, found.min_class) == (len(published), min(published.values(), default=0))
    assert len(frame) - published.total() == found.suppressed_records <= limit * len(frame)
    assert sorted(classes) == list(range(len(published)))
    assert all(len(keys) == 1 for keys in classes.values())
    assert not found.kept[histogram.counts == 0].any()


@MANY
@given(case=cases(), data=st.data())
def test_generalizing_never_shrinks_the_smallest_class(case, data):
    histogram = counted(case)
    node = [data.draw(st.integers(0, height - 1)) for height in histogram.heights]
    higher = [data.draw(st.integers(level, height - 1)) for level, height in zip(node, histogram.heights, strict=True)]
    smallest = []
    for levels in (node, higher):
        fixed = tuple(
            Hierarchy(h.attribute, (h.labels[0], h.labels[level]), np.ascontiguousarray(h.ancestors[[0, level]]))
            for h, level in zip(histogram.hierarchies, levels, strict=True)
        )
        sizes = Counter()
        for codes, count in zip(histogram.tuples.tolist(), histogram.counts.tolist(), strict=True):
            if count:
                sizes[tuple(int(h.ancestors[1, code]) for h, code in zip(fixed, codes, strict=True))] += count
        smallest.append(min(sizes.values()))
    assert smallest[0] <= smallest[1]
