"""A reader by brute force: every population that agrees with all that is published, written down one by one.

It shares nothing with what it tries: it counts, publishes nothing, and reads frames of codes, figures and statuses alone.
A **world** has a few person attributes and a few atoms of events (services, or days); a person is of a **kind**, one value
of each attribute and the atoms in which something was done. Populations differ by how many persons are of each kind, and
by what all persons of one value did in one atom together, at least one each.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

MOST = 100_000
"""Populations in the making: a case of more is undecided."""


@dataclass(frozen=True)
class World:
    """What persons can be and do.

    Attributes:
        of_each: of each person attribute its base values.
        atoms: of events.
        together: sets of atoms in which one person may have done something; null where any set may be one.
    """

    of_each: tuple[tuple[str, ...], ...]
    atoms: tuple[str, ...]
    together: tuple[tuple[str, ...], ...] | None = None

    @property
    def people(self):
        """Every combination of values."""
        return list(itertools.product(*self.of_each))

    @property
    def kinds(self):
        """Every combination of values, with every set of atoms in which there may be something."""
        sets = self.together or [
            s for n in range(1, len(self.atoms) + 1) for s in itertools.combinations(self.atoms, n)
        ]
        return [(who, frozenset(did)) for who in self.people for did in sets]

    @property
    def parts(self):
        """Every combination of values with one atom: what sums are of."""
        return list(itertools.product(self.people, self.atoms))


@dataclass(frozen=True)
class Told:
    """A figure that is published, or that is hidden where somebody is.

    Attributes:
        who: the combinations of values that it is of.
        did: the atoms.
        persons: whether it counts persons; else what they did.
        value: null where it is hidden.
    """

    who: frozenset
    did: frozenset
    persons: bool
    value: int | None


class UndecidedError(Exception):
    """There are too many populations to write down."""


class Reader:
    """All that agrees with what is told.

    Attributes:
        counts: a row a population, a column a kind.
        parts: which parts are one column of `sums`: those that no figure tells apart.
        sums: a row an assignment of what was done; null where nothing is told of it.
    """

    def __init__(self, world, told, *, most_persons, most_done):
        """Read what is told.

        Args:
            world: what persons can be and do.
            told: everything that is published.
            most_persons: more persons than this there are not.
            most_done: of some parts, more than this was not done.
        """
        self.world = world
        of_persons, of_sums = [t for t in told if t.persons], [t for t in told if not t.persons]
        by_kind = np.array(
            [[w in t.who and bool(d & t.did) for w, d in world.kinds] for t in of_persons], dtype=np.int64
        )
        shape = (len(of_persons), len(world.kinds))
        each = np.full(len(world.kinds), most_persons)
        self.counts = _points(by_kind.reshape(shape), of_persons, each, most_persons)
        self.sums, self.parts = None, []
        if of_sums:
            by_part = np.array([[w in t.who and a in t.did for w, a in world.parts] for t in of_sums], dtype=np.int64)
            columns, self.group = np.unique(by_part, axis=1, return_inverse=True)
            self.group = self.group.ravel()
            self.parts = [
                frozenset(p for p, g in zip(world.parts, self.group, strict=True) if g == n)
                for n in range(columns.shape[1])
            ]
            self.sums = _points(columns, of_sums, np.array([most_done(parts) for parts in self.parts]), None)
            self._agree()

    def persons(self, who, did):
        """The least and the most persons of some values who did something in some atoms."""
        column = np.array([w in who and bool(d & did) for w, d in self.world.kinds])
        found = self.counts[:, column].sum(axis=1)
        return int(found.min()), int(found.max())

    def persons_between(self, who, before, after):
        """By how many persons of some values more at least, and at most, did something in some atoms than in others."""
        column = np.array([(w in who) * (int(bool(d & after)) - int(bool(d & before))) for w, d in self.world.kinds])
        found = self.counts @ column
        return int(found.min()), int(found.max())

    def done(self, who, did):
        """The least and the most that was done; null where no figures tell these parts from others."""
        wanted = frozenset((w, a) for w in who for a in did)
        column = np.array([parts <= wanted for parts in self.parts])
        if frozenset().union(*(p for p, inside in zip(self.parts, column, strict=True) if inside)) != wanted:
            return None
        found = self.sums[:, column].sum(axis=1)
        return int(found.min()), int(found.max())

    def done_between(self, who, before, after):
        """By how much more at least, and at most, was done in some atoms than in others; null where no figures tell."""
        change = np.zeros(len(self.parts), dtype=np.int64)
        for did, sign in ((before, -1), (after, 1)):
            if self.done(who, did) is None:
                return None
            change += sign * np.array([parts <= {(w, a) for w in who for a in did} for parts in self.parts])
        found = self.sums @ change
        return int(found.min()), int(found.max())

    def _agree(self):
        """Keep populations and sums with partners: where somebody was, each did something; where nobody was, nobody did."""
        of_part = np.array([[w == who and atom in d for w, d in self.world.kinds] for who, atom in self.world.parts])
        present = np.zeros((len(self.counts), len(self.parts)), dtype=np.int64)
        for number, column in zip(self.group, (self.counts @ of_part.T).T, strict=True):
            present[:, number] += column
        distinct, group = np.unique(present, axis=0, return_inverse=True)
        good_people, good_sums = np.zeros(len(distinct), dtype=bool), np.zeros(len(self.sums), dtype=bool)
        distinct, sums = distinct.astype(np.int8), self.sums.astype(np.int8)
        step = max(1, 4_000_000 // max(1, len(sums)))
        for start in range(0, len(distinct), step):
            some = distinct[start : start + step]
            fits = np.ones((len(some), len(sums)), dtype=bool)
            for people, done in zip(some.T, sums.T, strict=True):
                fits &= (people[:, None] <= done) & ((people > 0)[:, None] | (done == 0))
            good_people[start : start + step] |= fits.any(axis=1)
            good_sums |= fits.any(axis=0)
        self.counts, self.sums = self.counts[good_people[group.ravel()]], self.sums[good_sums]


def _points(matrix, told, most, most_together):
    """Every vector of whole numbers from 0 with the sums that are told, or at least 1 where they are hidden."""
    low = np.array([1 if t.value is None else t.value for t in told], dtype=np.int64)
    high = np.array([10**6 if t.value is None else t.value for t in told], dtype=np.int64)
    columns = matrix.shape[1]
    order = sorted(range(columns), key=lambda c: -int((matrix[:, c] * (high < 10**6)).sum()))
    points, sums, used = (
        np.zeros((1, 0), dtype=np.int64),
        np.zeros((1, len(told)), dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )
    for place, column in enumerate(order):
        step = matrix[:, column]
        later = matrix[:, order[place + 1 :]].any(axis=1)
        numbers = np.arange(most[column] + 1)
        wide = sums[:, None, :] + numbers[None, :, None] * step
        total = used[:, None] + numbers
        fits = (wide <= high).all(axis=2) & ((wide >= low) | later).all(axis=2)
        if most_together is None:
            left = (matrix[:, order[place + 1 :]] * most[order[place + 1 :]]).sum(axis=1)
            fits &= (wide + left >= low).all(axis=2)
        if most_together is not None:
            fits &= total <= most_together
            left = most_together - total
            fits &= (wide + left[:, :, None] * later >= low).all(axis=2)
        row, number = np.nonzero(fits)
        if len(row) > MOST:
            raise UndecidedError
        points = np.column_stack([points[row], numbers[number]])
        sums, used = wide[row, number], total[row, number]
    found = np.empty_like(points)
    found[:, order] = points
    return found
