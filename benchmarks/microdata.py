"""`python -m benchmarks.microdata`: exact search on census records, as they are and grown to millions of rows.

Reads the `adult` folder of NOREN_REAL_DATA. Grown rows are drawn from the records, each value redrawn with
probability 0.09 from its column, so that 10 million rows have about 634,000 distinct tuples. Every step runs in a
process of its own; kernels are compiled before any is measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.engine import open_engine
from anonymization.microdata.criteria import KAnonymity
from anonymization.microdata.grouping import group_relation
from anonymization.microdata.hierarchy import Hierarchy, read_hierarchy
from anonymization.microdata.histogram import Histogram, count_tuples
from anonymization.microdata.lattice import search
from anonymization.microdata.loss import Metric
from benchmarks.__main__ import ROW, Cost, apart, connected, now, show, since

ATTRIBUTES = (
    "sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation", "salary-class",
)  # fmt: skip
BATCH = 1_000_000


def records(folder: Path) -> tuple[pd.DataFrame, list[Hierarchy]]:
    """Return the census records and their hierarchies."""
    frame = pd.read_csv(folder / "adult.csv", sep=";", dtype=str)
    return frame, [read_hierarchy(folder / f"adult_hierarchy_{name}.csv", name) for name in ATTRIBUTES]


def grow(frame: pd.DataFrame, rows: int, path: Path) -> None:
    """Write a Parquet file of rows drawn from the records."""
    random = np.random.default_rng(1)
    writer = None
    for start in range(0, rows, BATCH):
        size = min(BATCH, rows - start)
        drawn = random.integers(0, len(frame), size)
        columns = {}
        for name in ATTRIBUTES:
            codes, labels = pd.factorize(frame[name])
            at = np.where(random.random(size) < 0.09, random.integers(0, len(frame), size), drawn)  # noqa: PLR2004
            columns[name] = pa.DictionaryArray.from_arrays(codes[at], list(labels)).cast(pa.string())
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def grouped(path: Path, hierarchies: list[Hierarchy], folder: Path) -> Histogram:
    """Group a Parquet file in DuckDB."""
    with open_engine("duckdb", temporary=folder / "duckdb", folders=[folder]) as engine:
        engine.read_parquet("persons", path)
        return group_relation(engine, "persons", hierarchies)


def plain_group(path: Path) -> None:
    """Group the same columns by DuckDB alone, as texts."""
    names = ", ".join(f'"{name}"' for name in ATTRIBUTES)
    with connected() as connection:
        connection.execute(f"CREATE TABLE g AS SELECT {names}, count(*) AS n FROM '{path}' GROUP BY {names}")


def searched(histogram: Histogram, limit: float, metric: Metric) -> tuple[Cost, float, int, bool]:
    """Search; return the cost of the search alone, and what it found."""
    before = now()
    found = search(histogram, [KAnonymity(5)], suppression_limit=limit, metric=metric)
    return since(before), found.losses.of(metric), found.evaluations, found.proven_optimal


def searches(name: str, histogram: Histogram) -> None:
    """Measure the searches of one histogram."""
    for limit, metric in ((0.0, Metric.LOSS), (0.02, Metric.LOSS), (1.0, Metric.LOSS), (0.02, Metric.ENTROPY)):
        _, (cost, loss, evaluations, proven) = apart(partial(searched, histogram, limit, metric))
        told = f"{loss:.6g}, {evaluations} nodes{'' if proven else ', not proven'}"
        show(f"{name} k=5 s={limit:g} {metric.value}: {told}", cost)


def main() -> None:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microdata", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000], help="sizes of grown data")
    parser.add_argument("--memory-limit", default="2GB", help="of DuckDB, also of what is measured against")
    given = parser.parse_args()
    os.environ["NOREN_MEMORY_LIMIT"] = given.memory_limit
    real = Path(os.environ.get("NOREN_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "adult"
    if not real.is_dir():
        sys.exit(f"no real data at {real}: set NOREN_REAL_DATA")
    frame, hierarchies = records(real)
    histogram = count_tuples(frame, hierarchies)
    for metric in Metric:
        search(histogram, [KAnonymity(5)], suppression_limit=1.0, metric=metric)  # compiles
    print(ROW.format(f"adult, {len(histogram.counts):,} distinct tuples", "wall s", "CPU s", "ratio", "peak MB"))
    searches("adult", histogram)
    for rows in given.rows:
        with tempfile.TemporaryDirectory(prefix="noren-bench-") as folder:
            path = Path(folder) / "persons.parquet"
            apart(partial(grow, frame, rows, path))
            floor, _ = apart(partial(plain_group, path))
            show(f"{rows:,} rows: GROUP BY of the texts (DuckDB)", floor)
            cost, histogram = apart(partial(grouped, path, hierarchies, Path(folder)))
            show(f"{rows:,} rows: {len(histogram.counts):,} distinct tuples by codes", cost, floor)
            searches(f"{rows // 1_000_000}M", histogram)


if __name__ == "__main__":
    main()
