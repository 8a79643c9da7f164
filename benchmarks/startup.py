"""What a verb costs before it does anything: CPU seconds, as ratio to a process that imports Click alone.

Of every verb `noren VERB --help`, which imports all that the verb needs at its start; and of those that do no heavy
work also a run in a new home. Each is the median of three runs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

import click

from benchmarks.measure import ROW, Cost, command, show
from jobs.__main__ import main

RUNS = 3
LIMIT = 60
"""CPU seconds after which a run is ended."""
CHECK = (
    "import pandas as pd; from expectations.run import run_suite; from expectations.load import load_suites;"
    " assert run_suite(load_suites().shipped['candidate_levels'], pd.DataFrame({'within_limit': [True]})).success"
)
LIGHT = (("--help",), ("status",), ("releases",), ("doctor",), ("optout", "list"))


def cost_of(*words: str) -> Cost:
    """Return the median of what a Python process costs, by its CPU seconds; the first run, which compiles, is left out.

    Exits where the process fails.
    """
    ran = [command([sys.executable, *words], limit=LIMIT) for _ in range(RUNS + 1)][1:]
    for one in ran:
        if one.status:
            sys.exit(f"bench: {' '.join(words)} failed: {one.said}")
    return sorted((one.cost for one in ran), key=lambda cost: cost.cpu)[RUNS // 2]


def bench() -> None:
    """Measure every verb, and print it."""
    print(ROW.format("start-up", "wall s", "CPU s", "ratio", "peak MB"))
    floor = cost_of("-c", "import click")
    show("Python, and Click", floor)
    for verb in main.list_commands(click.Context(main)):
        show(f"noren {verb} --help", cost_of("-m", "jobs", verb, "--help"), floor)
    show("the first check by Great Expectations", cost_of("-c", CHECK), floor)
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, NOREN_HOME=str(Path(folder) / "home")):
        show("noren init, again", cost_of("-m", "jobs", "init"), floor)
        for words in LIGHT:
            show(f"noren {' '.join(words)}", cost_of("-m", "jobs", *words), floor)


if __name__ == "__main__":
    bench()
