"""Risk: every figure by hand on small classes, and spelled out once more on random ones."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.engine.files import TabularEngine
from anonymization.errors import InputError
from anonymization.microdata.criteria import Classes, Distance
from anonymization.microdata.files.risk import disclosure, published_classes, reidentification
from anonymization.microdata.files.rows import SensitiveColumn, as_it_is, flat_hierarchies, read_rows
from anonymization.microdata.histogram.histogram import Sensitive


def classes(*of, labels="uvw", population=None, ordered=True):
    """Classes, each a text of sensitive values."""
    counted = [Counter(one) for one in of]
    entries = [(labels.index(value), n) for one in counted for value, n in sorted(one.items())]
    starts = np.cumsum([0, *(len(one) for one in counted)])
    codes, counts = (np.array(column) for column in zip(*entries, strict=True))
    sensitive = Sensitive("s", tuple(labels), starts, codes.astype(np.int32), counts, ordered)
    total = Counter("".join(of))
    overall = np.array([total[label] for label in labels]) / total.total()
    sizes = np.array([len(one) for one in of])
    return Classes(sizes, None if population is None else np.array(population), sensitive, overall)


def test_prosecutor_without_a_population():
    risk = reidentification(classes("u", "uv", "uuvvw"))
    assert (risk.records, risk.classes, risk.k, risk.largest_class) == (8, 3, 1, 5)
    assert risk.average_class == pytest.approx(8 / 3)
    assert risk.unique == 1 / 8
    assert risk.prosecutor.highest == 1
    assert risk.prosecutor.average == 3 / 8
    assert risk.prosecutor.at_risk == {0.05: 1.0, 0.1: 1.0, 0.2: 3 / 8, 0.5: 1 / 8}  # above, not at, the threshold
    assert risk.journalist is None
    assert risk.marketer == 3 / 8


def test_journalist_and_marketer_with_a_population():
    risk = reidentification(classes("u", "uv", "uuvvw", population=[4, 2, 10]))
    assert risk.journalist.highest == 0.5
    assert risk.journalist.average == risk.marketer == pytest.approx((1 / 4 + 2 / 2 + 5 / 10) / 8)
    assert risk.journalist.at_risk[0.2] == 3 / 8
    assert risk.prosecutor.highest == 1


def test_who_is_in_the_data_is_in_the_population():
    assert reidentification(classes("uv", population=[0])).journalist.highest == 0.5


def test_nothing_published():
    risk = reidentification(Classes(np.zeros(0, np.int64)))
    assert (risk.records, risk.k, risk.prosecutor.highest, risk.marketer) == (0, 0, 0.0, 0.0)


def test_disclosure_by_hand():
    learnt = disclosure(classes("uuuv", "uvww"), Distance.ORDERED)
    overall = {"u": 4 / 8, "v": 2 / 8, "w": 2 / 8}
    assert learnt.distinct_l == 2
    assert learnt.entropy_l == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))
    assert learnt.recursive_c == {2: 3.0}
    assert learnt.t == pytest.approx((abs(0.75 - 0.5) + abs(1.0 - 0.75)) / 2)
    assert learnt.alpha == 0.75
    assert learnt.basic_beta == pytest.approx((0.5 - overall["w"]) / overall["w"])
    assert learnt.enhanced_beta == pytest.approx(min(1.0, -math.log(0.25)))
    assert learnt.delta == pytest.approx(abs(math.log(0.25 / 0.5)))
    assert disclosure(classes("uuuv", "uvww"), Distance.EQUAL).t == pytest.approx(0.25)


ONE_VALUE = {"one class": ("uu",), "two classes": ("uu", "uuu")}


@pytest.mark.parametrize("of", ONE_VALUE.values(), ids=ONE_VALUE)
def test_one_value_tells_everything_and_is_close(of):
    learnt = disclosure(classes(*of, labels="u"), Distance.EQUAL)
    assert (learnt.distinct_l, learnt.t, learnt.alpha, learnt.basic_beta, learnt.delta) == (1, 0, 1, 0, 0)


REFUSED = {
    "no sensitive attribute": Classes(np.array([2])),
    "no class": Classes(np.zeros(0, np.int64), None, classes("u").sensitive, classes("u").overall),
}


@pytest.mark.parametrize("given_", REFUSED.values(), ids=REFUSED)
def test_refused(given_):
    with pytest.raises(InputError, match="at least one published class"):
        disclosure(given_, Distance.EQUAL)


@examples(60)
@given(st.lists(st.text("uvw", min_size=1, max_size=9), min_size=1, max_size=6))
def test_figures_spelled_out(of):
    learnt = disclosure(classes(*of), Distance.EQUAL)
    everyone = Counter("".join(of))
    p = {value: everyone[value] / everyone.total() for value in everyone}
    q = [{value: n / len(one) for value, n in Counter(one).items()} for one in of]
    assert learnt.distinct_l == min(map(len, q))
    assert learnt.alpha == max(max(one.values()) for one in q)
    assert learnt.t == pytest.approx(max(sum(abs(one.get(v, 0) - p[v]) for v in p) / 2 for one in q))
    assert learnt.basic_beta == pytest.approx(max(0, *((s - p[v]) / p[v] for one in q for v, s in one.items()), 0))
    assert learnt.delta == pytest.approx(max(abs(math.log(s / p[v])) for one in q for v, s in one.items()))
    assert learnt.entropy_l == pytest.approx(min(math.exp(-sum(s * math.log(s) for s in o.values())) for o in q))
    for diversity, c in learnt.recursive_c.items():
        counts = [sorted(Counter(one).values(), reverse=True) for one in of]
        assert c == max(n[0] / sum(n[diversity - 1 :]) for n in counts)


def test_classes_of_a_file_leave_the_suppressed_out(tmp_path):
    frame = pd.DataFrame({"a": ["x", "x", "*", "*", "y"], "b": ["*", "*", "*", "*", "*"], "s": list("uvuvu")})
    frame.to_csv(tmp_path / "in.csv", index=False)
    with TabularEngine([tmp_path / "in.csv"], "1GB") as engine:
        known = flat_hierarchies(engine, tmp_path / "in.csv", ["a", "b"])
        rows = read_rows(engine, tmp_path / "in.csv", known, sensitive=SensitiveColumn("s"))
        alone = read_rows(engine, tmp_path / "in.csv", known[1:])
    found = published_classes(rows, as_it_is(rows))
    by_class = defaultdict(list)
    for c, (start, end) in enumerate(zip(found.sensitive.starts, found.sensitive.starts[1:], strict=False)):
        for e in range(start, end):
            by_class[int(found.counts[c])].append(
                (found.sensitive.labels[found.sensitive.codes[e]], int(found.sensitive.counts[e]))
            )
    assert by_class == {2: [("u", 1), ("v", 1)], 1: [("u", 1)]}
    assert found.overall.tolist() == [0.6, 0.4]  # of all rows
    assert published_classes(alone, as_it_is(alone)).counts.tolist() == [5]  # all rows read *: one class
