"""The search: figures by hand, what is refused and why, budgets, and lattices that fit no array."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from anonymization.errors import InputError, Refusal
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import DistinctDiversity, EntropyDiversity, KAnonymity, KMap
from anonymization.microdata.full_domain import rollup
from anonymization.microdata.full_domain.frontier import DENSE_LIMIT
from anonymization.microdata.full_domain.search import Budget, search
from anonymization.microdata.histogram.histogram import count_tuples
from anonymization.microdata.loss import Metric

CITY = Hierarchy.from_rows("city", [("a", "north", "*"), ("b", "north", "*"), ("c", "south", "*"), ("d", "south", "*")])
SEX = Hierarchy.from_rows("sex", [("f", "*"), ("m", "*")])
PERSONS = pd.DataFrame({"city": list("aabbccd"), "sex": list("ffffmmf"), "illness": list("xyxyxyx")})
COUNTED = count_tuples(PERSONS, [CITY, SEX], sensitive="illness")


def test_the_losses_of_a_small_case_by_hand():
    # k = 2 with one of seven suppressed: nobody is generalized, d is suppressed.
    found = search(COUNTED, [KAnonymity(2)], suppression_limit=0.15)
    assert (found.levels, found.suppressed_records, found.classes, found.min_class) == ((0, 0), 1, 3, 2)
    assert found.kept.tolist() == [True, True, True, False]
    assert found.class_of.tolist() == [0, 1, 2, -1]
    city, sex = (6 / 4 + 1 - 7 / 4) / (7 - 7 / 4), (6 / 2 + 1 - 7 / 2) / (7 - 7 / 2)
    assert found.losses.loss == pytest.approx(math.sqrt((1 + city) * (1 + sex)) - 1)
    assert found.losses.loss_arithmetic == pytest.approx((city + sex) / 2)
    assert found.losses.discernibility == 3 * 4 + 7
    assert found.losses.entropy == 0
    assert found.losses.average_class_size == 2
    assert found.proven_optimal
    assert found.lower_bound == found.losses.loss


def test_entropy_by_hand():
    # Without suppression d must join c, and m must join f: city on level 1, sex on level 1.
    found = search(COUNTED, [KAnonymity(3)], metric=Metric.ENTROPY)
    assert found.levels == (1, 1)
    city = 4 * 1 + 2 * math.log2(3 / 2) + math.log2(3)
    sex = 5 * math.log2(7 / 5) + 2 * math.log2(7 / 2)
    assert found.losses.entropy == pytest.approx(city + sex)


def test_everybody_may_be_suppressed():
    found = search(COUNTED, [KAnonymity(2), EntropyDiversity(3)], suppression_limit=1.0)
    assert (found.suppressed_records, found.classes, found.min_class) == (7, 0, 0)
    assert (found.losses.loss, found.losses.average_class_size) == (1, 0)


def test_the_limit_is_the_decimal_that_was_written():
    # 57 of 100 persons are alone: 0.57 of 100 is 57, though 0.57 * 100 is a little less in floating point.
    rows = [(str(v), "*") for v in range(58)]
    frame = pd.DataFrame({"n": [str(v) for v in range(57)] + ["57"] * 43})
    found = search(count_tuples(frame, [Hierarchy.from_rows("n", rows)]), [KAnonymity(2)], suppression_limit=0.57)
    assert (found.levels, found.suppressed_records) == ((0,), 57)


REFUSED = {
    "no criterion": ([], {}, InputError, "at least one is needed"),
    "a limit above 1": ([KAnonymity(2)], {"suppression_limit": 1.5}, InputError, "limit is 1.5: 0 to 1"),
    "a limit that is no number": ([KAnonymity(2)], {"suppression_limit": math.nan}, InputError, "0 to 1"),
    "k above the persons": ([KAnonymity(8)], {}, InputError, "k is 8, but the data holds 7"),
    "a population that is not given": ([KMap(2)], {}, InputError, "population is needed"),
    "not even the top": ([DistinctDiversity(3)], {}, Refusal, r"no generalization gives distinct 3-diversity with at most 0 of 7 .* raise the suppression limit"),
}  # fmt: skip


@pytest.mark.parametrize(("criteria", "options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(criteria, options, kind, message):
    with pytest.raises(kind, match=message):
        search(COUNTED, criteria, **options)


def test_an_impossible_budget():
    for wrong in ({"evaluations": 0}, {"visits": 0}, {"seconds": 0}):
        with pytest.raises(InputError, match="at least 1 evaluation"):
            Budget(**wrong)


def wide(dimensions, persons=400, seed=1):
    """Many attributes of nine values in four levels."""
    numbers = np.random.default_rng(seed).geometric(0.5, (persons, dimensions)).clip(max=9) - 1
    rows = [[str(v), f"{v // 3}", f"{v // 6}", "*"] for v in range(9)]
    names = [f"q{d}" for d in range(dimensions)]
    frame = pd.DataFrame(numbers, columns=names).astype(str)
    return count_tuples(frame, [Hierarchy.from_rows(name, rows) for name in names])


def test_a_lattice_that_fits_no_array():
    histogram = wide(14)
    assert math.prod(histogram.heights) > 1e7 > DENSE_LIMIT
    found = search(histogram, [KAnonymity(20)])
    assert found.proven_optimal
    assert found.min_class >= 20


def test_a_budget_that_ends_is_told():
    histogram = wide(12)
    for budget in (Budget(evaluations=40), Budget(visits=3), Budget(seconds=1e-9)):
        found = search(histogram, [KAnonymity(5)], suppression_limit=0.5, budget=budget)
        assert not found.proven_optimal
        assert 0 <= found.lower_bound < found.losses.loss
        assert found.min_class >= 5


def test_no_solution_within_the_budget_is_no_proof():
    # The top fails for entropy, which a part may satisfy: the search must go on, but may not.
    with pytest.raises(Refusal, match="within the budget"):
        search(COUNTED, [EntropyDiversity(1.99)], suppression_limit=0.2, budget=Budget(evaluations=1))


def test_a_hundred_thousand_values():
    rows = [[str(v), str(v // 10), str(v // 1000), "*"] for v in range(100_000)]
    frame = pd.DataFrame({"n": np.arange(100_000).astype(str), "sex": np.where(np.arange(100_000) % 2, "f", "m")})
    found = search(count_tuples(frame, [Hierarchy.from_rows("n", rows), SEX]), [KAnonymity(5)])
    assert (found.levels, found.min_class, found.classes) == ((1, 0), 5, 20_000)


def test_keys_that_fit_no_integer(monkeypatch):
    histogram = wide(6, persons=60)
    expected = search(histogram, [KAnonymity(3)], suppression_limit=0.1)
    monkeypatch.setattr(rollup, "_RADIX_LIMIT", 600)
    found = search(histogram, [KAnonymity(3)], suppression_limit=0.1)
    assert (found.levels, found.losses) == (expected.levels, expected.losses)


def test_without_room_for_rollups_the_result_is_the_same(monkeypatch):
    histogram = wide(5, persons=3000)
    expected = search(histogram, [KAnonymity(5)], suppression_limit=0.1)
    monkeypatch.setattr(rollup, "_MEMORY", 0)
    found = search(histogram, [KAnonymity(5)], suppression_limit=0.1)
    assert (found.levels, found.losses) == (expected.levels, expected.losses)


def test_persons_of_the_population_alone_form_no_class():
    population = pd.DataFrame({"city": list("aabbccdd"), "sex": list("ffffmmmm")})
    histogram = count_tuples(PERSONS.head(4), [CITY, SEX], population=pd.concat([population, PERSONS]))
    found = search(histogram, [KAnonymity(2), KMap(2)])
    assert (found.classes, found.min_class, found.suppressed_records) == (2, 2, 0)
    assert (found.kept == (histogram.counts > 0)).all()
    assert (found.class_of >= 0).tolist() == found.kept.tolist()
