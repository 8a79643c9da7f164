"""`python -m benchmarks.places`: how much of a map is kept, merged into rests and plainly withheld.

A visit is a person, day, finest place and hour. It is kept at the finest level where its own place is listed at
its hour, and at some level where any place that holds it is.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from anonymization.home import Home, policy_folder
from anonymization.policy.load import Policies, load_policies
from anonymization.release.inputs import find_inputs, opened_events, plan_release
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.unlisted import withhold
from anonymization.tables.model import REST, TOTAL, SafeTable, Table
from anonymization.tables.plan import Plan
from jobs.synthetic.month import MONTH, generate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake

RELEASE = "population-by-place"
ROW = "  {:<34}{:>16}{:>16}{:>16}"


def kept(true: Table, published: SafeTable, *, hour: bool) -> tuple[float, float]:
    """Return the shares of visits kept at the finest level and at some level.

    Args:
        true: every finest place, at every hour and at all hours.
        published: as it would be published.
        hour: whether a visit has an hour; else all hours are one.
    """
    place, at, kind = (dimension.name for dimension in true.dimensions)
    finest = true.dimensions[0].levels[0]
    visits = true.frame[(true.frame[kind] == TOTAL) & ((true.frame[at] != TOTAL) == hour)]
    visits = visits[visits[place].map(true.dimensions[0].level_of) == finest]
    shown = pd.MultiIndex.from_frame(published.frame.loc[published.frame[kind] == TOTAL, [place, at]].astype(object))
    codes, covered = visits[place], np.zeros(len(visits), dtype=bool)
    shares = []
    while True:
        for code in (codes, codes + REST):
            covered |= pd.MultiIndex.from_arrays([code, visits[at]]).isin(shown)
        shares.append(float(visits.loc[covered, "person_days"].sum() / visits["person_days"].sum()))
        if (codes == TOTAL).all():
            return shares[0], shares[-1]
        codes = codes.map(true.dimensions[0].parents)


def compare(home: Home, policies: Policies) -> dict[str, tuple[float, float]]:
    """Return, by way of protection and by hour or all hours, what is kept; print it."""
    plan, _ = plan_release(policies, RELEASE, MONTH)
    inputs = find_inputs(home, policies, plan.release.sources, plan.period, judging=plan.judging)
    with opened_events(home, policies, inputs, engine="duckdb") as (engine, events):
        (merged,) = withhold(tabulate(engine, plan, events), plan.minimum_count)
        (true,) = tabulate(engine, _unmerged(plan), events)
    (withheld,) = withhold([true], plan.minimum_count)
    found = {}
    print(ROW.format("", "cells listed", "finest level", "some level"))
    for name, table in (("merged into rests", merged), ("withheld with all above", withheld)):
        for about, hour in (("all hours", False), ("by hour", True)):
            shares = found[f"{name}, {about}"] = kept(true, table, hour=hour)
            print(ROW.format(f"{name}, {about}", f"{len(table.frame):,}", *(f"{share:.1%}" for share in shares)))
    return found


def _unmerged(plan: Plan) -> Plan:
    tables = (replace(t, dimensions=tuple(replace(d, merged=False) for d in t.dimensions)) for t in plan.tables)
    return replace(plan, tables=tuple(tables))


def main() -> None:
    """Read the flags and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args()
    policies = load_policies(policy_folder())
    with tempfile.TemporaryDirectory(prefix="noren-places-") as folder:
        home = Home(Path(folder) / "home")
        initialize(home)
        generate(home, given.events, 1)
        run_intake(home, policies, arrivals(home, policies, "locations"), optouts=[])
        compare(home, policies)


if __name__ == "__main__":
    main()
