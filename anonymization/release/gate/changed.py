"""Who changed between what is out and a candidate: a corrected version minus its original tells of nobody but many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anonymization.policy.protection import CellKey
from anonymization.release.changed import changers, counted_changes, only_more, rows_of_few
from anonymization.release.inputs import Days, Inputs, days_of, find_inputs, inputs_again, read_of
from anonymization.release.setting import Setting
from anonymization.tables.audit.corrections import changed_by_few
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import of_one_state
from anonymization.tables.audit.system_of import link
from anonymization.tables.audit.two_states import totals_of_few
from anonymization.tables.model import SafeTable
from anonymization.tables.plan import Plan


def changed(
    setting: Setting, plan: Plan, inputs: Inputs, issue: Issue, tables: Sequence[SafeTable], earlier: Sequence[Issue]
) -> tuple[Finding, ...]:
    """Return the contributions and noisy figures of a candidate that too few persons changed since, and what follows.

    Args:
        setting: the home, where the events are.
        plan: of the candidate.
        inputs: what it was built of.
        issue: the candidate, as it is published.
        tables: the candidate's.
        earlier: releases that share persons and are out, with what they were built of.

    Raises:
        IntegrityError: events that one of them was built of are gone.
        GateRefusal: figures contradict each other.
    """
    noise = plan.release.protection if isinstance(plan.release.protection, CellKey) else None
    same = {other.name for other in of_one_state(issue, earlier)} if noise is None else set()
    found: list[Finding] = []
    for other in earlier:
        if other.name in same:
            continue
        then = _as_then(setting, inputs, other)
        if (then.read, then.considered) == (inputs.read, inputs.considered):
            continue
        counted = counted_changes(setting, plan, then, inputs, tables)
        few = {(t.name, m.name): rows_of_few(plan, t, m, counted) for t in tables for m in t.measures}
        found += changed_by_few(replace(issue, noise=noise), replace(other, noise=noise), few)
        if noise is None:
            linked = link([issue, other])
            people = changers(linked, {issue.name: counted})
            more = only_more(setting, plan, then, inputs, counted)
            found += totals_of_few(linked, {issue.name}, people, only_more=more)
    return tuple(found)


def _as_then(setting: Setting, inputs: Inputs, other: Issue) -> Inputs:
    """What a candidate was built of but, in the days of an earlier release, what that was built of: all still there."""
    shared = {source: read for source, read in other.inputs.items() if source in inputs.taken}
    inputs_again(setting.home, setting.policies, shared, other.period)
    every = find_inputs(setting.home, setting.policies, list(inputs.taken), inputs.period)
    days = Days(range(other.period.first, other.period.past))
    left: dict[str, dict[str, Days]] = {}
    for source, taken in every.taken.items():
        now = read_of(inputs.read[source])
        then = read_of(other.inputs[source]) if source in other.inputs else now
        left[source] = {
            one.digest: (now.get(one.digest, days_of(one, inputs.period)) - days)
            | (then.get(one.digest, days_of(one, inputs.period)) & days)
            for one in taken
        }
    return every.without(left).as_considered(other.choices)
