"""`make bench`: intake to a plain COPY, facts and tables to a bare scan, growth from one size to the next.

Before all that what each verb's start costs (`benchmarks/startup.py`). With `--spark` also two releases on Spark, as
Noren writes them and by hand, and equal digests (`benchmarks/scale.py`). Then the protection of tables
(`benchmarks/disclosure.py`), and k-anonymity side by side (`benchmarks/microdata.py`) on as many rows.

Every step runs in a process of its own, so that its CPU seconds and its peak memory are its own. A ratio is one
of CPU seconds, to what the line names, measured in the same run.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
from functools import partial
from pathlib import Path

from anonymization.engine import memory_share
from anonymization.home import Home, policy_folder
from anonymization.policy.load import Policies, load_policies
from anonymization.policy.sources import Format, Source
from anonymization.release.inputs import find_inputs, opened_events, plan_release
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.suppression import suppressed
from anonymization.tables.plan import Plan
from benchmarks import disclosure, microdata, scale, scheduling, startup
from benchmarks.measure import ROW, Cost, apart, connected, now, show, since
from benchmarks.spark_by_hand import BY_HAND
from jobs.synthetic.month import MONTH, generate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES

MOST_ROWS = 10_000_000
"""Of the k-anonymity that is measured; of events there may be more."""


def reader(source: Source, folder: Path) -> str:
    """Return DuckDB's own reader of a source's raw files, as plain as it gets."""
    files = [str(path) for path in sorted(folder.glob("*/*")) if path.is_file()]
    fields = "quote='\"', columns={" + ", ".join(f"'c{n}': 'VARCHAR'" for n in range(10)) + "}"
    log = f"read_csv({files}, delim=' ', header=false, auto_detect=false, ignore_errors=true, {fields})"
    return {
        Format.JSON_LINES: f"read_json({files}, format='newline_delimited', ignore_errors=true)",
        Format.PARQUET: f"read_parquet({files})",
        Format.CSV: f"read_csv({files}, ignore_errors=true, all_varchar=true)",
        Format.TSV: f"read_csv({files}, delim='\t', quote='', header=true, ignore_errors=true, all_varchar=true)",
        Format.COMBINED_LOG: log,
    }[source.format]


def plain_copy(home: Home, policies: Policies) -> None:
    """Read the same raw files by DuckDB alone and write as many columns: the floor of an intake."""
    with tempfile.TemporaryDirectory(dir=home.root) as target, connected() as connection:
        for name, source in policies.sources.items():
            rows = reader(source, home.landing / f"source={name}")
            path = Path(target) / f"{name}.parquet"
            connection.execute(f"COPY (SELECT * FROM {rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def columns_used(plan: Plan) -> dict[str, list[str]]:
    """Return the event columns that a release reads, by source."""
    release = plan.release
    used: dict[str, set[str]] = {source: {"p", "day"} for source in release.sources}
    for attribute in release.attributes.values():
        used[attribute.source].add(attribute.column)
    for table in release.tables.values():
        own = {release.dimensions[name].column for name in table.dimensions} - {None, "day_type", "week"}
        for measure in table.measures.values():
            used[measure.source] |= {*own, *measure.where, *([measure.column] if measure.column else [])}
    return {source: sorted(names) for source, names in used.items()}


def bare_scan(home: Home, columns: dict[str, list[str]]) -> None:
    """Read the event columns that a release uses, and do nothing with them.

    Lengths and sums, so that every value is read: a minimum or a maximum would come out of the files' statistics.
    """
    with connected() as connection:
        for source, names in columns.items():
            rows = f"read_parquet('{home.events}/source={source}/*/*.parquet')"
            kinds = dict(connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {rows})").fetchall())
            folded = ", ".join(f'sum({"strlen" if kinds[n] == "VARCHAR" else ""}("{n}"))' for n in names)
            connection.execute(f"SELECT {folded} FROM {rows}").fetchall()


def made(home: Home, policies: Policies, name: str) -> tuple[Cost, Cost]:
    """Make a release's protected tables; return what tabulating and what protecting cost."""
    plan, _ = plan_release(policies, name, MONTH)
    inputs = find_inputs(home, policies, plan.release.sources, plan.period, judging=plan.judging)
    with opened_events(home, policies, inputs, engine="duckdb") as (opened, relations):
        before = now()
        tables = tabulate(opened, plan, relations)
        tabulated = since(before)
    before = now()
    suppressed(plan, tables)
    return tabulated, since(before)


def bench(events: int, folder: Path, *, spark: bool, copies: int = 0) -> dict[str, Cost]:
    """Run every measurement at one size, print it, and return the steps whose growth is told."""
    policies = load_policies(policy_folder())
    home = Home(folder / f"home-{events}")
    initialize(home)
    print(ROW.format(f"{events:,} events", "wall s", "CPU s", "ratio", "peak MB"))
    cost, rows = apart(lambda: sum(generate(home, events, 1).rows.values()))
    show(f"generate a month of logs: {rows:,} rows", cost)
    floor, _ = apart(lambda: plain_copy(home, policies))
    show("plain COPY of the raw files (DuckDB)", floor)
    grown: dict[str, Cost] = {}
    scans: dict[str, Cost] = {}
    grown["intake"], _ = apart(lambda: run_intake(home, policies, arrivals(home, policies), optouts=[]) and None)
    show("intake / plain COPY", grown["intake"], floor)
    for name in RELEASES:
        plan, _ = plan_release(policies, name, MONTH)
        scan, _ = apart(partial(bare_scan, home, columns_used(plan)))
        show(f"{name}: bare scan of the columns used", scan)
        cost, (tabulated, protected) = apart(partial(made, home, policies, name))
        show(f"{name}: facts + tables / scan", tabulated, scan)
        show(f"{name}: protect / scan", protected, scan)
        grown[name] = cost
        scans[name] = scan
    if spark:
        for name in BY_HAND:
            scale.bench(home, policies, name, scans[name])
    if copies:
        wide, _ = apart(partial(scale.multiplied, home, folder / "wide", copies))
        show(f"events of {copies} times as many persons", wide)
        for name in BY_HAND:
            small, large = (
                apart(partial(scale.generated, place, policies, name, "duckdb", packaged=False))[1].cost
                for place in (home, Home(folder / "wide"))
            )
            show(f"{name}: facts + tables, {copies} times as large / before", large, small)
            scale.grown(small, large, copies, int(memory_share().removesuffix("MB")) * 10**6)
    return grown


def main() -> None:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--events", type=int, nargs="+", default=[1_000_000], help="one size, or more to see the growth"
    )
    parser.add_argument("--memory-limit", default="2GB", help="of DuckDB, also of what is measured against")
    parser.add_argument("--folder", type=Path, help="where the logs go; default the system's temporary folder")
    parser.add_argument("--spark", action="store_true", help="two releases also on Spark, generated and by hand")
    parser.add_argument(
        "--copies", type=int, default=0, help="also facts and tables of so many times the largest size's persons"
    )
    parser.add_argument("--without-microdata", action="store_true", help="leave k-anonymity out")
    parser.add_argument("--without-disclosure", action="store_true", help="leave the protection of tables out")
    parser.add_argument("--without-others", action="store_true", help="leave the other tools of k-anonymity out")
    given = parser.parse_args()
    os.environ["NOREN_MEMORY_LIMIT"] = given.memory_limit
    startup.bench()
    before: tuple[int, dict[str, Cost]] | None = None
    for events in given.events:
        with tempfile.TemporaryDirectory(prefix="noren-bench-", dir=given.folder) as folder:
            copies = given.copies if events == max(given.events) else 0
            grown = bench(events, Path(folder), spark=given.spark, copies=copies)
        if before is not None:
            print(ROW.format(f"growth from {before[0]:,} to {events:,} events", "", "", "", ""))
            for name, cost in grown.items():
                show(f"{name} / the same at {before[0]:,}", cost, before[1][name])
        before = events, grown
    if not given.without_disclosure:
        disclosure.bench(min(given.events), [1_000, 10_000])
    if importlib.util.find_spec("airflow") is not None:
        scheduling.run()
    if not given.without_microdata:
        microdata.bench([30_162, *(n for n in given.events if n <= MOST_ROWS)], others=not given.without_others)


if __name__ == "__main__":
    main()
