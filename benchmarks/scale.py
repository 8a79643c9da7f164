"""Facts and tables as events grow: a bare scan, DuckDB, Spark, and the same release written for Spark by hand.

Every run is a process of its own. Of Spark its Java counts too: CPU seconds and peak memory are those of the process
and of all below it; what an empty session takes is told apart and not in the other rows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from anonymization.deidentify.taken import known_files
from anonymization.engine import open_engine
from anonymization.home import Home
from anonymization.policy.load import Policies
from anonymization.release.inputs import find_inputs, opened_events, plan_release
from anonymization.release.package_writing import write_package
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.suppression import suppressed
from anonymization.tables.model import Table
from benchmarks.measure import Cost, apart, between, show
from benchmarks.spark_by_hand import BY_HAND
from jobs.synthetic.month import MONTH

MASTER = "local[2]"
HAND_TARGET, SPARK_TARGET, SCAN_TARGET, GROWTH_TARGET, MEMORY_TARGET = 1.05, 10, 2, 11, 1.1
TICKS = os.sysconf("SC_CLK_TCK")
PSEUDONYM_BITS = 60
FEWEST_COPIES, MOST_COPIES = 2, 16


@dataclass(frozen=True)
class Told:
    """What one run found.

    Attributes:
        cost: of facts and tables.
        cells: the digest of the sorted cells.
        package: the digest of the release's package, if one was made.
        shuffled: bytes written to be exchanged.
    """

    cost: Cost
    cells: str
    package: str = ""
    shuffled: int = 0


def family() -> list[int]:
    """Return this process and all below it."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:  # it has ended since
            continue
        below.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [os.getpid()]
    for process in found:
        found += below.get(process, [])
    return found


def used() -> Cost:
    """Return what this process and all below it have used so far; peaks are added."""
    cpu, peak = 0.0, 0
    for process in family():
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
            lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        cpu += sum(map(int, fields[11:15])) / TICKS
        peak += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return Cost(time.perf_counter(), cpu, peak)


def digest_of(frame: pd.DataFrame, keys: Sequence[str]) -> str:
    """Return the digest of a frame's cells, sorted, those that hold nothing left out; columns in order of names."""
    values = sorted(set(frame.columns) - set(keys))
    there = frame[frame[values].to_numpy().any(axis=1)]
    rows = zip(
        *(there[name].astype(str) for name in keys), *(there[name].astype("int64") for name in values), strict=True
    )
    text = "\n".join(map(repr, [values, *sorted([*map(str, row)] for row in rows)]))
    return hashlib.sha256(text.encode()).hexdigest()


def cells_of(table: Table) -> str:
    """Return the digest of a table's true cells, with the two largest contributions where these are known."""
    keys = [dimension.name for dimension in table.dimensions]
    frame = table.frame[[*keys, *(measure.name for measure in table.measures)]].copy()
    for name, largest in table.largest.items():
        frame[f"{name}#1"], frame[f"{name}#2"] = largest["first"], largest["second"]
    return digest_of(frame, keys)


def shuffled() -> int:
    """Return the bytes that this process's Spark has written to be exchanged."""
    from pyspark import SparkContext  # noqa: PLC0415 - an extra

    context: Any = SparkContext._active_spark_context  # noqa: SLF001 - PySpark has no public name for it
    executors = context._jsc.sc().statusStore().executorList(False)  # noqa: FBT003, SLF001 - Java's
    return sum(int(executors.apply(n).totalShuffleWrite()) for n in range(executors.size()))


def empty_session(home: Home) -> Cost:
    """Start Spark and have it count nothing."""
    before = used()
    with open_engine("spark", temporary=home.temporary, master=MASTER) as engine:
        engine.fetch("SELECT 1 AS n")
        return between(before, used())


def generated(home: Home, policies: Policies, name: str, engine: str, *, packaged: bool) -> Told:
    """Make a release's tables by the declared texts and, if asked for, its package."""
    plan, clauses = plan_release(policies, name, MONTH)
    inputs = find_inputs(home, policies, plan.release.sources, plan.period, judging=plan.judging)
    master = MASTER if engine == "spark" else None
    with opened_events(home, policies, inputs, engine=engine, master=master) as (opened, relations):
        opened.fetch("SELECT 1 AS n")  # an empty session has run this too
        before = used()
        tables = tabulate(opened, plan, relations)
        cost = between(before, used())
        written = shuffled() if engine == "spark" else 0
    cells = hashlib.sha256("".join(map(cells_of, tables)).encode()).hexdigest()
    package = ""
    if packaged:
        with tempfile.TemporaryDirectory(dir=home.temporary) as folder:
            package = write_package(Path(folder), plan, suppressed(plan, tables).tables, clauses)
    return Told(cost, cells, package, written)


def by_hand(home: Home, policies: Policies, name: str) -> Told:
    """Make a release's tables by the job that was written by hand, in a session with Noren's settings."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    plan, _ = plan_release(policies, name, MONTH)
    inputs = find_inputs(home, policies, plan.release.sources, plan.period, judging=plan.judging)
    with open_engine("spark", temporary=home.temporary, master=MASTER) as opened:
        opened.fetch("SELECT 1 AS n")
        spark = SparkSession.builder.getOrCreate()
        before = used()
        files = {source: list(itertools.chain(*paths)) for source, paths in inputs.files.items()}
        frame = BY_HAND[name](spark, files, plan.period.first, plan.period.past)
        cost = between(before, used())
        written = shuffled()
    keys = [dimension.name for dimension in plan.tables[0].dimensions]
    return Told(cost, hashlib.sha256(digest_of(frame, keys).encode()).hexdigest(), shuffled=written)


def _verdict(what: str, value: float, target: float, *, least: bool = False) -> None:
    met = value >= target if least else value <= target
    print(
        f"    {what}: {value:.2f}x, target {'>=' if least else '<='} {target}x{'' if met else ', MISSED'}", flush=True
    )


def bench(home: Home, policies: Policies, name: str, floor: Cost) -> None:
    """Measure one release, beside what a bare scan of its columns costs.

    Raises:
        SystemExit: cells or packages differ.
    """
    _, duck = apart(partial(generated, home, policies, name, "duckdb", packaged=True))
    show(f"{name}: facts + tables on DuckDB / scan", duck.cost, floor)
    _, start = apart(partial(empty_session, home))
    show(f"  an empty session of Spark, {MASTER}", start)
    _, told = apart(partial(generated, home, policies, name, "spark", packaged=True))
    show(f"  the same on Spark, {told.shuffled / 1e6:,.1f} MB shuffled / DuckDB", told.cost, duck.cost)
    _, hand = apart(partial(by_hand, home, policies, name))
    show(f"  the same by hand, {hand.shuffled / 1e6:,.1f} MB shuffled / DuckDB", hand.cost, duck.cost)
    equal = {"cells": duck.cells == told.cells == hand.cells, "package": duck.package == told.package}
    for what, same in equal.items():
        print(f"    {what} digests equal: {'yes' if same else 'NO'}", flush=True)
    if not all(equal.values()):
        raise SystemExit(f"bench: {name} differs between the engines")
    _verdict("facts + tables to the scan, CPU", duck.cost.cpu / floor.cpu, SCAN_TARGET)
    _verdict("generated to written by hand, CPU", told.cost.cpu / hand.cost.cpu, HAND_TARGET)
    _verdict("Spark to DuckDB, CPU", told.cost.cpu / duck.cost.cpu, SPARK_TARGET, least=True)
    _verdict("Spark to DuckDB, wall", told.cost.wall / duck.cost.wall, SPARK_TARGET, least=True)


def multiplied(home: Home, root: Path, copies: int) -> Home:
    """Return a home with the events of so many times as many persons: each copy's pseudonyms are moved apart.

    A pseudonym has 60 bits, so that the four above them tell the copies. Links move with their persons.
    """
    if not FEWEST_COPIES <= copies <= MOST_COPIES:
        raise SystemExit(f"bench: {FEWEST_COPIES} to {MOST_COPIES} copies")
    wide = Home(root).create()
    shutil.copytree(home.keys, wide.keys, dirs_exist_ok=True)
    for (path,), taken in known_files(home):
        folder = wide.events / path.relative_to(home.events).parent
        folder.mkdir(parents=True, exist_ok=True)
        columns = duckdb.sql(f"DESCRIBE FROM read_parquet('{path}', hive_partitioning = false)").fetchall()
        persons = [column for column, *_ in columns if column in ("p", "linked_p")]
        for copy in range(copies):
            moved = (copy if copy < MOST_COPIES // 2 else MOST_COPIES // 2 - 1 - copy) << PSEUDONYM_BITS
            replaced = ", ".join(f"{person} + ({moved}) AS {person}" for person in persons)
            rows = f"SELECT * REPLACE ({replaced}) FROM read_parquet('{path}', hive_partitioning = false)"
            digest = hashlib.sha256(f"{taken.digest} {copy}".encode()).hexdigest()
            target = folder / f"{digest[:16]}.parquet"
            duckdb.sql(f"COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
            target.with_suffix(".json").write_text(json.dumps(asdict(replace(taken, digest=digest))), encoding="utf-8")
    return wide


def grown(small: Cost, large: Cost, times: int, memory_limit: int) -> None:
    """Say what became of a release's cost on DuckDB where the events are so many times as many."""
    _verdict("CPU seconds", large.cpu / small.cpu, GROWTH_TARGET * times / 10)
    _verdict("peak memory to DuckDB's limit", large.peak / memory_limit, MEMORY_TARGET)
