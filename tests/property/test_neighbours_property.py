"""Two months of people who come, go and move at random: what the second shows is counted again, person by person."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from harness.forms import examples
from harness.intervals import intervals
from harness.people import PERSONS, REGIONS, flat
from hypothesis import given
from hypothesis import strategies as st

from anonymization.disclosure.attack.attack import attack
from anonymization.errors import ProtectionError
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import DimensionKind, PeriodKind
from anonymization.tables.audit.knowledge import seen_by_readers
from anonymization.tables.audit.neighbours import Neighbour
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import link
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.suppression_neighbours import Months
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import FREE, Table

N = 3
AGES = flat("age", DimensionKind.PERSON, 3)
DIMENSIONS = (REGIONS, AGES)
FINEST = [("p1", "p2", "p3", "p4"), ("age0", "age1", "age2")]
CELLS = list(itertools.product(REGIONS.codes, AGES.codes))
NOVEMBER = parse_period(PeriodKind.MONTH, "2026-11")
KEYS = ["region", "age"]
RULES = Rules(N, None, None)


def inside(person, cell):
    """Whether somebody of a finest cell, or of none, is in a cell."""
    return person is not None and all(
        code in (own, *dimension.ancestors(own)) for own, code, dimension in zip(person, cell, DIMENSIONS, strict=True)
    )


def table(people):
    counts = [sum(inside(person, cell) for person in people) for cell in CELLS]
    frame = pd.DataFrame(CELLS, columns=KEYS).assign(**{PERSONS.name: np.array(counts, dtype=np.int64)})
    return Table("t", {}, DIMENSIONS, (PERSONS,), frame, days=False)


def figures(safe):
    shown = safe.frame[safe.frame[f"{PERSONS.name}_status"] == FREE]
    return dict(zip(shown[KEYS].itertuples(index=False, name=None), shown[PERSONS.name].astype(int), strict=True))


def lines():
    """Each code and its parts, at every code of the other dimension."""
    for n, dimension in enumerate(DIMENSIONS):
        for whole in dimension.codes:
            parts = [code for code, above in dimension.parents.items() if above == whole]
            for other in DIMENSIONS[1 - n].codes if parts else ():
                at = [(code, other) if n == 0 else (other, code) for code in (whole, *parts)]
                yield at[0], at[1:]


def month_after(random, people):
    """Who is where a month later; some come, who are nowhere before."""
    before = people + [None] * int(random.integers(0, 5))
    after = [
        cell() if person is None or random.random() < 0.08 else person
        for person in before
        for cell in [lambda: drawn(random)]
    ]
    return before, [
        None if was is not None and random.random() < 0.05 else now for was, now in zip(before, after, strict=True)
    ]


def drawn(random):
    return tuple(
        str(random.choice(codes, p=np.array([5, 3, 2, 1][: len(codes)]) / sum([5, 3, 2, 1][: len(codes)])))
        for codes in FINEST
    )


@examples(36)
@given(st.integers(0, 2**32))
def test_no_figure_and_no_rest_of_an_equation_tells_of_few(seed):
    random = np.random.default_rng(seed)
    before, after = month_after(random, [drawn(random) for _ in range(int(random.integers(20, 90)))])
    try:
        (october,) = protect([table(before)], Issue("o", NOVEMBER, (table(before),), N), RULES).tables
        changed = [
            (*cell, n, int(inside(now, cell)) - int(inside(was, cell)))
            for n, (was, now) in enumerate(zip(before, after, strict=True))
            for cell in CELLS
            if inside(now, cell) != inside(was, cell)
        ]
        frame = pd.DataFrame(changed, columns=[*KEYS, "person", "apart"]).assign(table="t", measure=PERSONS.name)
        neighbour = Neighbour("s", (Issue("october", NOVEMBER, (october,), N),), frame)
        true = table(after)
        issue = Issue("november", NOVEMBER, (true,), N)
        (november,) = protect([true], issue, RULES, neighbours=[neighbour]).tables
    except ProtectionError:
        return
    shown = [figures(safe) for safe in (october, november)]
    both = shown[0].keys() & shown[1].keys()

    def of_few(weights):
        told = sum(weight * (shown[1][cell] - shown[0][cell]) for cell, weight in weights.items())
        who = [
            sum(w * (inside(now, c) - inside(was, c)) for c, w in weights.items())
            for was, now in zip(before, after, strict=True)
        ]
        assert sum(who) == told
        return told != 0 and sum(one != 0 for one in who) < N

    assert not [cell for cell in both if of_few({cell: 1})]
    for whole, parts in lines():
        rest = {cell: weight for cell, weight in {whole: 1, **dict.fromkeys(parts, -1)}.items() if cell in both}
        assert not rest or not of_few(rest), (whole, rest)
    published = link([Issue("november", NOVEMBER, (november,), N)])
    needs = Months.of(published, issue, (), [neighbour], RULES).needs()
    assert np.isnan(published.value[needs.cell]).all()
    low, high = intervals(seen_by_readers(published), needs.cell)
    assert (high >= needs.reach).all()
    assert (high - low >= needs.width).all()
    assert not attack(seen_by_readers(published), needs)
