"""Anyone's rows made k-anonymous: read, searched, checked once more from what is written, and written."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from anonymization.engine import memory_share
from anonymization.engine.files import Tabular, TabularEngine
from anonymization.errors import InputError, Refusal
from anonymization.hierarchies.folder import load_hierarchies
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import Criterion, Distance
from anonymization.microdata.files.distances import default_distance, sensitive_hierarchy
from anonymization.microdata.files.report import Anonymized, report, write_report
from anonymization.microdata.files.request import Request, criteria
from anonymization.microdata.files.risk import disclosure, published_classes, reidentification
from anonymization.microdata.files.rows import (
    Recoding,
    Rows,
    SensitiveColumn,
    part_name,
    read_rows,
    recoded,
    write_rows,
)
from anonymization.microdata.full_domain.search import Budget, Solution, search
from anonymization.microdata.loss import Losses, Metric


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


_GLANCE = Budget(evaluations=500, visits=50_000)
"""Of the full-domain search that local recoding starts with."""


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
        return _searched_locally(request, rows, asked)
    budget = None if request.work is None else Budget(evaluations=request.work)
    solution = search(
        rows.histogram, asked, suppression_limit=request.suppression_limit, metric=request.metric, budget=budget
    )
    return _Found(
        recoded(rows, solution), solution.losses, solution.suppressed_records, _levels(rows, solution),
        solution.proven_optimal, solution.lower_bound,
    )  # fmt: skip


def _searched_locally(request: Request, rows: Rows, asked: Sequence[Criterion]) -> _Found:
    # A second of imports that only this kind of recoding needs.
    from anonymization.microdata.files.local_rows import Acceptable, recoded_locally, rows_by_level, units  # noqa: PLC0415
    from anonymization.microdata.local.recoding import Aggregate, recode_locally  # noqa: PLC0415

    k, more = asked[0], asked[1:]
    k.check(rows.histogram)
    persons = rows.histogram.persons
    allowed = math.floor(Fraction(repr(float(request.suppression_limit))) * persons)
    at_most = _at_most(request, rows, k)
    parts = units(rows, with_sensitive=bool(more))
    acceptable = None if parts.value_of is None else Acceptable(rows, parts.value_of, more)
    try:
        solution = recode_locally(
            parts.histogram, request.k, suppression_limit=min(1.0, (allowed + 0.5) / persons),  # no rounding loses one
            aggregate=Aggregate.GEOMETRIC if request.metric is Metric.LOSS else Aggregate.ARITHMETIC,
            work=request.work, at_most=at_most, acceptable=acceptable,
        )  # fmt: skip
    except InputError as error:  # the input was checked before: what is left is that no class would do
        raise Refusal(f"no local recoding gives {' and '.join(map(str, asked))}: {error}") from None
    recoding = recoded_locally(rows, parts, solution)
    suppressed = int(recoding.suppressed[recoding.part_of].sum())
    if suppressed > allowed:
        raise Refusal(
            f"{suppressed:,} rows would keep no quasi-identifier at all, {allowed:,} may: add a level to the "
            "hierarchies that stands for every value, or raise the suppression limit"
        )
    sizes = published_classes(rows, recoding).counts.astype(np.float64)
    squares = float(np.square(sizes).sum()) + float(persons) * suppressed
    losses = Losses(
        solution.loss, solution.loss_arithmetic, squares, math.nan, float(sizes.mean()) if len(sizes) else 0.0
    )
    return _Found(recoding, losses, suppressed, rows_by_level(rows, solution), proven_optimal=False, lower_bound=None)


def _at_most(request: Request, rows: Rows, k: Criterion) -> tuple[int, ...] | None:
    """The levels of a good full-domain recoding with k alone: local recoding then loses no more. None if none is."""
    try:
        found = search(
            rows.histogram, [k], suppression_limit=request.suppression_limit, metric=request.metric, budget=_GLANCE
        )
    except Refusal:
        return None
    return found.levels


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
    """A value of the hierarchy and what stands for it: the most frequent text that is no value, if there is one."""
    labels = recoding.labels[d]
    rows = np.bincount(recoding.part_of, minlength=len(recoding.codes))
    rows[recoding.suppressed] = 0
    frequent = np.bincount(recoding.codes[:, d], rows, len(labels))
    values = set(hierarchy.labels[0])
    general = np.array([0 if label in values else n for label, n in zip(labels, frequent, strict=True)])
    label = labels[int((general if general.any() else frequent).argmax())]
    for level in range(hierarchy.levels):
        if label in hierarchy.labels[level]:
            leaves = np.flatnonzero(hierarchy.ancestors[level] == hierarchy.labels[level].index(label))
            return hierarchy.labels[0][leaves[0]], label
    return hierarchy.labels[0][0], label


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started
