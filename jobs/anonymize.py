"""Anonymize: anyone's rows in, k-anonymous rows out, and a report of what was asked and what was achieved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from anonymization.engine import memory_share
from anonymization.engine.tabular import Tabular, TabularEngine
from anonymization.errors import InputError, Refusal
from anonymization.microdata.criteria import Criterion, Distance
from anonymization.microdata.hierarchy import MISSING, Hierarchy
from anonymization.microdata.lattice import Budget, Solution, search
from anonymization.microdata.loss import Losses
from anonymization.microdata.risk import disclosure, published_classes, reidentification
from anonymization.microdata.rows import Recoding, Rows, SensitiveColumn, part_name, read_rows, recoded, write_rows
from jobs.anonymize_request import Request, criteria
from jobs.anonymized import Anonymized, report, write_report
from jobs.hierarchies import load_hierarchies, sensitive_hierarchy


def anonymize(request: Request) -> Anonymized:
    """Write k-anonymous rows, and the report where one is asked for.

    Guarantees, counted again from what is written: every published class has k rows or more, and satisfies every
    other criterion asked for; at most floor(limit x rows) are suppressed. Nothing is written where that fails.

    Raises:
        InputError: files, columns, hierarchies or figures that are not what is allowed.
        Refusal: no generalization satisfies what is asked for.
    """
    seconds: dict[str, float] = {}
    files = [path for path in (request.data, request.population) if path is not None]
    with TabularEngine([*files, part_name(request.out)], memory_share()) as engine:
        with _timed(seconds, "read"):
            rows, distance = _read(engine, request)
        with _timed(seconds, "search"):
            found = _searched(request, rows, criteria(request, distance))
        with _timed(seconds, "check"):
            done = _checked(request, rows, distance, found, seconds)
        with _timed(seconds, "write"):
            write_rows(engine, rows, found.recoding, request.out, shuffle=request.shuffle)
    if request.report is not None:
        write_report(request.report, report(done))
    return done


def _read(engine: TabularEngine, request: Request) -> tuple[Rows, Distance]:
    """The rows, and the distance of t-closeness: as asked, else ordered where the sensitive values are numbers."""
    needed = [*request.quasi_identifiers, *([request.sensitive] if request.sensitive else [])]
    table = engine.open(request.data, needed)
    tables: list[Tabular] = [table]
    if request.population is not None:
        tables.append(engine.open(request.population, request.quasi_identifiers, "the population"))
    hierarchies = load_hierarchies(engine, tables, request.hierarchies, request.quasi_identifiers)
    if request.sensitive is None:
        return read_rows(engine, request.data, hierarchies, population=request.population), Distance.EQUAL
    tree = sensitive_hierarchy(request.hierarchies, request.sensitive, request.t_distance)
    distance = request.t_distance or default_distance(engine, table, request.sensitive)
    sensitive = SensitiveColumn(request.sensitive, distance is Distance.ORDERED, tree)
    return read_rows(
        engine, request.data, hierarchies, sensitive=sensitive, population=request.population
    ), distance  # fmt: skip


def default_distance(engine: TabularEngine, table: Tabular, column: str) -> Distance:
    """Return the ordered distance where a column's values are numbers, two different ones at least, else the equal."""
    values = [value for value in engine.distinct(table, [column])[0] if value != MISSING]
    try:
        return Distance.ORDERED if len({float(value) for value in values}) > 1 else Distance.EQUAL
    except ValueError:
        return Distance.EQUAL


@dataclass(frozen=True, eq=False)
class _Found:
    """What a search found, of either kind of recoding."""

    recoding: Recoding
    losses: Losses
    suppressed: int
    levels: Mapping[str, Mapping[int, int]]
    proven_optimal: bool
    lower_bound: float | None


def _searched(request: Request, rows: Rows, asked: Sequence[Criterion]) -> _Found:
    if request.recoding == "local":
        raise InputError("--recoding local is not built yet: global is allowed")
    budget = None if request.work is None else Budget(evaluations=request.work)
    solution = search(
        rows.histogram, asked, suppression_limit=request.suppression_limit, metric=request.metric, budget=budget
    )
    return _Found(
        recoded(rows, solution), solution.losses, solution.suppressed_records, _levels(rows, solution),
        solution.proven_optimal, solution.lower_bound,
    )  # fmt: skip


def _levels(rows: Rows, solution: Solution) -> dict[str, dict[int, int]]:
    published = rows.histogram.persons - solution.suppressed_records
    return {
        name: {level: published} for name, level in zip(rows.histogram.attributes, solution.levels, strict=True)
    }  # fmt: skip


def _checked(
    request: Request, rows: Rows, distance: Distance, found: _Found, seconds: dict[str, float]
) -> Anonymized:  # fmt: skip
    """What was achieved, counted from what will be written; refused where it is not what was asked for."""
    classes = published_classes(rows, found.recoding)
    for criterion in criteria(request, distance):
        if criterion.fails(classes).any():
            raise Refusal(f"the rows to be written do not satisfy {criterion}: a fault of this program; tell us")
    known = rows.histogram.attributes
    return Anonymized(
        request=request,
        rows=rows,
        columns=tuple(name for name in rows.table.columns if name not in known),
        distance=distance,
        levels=found.levels,
        examples={h.attribute: _example(h, found.recoding, d) for d, h in enumerate(rows.histogram.hierarchies)},
        losses=found.losses,
        suppressed=found.suppressed,
        proven_optimal=found.proven_optimal,
        lower_bound=found.lower_bound,
        risk=reidentification(classes),
        learnt=disclosure(classes, distance) if request.sensitive and len(classes.counts) else None,
        seconds=seconds,
    )


def _example(hierarchy: Hierarchy, recoding: Recoding, d: int) -> tuple[str, str]:
    """A value of the hierarchy and what stands for it: the most frequent generalized value, and its first value."""
    persons = np.bincount(recoding.part_of, minlength=len(recoding.codes))
    persons[recoding.suppressed] = 0
    label = recoding.labels[d][int(np.bincount(recoding.codes[:, d], persons).argmax())]
    for level in reversed(range(hierarchy.levels)):
        if label in hierarchy.labels[level]:
            leaves = np.flatnonzero(hierarchy.ancestors[level] == hierarchy.labels[level].index(label))
            return hierarchy.labels[0][leaves[0]], label
    return label, label


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started
