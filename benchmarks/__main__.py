"""`make bench`: intake to a plain COPY, facts and tables to a bare scan, generation, the whole demo."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from anonymization.home import Home
from anonymization.policy.load import load_policies
from anonymization.tables.suppression import protect
from anonymization.tables.tabulate import tabulate
from jobs.build import find_inputs, opened_events, plan_release
from jobs.generate import generate
from jobs.init import initialize
from jobs.intake import arrivals, run_intake
from jobs.setting import policy_folder

RELEASES = ("monthly-audience", "population-by-place")
SPACED = "{:<52}{:>10}{:>10}{:>10}"


@dataclass
class Cost:
    """Wall and CPU seconds of one step."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure a block, its threads included."""
    cost = Cost()
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    yield cost
    after = resource.getrusage(resource.RUSAGE_SELF)
    cost.wall = time.perf_counter() - wall
    cost.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(name: str, cost: Cost, against: Cost | None = None) -> None:
    """Print a row: seconds, and the ratio of CPU seconds to what it is measured against."""
    ratio = "" if against is None else f"{cost.cpu / max(against.cpu, 1e-9):.2f}x"
    print(SPACED.format(name, f"{cost.wall:.2f}", f"{cost.cpu:.2f}", ratio))


def plain_copy(home: Home, target: Path) -> Cost:
    """Read the same raw files by DuckDB alone and write as many columns: the floor of an intake."""
    ten = "quote='\"', columns={" + ", ".join(f"'c{n}': 'VARCHAR'" for n in range(10)) + "}"
    readers = {
        "clicks": ("read_json('{}', format='newline_delimited', ignore_errors=true)", "jsonl*"),
        "links": ("read_json('{}', format='newline_delimited', ignore_errors=true)", "jsonl*"),
        "locations": ("read_parquet('{}')", "parquet"),
        "subscribers": ("read_csv('{}')", "csv"),
        "weblogs": (f"read_csv('{{}}', delim=' ', header=false, auto_detect=false, ignore_errors=true, {ten})", "log"),
    }
    with measured() as cost, duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        for source, (reader, suffix) in readers.items():
            files = f"{home.landing}/source={source}/*/*.{suffix}"
            path = target / f"{source}.parquet"
            text = f"COPY (SELECT * FROM {reader.replace('{}', files)}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            connection.execute(text)
    return cost


def bare_scan(home: Home, columns: dict[str, list[str]]) -> Cost:
    """Read the event columns that a release uses, and do nothing with them."""
    with measured() as cost, duckdb.connect() as connection:
        for source, names in columns.items():
            folded = ", ".join(f"max({name})" for name in names)
            connection.execute(
                f"SELECT {folded} FROM read_parquet('{home.events}/source={source}/*/*.parquet')"
            ).fetchall()
    return cost


USED = {
    "monthly-audience": {
        "subscribers": ["p", "day", "prefecture", "age_band", "service"],
        "links": ["p", "day", "linked_p", "service"],
        "clicks": ["p", "day", "service"],
    },
    "population-by-place": {"locations": ["p", "day", "hour", "mesh"]},
}


def bench(events: int, *, spark: bool) -> None:
    """Run every measurement once and print it."""
    policies = load_policies(policy_folder())
    with tempfile.TemporaryDirectory(prefix="noren-bench-") as folder:
        home = Home(Path(folder) / "home")
        initialize(home)
        print(SPACED.format(f"{events:,} events", "wall s", "CPU s", "ratio"))
        with measured() as cost:
            generate(home, events, 1)
        show("generate a month of logs", cost)
        floor = plain_copy(home, Path(folder))
        show("plain COPY of the raw files (DuckDB)", floor)
        with measured() as cost:
            run_intake(home, policies, arrivals(home, policies), optouts=[])
        show("intake / plain COPY", cost, floor)
        for name in RELEASES:
            bench_release(home, name, spark=spark)
        whole_demo(Path(folder), events)
        print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def bench_release(home: Home, name: str, *, spark: bool) -> None:
    """Measure facts and tables of a release on the engines, against a bare scan."""
    policies = load_policies(policy_folder())
    plan, _ = plan_release(policies, name, "2026-10")
    inputs = find_inputs(home, plan.release, plan.period)
    scan = bare_scan(home, USED[name])
    show(f"{name}: bare scan of the columns used", scan)
    for engine in ("duckdb", "spark") if spark else ("duckdb",):
        with opened_events(home, policies, inputs, engine=engine) as (opened, relations):
            with measured() as cost:
                tables = tabulate(opened, plan, relations)
            show(f"{name}: facts + tables on {engine} / scan", cost, scan)
    with measured() as cost:
        protect(tables, plan.minimum_count, withheld=plan.withheld)
    show(f"{name}: protect / scan", cost, scan)


def whole_demo(folder: Path, events: int) -> None:
    """Time the demo as a person starts it."""
    started = time.perf_counter()
    environment = {**os.environ, "NOREN_HOME": str(folder / "demo")}
    command = [sys.executable, "-m", "jobs.cli", "demo", "--events", str(events)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    print(SPACED.format("the whole demo, as a process", f"{time.perf_counter() - started:.2f}", "", ""))


def main(run: Callable[..., None] = bench) -> None:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--spark", action="store_true", help="also on Spark (wall seconds count: its CPU is Java's)")
    given = parser.parse_args()
    run(given.events, spark=given.spark)


if __name__ == "__main__":
    main()
