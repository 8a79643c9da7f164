"""What each verb costs before it does anything, and quick ones in a new home; CPU seconds, medians of three."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from jobs.__main__ import main

ROW = "{:<58}{:>9}{:>9}"
TIMES = 3
QUICK = (("--help",), ("status",), ("releases",), ("optout", "list"), ("doctor",))
"""What does no heavy work: it is run."""
CHECK = (
    "import pandas as pd; from expectations.run import run_suite;"
    " assert run_suite('candidate_levels', pd.DataFrame({'within_limit': [True]})).success"
)


def cpu_seconds(words: Sequence[str], environment: Mapping[str, str]) -> float:
    """Return the median of the CPU seconds of a process, Python's own among them; how it ends does not matter."""
    found = []
    for _ in range(TIMES):
        with subprocess.Popen(
            [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0  # it was waited for
        found.append(used.ru_utime + used.ru_stime)
    return statistics.median(found)


def show() -> None:
    """Print every verb's start-up, as a ratio to a Python that imports Click."""
    with tempfile.TemporaryDirectory(prefix="noren-startup-") as folder:
        environment = os.environ | {"NOREN_HOME": str(Path(folder) / "home")}
        subprocess.run([sys.executable, "-m", "jobs", "init"], env=environment, check=True, stdout=subprocess.DEVNULL)
        floor = cpu_seconds(["-c", "import click"], environment)
        print(ROW.format("start-up", "CPU s", "ratio"))
        print(ROW.format("python -c 'import click'", f"{floor:.2f}", "1.0"))
        verbs = [(name, "--help") for name in main.list_commands(click.Context(main))]
        for words in (*QUICK, *verbs):
            taken = cpu_seconds(["-m", "jobs", *words], environment)
            print(ROW.format(f"noren {' '.join(words)}", f"{taken:.2f}", f"{taken / floor:.1f}"))
        taken = cpu_seconds(["-c", CHECK], environment)
        print(
            ROW.format("the first check of Great Expectations, import included", f"{taken:.2f}", f"{taken / floor:.1f}")
        )


if __name__ == "__main__":
    show()
