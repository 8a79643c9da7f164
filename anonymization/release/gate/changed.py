"""Who changed between two states of the logs: counted from the events that came after an earlier release was built.

A corrected version minus its original tells of the events between. The figures say by how many persons a class grew,
but not how many of those who were in it already did something more: a total that grew by 37 may be one person's.
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
from anonymization.release.inputs import Inputs, files_of_period, open_source, opened_events
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
            changers = _changers(setting, plan, inputs, tables, other.inputs)
            found += changed_by_few(replace(issue, noise=noise), replace(other, noise=noise), changers)
    return tuple(found)


def _of_the_same(inputs: Inputs, earlier: Sequence[Issue]) -> set[str]:
    """The names of the releases that were built of the same logs, of sources that they share with a candidate."""
    now = {source: {one.digest for one in taken} for source, taken in inputs.taken.items()}
    return {other.name for other in earlier if all(now[s] == set(then) for s, then in other.inputs.items() if s in now)}


def _changers(
    setting: Setting, plan: Plan, inputs: Inputs, tables: Sequence[SafeTable], then: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], Integers | None]:
    """By table and measure the persons of each row with events that came since; null where none came at all."""
    late = {}
    for source in inputs.files:
        known = set(then.get(source, ()))
        files = files_of_period(setting.home, source, plan.period) if source in then else []
        late[source] = tuple(path for paths, one in files if one.digest not in known for path in paths)
    if not any(late.values()):
        return {(table.name, measure.name): None for table in tables for measure in table.measures}
    counted = _counted(setting, plan, inputs, tables, late)
    found: dict[tuple[str, str], Integers | None] = {}
    for table in tables:
        true = with_true_figures(table, counted)
        for measure in table.measures:
            people = table.persons_of(measure).name
            here = true.for_threshold.get(people, true.frame[people].to_numpy(dtype=np.int64))
            found[table.name, measure.name] = here if late[measure.source] else None
    return found


def _counted(
    setting: Setting, plan: Plan, inputs: Inputs, tables: Sequence[SafeTable], late: Mapping[str, tuple[Path, ...]]
) -> pd.DataFrame:
    people = [replace(t, measures=tuple(m for m in t.measures if m.how.persons)) for t in plan.tables]
    with opened_events(setting.home, setting.policies, inputs, engine="duckdb") as (engine, events):
        rows = {}
        for source, paths in late.items():
            rows[source] = f"late_{source}"
            if paths:
                open_source(engine, setting.policies, source, paths, rows[source])
            else:
                engine.view(rows[source], f"SELECT * FROM {events[source]} WHERE day < 0")
        return recount(engine, replace(plan, tables=tuple(people)), events, tables, rows=rows)
