"""Who changed between what is out and a candidate: a corrected version minus its original tells of nobody but many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from anonymization.policy.protection import CellKey, Suppression
from anonymization.release.changed import changers, counted_cells, counted_changes, only_more, rows_of_few
from anonymization.release.gate.attacks import with_true_figures
from anonymization.release.inputs import Days, Inputs, days_of, find_inputs, inputs_again, read_of
from anonymization.release.setting import Setting
from anonymization.tables.audit.corrections import changed_by_few
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import agrees
from anonymization.tables.audit.system_of import Linked, link, with_truth
from anonymization.tables.audit.two_states import totals_of_few
from anonymization.tables.methods.cell_key_states import pinned_between
from anonymization.tables.methods.suppression import rules_of
from anonymization.tables.methods.suppression_states import Truth, unmet_between
from anonymization.tables.model import SafeTable, Table
from anonymization.tables.plan import Plan


def changed(
    setting: Setting,
    plan: Plan,
    inputs: Inputs,
    issue: Issue,
    tables: Sequence[SafeTable],
    earlier: Sequence[Issue],
    recounted: pd.DataFrame,
) -> tuple[Finding, ...]:
    """Return the contributions and noisy figures of a candidate that too few persons changed since, and what follows.

    What is out of one state is held together against what is of the candidate's, the candidate among it: of mail that
    was out before, and of news and of both that are out now, it follows who has gone from mail. What is hidden is held
    to what it needs beside both, also before those who know an own figure.

    Args:
        setting: the home, where the events are.
        plan: of the candidate.
        inputs: what it was built of.
        issue: the candidate, as it is published.
        tables: the candidate's.
        earlier: releases that share persons and are out, with what they were built of.
        recounted: the candidate's true figures, by the recount.

    Raises:
        IntegrityError: events that one of them was built of are gone.
        GateRefusal: figures contradict each other.
    """
    noise = plan.release.protection if isinstance(plan.release.protection, CellKey) else None
    hides = isinstance(plan.release.protection, Suppression) and not plan.withheld
    listed = hides or (noise is not None and not plan.withheld)
    true = [with_true_figures(table, recounted) for table in tables] if listed else []
    same, others = _by_state(setting, inputs, earlier)
    found: list[Finding] = []
    for group in others:
        linked = link([issue, *same, *group])
        alike = noise is None and agrees(linked)
        if alike and not hides:
            continue
        then = _as_then(setting, inputs, group)
        counted = counted_changes(setting, plan, then, inputs, tables)
        names = {issue.name, *(other.name for other in same)}
        if hides:
            truth = with_truth(issue, true, [*same, *group])[1]
            cells = counted_cells(linked, issue.name, counted)
            found += unmet_between(linked, Truth(truth, names, true, rules_of(plan), cells))
        if alike:
            continue
        few = {(t.name, m.name): rows_of_few(plan, t, m, counted) for t in tables for m in t.measures}
        if noise is not None and listed:
            spans, truth = _noisy(noise, issue, true, same, group)
            found += pinned_between(spans, truth, names, counted_cells(spans, issue.name, counted))
        for other in group:
            found += changed_by_few(replace(issue, noise=noise), replace(other, noise=noise), few)
        if noise is None:
            people = changers(linked, {issue.name: counted})
            more = only_more(setting, plan, then, inputs, counted)
            found += totals_of_few(linked, names, people, only_more=more)
    return tuple(found)


def _noisy(
    noise: CellKey, issue: Issue, true: Sequence[Table], same: Sequence[Issue], group: Sequence[Issue]
) -> tuple[Linked, Linked]:
    """What is out and a candidate as one system of spans, and with the candidate's true figures."""
    beside = [replace(other, noise=noise) for other in (*same, *group)]
    return with_truth(replace(issue, noise=noise), true, beside)


def _by_state(setting: Setting, inputs: Inputs, earlier: Sequence[Issue]) -> tuple[list[Issue], list[list[Issue]]]:
    """Which releases were built of the state that a candidate was built of; the others, by state."""
    now, same = _State.of(inputs, range(inputs.period.first, inputs.period.past)), []
    groups: list[tuple[list[Issue], _State]] = []
    for other in earlier:
        state = _State.of(_as_then(setting, inputs, [other]), range(other.period.first, other.period.past))
        if state.like(now):
            same.append(other)
            continue
        for at, (group, told) in enumerate(groups):
            if state.like(told):
                groups[at] = ([*group, other], told.and_of(state))
                break
        else:
            groups.append(([other], state))
    return same, [group for group, _ in groups]


@dataclass(frozen=True)
class _State:
    """What was read of some days, and which choices were kept.

    Attributes:
        read: by source and day the log files.
        considered: as of `Inputs.considered`.
    """

    read: Mapping[tuple[str, int], frozenset[str]]
    considered: Mapping[str, Any]

    @classmethod
    def of(cls, inputs: Inputs, days: Iterable[int]) -> _State:
        about, found = frozenset(days), dict[tuple[str, int], set[str]]()
        for source, taken in inputs.taken.items():
            for one in taken:
                for day in (days_of(one, inputs.period) - inputs.days_left(source, one.digest)) & about:
                    found.setdefault((source, day), set()).add(one.digest)
        every = ((source, day) for source in inputs.taken for day in about)
        return cls({key: frozenset(found.get(key, ())) for key in every}, inputs.considered)

    def like(self, other: _State) -> bool:
        """Whether both can be of one state: they say the same of what both are about."""
        common = self.read.keys() & other.read.keys()
        return self.considered == other.considered and all(self.read[key] == other.read[key] for key in common)

    def and_of(self, other: _State) -> _State:
        """Return what both say."""
        return _State({**self.read, **other.read}, self.considered)


def _as_then(setting: Setting, inputs: Inputs, others: Sequence[Issue]) -> Inputs:
    """What a candidate was built of but, in the days of releases of one earlier state, what these were: still there."""
    left: dict[str, dict[str, Days]] = {}
    every = find_inputs(setting.home, setting.policies, list(inputs.taken), inputs.period)
    for source, taken in every.taken.items():
        now = read_of(inputs.read[source])
        left[source] = {one.digest: now.get(one.digest, days_of(one, inputs.period)) for one in taken}
    for other in others:
        shared = {source: read for source, read in other.inputs.items() if source in inputs.taken}
        inputs_again(setting.home, setting.policies, shared, other.period)
        days = Days(range(other.period.first, other.period.past))
        for source, read in shared.items():
            then = read_of(read)
            for one in every.taken[source]:
                out = then.get(one.digest, days_of(one, inputs.period))
                left[source][one.digest] = (left[source][one.digest] - days) | (out & days)
    return every.without(left).as_considered(others[0].choices)
