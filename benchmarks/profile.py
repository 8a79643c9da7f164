"""`make profile`: where each second of the intake and of every release goes, by step, on one core.

One core and one source at a time, so that the CPU seconds of the process between two moments are those of the step.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from anonymization.deidentify import batch, intake
from anonymization.engine.duckdb import DuckDBEngine
from anonymization.home import Home, policy_folder
from anonymization.policy.load import Policies, load_policies
from anonymization.release.inputs import find_inputs, opened_events, plan_release
from anonymization.tables.counting import tabulate
from anonymization.tables.methods.suppression import suppressed
from jobs.synthetic.month import MONTH, generate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES

ROW = "  {:<58}{:>9}{:>8}{:>8}"
CALLS = ("register", "create", "view", "fetch", "write_parquet", "write_each", "drop", "read_lines", "read_parquet")
SHOWN = 14


class Steps:
    """CPU seconds by step; a step within a step counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.times: Counter[str] = Counter()
        self._inner: list[float] = []

    def timed(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Return the function, its seconds counted under a name made of its arguments."""

        def run(*given: Any, **named: Any) -> Any:
            step, started = name(*given), time.process_time()
            self._inner.append(0.0)
            try:
                return function(*given, **named)
            finally:
                whole = time.process_time() - started
                self.seconds[step] += whole - self._inner.pop()
                self.times[step] += 1
                if self._inner:
                    self._inner[-1] += whole

        return run

    def show(self, title: str, whole: float) -> None:
        """Print the costliest steps; what no step holds is `everything else`."""
        print(f"{title}: {whole:.1f} CPU s")
        rows = [(*item, self.times[item[0]]) for item in self.seconds.most_common(SHOWN)]
        rest = whole - sum(seconds for _, seconds, _ in rows)
        for step, seconds, times in [*rows, ("everything else", rest, 0)]:
            print(ROW.format(step, f"{seconds:.2f}", f"{seconds / whole:.0%}", times or ""), flush=True)


def named(call: str) -> Callable[..., str]:
    """Return what names an engine's call: what it makes, or how the query begins."""

    def name(_: DuckDBEngine, first: object, *rest: object) -> str:
        text = str(first) if call != "write_parquet" else Path(str(rest[0])).suffix
        return f"{call} {' '.join(text.split())[:44]}"

    return name


@contextmanager
def watched(steps: Steps) -> Iterator[None]:
    """Count every call of an engine, the screening and the digests."""
    with ExitStack() as stack:
        for call in CALLS:
            original = getattr(DuckDBEngine, call)
            stack.enter_context(mock.patch.object(DuckDBEngine, call, steps.timed(original, named(call))))
        for module, step in (
            (intake, "screen"), (intake, "content_digest"), (batch, "parsed_sql"), (batch, "judged_sql"),
        ):  # fmt: skip
            original = getattr(module, step)
            stack.enter_context(mock.patch.object(module, step, steps.timed(original, lambda *_, step=step: step)))
        for step in ("_coded", "_roll_up", "_completed", "denominators"):
            original = getattr(tabulate, step)
            stack.enter_context(
                mock.patch.object(tabulate, step, steps.timed(original, lambda *_, step=step: f"pandas: {step}"))
            )
        yield


def profile_intake(home: Home, policies: Policies) -> None:
    """Take each source in by itself."""
    for source in sorted(policies.sources, key=lambda name: -size(home, name)):
        steps, started = Steps(), time.process_time()
        with watched(steps):
            run_intake(home, policies, arrivals(home, policies, source), optouts=[])
        steps.show(f"intake of {source}, {size(home, source) / 1e6:,.0f} MB", time.process_time() - started)


def size(home: Home, source: str) -> int:
    """Return the bytes of a source's raw files."""
    return sum(path.stat().st_size for path in (home.landing / f"source={source}").glob("*/*"))


def profile_release(home: Home, policies: Policies, name: str) -> None:
    """Make a release's protected tables."""
    plan, _ = plan_release(policies, name, MONTH)
    inputs = find_inputs(home, policies, plan.release.sources, plan.period, judging=plan.judging)
    steps, started = Steps(), time.process_time()
    with watched(steps), opened_events(home, policies, inputs, engine="duckdb") as (opened, relations):
        tables = tabulate.tabulate(opened, plan, relations)
        protecting = steps.timed(suppressed, lambda *_: "protect")
        protecting(plan, tables)
    steps.show(name, time.process_time() - started)


def main() -> None:
    """Read the flags and profile."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--memory-limit", default="2GB", help="of DuckDB")
    parser.add_argument("--folder", type=Path, help="where the logs go; default the system's temporary folder")
    given = parser.parse_args()
    os.environ["NOREN_MEMORY_LIMIT"] = given.memory_limit
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    policies = load_policies(policy_folder())
    with tempfile.TemporaryDirectory(prefix="noren-profile-", dir=given.folder) as folder:
        home = Home(Path(folder) / "home")
        initialize(home)
        generate(home, given.events, 1)
        profile_intake(home, policies)
        for name in RELEASES:
            profile_release(home, policies, name)


if __name__ == "__main__":
    main()
