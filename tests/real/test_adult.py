"""Census records and 80 optima that another tool computed for them: equal loss on every one."""

from __future__ import annotations

import json
from functools import cache

import pandas as pd
import pytest

from anonymization.hierarchies.hierarchy import read_hierarchy
from anonymization.microdata.criteria import KAnonymity
from anonymization.microdata.full_domain.search import search
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.loss import Metric

pytestmark = [pytest.mark.real]

METRICS = {
    "loss": Metric.LOSS, "loss_arith": Metric.LOSS_ARITHMETIC, "dm": Metric.DISCERNIBILITY, "nue": Metric.ENTROPY,
}  # fmt: skip
FIVE = ("age", "sex", "race", "marital-status", "education")


@pytest.fixture(scope="module")
def counted(real_data):
    folder = real_data / "adult"
    frame = pd.read_csv(folder / "adult.csv", sep=";", dtype=str)

    @cache
    def count(attributes):
        files = {attribute: folder / f"adult_hierarchy_{attribute}.csv" for attribute in attributes}
        return count_tuples(frame, [read_hierarchy(path, attribute) for attribute, path in files.items()])

    return count


def test_the_same_loss_as_every_known_optimum(counted, real_data):
    records = json.loads((real_data / "adult" / "optimum.json").read_text())["records"]
    assert len(records) >= 80
    different = []
    for record in records:
        histogram = counted(tuple(record["qis"]))
        metric = METRICS[record["metric"]]
        found = search(
            histogram, [KAnonymity(record["k"])], suppression_limit=record["suppression_limit"], metric=metric
        )
        assert found.proven_optimal
        assert found.min_class >= record["k"]
        assert found.suppressed_records <= record["suppression_limit"] * histogram.persons
        if found.losses.of(metric) != pytest.approx(record["info_loss"], rel=2e-9, abs=2e-9):
            different.append((record["case"], record["k"], record["suppression_limit"], found.losses.of(metric)))
        elif found.levels == tuple(record["optimum_levels"]):  # elsewhere another node has the same loss
            same = (record["suppressed"], record["classes"], record["min_class"])
            assert (found.suppressed_records, found.classes, found.min_class) == same
    assert different == []


def test_two_figures_by_hand(counted):
    found = {
        metric: search(counted(FIVE), [KAnonymity(5)], suppression_limit=0.05, metric=metric).losses.of(metric)
        for metric in (Metric.DISCERNIBILITY, Metric.ENTROPY)
    }
    assert found[Metric.DISCERNIBILITY] == 9_800_845
    assert found[Metric.ENTROPY] == pytest.approx(92_199.6954, abs=5e-5)
