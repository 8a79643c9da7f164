"""`python -m benchmarks.rows`: `noren anonymize` to a DuckDB job that scans, groups once and writes the same columns.

The rows are drawn from the census sample (NOREN_REAL_DATA), each value replaced with a chance of 4 % by another
row's, and hold two columns more, which are kept. Each job is a process of its own; its CPU seconds and its peak
memory are its own, the start of Python counted. The ratio is one of CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from anonymization.quoting import literal, quoted

ATTRIBUTES = (
    "sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation", "salary-class",
)  # fmt: skip
PLAIN = """
import sys, duckdb
group, copy = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET memory_limit = '4GB'")
connection.execute(group)
connection.execute(copy)
"""


def main() -> None:
    """Measure each size and format, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    sizes = parser.parse_args().rows
    data = Path(os.environ.get("NOREN_REAL_DATA", "../shared/data")) / "adult"
    print(f"{'rows':>12} {'format':8} {'noren s':>9} {'plain s':>9} {'ratio':>6} {'noren MB':>9} {'plain MB':>9}")
    with tempfile.TemporaryDirectory(prefix="noren-bench-") as name:
        folder = Path(name)
        (folder / "h").mkdir()
        for attribute in ATTRIBUTES:
            shutil.copy(data / f"adult_hierarchy_{attribute}.csv", folder / "h" / f"{attribute}.csv")
        for size in sizes:
            # In a process of its own: what a parent holds counts in the peak of its children.
            maker = get_context("spawn").Process(target=make, args=(data / "adult.csv", folder, size))
            maker.start()
            maker.join()
            for suffix in ("parquet", "csv"):
                measure(folder, size, suffix)


def make(sample: Path, folder: Path, size: int) -> None:
    """Write the rows in both formats."""
    made = drawn(sample, size)
    for suffix in ("parquet", "csv"):
        target = literal(str(folder / f"in.{suffix}"))
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.register("made", made)
            connection.execute(f"COPY made TO {target} (FORMAT {suffix})")


def measure(folder: Path, size: int, suffix: str) -> None:
    """Run both jobs on the rows, and print what they took."""
    source, out, plain = (folder / f"{stem}.{suffix}" for stem in ("in", "out", "plain"))
    attributes = ", ".join(map(quoted, ATTRIBUTES))
    read = f"FROM read_{suffix}({literal(str(source))}{', all_varchar=true' if suffix == 'csv' else ''})"
    jobs = (
        [
            shutil.which("noren", path=str(Path(sys.executable).parent)) or "noren", "anonymize", str(source),
            "--quasi-identifiers", ",".join(ATTRIBUTES), "--hierarchies", str(folder / "h"), "--k", "5",
            "--suppression-limit", "0.02", "--out", str(out),
        ],
        [
            sys.executable, "-c", PLAIN, f"CREATE TEMP TABLE g AS SELECT {attributes}, count(*) {read} GROUP BY ALL",
            f"COPY (SELECT * {read}) TO {literal(str(plain))} (FORMAT {suffix})",
        ],
    )  # fmt: skip
    (ours, our_peak), (theirs, their_peak) = (cost(job) for job in jobs)
    print(
        f"{size:12,} {suffix:8} {ours:9.2f} {theirs:9.2f} {ours / theirs:6.2f} {our_peak:9,} {their_peak:9,}",
        flush=True,
    )


def cost(job: list[str]) -> tuple[float, int]:
    """Return a job's CPU seconds and its peak memory in MB, by a process that starts nothing else."""
    measured = os.fork()
    if measured == 0:
        subprocess.run(job, check=True, stdout=subprocess.DEVNULL)
        os._exit(0)
    _, status, used = os.wait4(measured, 0)
    assert status == 0, job
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def drawn(path: Path, size: int) -> pa.Table:
    """Return rows drawn from the sample, with a number and an amount each."""
    sample = pd.read_csv(path, sep=";", dtype=str)
    random = np.random.default_rng(1)
    rows = random.integers(0, len(sample), size)
    columns = {"number": pa.array([f"n{i:09}" for i in range(size)]), "amount": pa.array(random.random(size))}
    for attribute in ATTRIBUTES:
        codes, values = pd.factorize(sample[attribute])
        other = codes[random.integers(0, len(sample), size)]
        places = np.where(random.random(size) < 0.04, other, codes[rows]).astype(np.int32)  # noqa: PLR2004 - as said
        columns[attribute] = pa.DictionaryArray.from_arrays(places, pa.array(values, pa.string())).cast(pa.string())
    return pa.table(columns)


if __name__ == "__main__":
    main()
