"""The workers of a cluster: they are waited for, looked at before any work is given to them, and missed when all go."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import anonymization
from anonymization.engine.spark.errors import guarded
from anonymization.errors import EngineError, InputError

PATIENCE, NAMED_BY = 120.0, "NOREN_EXECUTORS_WITHIN"
"""Seconds in which executors must come, at the start and after all were lost; the variable that says otherwise."""
EVERY = 0.2
PROBE = pa.schema([("version", pa.string()), ("sees", pa.bool_()), ("writes", pa.bool_())])


def patience() -> float:
    """Return how many seconds a job waits for executors.

    Raises:
        InputError: the environment does not name a number above 0.
    """
    said = os.environ.get(NAMED_BY, str(PATIENCE))
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"{NAMED_BY}={said!r}: allowed is a number of seconds above 0")
    return seconds


def executors(context: Any) -> int:
    """Return how many executors there are, the driver not among them."""
    return len(context._jsc.sc().statusTracker().getExecutorInfos()) - 1  # noqa: SLF001 - PySpark has no way to ask


def await_executors(context: Any) -> None:
    """Wait for the first executor: Spark itself would wait for ever.

    Raises:
        EngineError: none came.
    """
    seconds = patience()
    until = time.monotonic() + seconds
    while executors(context) < 1:
        if time.monotonic() > until:
            raise EngineError(
                f"no executor came within {seconds:g} s ({NAMED_BY}) at {context.master}: it needs a worker with a free"
                " core and as much free memory as spark.executor.memory says (1g unless set)"
            )
        time.sleep(EVERY)


class Watch:
    """Cancels the jobs of a context that has had no executor for too long: Spark itself would wait for ever."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._seconds = patience()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="executors", daemon=True)
        if not context.master.startswith("local"):
            self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        alone_since = None
        while not self._over.wait(min(1.0, self._seconds / 2)):
            try:
                waiting = executors(self._context) < 1 and bool(self._context.statusTracker().getActiveJobsIds())
                alone_since = (alone_since or time.monotonic()) if waiting else None
                if alone_since is not None and time.monotonic() - alone_since > self._seconds:
                    self._context.cancelAllJobs()
            except Exception:  # noqa: BLE001 - Java is gone: whoever waits for the job is told so
                return


def check_workers(session: Any, folder: Path) -> None:
    """Let every worker show that it has this Noren, and sees and may write the folder of this run.

    Raises:
        EngineError: one does not.
    """
    from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415 - seconds to import, and an extra

    tasks = 2 * max(session.sparkContext.defaultParallelism, 1)
    each, columns = partial(_told, folder), from_arrow_schema(PROBE)
    asked = guarded(
        lambda: session.range(0, tasks, 1, tasks).mapInArrow(each, columns).toArrow(), "a look at the workers"
    )
    rows = asked.to_pylist()
    if {row["version"] for row in rows} != {code_digest()}:
        raise EngineError("a worker has another version of Noren than the driver: install the same on every worker")
    if not all(row["sees"] for row in rows):
        raise EngineError(
            "a worker does not see NOREN_HOME: it must lie on a filesystem that driver and workers share under the same"
            " path, and belong to the user that they all run as"
        )
    if not all(row["writes"] for row in rows):
        raise EngineError("a worker may not write into NOREN_HOME: workers run as the user to whom it belongs")


def _told(folder: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what a worker tells of itself, one row a task."""
    for _ in batches:
        pass
    sees, writes = (os.access(folder, what) for what in (os.F_OK, os.W_OK))
    yield pa.RecordBatch.from_pylist([{"version": code_digest(), "sees": sees, "writes": writes}], PROBE)


def code_digest() -> str:
    """Return a digest of this package's code: equal where the same version is installed."""
    root = Path(anonymization.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
