"""One portable SQL text, two engines."""

from __future__ import annotations

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
    memory_limit: str = "4GB",
    threads: int | None = None,
    master: str | None = None,
) -> Engine:
    """Start an engine.

    Args:
        name: `duckdb` or `spark`.
        temporary: a private folder for what the engine spills; its own part of it is wiped now and at the end.
        folders: what DuckDB may read and write, beside `temporary`.
        memory_limit: of DuckDB.
        threads: of DuckDB; by default one a core.
        master: of Spark; by default `local[*]`.

    Raises:
        InputError: an unknown engine, or a master for DuckDB.
        EngineError: Spark or Java is missing.
    """
    if name == "duckdb":
        if master is not None:
            raise InputError("--master belongs to --engine spark")
        return DuckDBEngine(temporary=temporary, folders=folders, memory_limit=memory_limit, threads=threads)
    if name == "spark":
        from anonymization.engine.spark import SparkEngine  # noqa: PLC0415 - seconds to import, and an extra

        return SparkEngine(temporary=temporary, master=master)
    raise InputError(f"unknown engine {name!r}; known: {', '.join(ENGINES)}")
