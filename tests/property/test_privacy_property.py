"""Properties of differential privacy: bounds hold, one person moves no more than was said, shares add up to the budget."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from harness.events import registered
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.policy.periods import parse_period
from anonymization.policy.protection import DifferentialPrivacy
from anonymization.policy.releases import MeasureKind
from anonymization.tables.counting.facts import facts_statement
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.differential_privacy import drawn, margins, sensitivity, shares, whole
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve

SLOW = examples(25)
FEW = examples(3)
FIRST = 20_727
TITLE = {"en": "x", "ja": "x"}

visits = st.lists(
    st.tuples(st.integers(1, 4), st.integers(FIRST, FIRST + 30), st.sampled_from(["search", "direct", "social"]),
              st.sampled_from(["Chrome", "Safari"]), st.integers(0, 40)), max_size=30,
)  # fmt: skip
contracts = st.lists(
    st.tuples(st.integers(101, 104), st.integers(FIRST, FIRST + 30), st.sampled_from(["search", "mail", "news"]),
              st.sampled_from(["13", "14", "27", "unknown"]), st.sampled_from(["20-29", "30-39"])), max_size=25,
)  # fmt: skip
places = st.lists(
    st.tuples(st.integers(1, 5), st.integers(FIRST, FIRST + 30), st.integers(0, 3),
              st.sampled_from([533935992, 533935991, 533936001])), max_size=25,
)  # fmt: skip
bounds = st.builds(
    lambda cells, each: {"max_cells": cells, "max_per_cell": each}, st.integers(1, 5), st.integers(1, 60)
)

CASES = {
    "web-audience": ("analytics", visits, ["p", "day", "access_source", "browser", "seconds_on_page"], {
        "visitors_bounded": {"kind": "persons"}, "views_bounded": {"kind": "total"},
        "seconds_bounded": {"kind": "total", "column": "seconds_on_page"},
    }, ["access_source", "browser"]),
    "monthly-audience": ("subscribers", contracts, ["p", "day", "service", "prefecture", "age_band"], {
        "subscribers_bounded": {"kind": "persons"}, "rows_bounded": {"kind": "total"},
    }, ["region", "service"]),
    "population-by-place": ("locations", places, ["p", "day", "hour", "mesh"], {
        "persons_bounded": {"kind": "persons"}, "positions_bounded": {"kind": "total"},
    }, ["mesh", "day_type"]),
}  # fmt: skip


def plan_of(policies, name, **protection):
    source, _, _, measures, dimensions = CASES[name]
    release = policies.release(name)
    content = release.model_dump(by_alias=True)
    content["sources"] = [source]
    content["tables"] = {
        "t": {
            "title": TITLE,
            "dimensions": dimensions,
            "measures": {label: {"source": source, "title": TITLE, **measure} for label, measure in measures.items()},
        }
    }
    content["protection"] = {"method": "differential_privacy", "rho": "1", "delta": "0.00001", **protection}
    return resolve(policies, type(release).model_validate(content), parse_period(release.period, "2026-10"))


def events_of(engine, policies, name, rows):
    source, _, columns, _, _ = CASES[name]
    return {source: registered(engine, policies, source, rows, columns)}


def check_bounds(engine, policies, name, rows, bound):
    plan = plan_of(policies, name, **bound)
    (table,) = plan.tables
    events = events_of(engine, policies, name, rows)
    facts = facts_statement(plan, "facts", table.dimensions, list(table.measures), events)
    kept = engine.fetch(facts.sql).to_pandas()
    per_person = kept.groupby("p").size()
    assert set(per_person.index) == {row[0] for row in rows}
    assert per_person.le(bound["max_cells"]).all()
    for column in (c for c in kept.columns if c.startswith("m")):
        assert kept[column].between(0, bound["max_per_cell"]).all()
    return kept.sort_values(list(kept.columns), ignore_index=True)


def counted(engine, policies, name, rows, bound):
    plan = plan_of(policies, name, **bound)
    (table,) = tabulate(engine, plan, events_of(engine, policies, name, rows))
    return plan, table


def check_sensitivity(engine, policies, name, rows, bound):
    """With and without each person: no margin moves by more than its sensitivity."""
    plan, whole_table = counted(engine, policies, name, rows, bound)
    for person in sorted({row[0] for row in rows}):
        _, less = counted(engine, policies, name, [row for row in rows if row[0] != person], bound)
        keys = whole_table.keys
        both = whole_table.frame.merge(less.frame, on=keys, how="outer", suffixes=("", "_less"))
        for measure, levels in itertools.product(whole_table.measures, margins(whole_table)):
            of_level = [d.level_of | {TOTAL: TOTAL} for d in whole_table.dimensions]
            at = np.logical_and.reduce(
                [
                    both[d.name].map(of) == level
                    for d, of, level in zip(whole_table.dimensions, of_level, levels, strict=True)
                ]
            )
            moved = (both[measure.name].fillna(0) - both[f"{measure.name}_less"].fillna(0))[at].abs()
            most = sensitivity(whole_table, measure, levels, plan.release.protection)
            assert (moved > 0).sum() <= most.cells
            assert moved.max() <= most.each or moved.empty
            assert moved.sum() <= most.total
            assert moved.pow(2).sum() <= most.length**2 * (1 + 1e-12)


@pytest.mark.both("fuzz")
@pytest.mark.parametrize("name", CASES)
def test_contributions_are_bounded(duckdb_engine, policies, name):
    @SLOW
    @given(rows=CASES[name][1], bound=bounds)
    def check(rows, bound):
        forward = check_bounds(duckdb_engine, policies, name, rows, bound)
        assert check_bounds(duckdb_engine, policies, name, rows[::-1], bound).equals(forward)

    check()


@pytest.mark.both("fuzz")
@pytest.mark.parametrize("name", CASES)
def test_one_person_moves_no_more_than_was_said(duckdb_engine, policies, name):
    @examples(8)
    @given(rows=CASES[name][1], bound=bounds)
    def check(rows, bound):
        check_sensitivity(duckdb_engine, policies, name, rows, bound)

    check()


@pytest.mark.both("fuzz")
@pytest.mark.spark
@pytest.mark.parametrize("name", CASES)
def test_both_engines_keep_the_same_contributions(engines, policies, name):
    @FEW
    @given(rows=CASES[name][1].filter(len), bound=bounds)
    def check(rows, bound):
        kept = [check_bounds(engines(one), policies, name, rows, bound) for one in ("duckdb", "spark")]
        pd.testing.assert_frame_equal(*kept, check_dtype=False)

    check()


@SLOW
@given(
    cells=st.integers(1, 50), rho=st.decimals(min_value="0.001", max_value=1, places=3),
    name=st.sampled_from(sorted(CASES)), laplace=st.booleans(),
)  # fmt: skip
def test_shares_add_up_to_no_more_than_was_declared(policies, cells, rho, name, laplace):
    cost = {"mechanism": "laplace", "epsilon": rho, "rho": None} if laplace else {"rho": rho}
    plan = plan_of(policies, name, max_cells=cells, max_per_cell=3, **cost)
    each = shares(plan.tables, plan.release.protection)
    (table,) = plan.tables
    figures = len(list(margins(table))) * len(table.measures)
    selections = sum(not whole(table, levels) for levels in margins(table))
    assert 0 <= rho - each.cost * figures < Decimal("1e-30")
    assert 0 <= Decimal("0.00001") - each.delta * max(selections, 1) < Decimal("1e-30")
    assert plan.release.protection.cost == (rho**2 / 2 if laplace else rho)


def test_noisy_tables_have_every_known_cell_and_only_selected_ones_else(duckdb_engine, policies):
    rows = [(p, FIRST + p % 31, p % 4, 533935992) for p in range(1, 900)] + [(1_000, FIRST, 0, 533936001)]
    plan, table = counted(duckdb_engine, policies, "population-by-place", rows, {"max_cells": 2, "max_per_cell": 5})
    protection = DifferentialPrivacy.model_validate(plan.release.protection.model_dump())
    (noisy,) = drawn([table], protection)
    cells = set(noisy.frame[noisy.keys].itertuples(index=False, name=None))
    assert {(TOTAL, code) for code in ("weekday", "day-off", TOTAL)} <= cells
    assert {mesh for mesh, _ in cells} == {TOTAL, "53393599", "533935"}
    assert set(noisy.dimensions[0].parents) == {"53393599", "533935"}
    assert noisy.withheld
    persons = next(m for m in noisy.measures if m.kind is MeasureKind.PERSONS)
    assert abs(int(noisy.frame.set_index(noisy.keys).loc[("533935", TOTAL), persons.name]) - 899) < 200
