"""What a step costs: seconds, CPU seconds and peak memory, of a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).parents[1]
ROW = "{:<58}{:>9}{:>9}{:>9}{:>10}"


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes of one step.

    Attributes:
        wall: seconds by the clock.
        cpu: seconds of all cores together.
        peak: the largest resident memory of the step's process, in bytes.
    """

    wall: float
    cpu: float
    peak: int


def now() -> Cost:
    """Return what this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Cost(time.perf_counter(), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def since(before: Cost) -> Cost:
    """Return what this process has used since."""
    return between(before, now())


def between(before: Cost, after: Cost) -> Cost:
    """Return what was used between two moments, and the peak at the second."""
    return Cost(after.wall - before.wall, after.cpu - before.cpu, after.peak)


def apart(step: Callable[[], Any]) -> tuple[Cost, Any]:
    """Run a step in a process of its own; return its cost and what it returned."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    before = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(step(), pipe)
        except BaseException:  # noqa: BLE001 - the child must end here, whatever it was
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit("bench: a step failed; see above")
    cost = Cost(time.perf_counter() - before, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
    return cost, pickle.loads(content)  # noqa: S301 - our own child wrote it


def show(name: str, cost: Cost, against: Cost | None = None) -> None:
    """Print a row."""
    ratio = "" if against is None else f"{cost.cpu / max(against.cpu, 1e-9):.2f}x"
    print(ROW.format(name, f"{cost.wall:.2f}", f"{cost.cpu:.2f}", ratio, f"{cost.peak / 1e6:,.0f}"), flush=True)


@dataclass(frozen=True)
class Ran:
    """How a command went.

    Attributes:
        cost: of its process.
        ended: whether it was ended for having used up its CPU seconds.
        status: 0 where it succeeded.
        said: what it wrote, errors included.
    """

    cost: Cost
    ended: bool
    status: int
    said: str


def command(words: Sequence[str], *, limit: int) -> Ran:
    """Run a command to its end, or until it has used so many CPU seconds.

    Between this process and the command's stands a small one, `launch.py`: the peak that is told of a process is
    never less than what the process that started it held.
    """
    launcher = Path(__file__).with_name("launch.py")
    with tempfile.TemporaryFile("w+") as said:
        told = subprocess.run(
            [sys.executable, "-I", "-S", launcher, str(limit), *words],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=said, check=True, text=True,
        )  # fmt: skip
        said.seek(0)
        text = said.read()
    used = json.loads(told.stdout)
    return Ran(Cost(used["wall"], used["cpu"], used["peak"]), used["ended"], used["status"], text)


def connected() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB with the memory that Noren's engines have."""
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET memory_limit = '{os.environ['NOREN_MEMORY_LIMIT']}'")
    return connection
