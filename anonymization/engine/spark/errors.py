"""What Spark's errors mean: its messages quote values and plans, so that what leaves is what to do about them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import TypeVar

from anonymization.errors import EngineError

Result = TypeVar("Result")

CAUSES = (
    (
        r"No module named 'anonymization'|No module named 'ua_parser|No module named 'pyarrow",
        "a worker's Python has no Noren: install it there with its spark extra, and name that Python: PYSPARK_PYTHON",
    ),
    (
        r"PYTHON_VERSION_MISMATCH|Python in worker has different version",
        "a worker has another minor version of Python than the driver: name the same one by PYSPARK_PYTHON",
    ),
    (
        r"Cannot run program",
        "a worker does not have the Python that the driver names: name one that every worker has by PYSPARK_PYTHON",
    ),
    (
        r"OutOfMemoryError|UNABLE_TO_ACQUIRE_MEMORY|SparkOutOfMemory|code 52\b|code 137\b|memory limits",
        "an executor ran out of memory: give each more (spark.executor.memory) or fewer tasks (spark.executor.cores)",
    ),
    (r"No space left on device", "a disk is full: that of NOREN_HOME, or of a worker's spark.local.dir"),
    (
        r"part of cancellation of all jobs",
        "every executor was lost and none came in time (NOREN_EXECUTORS_WITHIN); are workers running?",
    ),
    (
        r"masters are unresponsive|Master removed our|SparkContext was shut down|context .*stopped|Connection refused",
        "the master or the driver's Java is gone; nothing of this run is taken for a result: start it again",
    ),
    (
        r"ExecutorLostFailure|FetchFailed|executor .* lost",
        "executors were lost more often than a task is repeated (spark.task.maxFailures): the workers' logs say why",
    ),
)
"""What stands in an error of Spark, and what is said of it; the first that fits counts."""


def cause_of(error: BaseException) -> str:
    """Return what to do about an error of Spark; only its type's name where it is none of the known ones."""
    return _known(error) or type(error).__name__


def _known(error: BaseException) -> str | None:
    text = str(error)
    return next((said for pattern, said in CAUSES if re.search(pattern, text)), None)


def guarded(run: Callable[[], Result], what: str) -> Result:
    """Run a step of Spark.

    Raises:
        EngineError: it failed; says what it made, and what to do where the cause is known.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001 - its message may hold a person's value
        lost = _known(error) is not None
        raise EngineError(f"Spark could not make {what!r}: {cause_of(error)}", lost=lost) from None
