"""`python -m benchmarks.disclosure`: tables that give nobody away, what that costs and what it keeps.

Linked tables of growing size are protected and attacked; a hand's rule (never one hidden cell alone in a sum) is
attacked beside. Then Statistics Norway's tables (NOREN_REAL_DATA), then the shipped releases, method by method.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from anonymization.disclosure.attack.attack import attack, insiders_attack
from anonymization.disclosure.suppress.bounds import ground
from anonymization.disclosure.suppress.suppress import suppress
from anonymization.disclosure.system import Booleans, Problem
from anonymization.home import Home, policy_folder
from anonymization.policy.load import load_policies
from anonymization.tables.model import CONFIDENTIAL
from benchmarks import many, methods, together
from benchmarks.linked import linked_cells, never_alone
from benchmarks.measure import ROOT, Cost, apart, now, since
from jobs.synthetic.month import generate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.verbs.protect import Asked, Done, protect_table
from jobs.walk import RELEASES

MOST_OF_A_MONTH = 300_000
"""Events of each of three months whose releases are attacked together."""
MOST_OF_MANY_MONTHS = 100_000
"""Events of each of many months whose releases are attacked together."""
ROW = "{:<44}{:>9}{:>9}{:>10}{:>10}{:>9}{:>9}"
OFFICIAL = {
    "z1": ("region,hovedint", {}),
    "z2": ("region,hovedint", {"region": ("fylke", "kostragr")}),
    "z3": ("region,hovedint,mnd", {"region": ("fylke", "kostragr"), "mnd": ("mnd2",)}),
}
"""Dimensions, and the columns of their hierarchies, which are linked tables where there are several."""


def attacked(problem: Problem, hidden: Booleans) -> tuple[int, int]:
    """Return how many unsafe cells anybody can tell, and how many the only person of another cell can."""
    seen, who = problem.seen(hidden), ground(problem).twin
    found = attack(seen, problem.needs, point=problem.value)
    told = insiders_attack(seen, problem.needs, problem.insiders, problem.value) if not found else ()
    return len(found), sum(who[insider] != who[exposure.cell] for insider, exposure in told)


def of_size(size: int, share: float) -> tuple[Cost, Cost, list[float]]:
    """Protect and attack linked tables; return both costs, then cells, unsafe, hidden and persons hidden, findings."""
    problem = linked_cells(0, size, unsafe=share)
    before = now()
    pattern = suppress(problem)
    protecting, before = since(before), now()
    found, told = attacked(problem, pattern.hidden)
    persons = problem.value[pattern.hidden].sum() / problem.value.sum()
    figures = [len(problem.value), len(problem.needs.cell), int(pattern.hidden.sum()), float(persons), found + told]
    return protecting, since(before), figures


def linked(sizes: Sequence[int]) -> None:
    """Print what linked tables cost."""
    print(ROW.format("linked tables, N=10", "unsafe", "hidden", "persons", "protect", "attack", "found"))
    print(ROW.format("", "", "", "hidden", "CPU s", "CPU s", ""))
    for size in sizes:
        for share in (0.1, 0.2):
            _, (protecting, attacking, of) = apart(partial(of_size, size, share))
            cells, unsafe, hidden, persons, found = of
            print(
                ROW.format(
                    f"{cells:,.0f} cells", f"{unsafe:,.0f}", f"{hidden:,.0f}", f"{persons:.1%}",
                    f"{protecting.cpu:.1f}", f"{attacking.cpu:.1f}", f"{found:.0f}",
                ),
                flush=True,
            )  # fmt: skip
    problem = linked_cells(0, min(sizes))
    for name, hidden in (("unsafe cells alone", problem.hidden), ("never one alone in a sum", never_alone(problem))):
        before = now()
        found, told = attacked(problem, hidden)
        cells = f"{len(problem.value):,} cells, {name}"
        figures = (
            f"{len(problem.needs.cell):,}",
            f"{hidden.sum():,}",
            f"{problem.value[hidden].sum() / problem.value.sum():.1%}",
        )
        print(ROW.format(cells, *figures, "", f"{since(before).cpu:.1f}", f"{found + told}"), flush=True)


def official(folder: Path) -> None:
    """Print what Statistics Norway's tables cost; persons are those of hidden cells, each cell once."""
    if not folder.is_dir():
        print(f"official tables: skipped, no real data at {folder}: set NOREN_REAL_DATA")
        return
    print(ROW.format("\nofficial tables", " unsafe", " hidden", " persons", " optimum", " CPU s", " found"))
    for name, threshold in ((n, t) for n in OFFICIAL for t in (4, 10)):
        _, (cost, unsafe, hidden, persons, optimal, found) = apart(partial(_official, folder, name, threshold))
        figures = (
            f"{unsafe:,}",
            f"{hidden:,}",
            f"{persons:,}",
            "proven" if optimal else "",
            f"{cost.cpu:.1f}",
            str(found),
        )
        print(ROW.format(f"{name}, N={threshold}", *figures), flush=True)


def _official(folder: Path, name: str, threshold: int) -> tuple[Cost, int, int, int, bool, int]:
    before = now()
    done = protect_official(folder, name, threshold)
    hidden = done.frame["ant_status"] == CONFIDENTIAL
    cost = since(before)
    return cost, done.protected.unsafe, int(hidden.sum()), done.hidden_value, done.protected.optimal, len(done.findings)


def protect_official(folder: Path, name: str, threshold: int) -> Done:
    """Protect one of the tables, its hierarchies as files of their own."""
    dimensions, levels = OFFICIAL[name]
    given = pd.read_csv(folder / f"{name}.csv", dtype=str)
    with tempfile.TemporaryDirectory(prefix="noren-official-") as work:
        files = {
            dimension: [_hierarchy(given, dimension, column, Path(work)) for column in columns]
            for dimension, columns in levels.items()
        }
        names = tuple(dimensions.split(","))
        return protect_table(
            Asked(folder / f"{name}.csv", names, files, "ant", threshold, None, None, Path(work) / "safe.csv")
        )


def _hierarchy(given: pd.DataFrame, dimension: str, column: str, folder: Path) -> Path:
    path = folder / f"{column}.csv"
    pairs = given[[dimension, column]].drop_duplicates()
    pairs[column] = column + pairs[column]  # the codes of two hierarchies are not to meet
    pairs.to_csv(path, header=False, index=False)
    return path


def shipped(events: int) -> None:
    """Print what each method keeps of the shipped releases."""
    policies = load_policies(policy_folder())
    with tempfile.TemporaryDirectory(prefix="noren-methods-") as folder:
        home = Home(Path(folder) / "home")
        initialize(home)
        generate(home, events, 1)
        run_intake(home, policies, arrivals(home, policies), optouts=[])
        print(f"\nmethods side by side, {events:,} events")
        methods.show(home, policies, RELEASES)


def bench(events: int, sizes: Sequence[int]) -> None:
    """Print everything."""
    linked(sizes)
    official(Path(os.environ.get("NOREN_REAL_DATA", ROOT.parent / "shared" / "data")) / "tables")
    shipped(events)
    together.show(min(events, MOST_OF_A_MONTH))
    many.show(min(events, MOST_OF_MANY_MONTHS))


def main() -> None:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disclosure", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="of the shipped releases")
    parser.add_argument("--cells", type=int, nargs="+", default=[1_000, 10_000], help="of linked tables")
    given = parser.parse_args()
    os.environ.setdefault("NOREN_MEMORY_LIMIT", "2GB")
    bench(given.events, given.cells)


if __name__ == "__main__":
    main()
