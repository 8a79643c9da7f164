"""Attacks on cell keys: averaging, re-runs, re-orderings, and the distribution of the noise against its table."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal

import numpy as np
import pytest
from harness.events import registered
from scipy import stats

from anonymization.policy.periods import one_key_period, parse_period
from anonymization.tables.counting.record_keys import KEYS, key_column
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.cell_key_noise import perturbation
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve

DEVIATION, VARIANCE = 5, Decimal(2)
TABLE = perturbation(DEVIATION, VARIANCE)
SIZES = (3, 4, 6)
CELLS, MEMBERS = 4_000, 600


def pseudonyms(number, key=b"period key"):
    """Pseudonyms as the intake makes them: the first 60 bits of an HMAC."""
    made = (hmac.new(key, b"cookie\x1f%d" % n, hashlib.sha256).hexdigest()[:15] for n in range(number))
    return np.array([int(text, 16) for text in made])


@pytest.fixture(scope="module")
def record_keys():
    return pseudonyms(20_000) % KEYS


def published(counts, keys):
    return TABLE.perturbed(np.asarray(counts), np.asarray(keys))


def fresh(random):
    """A leaky mechanism: new noise for each figure that is asked for."""
    return lambda counts, _: TABLE.perturbed(np.asarray(counts), random.integers(0, KEYS, np.shape(counts)))


def averaging_error(mechanism, record_keys, random, repeats):
    """The mean squared error of the mean of one cell's figure, asked for again and again, over many cells."""
    errors = []
    for _ in range(CELLS // 10):
        chosen = random.choice(record_keys, 40, replace=False)
        asked = [mechanism([40], [random.permutation(chosen).sum()])[0] for _ in range(repeats)]
        errors.append((np.mean(asked) - 40) ** 2)
    return float(np.mean(errors))


def test_asking_again_or_in_another_order_tells_nothing_more(record_keys):
    random = np.random.default_rng(1)
    once = averaging_error(published, record_keys, random, 1)
    often = averaging_error(published, record_keys, np.random.default_rng(1), 25)
    assert 1.5 < once < 2.5
    assert 1.5 < often < 2.5
    # the attack works on a mechanism that draws anew: the noise averages out
    leaky = averaging_error(fresh(random), record_keys, random, 25)
    assert leaky < 0.2


def partition_sums(mechanism, record_keys, random):
    """For each of many populations: the error of its own figure, and of its sum over each of several partitions."""
    errors = np.empty((CELLS, 1 + len(SIZES)))
    for cell in range(CELLS):
        keys = random.choice(record_keys, MEMBERS, replace=False)
        errors[cell, 0] = mechanism([MEMBERS], [keys.sum()])[0] - MEMBERS
        for at, size in enumerate(SIZES, start=1):
            part = random.integers(0, size, MEMBERS)
            counts, sums = np.bincount(part, minlength=size), np.bincount(part, keys, size).astype(np.int64)
            errors[cell, at] = mechanism(counts, sums).sum() - MEMBERS
    return errors


def test_equivalent_partitions_leave_the_noise_that_the_table_promises(record_keys):
    """The best linear estimate from a figure and its sums over partitions of m parts has V / (1 + sum 1/m)."""
    errors = partition_sums(published, record_keys, np.random.default_rng(2))
    expected = float(VARIANCE) * np.array([1, *SIZES])
    spread = 5 * np.sqrt(2 / CELLS)  # five standard errors of a variance
    assert np.abs(errors.var(axis=0) / expected - 1).max() < spread
    assert np.abs(np.corrcoef(errors.T) - np.eye(len(expected))).max() < 5 / np.sqrt(CELLS)
    weights = 1 / expected / (1 / expected).sum()
    best = (errors @ weights).var()
    bound = 1 / (1 / expected).sum()
    assert best > bound * (1 - spread)
    assert bound > 0.55 * float(VARIANCE)


def sampled(record_keys, number=100_000, members=20):
    """Noise of cells of 20 persons, drawn from a population of pseudonyms."""
    random = np.random.default_rng(3)
    sums = record_keys[random.integers(0, len(record_keys), (number, members))].sum(axis=1)
    return published(np.full(number, members), sums) - members


def chance(noise, table):
    """The p-value of noise against a perturbation table's last row, by a chi-squared test."""
    width = max(table.deviation, DEVIATION)
    seen = np.bincount(noise + width, minlength=2 * width + 1)
    expected = np.pad(table.weights[-1] / KEYS * len(noise), width - table.deviation)
    if np.any((expected == 0) & (seen > 0)):
        return 0.0
    at = expected > 0
    return float(stats.chisquare(seen[at], expected[at] / expected.sum() * seen.sum()).pvalue)


def test_the_noise_is_that_of_the_table_and_of_no_other(record_keys):
    noise = sampled(record_keys)
    assert chance(noise, TABLE) > 1e-4
    for scale in (Decimal("0.7"), Decimal("1.3")):
        assert chance(noise, perturbation(DEVIATION, VARIANCE * scale**2)) < 1e-12
    assert chance(noise, perturbation(DEVIATION, VARIANCE * Decimal("0.7"))) < 1e-12


def test_a_mixed_up_lookup_is_found(record_keys):
    """Noise whose scale is off by 30 per cent does not pass for that of the table."""
    other = perturbation(DEVIATION, VARIANCE * Decimal("1.69"))
    random = np.random.default_rng(4)
    noise = other.perturbed(np.full(100_000, 20), random.integers(0, KEYS, 100_000)) - 20
    assert chance(noise, TABLE) < 1e-12


def test_noise_of_two_periods_is_unrelated():
    """Another key, other record keys: the figures of the same persons in two periods are two draws."""
    cells = np.random.default_rng(5).integers(0, 5_000, (CELLS, 12))
    sums = [(pseudonyms(5_000, key) % KEYS)[cells].sum(axis=1) for key in (b"October", b"November")]
    noise = [published(np.full(CELLS, 12), keys) - 12 for keys in sums]
    assert abs(np.corrcoef(*noise)[0, 1]) < 5 / np.sqrt(CELLS)


def test_a_person_more_or_less_is_not_read_off_a_difference(record_keys):
    """Of two figures of populations that differ by one person, the difference is 1 no more often than noise makes it."""
    random = np.random.default_rng(6)
    seen = []
    for _ in range(CELLS):
        keys = random.choice(record_keys, 31, replace=False)
        seen.append(published([31], [keys.sum()])[0] - published([30], [keys[:-1].sum()])[0])
    weights = TABLE.weights[-1] / KEYS
    by_chance = float((weights**2).sum())
    assert abs(np.mean(np.array(seen) == 1) - by_chance) < 5 * np.sqrt(by_chance / CELLS)
    assert len(set(seen)) > 8


ENTIRE_WEEKS = [f"2026-W{week}" for week in (41, 42, 43)]
"""Those that lie in October and have a release of their own."""


def total_of(engine, policies, period, events):
    """Of a release of a period, the grand total of its persons and their cell key."""
    content = policies.release("web-audience").model_dump(by_alias=True)
    people = {"visitors": {"kind": "persons", "source": "analytics", "title": {"en": "x", "ja": "x"}}}
    content["tables"] = {"t": {"title": {"en": "x", "ja": "x"}, "dimensions": ["browser"], "measures": people}}
    content |= {
        "period": "week" if "W" in period else "month",
        "protection": {"method": "cell_key", "minimum_count": 10},
        "pins": {},
    }
    release = type(policies.release("web-audience")).model_validate(content)
    plan = resolve(policies, release, parse_period(release.period, period))
    assert one_key_period(plan.period)
    (table,) = tabulate(engine, plan, {"analytics": events})
    ((persons, key),) = table.frame.loc[
        table.frame["browser"] == TOTAL, ["visitors", key_column(table.measures[0])]
    ].to_numpy()
    return int(persons), int(key) % KEYS


def test_a_month_and_its_weeks_tell_one_noise_of_one_set_of_persons(duckdb_engine, policies, monkeypatch):
    """Record keys are of the month's key whatever a release's period is: there is nothing to average."""
    first, periods = 20_727, ["2026-10", *ENTIRE_WEEKS]  # the first of October
    people = pseudonyms(50)
    rows = [(int(p), first + day, "Chrome") for p in people for day in (0, 5, 13, 20, 27)]
    events = registered(duckdb_engine, policies, "analytics", rows, ["p", "day", "browser"])
    told = {total_of(duckdb_engine, policies, period, events) for period in periods}
    assert told == {(50, int((people % KEYS).sum()) % KEYS)}
    # the attack works on keys of a period of its own: the noises are several, and average out
    for times, period in enumerate(periods, start=1):
        own = f"{{}} % {KEYS} * {times} % {KEYS}"
        monkeypatch.setattr("anonymization.tables.counting.tabulate.record_key", own.format)
        told.add(total_of(duckdb_engine, policies, period, events))
    assert len(told) == len(periods)
