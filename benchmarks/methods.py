"""What each way of protection keeps of the shipped releases, and how far its figures are from the true ones.

Persons alone are compared, since all methods protect them: cells of at least one person, by true tables. A cell is
kept where its own figure is published; its persons are then kept too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pandas as pd

from anonymization.errors import NorenError
from anonymization.home import Home
from anonymization.policy.load import Policies
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import CellKey, DifferentialPrivacy, Protection
from anonymization.policy.releases import MeasureKind
from anonymization.release.inputs import find_inputs, opened_events
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.cell_key import with_noise
from anonymization.tables.methods.differential_privacy import drawn, require_bounds
from anonymization.tables.methods.suppression import suppressed
from anonymization.tables.model import FREE, SafeTable, Table
from anonymization.tables.plan import Plan, resolve
from benchmarks.measure import Cost, now, since
from jobs.synthetic.month import MONTH

ROW = "  {:<46}{:>10}{:>9}{:>9}{:>11}{:>9}"
HEAD = ROW.format("persons of each cell", "cells", "kept", "persons", "mean error", "CPU s")
RHO, DELTA, MAX_CELLS = Decimal("0.5"), Decimal("0.000001"), 8


@dataclass(frozen=True)
class Kept:
    """What is left of a release.

    Attributes:
        cells: cells of at least one person.
        shown: share of them that are published.
        persons: the same, each cell counted by its persons.
        error: mean distance of the published figures from the true ones, in persons.
        cost: of protecting, without tabulating.
    """

    cells: int
    shown: float
    persons: float
    error: float
    cost: Cost


def compare(home: Home, policies: Policies, name: str) -> Iterator[tuple[str, Kept | str]]:
    """Yield each method with what it keeps of a release, or why it cannot protect it."""
    truth = _tables(home, policies, _unmerged(_plan(policies, name, None)))
    for title, protection in _methods(policies, name):
        plan = _plan(policies, name, protection)
        try:
            require_bounds(plan)
            tables = _tables(home, policies, plan)
            before = now()
            safe = _protected(plan, tables)
            yield title, kept(truth, safe, since(before))
        except NorenError as error:
            yield title, str(error)


def _methods(policies: Policies, name: str) -> Iterator[tuple[str, Protection]]:
    own = policies.release(name).protection
    merged = getattr(own, "merge", None)
    if merged:
        yield f"merged into rests ({merged})", own
    yield "suppressed" if not merged else "withheld with all above", own.model_copy(update={"merge": None})
    yield "cell keys, D=5, V=2", CellKey(method="cell_key", minimum_count=own.minimum_count, zeros=own.zeros)
    yield (
        f"noise, rho={RHO}, at most {MAX_CELLS} cells a person",
        DifferentialPrivacy(method="differential_privacy", rho=RHO, delta=DELTA, max_cells=MAX_CELLS),
    )


def _plan(policies: Policies, name: str, protection: Protection | None) -> Plan:
    """A release's plan, of persons alone, under another protection."""
    release = policies.release(name)
    tables = {}
    for table, spec in release.tables.items():
        persons = {n: m for n, m in spec.measures.items() if m.kind is MeasureKind.PERSONS}
        if persons:
            tables[table] = spec.model_copy(update={"measures": persons})
    chosen = {"tables": tables, "protection": protection or release.protection}
    return resolve(policies, release.model_copy(update=chosen), parse_period(release.period, MONTH))


def _unmerged(plan: Plan) -> Plan:
    tables = (replace(t, dimensions=tuple(replace(d, merged=False) for d in t.dimensions)) for t in plan.tables)
    own = plan.release.protection
    bare = plan.release.model_copy(update={"protection": own.model_copy(update={"merge": None})})
    return replace(plan, tables=tuple(tables), release=bare)


def _tables(home: Home, policies: Policies, plan: Plan) -> tuple[Table, ...]:
    inputs = find_inputs(home, policies, plan.release.sources, plan.period, judging=plan.judging)
    with opened_events(home, policies, inputs, engine="duckdb") as (engine, events):
        return tabulate(engine, plan, events)


def _protected(plan: Plan, tables: tuple[Table, ...]) -> Sequence[SafeTable]:
    protection = plan.release.protection
    if isinstance(protection, CellKey):
        return with_noise(tables, protection, plan.period, withheld=plan.withheld)
    if isinstance(protection, DifferentialPrivacy):
        return drawn(tables, protection)
    return suppressed(plan, tables).tables


def kept(truth: Sequence[Table], published: Sequence[SafeTable], cost: Cost) -> Kept:
    """Return what is left of true tables."""
    named: Mapping[str, SafeTable] = {table.name: table for table in published}
    parts = []
    for table in truth:
        safe = named[table.name].frame
        for measure in table.measures:
            told = safe.loc[safe[f"{measure.name}_status"] == FREE, [*table.keys, measure.name]]
            true = table.frame[[*table.keys, measure.name]].rename(columns={measure.name: "true"})
            both = true.merge(told.rename(columns={measure.name: "told"}), on=table.keys, how="left")
            parts.append(both.loc[both["true"] > 0, ["true", "told"]])
    cells = pd.concat(parts, ignore_index=True)
    shown = cells["told"].notna()
    error = (cells["told"] - cells["true"])[shown].abs().mean()
    return Kept(
        len(cells), float(shown.mean()), float(cells.loc[shown, "true"].sum() / cells["true"].sum()),
        0.0 if pd.isna(error) else float(error), cost,
    )  # fmt: skip


def show(home: Home, policies: Policies, names: Sequence[str]) -> None:
    """Print all methods side by side, release by release."""
    for name in names:
        print(f"\n{name}\n{HEAD}")
        for title, found in compare(home, policies, name):
            if isinstance(found, str):
                print(f"  {title:<46}{found.partition(':')[2].partition(';')[0].strip() or found}")
            else:
                figures = f"{found.shown:.1%}", f"{found.persons:.1%}", f"{found.error:.2f}", f"{found.cost.cpu:.2f}"
                print(ROW.format(title, f"{found.cells:,}", *figures), flush=True)
