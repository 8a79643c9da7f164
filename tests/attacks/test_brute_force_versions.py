"""Whatever is published of two states of the logs, whoever writes down every population learns of nobody who came or went.

As in `test_brute_force.py`, but in the course of the releases logs come late, or persons are taken out. What the gate
counts from the events of both states is counted here from the population.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest
from harness.forms import is_long
from harness.reader import Reader, UndecidedError, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_brute_force import GROUPINGS, MONTH, Case, N, passed, populations, requests, told_by, unions

from anonymization.disclosure.rules import p_percent
from anonymization.tables.audit.corrections import changed_by_few
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import agrees
from anonymization.tables.audit.system_of import link
from anonymization.tables.audit.two_states import totals_of_few

LATE = (("then",), ("then", "since"))
"""What each state holds where logs come late: what was there then, and what came since."""
REMOVED = (("gone", "stayed"), ("stayed",))
"""What each state holds where persons are taken out."""
SHAPES = [
    pytest.param(("age",), (4,), LATE, id="four ages, late logs"),
    pytest.param(("age", "sex"), (2, 2), LATE, id="two ages and sexes, late logs"),
    pytest.param(("age",), (4,), REMOVED, id="four ages, removals"),
    pytest.param(("age", "sex"), (3, 2), REMOVED, id="three ages, two sexes, removals"),
]


class Versions(Case):
    """A population in two states of its logs."""

    def __init__(self, attributes, sizes, states):
        self.states, self.state = [frozenset(state) for state in states], 0
        atoms = tuple(dict.fromkeys(atom for state in states for atom in state))
        super().__init__(attributes, sizes, atoms, [])
        values = tuple(tuple(GROUPINGS[a])[:size] for a, size in zip(attributes, sizes, strict=True))
        taken_out = (("gone",), ("stayed",)) if "gone" in atoms else None  # whoever is taken out is so as a whole
        self.world = World(values, atoms, taken_out)

    def period(self, _name):
        """The month, of the state that is published now."""
        return MONTH, self.states[self.state]

    def changes(self, who):
        """By how much each person of some values contributes something else in the second state."""
        each = [sum(p.did.get(a, 0) * ((a in self.states[1]) - (a in self.states[0])) for a in self.world.atoms)
                for p in self.people if p.who in who]  # fmt: skip
        return sorted((abs(n) for n in each if n), reverse=True)

    def few(self, who):
        """Whether too few changed a total of some values, or one or two made nearly all of the change."""
        each = self.changes(who)
        first, second = (*each, 0, 0)[:2]
        return bool(each) and (len(each) < N or bool(p_percent(*map(np.array, (sum(each), first, second)), 10)))


def counted(case, sets, same, others, safe):
    """What the gate says of who changed since what is out of the state before."""
    if not others or agrees(link([safe, *same, *others])):
        return []
    (table,) = safe.tables
    few = {
        (table.name, measure.name): np.array([case.few(row[position][0]) for row in sets])
        for position, measure in enumerate(table.measures)
    }
    found = [finding for other in others for finding in changed_by_few(safe, other, few)]
    linked = link([safe, *same, *others])
    people = np.full(linked.cells, np.nan)
    for position, places in enumerate(linked.places[: len(table.measures)]):
        people[places] = [len(case.changes(row[position][0])) for row in sets]
    names = {safe.name, *(other.name for other in same)}
    return [*found, *totals_of_few(linked, names, people, only_more="since" in case.world.atoms)]


def published(case, of_states):
    """What is out in the end, of one state after the other; and what each row tells."""
    out, told = [], []
    for case.state, releases in enumerate(of_states):
        before = list(out)
        for asked in releases:
            period, table, sets = case.table(asked)
            issue = Issue(f"release {len(out)}", period, (table,), N, inputs={"logs": (f"state {case.state}",)})
            others = out[len(before) :], before
            also = partial(counted, case, sets, *others) if case.state else (lambda _: ())
            if safe := passed(issue, out, also):
                out.append(safe)
                told += told_by(safe, sets)
    return out, told


def learnt(case, told):
    """What a reader learns of persons in one state, and between the two, who must not."""

    def most(parts):
        return sum(p.did.get(a, 0) for p in case.people for w, a in parts if w == p.who) + N

    reader = Reader(case.world, told, most_persons=len(case.people) + N, most_done=most)
    found = []
    of_persons, of_totals = ([t.who for t in told if t.persons is persons] for persons in (True, False))
    for who in unions(of_persons) if of_persons else ():
        for state in case.states:
            low, high = reader.persons(who, state)
            if any(t.persons and t.did == state for t in told) and low >= 1 and high < N:
                found.append(f"{sorted(who)} in {sorted(state)}: {low} to {high} persons")
        low, high = reader.persons_between(who, *case.states)
        if (low > 0 and high < N) or (low > -N and high < 0):
            found.append(f"{sorted(who)} between: {low} to {high} persons")
    listed = [{t.who for t in told if not t.persons and t.did == state} for state in case.states]
    for who in unions(of_totals) if of_totals else ():
        apart = reader.done_between(who, *case.states)
        few = case.few(who) if all(who in of_state for of_state in listed) else 0 < len(case.changes(who)) < N
        if apart and apart[0] == apart[1] != 0 and few:
            found.append(f"{sorted(who)} between: {apart[0]} done by {case.changes(who)}")
    return found


DECIDED = Counter()


@pytest.fixture(autouse=True, scope="module")
def _decided():
    yield
    assert DECIDED["decided"] >= DECIDED["undecided"], "most cases are small enough to be written down"
    assert DECIDED["of both states"], "some cases have something out of both states"


@pytest.mark.both("attacks")
@pytest.mark.parametrize(("attributes", "sizes", "states"), SHAPES)
@settings(max_examples=500 if is_long("attacks") else 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_is_learnt_of_who_came_or_went(attributes, sizes, states, data):
    case = Versions(attributes, sizes, states)
    case.people = data.draw(populations(case.world))
    of_states = [data.draw(st.lists(requests(case), min_size=1, max_size=2)) for _ in states]
    out, told = published(case, of_states)
    if not told:
        return
    try:
        found = learnt(case, told)
    except UndecidedError:
        DECIDED["undecided"] += 1
        return
    DECIDED["decided"] += 1
    DECIDED["of both states"] += len({tuple(issue.inputs["logs"]) for issue in out}) > 1
    assert found == [], [(issue.inputs, issue.tables[0].frame) for issue in out]
