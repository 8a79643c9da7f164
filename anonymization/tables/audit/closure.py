"""What follows of sets that are listed beside each other: which of them add up to which, and what nobody lists.

Of a month, its weeks and its days off, or of `[mail, news]`, `[news, maps]` and `[mail, news, maps]`, a reader knows
more than what is listed: what a list leaves of a whole (a **rest**), and whatever sums of all of them say of the
**atoms**, the smallest parts that no listed set cuts. Every set is a sum of atoms, none of which is negative: by these
equations whatever follows of sums of sets follows by linear programmes.

Where persons do not add up, sets are unions: of two sets A and B with their union U and what they have in common, I,
persons(A) + persons(B) >= persons(U) + persons(I), and a part has no more persons than its whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from anonymization.tables.audit.axes import CODES, Axis, Members
from anonymization.tables.model import TOTAL

Sum = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Closure:
    """What follows of some sets.

    Attributes:
        made: codes that nobody lists there.
        sums: a whole and the parts, none of which overlap, that make it up.
        within: a part and its whole, where no sum says so.
        overlaps: two sets, their union, and what they have in common; null where that is nothing.
    """

    made: tuple[str, ...]
    sums: tuple[Sum, ...]
    within: tuple[tuple[str, str], ...]
    overlaps: tuple[tuple[str, str, str, str | None], ...]


def closure(listed: Sequence[str], axis: Axis, *, by_tree: bool = True) -> Closure:
    """Return what follows of sets of an axis that are listed at the same other coordinates; the axis gets new codes.

    Args:
        listed: codes of the sets.
        axis: the axis.
        by_tree: whether the axis's tree, if it has but one, says already what it can.
    """
    sets = {code: axis.sets[code] for code in listed}
    told = list(_told(sets, axis)) if by_tree else []
    sums = list(_by_series(sets, axis, {whole for whole, _ in told}))
    overlaps = tuple(_overlaps(listed, sets, axis))
    sums += _by_atoms(sets, axis, [*told, *sums])
    linked = {(part, whole) for whole, parts in (*told, *sums) for part in parts}
    return Closure(
        tuple(code for code in sets if code not in set(listed)),
        tuple(sums),
        tuple(_within(sets, linked)),
        overlaps,
    )


def _told(sets: Mapping[str, Members], axis: Axis) -> Iterator[Sum]:
    """The sums that an axis's only tree says, if all of a code's parts are listed."""
    if axis.parted or len({tuple(sorted(tree.parents.items())) for tree in axis.trees}) != 1:
        return
    below: dict[str, list[str]] = {}
    for code, parent in axis.trees[0].parents.items():
        below.setdefault(parent, []).append(code)
    for whole, parts in below.items():
        if whole in sets and all(part in sets for part in parts):
            yield whole, tuple(parts)


def _by_series(sets: dict[str, Members], axis: Axis, told: set[str]) -> Iterator[Sum]:
    """Each set as the parts of it that a series lists, and what they leave; that gets a code."""
    known: set[Sum] = set()
    for whole in list(sets):
        for series, codes in axis.series.items():
            if series.startswith(CODES) and whole in told:
                continue  # the tree says it
            parts = apart([code for code in codes if code in sets and sets[code] < sets[whole]], sets)
            if not parts:
                continue
            left = sets[whole] - frozenset().union(*(sets[code] for code in parts))
            if left:
                rest = axis.make(left)
                sets.setdefault(rest, left)
                parts = [*parts, rest]
            if (whole, tuple(parts)) not in known:
                known.add((whole, tuple(parts)))
                yield whole, tuple(parts)


def apart(codes: Sequence[str], sets: Mapping[str, Members]) -> list[str]:
    """Return the largest of some sets, and what does not overlap them."""
    chosen: list[str] = []
    taken: set[int | str] = set()
    for code in sorted(codes, key=lambda code: (-len(sets[code]), code)):
        if not taken & sets[code]:
            chosen.append(code)
            taken |= sets[code]
    return sorted(chosen)


def _by_atoms(sets: dict[str, Members], axis: Axis, sums: Sequence[Sum]) -> list[Sum]:
    """Sets as sums of atoms, where the sums so far do not say that; atoms without a code get one."""
    if _is_tree(sets, sums):
        return []
    signature: dict[int | str, list[str]] = {}
    for code, members in sets.items():
        for member in members:
            signature.setdefault(member, []).append(code)
    groups: dict[tuple[str, ...], set[int | str]] = {}
    for member, codes in signature.items():
        groups.setdefault(tuple(codes), set()).add(member)
    atoms = [frozenset(members) for _, members in sorted(groups.items())]
    of = {code: tuple(n for n, atom in enumerate(atoms) if atom <= members) for code, members in sets.items()}
    codes = [axis.make(atom) for atom in atoms]  # type: ignore[arg-type]
    for code, atom in zip(codes, atoms, strict=True):
        sets.setdefault(code, atom)  # type: ignore[arg-type]
    span = _Span(sets)
    for whole, parts in sums:
        span.add(whole, parts)
    found = []
    for code in sorted(of, key=lambda code: (len(of[code]), code)):
        parts = tuple(codes[n] for n in of[code])
        if len(parts) > 1 and span.add(code, parts):
            found.append((code, parts))
    return found


def _is_tree(sets: Mapping[str, Members], sums: Sequence[Sum]) -> bool:
    """Whether sets contain or exclude each other, and each that has parts is the sum of the largest of them."""
    wholes: dict[str, list[frozenset[str]]] = {}
    for whole, parts in sums:
        wholes.setdefault(whole, []).append(frozenset(parts))
    wide = [code for code, members in sets.items() if len(members) > 1]
    for one, other in combinations(wide, 2):
        if sets[one] & sets[other] and not (sets[one] <= sets[other] or sets[other] <= sets[one]):
            return False
    for whole in wide:
        inside = [code for code in sets if sets[code] < sets[whole]]
        largest = frozenset(c for c in inside if not any(sets[c] < sets[other] for other in inside))
        if inside and largest not in wholes.get(whole, ()):
            return False
    return True


class _Span:
    """The equations between sets that follow of some."""

    def __init__(self, sets: Mapping[str, Members]) -> None:
        self._number = {code: number for number, code in enumerate(sets)}
        self._rows: list[np.ndarray] = []
        self._pivots: list[int] = []

    def add(self, whole: str, parts: Sequence[str]) -> bool:
        """Add an equation; tell whether it says anything new."""
        row = np.zeros(len(self._number))
        row[self._number[whole]] = 1.0
        row[[self._number[part] for part in parts]] -= 1.0
        for known, pivot in zip(self._rows, self._pivots, strict=True):
            row -= row[pivot] * known
        pivot = int(np.argmax(np.abs(row)))
        if abs(row[pivot]) < 1e-9:  # noqa: PLR2004 - weights are small whole numbers
            return False
        self._rows.append(row / row[pivot])
        self._pivots.append(pivot)
        return True


def _overlaps(
    listed: Sequence[str], sets: dict[str, Members], axis: Axis
) -> Iterator[tuple[str, str, str, str | None]]:
    """Two listed sets whose union has a code."""
    named: dict[frozenset[object], str] = {frozenset(members): code for code, members in sets.items()}
    wide = [code for code in listed if len(sets[code]) > 1 and code != TOTAL]
    for one, other in combinations(wide, 2):
        union: frozenset[object] = sets[one] | sets[other]
        common = sets[one] & sets[other]
        if union not in named or common in (sets[one], sets[other]):
            continue
        if not common:
            yield one, other, named[union], None
            continue
        code = axis.make(common)
        sets.setdefault(code, common)
        yield one, other, named[union], code


def _within(sets: Mapping[str, Members], linked: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Inclusions that no sum and no chain of them says."""
    above: dict[str, set[str]] = {}
    for part, whole in linked:
        above.setdefault(part, set()).add(whole)
    for part in sorted(sets, key=lambda code: (-len(sets[code]), code)):
        reached = _reached(part, above)
        larger = [code for code in sets if sets[part] < sets[code] and code not in reached]
        for whole in sorted(larger, key=lambda code: (len(sets[code]), code)):
            if whole not in _reached(part, above):
                above.setdefault(part, set()).add(whole)
                yield part, whole


def _reached(part: str, above: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [part]
    while left:
        for whole in above.get(left.pop(), ()):
            if whole not in found:
                found.add(whole)
                left.append(whole)
    return found
