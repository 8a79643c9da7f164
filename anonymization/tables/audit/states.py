"""Which issues can be solved as one system: those that are about the same persons and of one state of the logs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from anonymization.disclosure.attack.propagation import propagated
from anonymization.errors import GateRefusal
from anonymization.tables.audit.knowledge import seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked, link


@dataclass(frozen=True)
class State:
    """Issues of one state of the logs, and all their figures as one system."""

    issues: tuple[Issue, ...]
    linked: Linked


def independent(issues: Sequence[Issue]) -> list[list[Issue]]:
    """Return the issues in groups of which no relation joins any two: no source, or no day, is of both. In order."""
    groups: list[list[Issue]] = []
    for issue in issues:
        near = [group for group in groups if any(_share(issue, other) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(one for group in near for one in group), issue])
    place = {id(issue): at for at, issue in enumerate(issues)}
    ordered = [sorted(group, key=lambda one: place[id(one)]) for group in groups]
    return sorted(ordered, key=lambda group: place[id(group[0])])


def states(issues: Sequence[Issue]) -> list[State]:
    """Return the issues by state of the logs: what is told within one can all be true. In order, as few as that gives.

    Figures of two states are two values of one cell, or contradict each other: a month of a later state is no sum of
    days of an earlier one. A contradiction that is told by no bounds counts as one state; whoever solves it finds it.
    Which figures are of one state, where not all are, is told by what the issues were built of, if that is known.
    """
    whole = link(issues)
    if len(issues) == 1 or agrees(whole):
        return [State(tuple(issues), whole)]
    found: list[list[Issue]] = []
    for issue in issues:
        for state in found:
            if _may_be_one(issue, state) and agrees(link([*state, issue])):
                state.append(issue)
                break
        else:
            found.append([issue])
    return [State(tuple(state), link(state)) for state in found]


def of_one_state(issue: Issue, others: Sequence[Issue]) -> list[Issue]:
    """Return those of the others that can be of one state of the logs with an issue, and with each other.

    Args:
        issue: of any state.
        others: in order of publication; of two that contradict each other the later one stays.
    """
    found = [issue]
    if agrees(link([issue, *others])):
        return list(others)
    for other in reversed(others):
        if _may_be_one(other, found) and agrees(link([*found, other])):
            found.append(other)
    return [other for other in others if any(other is one for one in found)]


def agrees(linked: Linked) -> bool:
    """Return whether all figures can be of one state: no cell has two values, and no bounds that follow cross."""
    if len(linked.conflict):
        return False
    with suppress(GateRefusal):
        propagated(seen_by_readers(linked))
        return True
    return False


def _may_be_one(issue: Issue, state: Sequence[Issue]) -> bool:
    """Whether an issue may have been built of the same state as some others, by what is known of that."""
    return not any(_known_apart(issue, other) for other in state)


def _known_apart(one: Issue, other: Issue) -> bool:
    if not one.inputs or not other.inputs:
        return False
    if one.choices.get("last", 0) != other.choices.get("last", 0):
        return True
    alike = (one.period.first, one.period.past) == (other.period.first, other.period.past)
    return alike and any(sorted(one.inputs[s]) != sorted(other.inputs[s]) for s in one.inputs.keys() & other.inputs)


def _share(one: Issue, other: Issue) -> bool:
    """Whether two issues can have a cell in common: a source, and days."""
    sources = [{measure.source for table in issue.tables for measure in table.measures} for issue in (one, other)]
    days = one.period.first < other.period.past and other.period.first < one.period.past
    return days and not sources[0].isdisjoint(sources[1])
