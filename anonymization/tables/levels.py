"""Which codes of a release should stand by themselves: a cut through its hierarchies that leaves little to hide.

Greedy: from every code on, one is given up at a time, of the lightest beside others that which puts most persons out of
cells of too few for the information it costs, until few enough are left there. Information is the entropy of a person's
cell (Gionis, Tassa, *k-Anonymization with Minimal Loss of Information*, IEEE TKDE 21(2), 2009). A heuristic: what is
proposed is built before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from anonymization.hierarchies.cut import OTHER, standing
from anonymization.tables.model import Table

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Pins = Mapping[str, frozenset[str]]
"""Of each dimension, the codes that stand."""


@dataclass(frozen=True)
class Ladder:
    """A dimension's values and what may stand for them.

    Attributes:
        chains: finest code to its codes, itself first.
        unknown: the codes of what is unknown, which always stand.
        whole: whether codes are given up a level at a time, as days for weeks.
        fixed: whether no code is given up.
    """

    chains: Mapping[str, tuple[str, ...]]
    unknown: frozenset[str] = frozenset()
    whole: bool = False
    fixed: bool = False

    @cached_property
    def codes(self) -> frozenset[str]:
        """Every code."""
        return frozenset(code for chain in self.chains.values() for code in chain)

    @cached_property
    def above(self) -> dict[str, str]:
        """Each code's parent; that of the top codes is what is left of all."""
        return {code: up for chain in self.chains.values() for code, up in pairwise((*chain, OTHER))}

    @cached_property
    def beside(self) -> dict[str, frozenset[str]]:
        """Each code's siblings, itself among them."""
        below: dict[str, set[str]] = {}
        for code, up in self.above.items():
            below.setdefault(up, set()).add(code)
        return {code: frozenset(below[up]) for code, up in self.above.items()}


@dataclass(frozen=True)
class Counted:
    """The finest cells of one table.

    Attributes:
        names: its dimensions.
        at: of each cell, the number of its value in each dimension: shape (cells, dimensions).
        persons: of each measure of persons, those of each cell: shape (measures, cells).
    """

    names: tuple[str, ...]
    at: Integers
    persons: Floats


@dataclass(frozen=True)
class Kept:
    """What is left at some pins, of each measure of persons.

    Attributes:
        few: the share of persons in finest cells of too few.
        bits: the entropy of a person's cell.
    """

    few: Floats
    bits: Floats


def counted(table: Table, ladders: Mapping[str, Ladder]) -> Counted:
    """Return the finest cells of a table of true figures."""
    finest = np.ones(len(table.frame), dtype=bool)
    for name in table.keys:
        finest &= table.frame[name].isin(list(ladders[name].chains)).to_numpy()
    cells = table.frame[finest]
    numbers = [cells[name].map({v: n for n, v in enumerate(ladders[name].chains)}).to_numpy() for name in table.keys]
    persons = [cells[m.name].to_numpy(dtype=float) for m in table.measures if m.how.persons]
    return Counted(tuple(table.keys), np.column_stack(numbers).astype(np.int64), np.array(persons))


def kept(tables: Sequence[Counted], ladders: Mapping[str, Ladder], pins: Pins, least: int) -> Kept:
    """Return what is left at some pins; over event dimensions, where persons do not add up, roughly.

    Args:
        tables: the cells.
        ladders: of each dimension.
        pins: what stands.
        least: persons of a cell that are not too few.
    """
    few, bits = [], []
    numbered = {name: _numbered(ladder, pins[name]) for name, ladder in ladders.items()}
    for table in tables:
        columns = [numbered[name][table.at[:, d]] for d, name in enumerate(table.names)]
        cell = np.ravel_multi_index(columns, [int(numbered[name].max()) + 1 for name in table.names])
        for persons in table.persons:
            together = np.bincount(cell, persons)
            share = together[together > 0] / max(together.sum(), 1.0)
            few.append(share[together[together > 0] < least].sum())
            bits.append(-(share * np.log2(share)).sum())
    return Kept(np.array(few), np.array(bits))


def _numbered(ladder: Ladder, pins: frozenset[str]) -> Integers:
    """The number of the code that each value counts under."""
    codes = [stands.code for stands in standing(ladder.chains, pins).values()]
    order = {code: number for number, code in enumerate(dict.fromkeys(codes))}
    return np.array([order[code] for code in codes], dtype=np.int64)


def proposed(tables: Sequence[Counted], ladders: Mapping[str, Ladder], least: int, limit: float) -> Pins:
    """Return pins at which at most a share `limit` of each measure's persons is in finest cells of fewer than `least`.

    Those where nothing is left to give up, if no pins do.

    Args:
        tables: the cells.
        ladders: of each dimension.
        least: persons of a cell that are not too few.
        limit: 0 to 1.
    """
    pins: Pins = {name: ladder.codes for name, ladder in ladders.items()}
    weights = {name: _weights(tables, name, ladder) for name, ladder in ladders.items() if not ladder.fixed}
    now = kept(tables, ladders, pins, least)
    while np.any(now.few > limit):
        best: tuple[float, Pins, Kept] | None = None
        for name, weighed in weights.items():
            for fewer in _fewer(ladders[name], pins[name], weighed):
                then_pins = {**pins, name: fewer}
                then = kept(tables, ladders, then_pins, least)
                gained = float((now.few - np.maximum(then.few, limit)).clip(min=0).sum())
                rate = gained / max(float((now.bits - then.bits).sum()), 1e-9)
                if best is None or rate > best[0]:
                    best = rate, then_pins, then
        if best is None:
            return pins
        _, pins, now = best
    return pins


def _fewer(ladder: Ladder, pins: frozenset[str], weights: Mapping[str, float]) -> Iterator[frozenset[str]]:
    """Yield the pins without the lightest of codes that stand side by side, or two of them: a rest is of several."""
    if ladder.whole:
        if finest := pins & set(ladder.chains):
            yield pins - finest
        return
    inner = {ladder.above[code] for code in pins}
    lightest: dict[str, list[str]] = {}
    for code in sorted(pins - inner - ladder.unknown, key=lambda one: (weights[one], one)):
        lightest.setdefault(ladder.above[code], []).append(code)
    for last in lightest.values():
        siblings = ladder.beside[last[0]] - ladder.unknown
        number = 1 if len(siblings) == 1 or siblings - pins else 2
        if number <= len(last) and pins - set(last[:number]) - ladder.unknown:
            yield pins - set(last[:number])


def _weights(tables: Sequence[Counted], name: str, ladder: Ladder) -> dict[str, float]:
    """How many persons each code has, over all measures."""
    weights = dict.fromkeys(ladder.codes, 0.0)
    for table in tables:
        if name in table.names:
            at = table.at[:, table.names.index(name)]
            each = np.bincount(at, table.persons.sum(axis=0), minlength=len(ladder.chains))
            for chain, persons in zip(ladder.chains.values(), each, strict=True):
                for code in chain:
                    weights[code] += float(persons)
    return weights


def listed(pins: Pins, ladders: Mapping[str, Ladder]) -> dict[str, tuple[str, ...]]:
    """Return, in the order of their lists, the pins of the dimensions of which a code was given up; none of unknown."""
    found = {}
    for name, ladder in ladders.items():
        if pins[name] != ladder.codes:
            ordered = dict.fromkeys(code for chain in ladder.chains.values() for code in reversed(chain))
            found[name] = tuple(code for code in ordered if code in pins[name] - ladder.unknown)
    return found
