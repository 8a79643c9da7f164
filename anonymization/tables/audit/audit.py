"""The audit: what a reader can derive from everything that is published, solved exactly.

Every figure of every release that shares persons is a cell of one linear system; a suppressed figure, and a
population that two published figures imply by their difference, is an unknown. A finding is a number of
persons whose feasible maximum stays below the minimum publishable count, or that is pinned within less than
three while it may be that small; and a suppressed total that is pinned likewise over such persons. What is
built here comes from the published metadata alone: anybody can run it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from anonymization.disclosure.attack.attack import Exposure, attack
from anonymization.disclosure.attack.propagation import propagated
from anonymization.disclosure.proof import Proof, holding, unshown
from anonymization.disclosure.suppress.rays import unproven
from anonymization.disclosure.system import Integers
from anonymization.tables.audit.corrections import differences
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import figures_of, public_needs, seen_by_readers
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import State, independent, states
from anonymization.tables.audit.system_of import Linked, link, require_one_state
from anonymization.tables.model import Table

SECONDS = 1800.0
"""An audit that takes longer has not passed."""


@dataclass(frozen=True)
class Inside:
    """What the house knows of one issue: it changes nothing that is found, and spares looking for it.

    Attributes:
        name: of the issue.
        true: its tables with true figures, row by row as published.
        proof: moves from them.
    """

    name: str
    true: tuple[Table, ...]
    proof: Proof


def audit(issues: Sequence[Issue], *, seconds: float = SECONDS, inside: Inside | None = None) -> tuple[Finding, ...]:
    """Return what some releases together give away, in order of cell; nothing found is an empty tuple.

    Releases that tell different figures of the same cell, or contradict each other, are of two states of the logs: each
    state is solved as a whole, and the states are subtracted from each other. What shares no persons is solved apart.

    Args:
        issues: as they are published.
        seconds: how long it may take.
        inside: what is known of one of them, the first of its state.

    Raises:
        GateRefusal: figures contradict each other, or the audit did not end in time: both close the gate.
    """
    deadline = time.monotonic() + seconds
    found: list[Finding] = []
    for group in independent(issues):
        of_states = states(group)
        for state in of_states:
            require_one_state(state.linked)
            shown = _shown(state, inside)
            exposed = exposures(state.linked, deadline=deadline, shown=shown)
            found += [finding_of(state.linked, exposure) for exposure in exposed]
        for at, one in enumerate(of_states):
            for other in of_states[at + 1 :]:
                found += differences(one.issues, other.issues, deadline=deadline)
    return tuple(found)


def _shown(state: State, inside: Inside | None) -> tuple[Integers, Proof] | None:
    """True figures of a system whose first issue is known inside, and moves; null if other cells are listed."""
    first, *others = state.issues
    if inside is None or first.name != inside.name:
        return None
    truth = link([replace(first, tables=inside.true), *others])
    return (figures_of(truth), inside.proof) if truth.cells == state.linked.cells else None


def exposures(
    linked: Linked, *, deadline: float | None = None, shown: tuple[Integers, Proof] | None = None
) -> Iterator[Exposure]:
    """Yield the cells that are given away, by what is published alone.

    Args:
        linked: what is published.
        deadline: of `time.monotonic()`.
        shown: true figures of all cells, and moves from them; what these show is not looked for.
    """
    seen = seen_by_readers(linked)
    at_least = propagated(seen).low
    nobody = np.zeros(0, dtype=np.int64)
    needs, point = unproven(seen, public_needs(linked), nobody, nobody), None
    if shown is not None:
        point, proof = shown
        needs = unshown(needs, point, holding(seen, point, proof))
    for exposure in attack(seen, needs, deadline=deadline, point=point):
        cell = exposure.cell
        people = exposure.low if linked.persons[cell] else at_least[linked.counted[cell]]
        alone = linked.counted[cell] < 0
        if exposure.high > 0 and (alone or people < linked.minimum[cell]):
            yield exposure


def finding_of(linked: Linked, exposure: Exposure) -> Finding:
    """Return an exposed cell as a finding, by the names that its figures are published under."""
    release, table, measure, cell = linked.name(exposure.cell)
    known = exposure.published[~np.isnan(linked.value[exposure.published])]  # an insider knows one more
    sources = [linked.name(int(cell)) for cell in known]
    texts = tuple(f"{r}, {t}.{m}, {c}: {int(linked.value[k])}" for (r, t, m, c), k in zip(sources, known, strict=True))
    high = -1 if np.isinf(exposure.high) else int(exposure.high)
    return Finding(release, table, measure, cell, int(exposure.low), high, texts or ("the figure's own bounds",))


def margins(issue: Issue) -> pd.DataFrame:
    """Return whether an issue's published figures fit each other, one row a relation that can be checked.

    Columns: table, measure, relation, consistent. A relation is checked where all its figures are published.
    """
    linked = link([issue])
    known = ~np.isnan(linked.value)
    matrix = linked.relations.matrix
    whole = (abs(matrix) @ (~known).astype(np.int64)) == 0
    sums = matrix @ np.where(known, linked.value, 0.0)
    fits = (sums >= linked.relations.low) & (sums <= linked.relations.high)
    rows = np.flatnonzero(whole)
    first = matrix.indices[matrix.indptr[rows]]
    names = [(f.kind.value, f.first, f.past) for cube in linked.cubes for f in cube.families]
    kind = np.empty(len(rows), dtype=object)
    for name, start, past in names:
        kind[(first >= start) & (first < past)] = name
    return pd.DataFrame({"kind": kind, "relation": rows, "consistent": fits[rows]})
