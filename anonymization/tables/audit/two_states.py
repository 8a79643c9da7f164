"""Two states of the logs as one system: what all that is published of both tells of who came between.

Beside the figures of each state stands a third one of every cell, their difference, with what a reader knows of it.
Differences add up as figures do. If no figure that both states show has become smaller, logs have only been added: then
no difference is negative, who came to a whole came to one of its parts, and whoever came did something. A difference
of persons may be nothing, or as many as may be published; and what one state hides stays uncertain beside the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from anonymization.disclosure.attack.attack import Exposure, attack
from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.suppress.feasible import feasible_point
from anonymization.disclosure.system import (
    Booleans,
    Floats,
    Integers,
    Needs,
    Relations,
    System,
    at_most,
    components,
    joined,
)
from anonymization.errors import AuditUnfinished, GateRefusal
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import WIDTH, public_needs, seen_by_readers
from anonymization.tables.audit.system_of import Linked, of_issues

BOTH = 2
"""The difference of a cell stands after its figures in both states."""


@dataclass(frozen=True)
class Changed:
    """What was counted of the cells of a system; NaN of those that were not.

    Attributes:
        apart: by how much each differs between the two states.
        persons: how many persons contribute something else.
    """

    apart: Floats
    persons: Floats


@dataclass(frozen=True)
class States:
    """What two states say of the same cells."""

    earlier: Linked
    later: Linked
    added: bool

    @property
    def cells(self) -> int:
        """Number of cells of one state."""
        return self.earlier.cells

    @property
    def exact(self) -> Booleans:
        """Which cells no state tells with noise."""
        return ~self.earlier.noisy & ~self.later.noisy

    def system(self) -> System:
        """Everything that a reader knows: first the earlier figures, then the later ones, then the differences."""
        cells = self.cells
        seen = [seen_by_readers(linked) for linked in (self.earlier, self.later)]
        eye = sparse.eye_array(cells, dtype=np.int64, format="csr")
        apart = Relations(sparse.csr_array(sparse.hstack([-eye, eye, -eye])), np.zeros(cells), np.zeros(cells))
        own = self.earlier.relations
        holds = own.take(_of_differences(self.earlier, added=self.added))
        placed = [_placed(own, 0), _placed(own, 1), _placed(holds, BOTH), apart]
        low = np.concatenate([seen[0].low, seen[1].low, np.full(cells, 0.0 if self.added else -np.inf)])
        high = np.concatenate([seen[0].high, seen[1].high, np.full(cells, np.inf)])
        known = np.flatnonzero(seen[0].known & seen[1].known)
        low[BOTH * cells + known] = high[BOTH * cells + known] = (seen[1].low - seen[0].low)[known]
        return System(joined((BOTH + 1) * cells, placed), low, high)


def solved(linked: Linked, names: Collection[str], *, deadline: float | None = None) -> list[Finding]:
    """Return the figures that two states together give away: differences, and what each of them hides.

    Args:
        linked: the issues of both.
        names: those of one state.
        deadline: of `time.monotonic()`.

    Raises:
        GateRefusal: figures contradict each other, or it did not come to an end in time.
    """
    for states, narrow in _in_any_order(linked, names):
        try:
            return list(_found(states, narrow, linked, deadline))
        except AuditUnfinished:
            raise
        except GateRefusal:
            if not states.added or _possible(narrow):
                raise
    return []


def totals_of_few(linked: Linked, names: Collection[str], changers: Floats, *, only_more: bool) -> list[Finding]:
    """Return the totals that nobody lists in both states, of which the difference follows, and maybe is of too few.

    Who changed such a total is at least who changed a whole of it, less who changed the other parts; and where nobody
    contributes less than before, at least who changed a part of it.

    Args:
        linked: the issues of both states.
        names: those of one.
        changers: of each cell how many persons contribute something else; NaN where that was not counted.
        only_more: whether it is known of everybody that whatever they contribute to is no less than before.

    Raises:
        GateRefusal: figures contradict each other.
    """
    states, narrow = next(_in_any_order(linked, names))
    low, high = (bound[BOTH * states.cells :] for bound in (narrow.low, narrow.high))
    shown = ~np.isnan(states.earlier.value + states.later.value)
    unknown = np.isnan(changers)
    covering = _covering(linked, ~unknown & only_more)
    people = System(covering, np.where(unknown, 0, changers), np.where(unknown, np.inf, changers))
    few = propagated(people).low < linked.minimum
    at = np.flatnonzero((low == high) & (low != 0) & ~linked.persons & ~linked.noisy & ~shown & few)
    why = ("two versions, by which this total follows, and too few persons may have changed it",)
    return [Finding(*linked.name(int(cell)), int(low[cell]), int(low[cell]), why) for cell in at]


def sides(linked: Linked, names: Collection[str]) -> tuple[Linked, Linked]:
    """Return the same cells as some of the issues tell of them, and as the others do."""
    one, other = (
        of_issues(linked, [s.issue for s in linked.sheets if (s.issue in names) is in_it]) for in_it in (True, False)
    )
    return one, other


def _in_any_order(linked: Linked, names: Collection[str]) -> Iterator[tuple[States, System]]:
    """Yield how two states can be read of which it is not known which came first: that with more in it came later."""
    one, other = sides(linked, names)
    return readings(*((other, one) if np.nansum(other.value - one.value) < 0 else (one, other)))


def readings(earlier: Linked, later: Linked) -> Iterator[tuple[States, System]]:
    """Yield how two states can be read, and what follows at once: that logs were only added, if that fits; or not."""
    if not (np.nan_to_num(later.value - earlier.value) < 0).any():
        added = States(earlier, later, added=True)
        with suppress(GateRefusal):  # where somebody went, though no figure that both show tells of it
            yield added, propagated(added.system())
    removed = States(earlier, later, added=False)
    yield removed, propagated(removed.system())


def _possible(system: System) -> bool:
    """Whether any whole figures satisfy everything."""
    try:
        feasible_point(system)
    except GateRefusal:
        return False
    return True


def _covering(linked: Linked, more: Booleans) -> Relations:
    """Whoever changed a sum changed one of its parts: of persons who changed, a whole has no more than its parts.

    Whoever contributes more to a part contributes more to the whole, if nobody contributes less to the rest of it.
    """
    of_sums = linked.relations.take((linked.relations.low == 0) & (linked.relations.high == 0))
    covering = Relations(sparse.csr_array(-of_sums.matrix), of_sums.low, np.full(of_sums.rows, np.inf))
    found = [covering]
    if more.any():
        within = joined(linked.cells, [part for cube in linked.cubes for part in cube.inclusions(linked.cells)])
        for matrix in (of_sums.matrix.tocoo(), within.matrix.tocoo()):
            row, column = matrix.coords
            whole = np.full(matrix.shape[0], -1, dtype=np.int64)
            whole[row[matrix.data > 0]] = column[matrix.data > 0]
            part = (matrix.data < 0) & (whole[row] >= 0) & more[column]
            found.append(at_most(linked.cells, column[part], whole[row[part]]))
    return joined(linked.cells, found)


def _found(states: States, narrow: System, linked: Linked, deadline: float | None) -> Iterator[Finding]:
    needs = _needs(states, narrow)
    for exposure in attack(narrow, needs, deadline=deadline):
        cell, state = exposure.cell % states.cells, exposure.cell // states.cells
        least = linked.minimum[cell]
        if state == BOTH:
            if of_few(exposure.low, exposure.high, least):
                yield _finding(linked, cell, exposure, "two versions, all of whose figures were solved together")
        elif exposure.high > 0 and _people(states, narrow, exposure) < least:
            yield _finding(linked, cell, exposure, "hidden in one version, and solved beside the other")


def of_few(low: float, high: float, least: int) -> bool:
    """Whether a difference is of too few persons, or may be and is pinned; not if it is known to be nothing."""
    pinned = high - low < WIDTH and low < least and high > -least
    return (low, high) != (0, 0) and (pinned or (low > -least and high < least))


def _people(states: States, narrow: System, exposure: Exposure) -> float:
    """How many persons are in a hidden figure at least."""
    cell, state = exposure.cell % states.cells, exposure.cell // states.cells
    counted = states.earlier.counted[cell]
    if states.earlier.persons[cell]:
        return exposure.low
    return -np.inf if counted < 0 else float(narrow.low[counted + state * states.cells])


def _finding(linked: Linked, cell: int, exposure: Exposure, why: str) -> Finding:
    low, high = (int(bound) if np.isfinite(bound) else -1 for bound in (exposure.low, exposure.high))
    return Finding(*linked.name(cell), low, high, (why,))


def _needs(states: States, narrow: System) -> Needs:
    """What must stay possible: of differences of persons that may be of few, and of hidden figures beside these."""
    needs = needs_of_differences(states, narrow)
    for state, own in enumerate((states.earlier, states.later)):
        needs = needs.and_of(needs_beside(states, narrow, state, public_needs(own)))
    return needs


def needs_of_differences(states: States, narrow: System) -> Needs:
    """Return what must stay possible of differences of persons that may be of few; cells as of `States.system`."""
    cells = states.cells
    least = np.minimum(states.earlier.minimum, states.later.minimum).astype(np.float64)
    low, high = narrow.low[BOTH * cells :], narrow.high[BOTH * cells :]
    nobody = (low == 0) & (high == 0)
    at = np.flatnonzero(states.exact & states.earlier.persons & ~nobody & (low < least) & (high > -least))
    return Needs(BOTH * cells + at, least[at], np.full(len(at), float(WIDTH)))


def needs_beside(states: States, narrow: System, state: int, needs: Needs) -> Needs:
    """Return, of needs of one state, those of figures that differences may tell of; cells as of `States.system`."""
    cells = states.cells
    some = (narrow.low[BOTH * cells :] != 0) | (narrow.high[BOTH * cells :] != 0)
    near = _touched(narrow, BOTH * cells + np.flatnonzero(some))
    kept = states.exact[needs.cell] & near[needs.cell + state * cells]
    return replace(needs.take(kept), cell=needs.cell[kept] + state * cells)


def _touched(system: System, cells: Integers) -> Booleans:
    """Unknown cells that relations join, over others that are unknown, to some of these."""
    unknown = ~system.known
    inner = sparse.csr_array(system.relations.matrix @ sparse.diags_array(unknown.astype(np.int64), dtype=np.int64))
    inner.eliminate_zeros()
    label = components(Relations(inner, system.relations.low, system.relations.high))
    return np.asarray(unknown & np.isin(label, label[cells]))


def _of_differences(linked: Linked, *, added: bool) -> Booleans:
    """Relations that hold of differences as they do of figures.

    Sums do. Where logs have only been added, so does it that a whole is at most the sum of its parts, as who is new in
    it is new in one of them, and that persons are at most what they do, as who is new did something new. That a part is
    at most its whole does not: who is new in it may have been in another one.
    """
    relations = linked.relations
    holds = (relations.low == 0) & (relations.high == 0)
    if not added:
        return np.asarray(holds)
    matrix = relations.matrix.tocoo()
    row, column = matrix.coords
    one_less = (np.bincount(row[matrix.data < 0], minlength=relations.rows) == 1) & (
        np.bincount(row, weights=np.abs(matrix.data) == 1, minlength=relations.rows) == np.diff(relations.matrix.indptr)
    )
    more = np.bincount(row[matrix.data > 0], minlength=relations.rows)
    smaller, larger = (np.full(relations.rows, -1, dtype=np.int64) for _ in range(2))
    smaller[row[matrix.data < 0]] = column[matrix.data < 0]
    larger[row[matrix.data > 0]] = column[matrix.data > 0]
    counting = (more == 1) & (linked.counted[larger] == smaller)
    return np.asarray(holds | (one_less & ((more > 1) | counting) & (relations.low == 0)))


def _placed(relations: Relations, number: int) -> Relations:
    """The same relations between the cells of a state, among those of all."""
    shape = (relations.rows, relations.cells * (BOTH + 1))
    matrix = relations.matrix
    moved = sparse.csr_array((matrix.data, matrix.indices + number * relations.cells, matrix.indptr), shape=shape)
    return Relations(moved, relations.low, relations.high)
