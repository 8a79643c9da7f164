"""What noise promises before anything is counted, against what a build states of figures that it has."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from anonymization.policy.periods import parse_period
from anonymization.tables.method import method_of
from anonymization.tables.methods.differential_privacy import consistent, drawn
from anonymization.tables.model import TOTAL, Table, level_columns
from anonymization.tables.plan import resolve
from jobs.foreseen import promises

TITLE = {"en": "x", "ja": "x"}
PRIVACY = {"method": "differential_privacy", "max_cells": 4, "max_per_cell": 20}
CASES = {
    "as drawn": {"rho": "0.4", "consistent": False},
    "as drawn by Laplace": {"epsilon": "2", "mechanism": "laplace", "consistent": False},
    "made to fit": {"rho": "0.4"},
    "made to fit, by Laplace": {"epsilon": "2", "mechanism": "laplace"},
}


def plan_of(policies, protection, dimensions):
    content = policies.release("web-audience").model_dump(by_alias=True)
    measures = {
        "visitors_bounded": {"kind": "persons", "source": "analytics", "title": TITLE},
        "page_views_bounded": {"kind": "total", "source": "analytics", "title": TITLE},
    }
    day_type = {"kind": "event", "title": TITLE, "column": "day_type", "levels": ["day_type"], "codelist": "day_type"}
    content["dimensions"]["day_type"] = day_type
    content["tables"] = {"visits": {"title": TITLE, "dimensions": dimensions, "measures": measures}}
    release = type(policies.release("web-audience")).model_validate(content | {"protection": protection, "pins": {}})
    return resolve(policies, release, parse_period(release.period, "2026-10"))


def counted(plan):
    """A table of many persons, no two cells alike: views add up; of visitors, three in four of a sum's are apart."""
    (declared,) = plan.tables
    random, codes = np.random.default_rng(4), [d.codes for d in declared.dimensions]
    finest = {cell: int(random.integers(20_000, 90_000)) for cell in itertools.product(*(own[1:] for own in codes))}
    rows = []
    for cell in itertools.product(*codes):
        below = [n for one, n in finest.items() if all(c in (x, TOTAL) for c, x in zip(cell, one, strict=True))]
        persons = max(below) if len(below) == 1 else int(max(max(below) + 10_000, sum(below) * len(below) ** -0.25))
        rows.append((*cell, persons, 5 * sum(below)))
    names = [d.name for d in declared.dimensions]
    frame = pd.DataFrame(rows, columns=[*names, "visitors_bounded", "page_views_bounded"])
    return Table(declared.name, TITLE, declared.dimensions, declared.measures, frame)


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_what_is_promised_is_what_is_stated_within_a_twentieth(policies, changes):
    plan = plan_of(policies, PRIVACY | changes, ["access_source", "day_type"])
    method, protection = method_of(plan.method), plan.release.protection
    noisy = drawn([counted(plan)], protection)
    (table,) = method.errors(plan, protection, tuple(one.table for one in consistent(plan, protection, noisy)))
    levels = list(zip(*level_columns(table), strict=True))
    promised = method.promised(plan, protection)
    assert len(promised) == 8
    for one in promised:
        stated = table.frame.loc[[own == one.levels for own in levels], f"{one.measure}_error"]
        assert one.cells == len(stated)
        assert one.listed_from == 1
        assert one.error == pytest.approx(stated.astype(float).mean(), rel=0.05, abs=0.5)


def test_of_classes_that_are_selected_it_is_said_from_how_many_persons_on(policies):
    plan = plan_of(policies, PRIVACY | {"rho": "0.4", "delta": "0.000001", "consistent": False}, ["access_source"])
    known = method_of(plan.method).promised(plan, plan.release.protection)
    open_release = policies.release("population-by-place").model_dump(by_alias=True)
    measures = {"persons_bounded": {"kind": "persons", "source": "locations", "title": TITLE}}
    open_release["tables"] = {"places": {"title": TITLE, "dimensions": ["mesh"], "measures": measures}}
    protection = {"method": "differential_privacy", "rho": "0.4", "delta": "0.000001", "max_cells": 4}
    release = type(policies.release("web-audience")).model_validate(open_release | {"protection": protection})
    places = resolve(policies, release, parse_period(release.period, "2026-10"))
    selected = {one.levels: one for one in method_of(places.method).promised(places, release.protection)}
    assert {one.listed_from for one in known} == {1}
    assert selected["mesh3",].cells is None
    assert selected["mesh3",].listed_from > 4 * selected["mesh3",].error / 2
    assert (selected[TOTAL,].cells, selected[TOTAL,].listed_from) == (1, 1)


def test_cell_keys_promise_what_they_state_of_the_greatest_totals(policies):
    content = policies.release("service-usage").model_dump(by_alias=True)
    protection = {"method": "cell_key", "minimum_count": 10, "most_per_person": {"uses": 300}}
    release = type(policies.release("service-usage")).model_validate(content | {"protection": protection, "pins": {}})
    plan = resolve(policies, release, parse_period(release.period, "2026-10"))
    found = method_of(plan.method).promised(plan, release.protection)
    assert {(one.measure, one.listed_from, one.error) for one in found} == {("users", 10, 5), ("uses", 10, 200)}
    assert len(found) == 2 * 2**3


def test_exact_figures_promise_nothing_of_noise(policies):
    plan = resolve(policies, policies.release("service-usage"), parse_period("month", "2026-10"))
    assert method_of(plan.method).promised(plan, plan.release.protection) == ()


def test_what_is_the_same_of_every_margin_is_told_once(policies):
    content = policies.release("service-usage").model_dump(by_alias=True)
    protection = {"method": "cell_key", "minimum_count": 10, "most_per_person": {"uses": 300}}
    release = type(policies.release("service-usage")).model_validate(content | {"protection": protection, "pins": {}})
    plan = resolve(policies, release, parse_period(release.period, "2026-10"))
    assert promises(plan, method_of(plan.method).promised(plan, release.protection)) == [
        "  usage.users of every margin: those of 10 persons or more; 95 % of figures within 5, or nearer",
        "  usage.uses of every margin: those of 10 persons or more; 95 % of figures within 200, or nearer",
    ]
