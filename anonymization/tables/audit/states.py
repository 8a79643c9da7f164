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
    Contradictory figures of one issue alone are told likewise.
    """
    whole = link(issues)
    if len(issues) == 1 or _agrees(whole):
        return [State(tuple(issues), whole)]
    found: list[list[Issue]] = []
    for issue in issues:
        for state in found:
            if _agrees(link([*state, issue])):
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
    if _agrees(link([issue, *others])):
        return list(others)
    for other in reversed(others):
        if _agrees(link([*found, other])):
            found.append(other)
    return [other for other in others if any(other is one for one in found)]


def _agrees(linked: Linked) -> bool:
    """Whether no cell has two values, and no bounds that follow from the figures cross."""
    if len(linked.conflict):
        return False
    with suppress(GateRefusal):
        propagated(seen_by_readers(linked))
        return True
    return False


def _share(one: Issue, other: Issue) -> bool:
    """Whether two issues can have a cell in common: a source, and days."""
    sources = [{measure.source for table in issue.tables for measure in table.measures} for issue in (one, other)]
    days = one.period.first < other.period.past and other.period.first < one.period.past
    return days and not sources[0].isdisjoint(sources[1])
