"""Who changed between two states of the logs: counted from the events that came after an earlier release was built.

Whoever opted out in between changed as well: then their events went. A corrected version minus its original tells of
the events between. The figures say by how many persons a class grew, but not how many of those who were in it already
did something more: a total that grew by 37 may be one person's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from anonymization.disclosure.system import Integers
from anonymization.policy.protection import CellKey
from anonymization.release.gate.attacks import with_true_figures
from anonymization.release.inputs import (
    Inputs,
    event_columns_of,
    files_of_period,
    make_left_out,
    open_source,
    opened_events,
)
from anonymization.release.left_out import without
from anonymization.release.setting import Setting
from anonymization.tables.audit.corrections import changed_by_few, of_one_state
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.counting.recount import recount
from anonymization.tables.model import SafeTable
from anonymization.tables.plan import Plan


def changed(
    setting: Setting, plan: Plan, inputs: Inputs, issue: Issue, tables: Sequence[SafeTable], earlier: Sequence[Issue]
) -> tuple[Finding, ...]:
    """Return the contributions and noisy figures of a candidate that fewer than N persons changed since.

    Two states of the logs are told apart by exact figures; noisy ones say nothing of it, so there by the logs.

    Args:
        setting: the home, where the events are.
        plan: of the candidate.
        inputs: what it was built of.
        issue: the candidate, as it is published.
        tables: the candidate's.
        earlier: releases that share persons and are out, with what they were built of.
    """
    noise = plan.release.protection if isinstance(plan.release.protection, CellKey) else None
    same = {other.name for other in of_one_state(issue, earlier)} if noise is None else _of_the_same(inputs, earlier)
    found: list[Finding] = []
    for other in earlier:
        if other.name not in same:
            changers = _changers(setting, plan, inputs, tables, other)
            found += changed_by_few(replace(issue, noise=noise), replace(other, noise=noise), changers)
    return tuple(found)


def _of_the_same(inputs: Inputs, earlier: Sequence[Issue]) -> set[str]:
    """The names of the releases that were built of the same logs, of sources that they share with a candidate."""
    now = {source: {one.digest for one in taken} for source, taken in inputs.taken.items()}
    return {
        other.name
        for other in earlier
        if all(now[s] == set(then) for s, then in other.inputs.items() if s in now)
        and not _others_are_left_out(inputs, other)
    }


def _others_are_left_out(inputs: Inputs, other: Issue) -> bool:
    """Whether other choices are kept than in an earlier release, or the same ones may cover other ids."""
    return inputs.considered != inputs.as_considered(other.choices).considered


def _changers(
    setting: Setting, plan: Plan, inputs: Inputs, tables: Sequence[SafeTable], other: Issue
) -> dict[tuple[str, str], Integers | None]:
    """By table and measure the persons of each row with events that came or went since; null where none did at all."""
    late, then = {}, other.inputs
    for source in inputs.files:
        known = set(then.get(source, ()))
        files = files_of_period(setting.home, source, plan.period) if source in then else []
        late[source] = tuple(path for paths, one in files if one.digest not in known for path in paths)
    gone = _others_are_left_out(inputs, other)
    if not any(late.values()) and not gone:
        return {(table.name, measure.name): None for table in tables for measure in table.measures}
    counted = _counted(setting, plan, inputs, tables, late, inputs.as_considered(other.choices))
    found: dict[tuple[str, str], Integers | None] = {}
    for table in tables:
        true = with_true_figures(table, counted)
        for measure in table.measures:
            people = table.persons_of(measure).name
            here = true.for_threshold.get(people, true.frame[people].to_numpy(dtype=np.int64))
            found[table.name, measure.name] = here if late[measure.source] or gone else None
    return found


def _counted(
    setting: Setting,
    plan: Plan,
    inputs: Inputs,
    tables: Sequence[SafeTable],
    late: Mapping[str, tuple[Path, ...]],
    then: Inputs,
) -> pd.DataFrame:
    people = [replace(t, measures=tuple(m for m in t.measures if m.how.persons)) for t in plan.tables]
    with opened_events(setting.home, setting.policies, then, engine="duckdb") as (engine, events):
        make_left_out(engine, setting.home, setting.policies, inputs, "gone")
        rows = {}
        for source, paths in late.items():
            open_source(engine, setting.policies, source, paths, f"came_{source}")
            without(engine, f"came_{source}", "gone", f"late_{source}")
            rows[source] = f"changed_{source}"
            columns = ", ".join(f'e."{name}"' for name in event_columns_of(setting.policies, source))
            engine.view(
                rows[source],
                f"SELECT {columns} FROM late_{source} AS e UNION ALL"
                f" SELECT {columns} FROM {events[source]} AS e INNER JOIN gone AS o ON e.p = o.p",
            )
        return recount(engine, replace(plan, tables=tuple(people)), events, tables, rows=rows)
