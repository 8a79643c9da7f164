"""The attack: everything that is published is solved, and each cell that must stay uncertain is tried.

A need holds only where points prove it that satisfy all relations in whole numbers. What is not proven is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from anonymization.disclosure.attack.blocks import Block, taken_apart
from anonymization.disclosure.attack.evidence import Proof, Prover
from anonymization.disclosure.attack.insiders import Insiders
from anonymization.disclosure.attack.needs import failing, met, one_each
from anonymization.disclosure.attack.points import Search
from anonymization.disclosure.attack.programmes import time_left
from anonymization.disclosure.system import SLACK, Floats, Integers, Needs, System
from anonymization.errors import GateRefusal

Result = TypeVar("Result")
MANY = 2
"""Blocks from which on threads are worth their start."""


@dataclass(frozen=True)
class Exposure:
    """A cell of which readers can know more than they may.

    Attributes:
        cell: the cell.
        low, high: its exact feasible minimum and maximum.
        rows: relations that the bound follows from that is too tight; both bounds, if the interval is too narrow.
        published: the known cells with a weight in that combination: the published figures that give the cell away.
    """

    cell: int
    low: float
    high: float
    rows: Integers
    published: Integers


def attack(
    system: System,
    needs: Needs,
    *,
    integer: bool = True,
    deadline: float | None = None,
    point: Integers | Floats | None = None,
) -> tuple[Exposure, ...]:
    """Return the cells whose need is not met, in order of cell; none if nothing is given away.

    Args:
        system: what a reader knows.
        needs: what must stay possible.
        integer: over whole numbers; else over real ones, where more seems possible than is.
        deadline: of `time.monotonic()`.
        point: figures of all cells that satisfy the system, where they are known: it spares looking for some. It is
            verified, and not used if it does not satisfy the system.

    Raises:
        GateRefusal: the published figures contradict each other, or the solver failed.
        AuditUnfinished: the deadline passed, so nothing is known.
    """
    time_left(deadline)
    needs = one_each(needs)
    parts = taken_apart(system, needs.cell, whole=integer)
    label = parts.label[needs.cell]
    prover = Prover(system, parts, deadline, whole=integer)
    outside = needs.take((label < 0) & ~met(needs, parts.low[needs.cell], parts.high[needs.cell], whole=integer))
    found = [
        _exposure(prover, need, (float(parts.low[need.cell[0]]), float(parts.high[need.cell[0]])))
        for need in _each(outside)
    ]

    def searched(number: int) -> tuple[Search, list[tuple[Needs, tuple[float, float]]]]:
        block = parts.blocks[number]
        search = Search(block.system, deadline, whole=integer)
        if point is not None:
            search.accept(np.asarray(point, dtype=np.float64)[block.cell])
        inside = needs.take(label == number)
        places = np.searchsorted(block.cell, inside.cell)
        exposed = failing(search, places, inside)
        bounds = [(search.extreme(place, -1), search.extreme(place, 1)) for place in places[exposed].tolist()]
        return search, list(zip(_each(inside.take(exposed)), bounds, strict=True))

    for block, (search, exposed) in zip(parts.blocks, _side_by_side(searched, len(parts.blocks)), strict=True):
        found += [_exposure(prover, need, interval, block, search) for need, interval in exposed]
    return tuple(sorted(found, key=lambda exposure: exposure.cell))


def insiders_attack(
    system: System,
    needs: Needs,
    insiders: Integers,
    value: Integers,
    *,
    whose: Integers | None = None,
    deadline: float | None = None,
) -> Iterator[tuple[int, Exposure]]:
    """Yield what fails for someone who knows his own cells: the first of them, and the exposed one.

    What fails for every reader is found by `attack`, and of less interest here: it may be found again, or not.

    Args:
        system: what a reader knows.
        needs: what must stay possible for each insider, but for his own cells; each holds for every other reader.
        insiders: cells with a single contributor.
        whose: a number of each of these cells, equal where they are one person's; null where each is another's.
        value: the true values of all cells; those of the insiders must be right, others only save time.
        deadline: of `time.monotonic()`.

    Raises:
        GateRefusal: the figures contradict each other, or the solver failed.
        AuditUnfinished: the deadline passed, so nothing is known.
    """
    needs, (insiders, first) = one_each(needs.upward()), np.unique(insiders, return_index=True)
    whose = insiders if whose is None else whose[first]
    parts = taken_apart(system, insiders)
    if np.any((value < parts.low - SLACK)[insiders] | (value > parts.high + SLACK)[insiders]):
        raise GateRefusal("the figures of insiders contradict what is published")

    def failing_of(number: int) -> list[tuple[int, Needs]]:
        here = parts.label[insiders] == number
        inside = needs.take(parts.label[needs.cell] == number)
        found = Insiders(parts.blocks[number], insiders[here], whose[here], value, inside, deadline).failing()
        return [(person, inside.take(failed)) for person, failed in found]

    for unproven in _side_by_side(failing_of, len(parts.blocks)):
        for person, failed in unproven:
            own = insiders[whose == person]
            for exposure in attack(_knowing(system, own, value), failed, deadline=deadline, point=value):
                yield int(own[0]), exposure


def _side_by_side(task: Callable[[int], Result], number: int) -> list[Result]:
    """Do a task for each of some blocks, a thread a processor: the solver leaves the interpreter free meanwhile."""
    if number < MANY:
        return [task(one) for one in range(number)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        return list(threads.map(task, range(number)))


def _knowing(system: System, cells: Integers, value: Integers) -> System:
    """Return what someone knows who knows some more cells."""
    low, high = system.low.copy(), system.high.copy()
    low[cells] = high[cells] = value[cells]
    return System(system.relations, low, high)


def _each(needs: Needs) -> Iterator[Needs]:
    """Yield the needs one by one."""
    return (needs.take(np.array([k])) for k in range(len(needs.cell)))


def _exposure(
    prover: Prover,
    need: Needs,
    interval: tuple[float, float],
    block: Block | None = None,
    search: Search | None = None,
) -> Exposure:
    """Return what is found of a cell, with its proof."""
    cell = int(need.cell[0])
    low, high = interval
    narrow = high >= need.reach[0]
    proofs: list[Proof] = []
    for sign, bound in ((1, high), (-1, low)) if narrow else ((1, high),):
        evidence = None
        if block is not None and search is not None:
            evidence = search.evidence[int(np.searchsorted(block.cell, cell)), sign]
        proofs.append(prover.proof(cell, sign, bound, block, evidence))
    rows = np.unique(np.concatenate([proof.rows for proof in proofs]))
    published = np.unique(np.concatenate([proof.published for proof in proofs]))
    return Exposure(cell, low, high, rows, published)
