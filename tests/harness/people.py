"""Tables of people who are drawn at random: true figures of every cell, and noise as the mechanisms make it, seeded."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, SafeTable
from anonymization.tables.plan import TablePlan

PERSONS = Measure("persons_bounded", {}, MeasureKind.PERSONS, "s", {})
EVENTS = Measure("events_bounded", {}, MeasureKind.TOTAL, "s", {})
SECONDS = Measure("seconds_bounded", {}, MeasureKind.TOTAL, "s", {}, "seconds")


def dimension(name, kind, parents, levels=("fine",), *, complete=True):
    """A dimension of codes; the finest level first, and each code's parent."""

    def depth(code):
        return 0 if code == TOTAL else 1 + depth(parents[code])

    at = {code: levels[len(levels) - depth(code)] for code in parents}
    return Dimension(name, {}, kind, levels, parents, at, {}, complete=complete)


def flat(name, kind, codes):
    return dimension(name, kind, {f"{name}{i}": TOTAL for i in range(codes)})


REGIONS = dimension(
    "region",
    DimensionKind.PERSON,
    {"r1": TOTAL, "r2": TOTAL, "p1": "r1", "p2": "r1", "p3": "r2", "p4": "r2"},
    ("fine", "coarse"),
)
PLACES = dimension(
    "place", DimensionKind.EVENT, {"c1": TOTAL, "c2": TOTAL, "m1": "c1", "m2": "c1", "m3": "c2"}, ("fine", "coarse")
)


def declared(dimensions, measures):
    return TablePlan("t", {}, tuple(dimensions), tuple(measures), days=False)


def counted(plan, random, people, most=3):
    """True figures of every cell of a table, of people who are in up to so many of its finest cells."""
    finest = [sorted(set(d.parents) - d.inner) for d in plan.dimensions]
    weight = [np.arange(1, len(codes) + 1) ** -1.5 for codes in finest]
    rows = []
    for person in range(people):
        chosen = [
            [random.choice(c, p=w / w.sum()) for c, w in zip(finest, weight, strict=True)]
            for _ in range(random.integers(1, most + 1))
        ]
        for cell in chosen:
            own = [
                first if d.kind is DimensionKind.PERSON else code
                for d, first, code in zip(plan.dimensions, chosen[0], cell, strict=True)
            ]
            rows.append((person, *own, int(random.integers(1, 6)), int(random.integers(0, 90))))
    facts = pd.DataFrame(rows, columns=["p", *(d.name for d in plan.dimensions), "n", "s"])
    found = []
    for cell in itertools.product(*(d.codes for d in plan.dimensions)):
        inside = np.ones(len(facts), dtype=bool)
        for d, code in zip(plan.dimensions, cell, strict=True):
            below = [own for own in (*d.parents, TOTAL) if code in (own, *d.ancestors(own))]
            inside &= facts[d.name].isin(below).to_numpy()
        here = facts[inside]
        of = {
            "persons_bounded": here["p"].nunique(),
            "events_bounded": here["n"].sum(),
            "seconds_bounded": here["s"].sum(),
        }
        found.append((*cell, *(int(of[m.name]) for m in plan.measures)))
    keys = [d.name for d in plan.dimensions]
    frame = pd.DataFrame(found, columns=[*keys, *(m.name for m in plan.measures)])
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def published(plan, frame):
    columns = {d.name: frame[d.name] for d in plan.dimensions}
    for m in plan.measures:
        columns |= {m.name: frame[m.name].astype("Int64"), f"{m.name}_status": FREE}
    return SafeTable(
        "t", {}, plan.dimensions, plan.measures, pd.DataFrame(columns), 1, method=Method.DIFFERENTIAL_PRIVACY
    )


def noisy(plan, true, scale, random, kind="gaussian"):
    """The figures with noise, as they would be drawn."""
    frame = true.copy()
    for m in plan.measures:
        if kind == "gaussian":
            noise = np.rint(random.normal(0, scale[m.name]))
        else:
            chance = 1 - np.exp(-1 / scale[m.name])
            noise = random.geometric(chance) - random.geometric(chance)
        frame[m.name] = frame[m.name] + noise.astype(np.int64)
    return published(plan, frame)
