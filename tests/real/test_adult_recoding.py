"""Local recoding of the adult data, all nine attributes: the losses that the default budget must reach.

The budget is counted work and the random numbers are its own: a loss here is the same on every machine.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from harness.forms import long_only

from anonymization.hierarchies.hierarchy import read_hierarchy
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.local.recoding import Aggregate, recode_locally

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]


@pytest.fixture(scope="module")
def adult(real_data):
    folder = real_data / "adult"
    if not folder.is_dir():
        pytest.skip(f"no adult data at {folder}: set NOREN_REAL_DATA")
    frame = pd.read_csv(folder / "adult.csv", sep=";", dtype=str)
    return count_tuples(frame, [read_hierarchy(folder / f"adult_hierarchy_{name}.csv", name) for name in frame.columns])


def guaranteed(histogram, k, solution):
    persons = np.bincount(solution.tuple_of, solution.amount, len(histogram.counts))
    assert (persons == histogram.counts).all()
    assert np.bincount(solution.class_of, solution.amount).min() == solution.min_class >= k
    for d, hierarchy in enumerate(histogram.hierarchies):
        level, code = solution.levels[solution.class_of, d], solution.codes[solution.class_of, d]
        assert (hierarchy.ancestors[level, histogram.tuples[solution.tuple_of, d]] == code).all()


TARGETS = [
    long_only("fuzz", 2, 0.0193, 0.0195),
    (5, 0.0488, 0.0490),
    long_only("fuzz", 10, 0.0727, 0.0738),
    long_only("fuzz", 100, 0.1790, 0.1910),
]


@pytest.mark.parametrize(("k", "geometric", "arithmetic"), TARGETS)
def test_the_losses_are_reached(adult, k, geometric, arithmetic):
    for aggregate, target in ((Aggregate.GEOMETRIC, geometric), (Aggregate.ARITHMETIC, arithmetic)):
        solution = recode_locally(adult, k, aggregate=aggregate)
        guaranteed(adult, k, solution)
        assert aggregate.of(solution.losses) <= target


@pytest.mark.parametrize("k", [2, 5, 10, 100])
def test_the_sweep_alone(adult, k):
    solution = recode_locally(adult, k, work=0)
    guaranteed(adult, k, solution)
    assert solution.loss <= {2: 0.0217, 5: 0.0520, 10: 0.0753, 100: 0.1842}[k]


def test_far_below_the_best_full_domain_recoding(adult, real_data):
    records = json.loads((real_data / "adult" / "optimum.json").read_text(encoding="utf-8"))["records"]
    tried = [r for r in records if len(r["qis"]) == 9 and r["metric"] == "loss" and r["suppression_limit"] == 0]
    for record in tried:
        place = dict(zip(record["qis"], record["optimum_levels"], strict=True))
        levels = [place[name] for name in adult.attributes]
        solution = recode_locally(adult, record["k"], at_most=levels, work=0)
        guaranteed(adult, record["k"], solution)
        assert solution.loss < record["info_loss"] / 2
    assert tried
