"""Propose levels for RELEASE's person dimensions; they are pinned by hand, and rechecked by the gate.

The levels proposed put nearly everybody into classes of enough persons. Levels that moved from month to month would let
a reader subtract one month's classes from another's: so a proposal changes nothing. A person writes it into the release
(finest, levels), and the gate checks that it still fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np

from anonymization.errors import InputError
from anonymization.microdata.criteria import KAnonymity
from anonymization.microdata.full_domain.search import search
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.histogram.of_relation import group_relation
from anonymization.policy.releases import DimensionKind
from anonymization.release.inputs import opened_events, plan_release
from anonymization.release.setting import Setting, opened
from anonymization.release.states import inputs_of
from anonymization.tables.counting.persons import profile_sql, profile_statements
from jobs.declared_hierarchies import declared_hierarchy
from jobs.options import engine_option, master_option, period_option

PROFILE = "profile"
DEFAULT_LIMIT = 0.02
"""Share of persons, at most, that a proposal leaves in classes of too few."""


@click.command("profile", help=__doc__)
@click.argument("release")
@period_option
@click.option(
    "--suppression-limit",
    "limit",
    type=click.FloatRange(0, 1),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Share of persons, at most, in classes of fewer than the release's minimum count.",
)
@engine_option
@master_option
def command(release: str, period: str, limit: float, engine: str, master: str | None) -> None:
    with opened() as setting:
        proposal = propose(setting, release, period, limit=limit, engine=engine, master=master)
    for line in lines(proposal):
        click.echo(line)


@dataclass(frozen=True)
class ProposedLevel:
    """One person dimension.

    Attributes:
        pinned: the hierarchy's level that the release has now; level 0 is the value itself.
        proposed: the level proposed; the last one is everybody in one class.
        codes: how many codes each of the two has: pinned, proposed.
    """

    dimension: str
    pinned: int
    proposed: int
    levels: int
    codes: tuple[int, int]


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a release.

    Attributes:
        few_pinned: share of persons in classes of fewer than `minimum_count`, at the release's own levels.
        few_proposed: the same at the proposed ones.
        loss: of the proposal, geometric, 0 to 1.
        proven: whether no levels that keep the limit cost less.
    """

    release: str
    period: str
    persons: int
    minimum_count: int
    limit: float
    dimensions: tuple[ProposedLevel, ...]
    few_pinned: float
    few_proposed: float
    loss: float
    proven: bool


def propose(
    setting: Setting,
    name: str,
    period: str,
    *,
    limit: float = DEFAULT_LIMIT,
    engine: str = "duckdb",
    master: str | None = None,
) -> Proposal:
    """Return the levels of least loss at which no more than `limit` of the persons are in classes of too few.

    Raises:
        Refusal: no levels do, not even the coarsest.
        InputError: the release has no person dimension, or there are no events.
    """
    plan, _ = plan_release(setting.policies, name, period)
    specs = {n: s for n, s in plan.release.dimensions.items() if s.kind is DimensionKind.PERSON}
    if not specs:
        raise InputError(f"release {name!r} has no person dimension: there are no levels to propose")
    measured = [m for table in plan.tables for m in table.measures if m.how.persons]
    population = sorted({measure.source for measure in measured})
    inputs = inputs_of(setting, plan.release.sources, plan.period)
    with opened_events(setting.home, setting.policies, inputs, engine=engine, master=master) as (opened, events):
        for statement in profile_statements(plan, plan.attributes, events):
            opened.create(statement.name, statement.sql)
        opened.create(PROFILE, profile_sql(plan, list(specs), population, events))
        hierarchies = [declared_hierarchy(setting.policies, n, s.hierarchy, s.codelist) for n, s in specs.items()]
        histogram = group_relation(opened, PROFILE, hierarchies)
    found = search(histogram, [KAnonymity(plan.minimum_count)], suppression_limit=limit)
    pinned = tuple(spec.finest for spec in specs.values())
    return Proposal(
        release=name,
        period=plan.period.name,
        persons=histogram.persons,
        minimum_count=plan.minimum_count,
        limit=limit,
        dimensions=tuple(
            ProposedLevel(dimension, was, level, h.levels, (len(h.labels[was]), len(h.labels[level])))
            for dimension, was, level, h in zip(specs, pinned, found.levels, hierarchies, strict=True)
        ),
        few_pinned=few(histogram, pinned, plan.minimum_count),
        few_proposed=few(histogram, found.levels, plan.minimum_count),
        loss=found.losses.loss,
        proven=found.proven_optimal,
    )


def few(histogram: Histogram, levels: Sequence[int], minimum_count: int) -> float:
    """Return the share of persons in classes of fewer than `minimum_count` persons at these levels."""
    chosen = zip(histogram.hierarchies, levels, histogram.tuples.T, strict=True)
    codes = np.column_stack([h.ancestors[level][leaves] for h, level, leaves in chosen])
    _, classes = np.unique(codes, axis=0, return_inverse=True)
    sizes = np.bincount(classes.ravel(), histogram.counts)
    return float(sizes[sizes < minimum_count].sum() / histogram.persons)


def lines(proposal: Proposal) -> list[str]:
    """Return the proposal in words."""
    p = proposal
    least = "the least possible" if p.proven else "the least found"
    asked = f"N = {p.minimum_count}, at most {p.limit:.2%} of them in classes of fewer"
    told = [
        f"{p.release} {p.period}: {p.persons:,} persons; {asked}",
        f"pinned    {p.few_pinned:.2%} of the persons are in classes of fewer than {p.minimum_count}",
        f"proposed  {p.few_proposed:.2%}, at a loss of {p.loss:.4f} of 1, {least}",
    ]
    for d in p.dimensions:
        change = "stays" if d.proposed == d.pinned else "everybody in one class" if d.proposed == d.levels - 1 else ""
        change = change or f"finest: {d.proposed}"
        told.append(f"  {d.dimension}: level {d.pinned} ({d.codes[0]} codes) -> {d.proposed} ({d.codes[1]}): {change}")
    told.append(
        "Nothing was changed. Pin levels in the release, with protection.suppression_limit for the gate to check."
    )
    return told
