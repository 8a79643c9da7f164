"""Short and long forms: what is exhaustive or random touches every kind in `make test`, and all of it by name.

A long form is one of `KINDS`; `pytest --long KIND` runs the tests that have one, in it, and nothing else. What they draw at
random goes on from run to run: the number of the run is the seed, told at its beginning, and `--run N` is that run again.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.detection import is_hypothesis_test

KINDS = {
    "engines": "every case of every table on Spark",
    "faults": "kills and crashes at every step, on every engine, and on a scheduler of Airflow",
    "fuzz": "properties with many examples",
    "attacks": "large and many attacks on what was released",
}
RUNS = "noren/long-forms"


class Chosen:
    """The form of this run."""

    kind: str | None = None
    run: int = 0


def is_long(kind):
    """Whether this run is the long form of a kind."""
    return Chosen.kind == kind


def long_only(kind, *values, **more):
    """A case of a table that stands in the long form alone: `pytest.param` with its kind."""
    return pytest.param(*values, marks=pytest.mark.long(kind), **more)


def examples(number):
    """Settings of a property that was worth so many examples: a sixth of them in short, twice as many in long."""
    return settings(max_examples=_by_form(number), deadline=None, suppress_health_check=list(HealthCheck))


def _by_form(number):
    return 2 * number if is_long("fuzz") else max(2, number // 6)


def pytest_addoption(parser):
    parser.addoption("--long", choices=KINDS, help="run the long form of what has one, and nothing else")
    parser.addoption("--run", type=int, help="the number of the run of a long form: it seeds what is drawn at random")


def pytest_configure(config):
    config.addinivalue_line("markers", f"long(kind): stands in the long form alone, one of {', '.join(KINDS)}")
    config.addinivalue_line("markers", "both(kind): has a short form and a long one")
    config.addinivalue_line(
        "markers", "once_on_spark: DuckDB takes every case; Spark, where each costs seconds, in short one"
    )
    config.addinivalue_line(
        "markers", "later_on_spark: DuckDB takes it in short, Spark in long alone: others touch its kind on Spark"
    )
    Chosen.kind = config.getoption("long")
    settings.register_profile("by form", deadline=None, max_examples=_by_form(settings.default.max_examples))
    settings.load_profile("by form")
    if Chosen.kind is None:
        return
    given = config.getoption("run")
    Chosen.run = _next(config) if given is None else given
    config.option.run = Chosen.run  # which pytest-xdist hands to its workers
    config.option.hypothesis_seed = str(Chosen.run)


def _next(config):
    """Count the runs of a long form on this machine, this one among them."""
    runs = config.cache.get(RUNS, {})
    number = runs.get(Chosen.kind, 0) + 1
    config.cache.set(RUNS, runs | {Chosen.kind: number})
    return number


def _cases_again_on_spark(items):
    """What Spark takes in long alone; of tables of which it takes one case in short, all but the first by name."""
    tables, later = {}, set()
    for item in items:
        if getattr(item, "callspec", None) is None or item.callspec.params.get("engine") != "spark":
            continue
        if item.get_closest_marker("later_on_spark"):
            later.add(item.nodeid)
        elif item.get_closest_marker("once_on_spark"):
            tables.setdefault((item.path, item.originalname), []).append(item.nodeid)
    return later | {case for cases in tables.values() for case in sorted(cases)[1:]}


def pytest_report_header():
    if Chosen.kind is None:
        return f"short forms; long ones: {', '.join(f'make {kind}' for kind in KINDS)}"
    return f"{Chosen.kind}, the long form: {KINDS[Chosen.kind]}; run {Chosen.run}, again with RUN={Chosen.run}"


def pytest_collection_modifyitems(config, items):
    kept, left = [], []
    again = _cases_again_on_spark(items)
    for item in items:
        only = {mark.args[0] for mark in item.iter_markers("long")}
        if item.nodeid in again:
            only.add("engines")
        kinds = only | {mark.args[0] for mark in item.iter_markers("both")}
        if is_hypothesis_test(getattr(item, "obj", None)):
            kinds.add("fuzz")
        unknown = kinds - KINDS.keys()
        assert not unknown, f"{item.nodeid}: unknown long forms {sorted(unknown)}; known: {sorted(KINDS)}"
        (kept if (not only if Chosen.kind is None else Chosen.kind in kinds) else left).append(item)
    items[:] = kept
    if left and "PYTEST_XDIST_WORKER" not in os.environ:
        config.hook.pytest_deselected(items=left)
