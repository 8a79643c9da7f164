"""Attacks on totals with cell keys: by who knows the noise, by who contributes most, and by averages over many figures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from harness.events import registered

from anonymization.disclosure.rules import p_percent
from anonymization.errors import ProtectionError
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import CellKey
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import with_truth
from anonymization.tables.counting.record_keys import KEYS, key_column
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.cell_key import METHOD, perturbed
from anonymization.tables.methods.cell_key_attack import _spans, _telling, contributions_of, pinned, unpinned
from anonymization.tables.methods.cell_key_averages import Sums
from anonymization.tables.methods.cell_key_magnitudes import Magnitudes
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, Table
from anonymization.tables.plan import resolve

NOISE = CellKey(method="cell_key", minimum_count=10, most_per_person={"uses": 10**6})
TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
PERSONS = Measure("persons", TITLE, MeasureKind.PERSONS, "logs", {})
USES = Measure("uses", TITLE, MeasureKind.TOTAL, "logs", {})
EVENLY = (np.arange(20_000) * 2 + 1) * (KEYS // 40_000)
"""Cell keys that stand for all: every range of them has its share."""

CASES = {  # share, flex, total, the largest contribution
    "of ones": ("0.1", 1, 40, 1),
    "of twos": ("0.1", 1, 40, 2),
    "of a hundred": ("0.1", 1, 3_000, 100),
    "of nearly one alone": ("0.1", 1, 1_009, 1_000),
    "of few uses": ("0.1", 1, 11, 9),
    "of a million": ("0.1", 1, 10**8, 10**6),
    "up to the flex point in full": ("0.2", 10, 500, 10),
    "beyond it": ("0.2", 10, 5_000, 90),
}


@pytest.mark.parametrize(("share", "flex", "total", "first"), CASES.values(), ids=CASES)
def test_the_noise_is_unbiased_and_as_large_as_is_said(share, flex, total, first):
    """Against the formulas in floating point, over keys that stand for all of them."""
    protection = CellKey(method="cell_key", minimum_count=10, share=Decimal(share), flex=flex)
    figures = Magnitudes.of(protection).perturbed(np.full(len(EVENLY), total), np.full(len(EVENLY), first), EVENLY)
    noise = figures - total
    factor = 1.0 if first <= flex else float(share) + (1 - float(share)) * 2 * flex / (flex + first)
    scale = min(first * factor, total / 5.5)
    assert abs(noise.mean()) < 0.002 * max(scale, 1)
    variance = 2.0 if first == 1 else scale**2 * (2 + 1 / 12)
    assert noise.var() == pytest.approx(variance, rel=0.005, abs=0.25 if first > 1 else 0)
    assert np.abs(noise).max() <= 5.5 * scale + 0.5
    assert figures.min() >= 0
    reach = Magnitudes.of(protection).reaches(np.array([total]), np.array([first]))[0]
    assert np.abs(noise).max() <= reach <= 5.5 * scale + 0.5
    # nobody who knows all others' contributions knows the largest one to within p percent, on average
    assert noise.std() >= 0.1 * first


def test_whoever_contributes_most_has_every_figure_between_to_choose_from():
    """Noise in whole multiples of the scale, which that person knows, would leave eleven totals that may be true."""
    first, total = 500, 9_000
    noise = Magnitudes.of(NOISE)
    figures = noise.perturbed(np.full(len(EVENLY), total), np.full(len(EVENLY), first), EVENLY)
    reach = int(noise.reaches(np.array([total]), np.array([first]))[0])
    assert len(np.unique(figures)) > 1.6 * reach
    leaky = total + np.round(
        float(noise.full_scale(first)) * (noise.noise.perturbed(np.full(len(EVENLY), 99), EVENLY) - 99)
    )
    assert len(np.unique(leaky)) == 11


def frame_of(engine, policies, rows, *, again=False):
    """Persons, page views and person-days by day, counted from events: (person, day, page views)."""
    content = policies.release("web-audience").model_dump(by_alias=True)
    measures = {
        kind: {"kind": kind, "source": "analytics", "title": TITLE} for kind in ("persons", "total", "person_days")
    }
    content["tables"] = {"t": {"title": TITLE, "dimensions": ["day"], "measures": measures}}
    protection = {"method": "cell_key", "minimum_count": 2, "most_per_person": {"total": 1000}}
    release = type(policies.release("web-audience")).model_validate(content | {"protection": protection, "pins": {}})
    plan = resolve(policies, release, parse_period(release.period, "2026-10"))
    events = [(p, 20_727 + day, "Chrome") for p, day, views in rows for _ in range(views)]
    events = {"analytics": registered(engine, policies, "analytics", events, ["p", "day", "browser"])}
    (table,) = tabulate(engine, plan, events)
    (safe,) = perturbed([table], release.protection)
    if again:
        return table, safe, METHOD.expected(counted := recount(engine, plan, events), release.protection), counted
    return table, safe


PEOPLE = [7_919 * n + 5 * 10**9 for n in range(1, 31)]


def test_figures_that_are_one_figure_have_one_noise(duckdb_engine, policies):
    """A total of ones is a number of persons, and so are the person-days of a day: there is nothing to average."""
    rows = [(p, day, 1) for day in (0, 4) for p in PEOPLE[: 20 + day]]
    _, safe, expected, counted = frame_of(duckdb_engine, policies, rows, again=True)
    by_day = safe.frame[safe.frame["day"] != TOTAL]
    assert (by_day["persons"] > 0).sum() == 2
    assert by_day["persons"].equals(by_day["total"].rename("persons"))
    assert by_day["persons"].equals(by_day["person_days"].rename("persons"))
    whole = safe.frame[safe.frame["day"] == TOTAL]
    assert (whole["total"] == whole["person_days"]).all(), "and so it is over days where each has one use a day"
    # the gate's own count leads to the same figures
    shown = safe.frame.set_index("day")
    for row, figure in zip(counted.itertuples(), expected, strict=True):
        assert shown.loc[row.day, row.measure] == figure


def test_the_noise_is_another_where_the_same_persons_contribute_something_else(duckdb_engine, policies):
    """Of two totals of the same persons that differ by one use of one of them, the difference is not read off."""
    keys = []
    for more in (0, 1):
        rows = [(p, 0, 3 + (more if p == PEOPLE[0] else 0)) for p in PEOPLE]
        table, _ = frame_of(duckdb_engine, policies, rows)
        whole = table.frame[table.frame["day"] == TOTAL]
        keys.append({m.name: int(whole[key_column(m)].iloc[0]) % KEYS for m in table.measures})
    assert keys[0]["persons"] == keys[1]["persons"]
    assert keys[0]["total"] != keys[1]["total"]


def test_a_difference_by_one_is_seen_no_oftener_than_noise_makes_it():
    """What that is worth: keys of persons alone give every such difference away."""
    random, noise = np.random.default_rng(3), Magnitudes.of(NOISE)
    totals, first = np.full(4_000, 900), np.full(4_000, 40)
    one, other = random.integers(0, KEYS, (2, 4_000))
    before = noise.perturbed(totals, first, one)
    assert (noise.perturbed(totals + 1, first, other) - before == 1).mean() < 0.06
    assert (noise.perturbed(totals + 1, first, one) - before == 1).all()


def days_of(star, others, days, *, shown=None):
    """A month by day: one person uses much each day, twelve little; some cells, by code, have a figure of their own."""
    codes = [f"2026-10-{day + 1:02d}" for day in range(days)]
    dimension = Dimension(
        name="day", title=TITLE, kind=DimensionKind.EVENT, levels=("day",), parents=dict.fromkeys(codes, TOTAL),
        level_of=dict.fromkeys(codes, "day"), labels={}, complete=True, by_day=True, concept="day",
    )  # fmt: skip
    rows = [(code, 13, star + 12 * others, star, others) for code in codes]
    rows.append((TOTAL, 13, days * (star + 12 * others), days * star, days * others))
    frame = pd.DataFrame(rows, columns=["day", "persons", "uses", "first", "second"])
    random = np.random.default_rng(11)
    for measure in (PERSONS, USES):
        frame[key_column(measure)] = random.integers(0, KEYS, len(frame))
    largest = {"uses": frame[["first", "second"]]}
    true = Table("t", TITLE, (dimension,), (PERSONS, USES), frame.drop(columns=["first", "second"]), largest=largest)
    return Issue("noisy", MONTH, perturbed([true], NOISE), 10, NOISE), (true,)


def test_the_days_of_a_month_tell_of_the_one_who_uses_most_every_day():
    """Each day's noise is small beside what she uses in a month, and averages out in the sum of all."""
    issue, true = days_of(1_000, 1, 31)
    (finding,) = METHOD.attack(replace(issue, noise=None), true, None, NOISE, (), None)
    assert (finding.measure, finding.cell) == ("uses", "day=_T")
    assert "within less than 10 percent of its largest contribution" in str(finding)
    spread = (finding.high - finding.low) / 4
    by_hand = 1 / np.sqrt(1 / (3101.8 * np.sqrt(2)) ** 2 + 1 / (31 * (101.8 * np.sqrt(2)) ** 2))
    assert spread == pytest.approx(by_hand, rel=0.01)
    safe = unpinned(issue, true)
    hidden = safe[0].frame.loc[safe[0].frame["uses_status"] != FREE, "day"]
    assert TOTAL in set(hidden), "the month is not told"
    assert len(hidden) == 2, "nor a day, without which its days do not tell it"
    assert (safe[0].frame["persons_status"] == FREE).all()
    assert not pinned(replace(issue, tables=safe), true)


def test_figures_at_both_ends_of_their_noise_tell_a_total_before_whoever_knows_how_far_it_reaches():
    """Hardly anything of hers is in the second part: on average the two figures of all tell little, at the ends all."""
    codes = {"c1": (999, 1_011), "c2": (1, 13), TOTAL: (1_000, 1_024)}
    dimension = Dimension(
        name="c", title=TITLE, kind=DimensionKind.EVENT, levels=("c",), parents={"c1": TOTAL, "c2": TOTAL},
        level_of={"c1": "c", "c2": "c"}, labels={}, complete=True, concept="c",
    )  # fmt: skip
    frame = pd.DataFrame({"c": list(codes), "persons": 13, "uses": [total for _, total in codes.values()]})
    frame = frame.assign(**{key_column(measure): 2**31 for measure in (PERSONS, USES)})
    first = np.array([one for one, _ in codes.values()])
    largest = {"uses": pd.DataFrame({"first": first, "second": 1})}
    true = Table("t", TITLE, (dimension,), (PERSONS, USES), frame, largest=largest)
    (safe,) = perturbed([true], NOISE)
    amid = Issue("noisy", MONTH, (safe,), 10, NOISE)
    assert not pinned(amid, (true,))
    reach = Magnitudes.of(NOISE).reaches(frame["uses"].to_numpy(), first)
    ends = (frame["uses"] + reach * np.array([-1, -1, 1])).astype("Int64")
    apart = replace(amid, tables=(replace(safe, frame=safe.frame.assign(uses=ends)),))
    found = pinned(apart, (true,))
    assert {(one.measure, one.cell) for one in found} == {("uses", "c=_T"), ("uses", "c=c1")}
    assert all(one.high - one.low < 100 for one in found)
    (hidden,) = unpinned(apart, (true,))
    assert (hidden.frame["persons_status"] == FREE).all()
    assert not pinned(replace(apart, tables=(hidden,)), (true,))


def test_where_nobody_dominates_days_may_tell_the_month():
    issue, true = days_of(20, 20, 31)
    assert not p_percent(*(np.array([x]) for x in (31 * 260, 620, 620)))[0]
    assert not pinned(issue, true)


def test_what_is_told_too_well_by_what_it_is_made_of_cannot_be_protected():
    issue, true = days_of(1_000, 1, 31)
    nothing = issue.tables[0].frame.assign(uses=pd.array([None] * 32, "Int64"), uses_status="C")
    hidden = replace(issue, tables=(replace(issue.tables[0], frame=nothing),))
    assert not pinned(hidden, true), "nothing shown tells nothing"
    spans = _spans(hidden, true)
    with pytest.raises(ProtectionError, match="1 total cannot be protected"):
        _telling(spans, np.flatnonzero(spans.of.unsafe)[:1])


def test_standard_errors_are_those_of_least_squares_by_hand():
    """A square of two dimensions with margins, some cells hidden, against dense algebra over the finest cells."""
    random = np.random.default_rng(5)
    codes = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3", "b4"]}
    dims = tuple(
        Dimension(name, TITLE, DimensionKind.PERSON, ("one",), dict.fromkeys(own, TOTAL), dict.fromkeys(own, "one"), {}, complete=True, concept=name)
        for name, own in codes.items()
    )  # fmt: skip
    cells = list(itertools.product([*codes["a"], TOTAL], [*codes["b"], TOTAL]))
    inner = [(a, b) for a, b in cells if TOTAL not in (a, b)]
    star = {cell: int(random.integers(50, 900)) for cell in inner}
    star[inner[5]] = 0
    covers = np.array([[x in (a, TOTAL) and y in (b, TOTAL) for a, b in inner] for x, y in cells], dtype=float)
    rest = np.array([9 if star[cell] else 0 for cell in inner])
    total = (covers @ (np.array(list(star.values())) + rest)).astype(int)
    first = np.array(
        [max([star[c] for c, in_it in zip(inner, row, strict=True) if in_it], default=0) for row in covers]
    )
    persons = (covers @ np.where(rest > 0, 10, 0)).astype(int)
    second = np.minimum(np.where(first > 0, 1, 0), total - first)
    frame = pd.DataFrame(cells, columns=["a", "b"]).assign(persons=persons, uses=total)
    for measure in (PERSONS, USES):
        frame[key_column(measure)] = random.integers(0, KEYS, len(frame))
    largest = {"uses": pd.DataFrame({"first": first, "second": second})}
    true = Table("t", TITLE, dims, (PERSONS, USES), frame, largest=largest)
    issue = Issue("noisy", MONTH, perturbed([true], NOISE), 10, NOISE)
    linked, truth = with_truth(issue, [true])
    of = contributions_of(truth, [true], 10, np.nan_to_num(truth.value).astype(np.int64))
    at = linked.places[1]  # the cells of uses, row by row
    shown = np.zeros(linked.cells, dtype=bool)
    seen = (random.random(len(cells)) < 0.7) & (total > 0)
    shown[at[seen]] = True
    sums = Sums.of(linked, of, shown, Magnitudes.of(NOISE))
    errors, least = sums.standard_errors(at[total > 0]), sums.at_least(at[total > 0])
    some = [n for n, cell in enumerate(inner) if star[cell]]
    scale = np.minimum(0.1 * first + 0.9 * 2 * first / (1 + first), total / 5.5)
    design = covers[:, some] / np.where(scale > 0, scale * np.sqrt(2), 1)[:, None]
    precision = design[seen].T @ design[seen] + 1e-14 * np.eye(len(some))
    by_hand = np.sqrt(np.einsum("ij,jk,ik->i", covers[:, some], np.linalg.inv(precision), covers[:, some]))[total > 0]
    known = by_hand < 1e5
    assert known.sum() > 10
    assert errors[known] == pytest.approx(by_hand[known], rel=1e-3)
    assert (errors[~known] > 1e5).all()
    assert (least <= errors * (1 + 1e-6)).all()
    assert (least[known] > 0).all()


def test_stated_errors_hold_whatever_the_largest_contribution_is():
    """Of figures of every total and largest contribution, 95 per cent or more are within what their figure says."""
    random, noise = np.random.default_rng(9), Magnitudes.of(NOISE)
    for total, first in [(12, 3), (60, 50), (400, 100), (5_000, 100), (90_000, 9_000), (90_000, 80_000)]:
        keys = random.integers(0, KEYS, 1_500)
        figures = noise.perturbed(np.full(1_500, total), np.full(1_500, first), keys)
        within = noise.within(figures.tolist(), [100_000] * 1_500, 0.95)
        assert (np.abs(figures - total) <= within).mean() >= 0.95
        spans = noise.spans(figures.tolist(), 100_000)
        assert (np.abs(figures - total) <= spans).all()
