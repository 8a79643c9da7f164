"""A look at a log file before an engine reads it: is it of its format, and what is a copy that can be read."""

from __future__ import annotations

from pathlib import Path

from anonymization.deidentify.arrivals import Arrival, Ready
from anonymization.deidentify.readers import check_header
from anonymization.deidentify.screening import Screened, screen
from anonymization.deidentify.screening_parquet import screen_parquet
from anonymization.deidentify.taken import NAME
from anonymization.files import private_folder
from anonymization.home import Home
from anonymization.policy.sources import Format

LEAST = 100
"""Bytes that a record counts for at least: few of a packed Parquet file hold many."""


def workspace_of(home: Home, source: str) -> Path:
    """Return where the files of a source lie as engines read them while it is taken in."""
    return home.temporary / f"records-{source}"


def looked_at(arrival: Arrival, digest: str, named: str, home: Home) -> Ready:
    """Return a file as an engine can read it; of one that is refused no copy is left.

    Args:
        arrival: the file.
        digest: of its content.
        named: see `Ready`.
        home: where copies lie.

    Raises:
        SourceError: the file is not what its source declares.
    """
    source = arrival.source
    workspace = private_folder(workspace_of(home, source.source))
    try:
        screened = _screened(arrival, digest, home, workspace)
        undeclared = check_header(source, screened, arrival.path.name)
        size = max(screened.readable.stat().st_size, LEAST * screened.records)
        return Ready(arrival, screened, undeclared, named, size)
    except BaseException:
        for left in workspace.glob(f"{digest[:NAME]}.*"):  # a copy, as far as it came
            left.unlink()
        raise


def _screened(arrival: Arrival, digest: str, home: Home, workspace: Path) -> Screened:
    source = arrival.source
    if source.format is Format.PARQUET:
        return screen_parquet(arrival.path, digest, source, workspace=workspace)
    return screen(
        arrival.path,
        digest,
        source.format,
        workspace=workspace,
        quarantine=arrival.beside(home.quarantine, digest, ".unreadable.jsonl"),
        encoding=source.encoding,
    )
