"""Properties of cell keys: moments, most entropy, the lookup against a walk along the keys, and whole tables."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
from harness.forms import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from anonymization.policy.protection import CellKey
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.tables.counting.record_keys import KEYS, key_column
from anonymization.tables.methods.cell_key import bounds, perturbed
from anonymization.tables.methods.cell_key_magnitudes import Magnitudes
from anonymization.tables.methods.cell_key_noise import perturbation
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, Table

SLOW = examples(40)
PERSONS = Measure("persons", {"en": "", "ja": ""}, MeasureKind.PERSONS, "s", {})


@st.composite
def declared(draw):
    deviation = draw(st.integers(1, 8))
    forbidden = tuple(sorted(draw(st.sets(st.integers(1, 4), max_size=min(deviation, 3)))))
    share = draw(st.integers(1, 100))
    variance = Decimal(share) * deviation * (deviation + 1) / 300
    return CellKey(
        method="cell_key",
        minimum_count=draw(st.integers(2, 12)),
        deviation=deviation,
        variance=variance,
        forbidden=forbidden,
    )


def table_of(one):
    return perturbation(one.deviation, one.variance, one.forbidden)


@SLOW
@given(one=declared())
def test_moments_and_most_entropy(one):
    """Most entropy under two moments means: the logarithm of the chances is a parabola over what may come out."""
    table = table_of(one)
    moves = np.arange(-one.deviation, one.deviation + 1)
    for count, weights in enumerate(table.weights):
        assert weights.sum() == KEYS
        assert abs((weights * moves).sum()) < 1e-8 * KEYS
        may = [m for m in moves if count + m >= 0 and count + m not in one.forbidden and (count > 0 or m == 0)]
        assert set(moves[weights > 0]) <= set(may)
        low, high = min(may), max(may)
        least = -max(m for m in may if m <= 0) * min(m for m in may if m >= 0)
        wanted = min(max(float(one.variance), least), -low * high)
        assert abs((weights * moves**2).sum() / KEYS - wanted) < 1e-6
        inside = least * 1.001 < float(one.variance) < -low * high * 0.999
        at = weights > KEYS // 10_000
        if inside and at.sum() > 3:
            left = np.polynomial.Polynomial.fit(moves[at], np.log(weights[at]), 2)(moves[at]) - np.log(weights[at])
            assert np.abs(left).max() < 1e-4


@SLOW
@given(one=declared(), count=st.integers(0, 40), key=st.integers(0, KEYS - 1))
def test_the_lookup_is_a_walk_along_the_keys(one, count, key):
    table = table_of(one)
    walked, row = key, table.weights[min(count, len(table.weights) - 1)]
    move = -one.deviation
    while walked >= row[move + one.deviation]:
        walked -= row[move + one.deviation]
        move += 1
    assert table.perturbed(np.array([count]), np.array([key]))[0] == count + move


@st.composite
def people(draw):
    """Persons with a record key and one code each of two dimensions."""
    return draw(
        st.lists(
            st.tuples(st.integers(0, KEYS - 1), st.sampled_from(["a1", "a2", "a3"]), st.sampled_from(["b1", "b2"])),
            max_size=60,
        )
    )


def table(persons, kind=DimensionKind.PERSON):
    title = {"en": "", "ja": ""}
    dims = [
        Dimension(name, title, kind, ("one",), dict.fromkeys(codes, TOTAL), dict.fromkeys(codes, "one"), {}, complete=True)
        for name, codes in (("a", ["a1", "a2", "a3"]), ("b", ["b1", "b2"]))
    ]  # fmt: skip
    rows = []
    for a, b in itertools.product([*dims[0].parents, TOTAL], [*dims[1].parents, TOTAL]):
        keys = [key for key, x, y in persons if a in (x, TOTAL) and b in (y, TOTAL)]
        rows.append((a, b, len(keys), sum(keys)))
    frame = pd.DataFrame(rows, columns=["a", "b", "persons", key_column(PERSONS)])
    return Table("t", title, tuple(dims), (PERSONS,), frame)


@SLOW
@given(persons=people(), one=declared(), order=st.randoms())
def test_whole_tables(persons, one, order):
    true = table(persons)
    (safe,) = perturbed([true], one)
    figures, counts = safe.frame["persons"], true.frame["persons"]
    hidden = safe.frame["persons_status"] != FREE
    assert (hidden == counts.between(1, one.minimum_count - 1)).all()
    assert (figures.isna() == hidden).all()
    assert (figures[counts == 0] == 0).all()
    assert figures.dropna().ge(0).all()
    assert (figures - counts).dropna().abs().le(one.deviation).all()
    assert not set(figures.dropna()) & set(one.forbidden)
    low, high = bounds(safe, PERSONS, one)
    assert (low <= counts).all()
    assert (counts <= high).all()
    assert "persons key" not in safe.frame.columns
    # cells of the same persons are the same figure, and the order of persons changes nothing
    shuffled = list(persons)
    order.shuffle(shuffled)
    (again,) = perturbed([table(shuffled)], one)
    assert again.frame.equals(safe.frame)
    by_persons = {}
    for row in true.frame.index:
        who = (counts[row], true.frame.loc[row, key_column(PERSONS)])
        assert by_persons.setdefault(who, str(figures[row])) == str(figures[row])


USES = Measure("uses", {"en": "", "ja": ""}, MeasureKind.TOTAL, "s", {})


def of_totals(one, most):
    """The same declaration, with a variance that does for totals."""
    least = Decimal("0.01") * (2 * one.deviation + 1) ** 2 / 4
    variance = max(one.variance, least, Decimal(1))
    limit = Decimal(one.deviation * (one.deviation + 1)) / 3
    return (
        None if variance > limit else one.model_copy(update={"variance": variance, "most_per_person": {"uses": most}})
    )


@SLOW
@given(persons=people(), one=declared(), uses=st.lists(st.integers(0, 90), min_size=60, max_size=60))
def test_totals(persons, one, uses):
    """Figures of totals against a list of who contributes what to each cell, and the same list for equal cells."""
    one = of_totals(one, 90)
    assume(one is not None)
    assert one.fault_of_totals is None
    people_only = table(persons)
    cells = people_only.frame[["a", "b"]].to_numpy()
    who = [
        [(n, uses[n]) for n, (_, x, y) in enumerate(persons) if a in (x, TOTAL) and b in (y, TOTAL)] for a, b in cells
    ]
    each = [[*sorted((amount for _, amount in of), reverse=True), 0, 0] for of in who]
    keys = [
        sum(persons[n][0] if amount == 1 else 7_777_777_777 * (n + 1) * amount for n, amount in of if amount)
        for of in who
    ]
    frame = people_only.frame.assign(uses=[sum(of) for of in each])
    frame[key_column(USES)] = keys
    largest = {"uses": pd.DataFrame({"first": [of[0] for of in each], "second": [of[1] for of in each]})}
    true = replace(people_only, measures=(PERSONS, USES), frame=frame, largest=largest)
    (safe,) = perturbed([true], one)
    figures, totals = safe.frame["uses"], frame["uses"]
    assert (safe.frame["uses_status"] == safe.frame["persons_status"]).all()
    assert figures.dropna().ge(0).all()
    assert (figures[totals == 0].dropna() == 0).all()
    low, high = bounds(safe, USES, one)
    assert ((low <= totals) & (totals <= high)).all()
    shown = figures.notna()
    reach = Magnitudes.of(one).reaches(totals.to_numpy(), largest["uses"]["first"].to_numpy())
    assert ((figures - totals)[shown].abs() <= reach[shown]).all()
    told = {}
    for row in frame.index[shown]:
        contributors = tuple((n, amount) for n, amount in who[row] if amount)
        assert told.setdefault(contributors, figures[row]) == figures[row]


@SLOW
@given(persons=people(), one=declared())
def test_withheld_tables_list_no_hidden_cell(persons, one):
    assume(persons)
    (safe,) = perturbed([table(persons)], one, withheld=True)
    assert (safe.frame["persons_status"] == FREE).all()
    assert safe.withheld
