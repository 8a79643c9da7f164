"""Two states from inside: what is hidden keeps what it needs, before who is alone in a figure or alone changed it.

Whoever is the only one to come to a class, or to leave it, knows by how much it differs. Beside him, as beside the only
person of a class in either state, every difference is of nobody or can be of N persons, and every unsafe figure of the
two states keeps its reach and width.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from anonymization.disclosure.attack.attack import Exposure, attack, insiders_attack
from anonymization.disclosure.attack.needs import one_each
from anonymization.disclosure.suppress.feasible import feasible_point
from anonymization.disclosure.system import Booleans, Floats, Integers, Needs, System
from anonymization.errors import GateRefusal
from anonymization.tables.audit.audit import SECONDS
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import both
from anonymization.tables.audit.standing_needs import standing_alone, standing_needs
from anonymization.tables.audit.system_of import Linked
from anonymization.tables.audit.two_states import (
    BOTH,
    Changed,
    States,
    needs_beside,
    needs_of_differences,
    of_few,
    readings,
    sides,
)
from anonymization.tables.methods.suppression_attack import MOST
from anonymization.tables.methods.unsafe import Rules, unsafe_cells
from anonymization.tables.model import Table


@dataclass(frozen=True)
class Truth:
    """What the house knows of two states.

    Attributes:
        linked: the cells of all that is out of both, with the candidate's true figures.
        names: the issues of the candidate's state, itself among them.
        tables: the candidate's true tables.
        rules: what makes a cell unsafe.
        changed: since the other state.
    """

    linked: Linked
    names: Collection[str]
    tables: Sequence[Table]
    rules: Rules
    changed: Changed

    @property
    def others(self) -> set[str]:
        """The issues of the other state."""
        return {sheet.issue for sheet in self.linked.sheets} - set(self.names)

    def own_state(self) -> Linked:
        """Return the same cells, as if nothing were out of the other state."""
        own = sides(self.linked, self.names)[0]
        kept = [n for n, sheet in enumerate(own.sheets) if sheet.issue in self.names]
        return replace(own, sheets=tuple(own.sheets[n] for n in kept), places=tuple(own.places[n] for n in kept))

    @cached_property
    def known(self) -> tuple[Floats, Floats]:
        """The figures before and now that were counted, or that one person knows; NaN of the others."""
        now = np.where(np.isnan(self.changed.apart), np.nan, sides(self.linked, self.names)[0].value)
        before = now - self.changed.apart
        before = np.where(np.isnan(before), standing_alone(self.linked, self.others), before)
        return before, np.where(np.isnan(now), standing_alone(self.linked, self.names), now)


@dataclass(frozen=True)
class _Seen:
    """Two states as they are read, and as they are; cells as of `States.system`.

    Attributes:
        now: the number of the candidate's state: 0 where the other one is read as that with more in it.
    """

    states: States
    narrow: System
    truth: Truth
    now: int

    @cached_property
    def figures(self) -> Integers:
        """Figures of both states and their differences: the true ones where these are known.

        Raises:
            GateRefusal: these contradict what is seen.
        """
        before, now = self.truth.known
        apart = self.truth.changed.apart
        known = np.concatenate([before, now, apart] if self.now else [now, before, -apart])
        told, low, high = ~np.isnan(known), self.narrow.low, self.narrow.high
        if (told & ((known < low) | (known > high))).any():
            raise GateRefusal("who changed, as it was counted, contradicts what is published")
        return feasible_point(System(self.narrow.relations, np.where(told, known, low), np.where(told, known, high)))

    def needs(self) -> Needs:
        """What unsafe figures of both states need, where differences may tell of them; minima are evident to some."""
        truth = self.truth
        figures = np.split(self.figures, BOTH + 1)[self.now]
        unsafe = unsafe_cells(truth.own_state(), truth.tables, truth.rules, figures).needs
        now = needs_beside(self.states, self.narrow, self.now, both(unsafe, standing_needs(truth.linked, truth.names)))
        before = standing_needs(truth.linked, truth.others)
        return one_each(both(now, needs_beside(self.states, self.narrow, 1 - self.now, before))).upward()

    def alone(self) -> tuple[Booleans, Integers]:
        """In which cells one person is alone, or alone changed them; and a number of each."""
        linked, changed = self.truth.linked, self.truth.changed
        counted = np.where(linked.counted >= 0, linked.counted, np.arange(linked.cells))
        own = ~np.isnan(changed.apart)
        people = own & linked.persons[counted]
        alone = []
        for state, figures in enumerate(np.split(self.figures, BOTH + 1)[:BOTH]):
            names = self.truth.names if state == self.now else self.truth.others
            alone.append((people & (figures[counted] == 1)) | (standing_alone(linked, names) == figures))
        alone.append(own & (changed.persons == 1) & (changed.apart != 0))
        changers = np.where(people, changed.persons[counted], np.nan)
        every = np.concatenate(alone)
        return every, _whose(linked, every, self.figures, changers)

    def who(self, cell: int) -> str:
        """Return in words who knows a cell."""
        linked = self.truth.linked
        _, table, measure, text = linked.name(cell % linked.cells)
        state = cell // linked.cells
        only = "the only one to change" if state == BOTH else "the only person of"
        return f"{only} {table}.{measure}, {text}" + (", in the state before" if state == 1 - self.now else "")


def unmet_between(published: Linked, truth: Truth, *, seconds: float = SECONDS) -> tuple[Finding, ...]:
    """Return what two states together tell of few, to whom knows an own figure as well; the first `MOST` of it.

    Args:
        published: all that is out of both states, and the candidate.
        truth: the same, as it is known inside.
        seconds: how long it may take.

    Raises:
        GateRefusal: figures contradict each other, or the time is over.
    """
    deadline = time.monotonic() + seconds
    now, before = sides(published, truth.names)
    more = not np.nansum(now.value - before.value) < 0
    for states, narrow in readings(*((before, now) if more else (now, before))):
        seen = _Seen(states, narrow, truth, int(more))
        try:
            _ = seen.figures
        except GateRefusal:
            if states.added:  # who left knows it, whatever others take the logs for
                continue
            raise
        return tuple(islice(_found(seen, deadline), MOST))
    return ()


def _found(seen: _Seen, deadline: float) -> Iterator[Finding]:
    linked, cells, narrow = seen.truth.linked, seen.truth.linked.cells, seen.narrow
    needs = seen.needs()
    for exposure in attack(narrow, needs, deadline=deadline, point=seen.figures):
        yield _finding(linked, exposure, "two states of the logs, beside which it is less uncertain than it must be")
    alone, who = seen.alone()
    insiders = np.flatnonzero(alone & (narrow.low < narrow.high))
    whose = np.unique(who[insiders] * cells + insiders % cells, return_inverse=True)[1]
    needs = one_each(both(needs, needs_of_differences(seen.states, narrow)))
    for insider, exposure in insiders_attack(narrow, needs, insiders, seen.figures, whose=whose, deadline=deadline):
        least = int(linked.minimum[exposure.cell % cells])
        told = exposure.cell < BOTH * cells or of_few(exposure.low, exposure.high, least)
        if told and who[insider] != who[exposure.cell]:
            yield _finding(linked, exposure, f"two states of the logs, by {seen.who(insider)}")


def _finding(linked: Linked, exposure: Exposure, why: str) -> Finding:
    low, high = (int(bound) if np.isfinite(bound) else -1 for bound in (exposure.low, exposure.high))
    return Finding(*linked.name(exposure.cell % linked.cells), low, high, (why,))


def _whose(linked: Linked, alone: Booleans, figures: Integers, changers: Floats) -> Integers:
    """Return a number of whoever is alone in a cell of a state, or changed it alone: equal where it is one person.

    One person is alone in a whole, and in the part of it with somebody in; in a class before and after, if nobody
    changed it; and is the only one to change a class, and alone in it in the state in which somebody is there.

    Args:
        linked: the cells.
        alone: of each cell of `States.system` whether one person alone contributes to it, or changed it.
        figures: figures of these cells.
        changers: of each cell how many persons came to its class or left it; NaN if that was not counted.
    """
    cells = linked.cells
    matrix = linked.relations.matrix.tocoo()
    row, column = matrix.coords
    ends: list[tuple[Integers, Integers]] = []
    for state in range(BOTH + 1):
        own = alone[state * cells : (state + 1) * cells]
        kept = own[column] & (figures[state * cells + column] != 0)
        whole = np.full(linked.relations.rows, -1, dtype=np.int64)
        whole[row[kept & (matrix.data > 0)]] = column[kept & (matrix.data > 0)]
        part = kept & (matrix.data < 0) & (whole[row] >= 0)
        ends.append((state * cells + column[part], state * cells + whole[row[part]]))
        same = np.flatnonzero(own & (linked.counted >= 0))
        same = same[own[linked.counted[same]]]
        ends.append((state * cells + same, state * cells + linked.counted[same]))
    first, second, changed = np.split(alone, BOTH + 1)
    of_first, of_second, _ = np.split(figures, BOTH + 1)
    for cell, here, there in (
        (np.flatnonzero(first & second & (changers == 0)), 0, 1),
        (np.flatnonzero(changed & second & (of_first == 0)), BOTH, 1),
        (np.flatnonzero(changed & first & (of_second == 0)), BOTH, 0),
        (np.flatnonzero(changed & first & second & (changers == 0)), BOTH, 0),
    ):
        ends.append((here * cells + cell, there * cells + cell))
    one, other = (np.concatenate([pair[side] for pair in ends]) for side in (0, 1))
    shape = (len(alone), len(alone))
    graph = sparse.coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=shape)
    label: Integers = csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return label
