"""`python -m benchmarks.microdata`: k-anonymity on census records, as they are and grown to millions of rows.

Reads the `adult` folder of NOREN_REAL_DATA. Grown rows are drawn from the records, each value redrawn with
probability 0.09 from its column, so that 10 million rows have about 634,000 distinct tuples. Every step runs in a
process of its own; kernels are compiled before any is measured. A ratio is one of CPU seconds, to a DuckDB job that
scans the same Parquet file, groups it once by the same columns, and writes these columns: the floor of any such job.
Last, other tools in Python do the same (`benchmarks/tools.py`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.engine import open_engine
from anonymization.hierarchies.hierarchy import Hierarchy, read_hierarchy
from anonymization.microdata.criteria import KAnonymity
from anonymization.microdata.files.anonymize import anonymize
from anonymization.microdata.files.request import Request
from anonymization.microdata.full_domain.search import search
from anonymization.microdata.histogram.histogram import Histogram, count_tuples
from anonymization.microdata.histogram.of_relation import group_relation
from anonymization.microdata.local.recoding import recode_locally
from anonymization.microdata.loss import Metric
from benchmarks.measure import ROOT, ROW, Cost, apart, connected, now, show, since
from benchmarks.tools import side_by_side

ATTRIBUTES = (
    "sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation", "salary-class",
)  # fmt: skip
BATCH = 1_000_000
OTHERS_ROWS = 300_000
K, SUPPRESSION = 5, 0.02
LOCAL_ROWS = 1_000_000
"""Above these, local recoding takes minutes and is left out."""


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


def write(frame: pd.DataFrame, rows: int, path: Path) -> None:
    """Write a Parquet file of the first records, or of more rows than there are records."""
    if rows > len(frame):
        grow(frame, rows, path)
    else:
        frame.head(rows)[list(ATTRIBUTES)].to_parquet(path, compression="zstd", index=False)


def hierarchy_folder(real: Path, folder: Path) -> Path:
    """Return a folder of the hierarchies, named as `noren anonymize` wants them."""
    own = folder / "hierarchies"
    own.mkdir()
    for name in ATTRIBUTES:
        shutil.copy(real / f"adult_hierarchy_{name}.csv", own / f"{name}.csv")
    return own


def grouped(path: Path, hierarchies: Sequence[Hierarchy], folder: Path) -> Histogram:
    """Group a Parquet file in DuckDB."""
    with open_engine("duckdb", temporary=folder / "duckdb", folders=[folder]) as engine:
        engine.read_parquet("persons", {0: path}, [one.attribute for one in hierarchies])
        return group_relation(engine, "persons", list(hierarchies))


def found(path: Path, hierarchies: Sequence[Hierarchy], folder: Path) -> float:
    """Group a Parquet file and search, without output; return the loss."""
    histogram = grouped(path, hierarchies, folder)
    return search(histogram, [KAnonymity(K)], suppression_limit=SUPPRESSION).losses.loss


def plain_job(path: Path, out: Path) -> None:
    """Scan, group once and write the same columns, by DuckDB alone, as texts."""
    names = ", ".join(f'"{name}"' for name in ATTRIBUTES)
    with connected() as connection:
        connection.execute(f"CREATE TABLE g AS SELECT {names}, count(*) AS n FROM '{path}' GROUP BY {names}")
        connection.execute(f"COPY (SELECT {names} FROM '{path}') TO '{out}' (FORMAT parquet, COMPRESSION zstd)")


def whole_job(path: Path, hierarchies: Path, out: Path, recoding: str) -> tuple[float, dict[str, float]]:
    """Anonymize, Parquet to Parquet; return the loss and the wall seconds by stage."""
    limit = SUPPRESSION if recoding == "global" else 0.0
    done = anonymize(Request(path, ATTRIBUTES, hierarchies, K, out, suppression_limit=limit, recoding=recoding))
    return done.losses.loss, done.seconds


def searched(histogram: Histogram, limit: float, metric: Metric) -> tuple[Cost, float, int, bool]:
    """Search; return the cost of the search alone, and what it found."""
    before = now()
    found = search(histogram, [KAnonymity(K)], suppression_limit=limit, metric=metric)
    return since(before), found.losses.of(metric), found.evaluations, found.proven_optimal


def searches(name: str, histogram: Histogram) -> None:
    """Measure the searches of one histogram."""
    for limit, metric in ((0.0, Metric.LOSS), (SUPPRESSION, Metric.LOSS), (1.0, Metric.LOSS), (0.02, Metric.ENTROPY)):
        _, (cost, loss, evaluations, proven) = apart(partial(searched, histogram, limit, metric))
        told = f"{loss:.6g}, {evaluations} nodes{'' if proven else ', not proven'}"
        show(f"{name} k={K} s={limit:g} {metric.value}: {told}", cost)


def recoded(histogram: Histogram, k: int, work: int | None) -> tuple[Cost, float]:
    """Recode locally; return the cost of that alone, and the loss."""
    before = now()
    loss = recode_locally(histogram, k, work=work).loss
    return since(before), loss


def recodings(histogram: Histogram, *, stretch: bool) -> None:
    """Measure local recodings: the sweep alone, the default work, and twenty times that where asked for."""
    works: dict[str, int | None] = {"sweep alone": 0, "default work": None}
    if stretch:
        works["20 x the work"] = 20 * 4_000 * len(histogram.counts)
    for name, work in works.items():
        for k in (2, 5, 10, 100):
            _, (cost, loss) = apart(partial(recoded, histogram, k, work))
            show(f"adult local k={k}, {name}: {loss:.5f}", cost)


def jobs(rows: int, frame: pd.DataFrame, hierarchies: Sequence[Hierarchy], real: Path) -> None:
    """Measure the jobs on a Parquet file of so many rows."""
    with tempfile.TemporaryDirectory(prefix="noren-bench-") as temporary:
        folder = Path(temporary)
        path, out, own = folder / "persons.parquet", folder / "out.parquet", hierarchy_folder(real, folder)
        apart(partial(write, frame, rows, path))
        print(ROW.format(f"{rows:,} rows, k={K} s={SUPPRESSION:g}", "wall s", "CPU s", "ratio", "peak MB"))
        floor, _ = apart(partial(plain_job, path, out))
        show("DuckDB: scan, GROUP BY, write the same columns", floor)
        cost, histogram = apart(partial(grouped, path, hierarchies, folder))
        show(f"grouped by codes: {len(histogram.counts):,} distinct tuples", cost, floor)
        cost, loss = apart(partial(found, path, hierarchies, folder))
        show(f"grouped and searched, no output: {loss:.6g}", cost, floor)
        kinds = ("global", "local") if rows <= LOCAL_ROWS else ("global",)
        for recoding in kinds:
            cost, (loss, seconds) = apart(partial(whole_job, path, own, out, recoding))
            show(f"whole job, {recoding}: {loss:.6g}", cost, floor)
            print("  wall s: " + ", ".join(f"{stage} {spent:.2f}" for stage, spent in seconds.items()))
        if rows > len(frame):
            searches(f"{rows / 1e6:.3g}M", histogram)


def bench(sizes: Sequence[int], *, others: bool = True, stretch: bool = False) -> None:
    """Measure and print everything; skip, with the reason, where the real data is missing."""
    real = Path(os.environ.get("NOREN_REAL_DATA", ROOT.parent / "shared" / "data")) / "adult"
    if not real.is_dir():
        print(f"k-anonymity: skipped, no real data at {real}: set NOREN_REAL_DATA")
        return
    frame, hierarchies = records(real)
    histogram = count_tuples(frame, hierarchies)
    for metric in Metric:
        search(histogram, [KAnonymity(K)], suppression_limit=1.0, metric=metric)  # compiles
    recode_locally(histogram, K, work=1_000, suppression_limit=SUPPRESSION)
    print(ROW.format(f"adult, {len(histogram.counts):,} distinct tuples", "wall s", "CPU s", "ratio", "peak MB"))
    searches("adult", histogram)
    recodings(histogram, stretch=stretch)
    for rows in sizes:
        jobs(rows, frame, hierarchies, real)
    if others:
        with tempfile.TemporaryDirectory(prefix="noren-bench-") as folder:
            inputs = [frame]
            if stretch:
                apart(partial(grow, frame, OTHERS_ROWS, Path(folder) / "more.parquet"))
                inputs.insert(0, pd.read_parquet(Path(folder) / "more.parquet"))
            side_by_side(inputs, hierarchies, hierarchy_folder(real, Path(folder)), Path(folder))


def main() -> None:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microdata", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[30_162, 1_000_000], help="of the files")
    parser.add_argument("--memory-limit", default="2GB", help="of DuckDB, also of what is measured against")
    parser.add_argument("--without-others", action="store_true", help="leave the other tools out")
    parser.add_argument("--stretch", action="store_true", help="local work x 20, others on 300,000 rows")
    given = parser.parse_args()
    os.environ["NOREN_MEMORY_LIMIT"] = given.memory_limit
    bench(given.rows, others=not given.without_others, stretch=given.stretch)


if __name__ == "__main__":
    main()
