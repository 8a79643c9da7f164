"""One portable SQL text, two engines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from anonymization.engine.base import Engine
from anonymization.engine.duckdb import DuckDBEngine
from anonymization.errors import InputError

ENGINES = ("duckdb", "spark")


def open_engine(
    name: str,
    *,
    temporary: Path,
    folders: Sequence[Path] = (),
    memory_limit: str | None = None,
    threads: int | None = None,
    master: str | None = None,
) -> Engine:
    """Start an engine.

    Args:
        name: `duckdb` or `spark`.
        temporary: a private folder for what the engine spills; its own part of it is wiped now and at the end.
        folders: what DuckDB may read and write, beside `temporary`.
        memory_limit: of DuckDB; by default the whole of `memory_share`.
        threads: of DuckDB; by default one a core.
        master: of Spark; by default `local[*]`.

    Raises:
        InputError: an unknown engine, or a master for DuckDB.
        EngineError: Spark or Java is missing.
    """
    if name == "duckdb":
        if master is not None:
            raise InputError("--master belongs to --engine spark")
        limit = memory_limit or memory_share()
        return DuckDBEngine(temporary=temporary, folders=folders, memory_limit=limit, threads=threads)
    if name == "spark":
        from anonymization.engine.spark.engine import SparkEngine  # noqa: PLC0415 - seconds to import, and an extra

        return SparkEngine(temporary=temporary, master=master)
    raise InputError(f"unknown engine {name!r}; known: {', '.join(ENGINES)}")


def memory_share(engines: int = 1) -> str:
    """Return the memory limit of each of several DuckDB engines that run side by side.

    Together they hold to `NOREN_MEMORY_LIMIT`, a number and MB or GB (default 4GB).

    Raises:
        InputError: the setting is none.
    """
    limit = os.environ.get("NOREN_MEMORY_LIMIT", "4GB")
    match = re.fullmatch(r"([1-9][0-9]{0,5})(MB|GB)", limit)
    if match is None:
        raise InputError("NOREN_MEMORY_LIMIT is a whole number and MB or GB, such as 2GB")
    megabytes = int(match.group(1)) * (1000 if match.group(2) == "GB" else 1)
    return f"{max(megabytes // engines, 1)}MB"
