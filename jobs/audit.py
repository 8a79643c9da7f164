"""Audit: attack anyone's release directories, from what was published alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anonymization.errors import InputError
from anonymization.release.package import Package, issue_of, read_package
from anonymization.tables.audit import audit
from anonymization.tables.findings import Finding


def attack(directories: Sequence[Path]) -> tuple[Finding, ...]:
    """Return what release directories give away together, from what was published alone.

    Raises:
        InputError: a directory is no release directory.
        GateRefusal: the audit did not come to an end, or figures contradict each other.
    """
    return audit([issue_of(_package(directory), directory.as_posix()) for directory in directories])


def _package(directory: Path) -> Package:
    folder = directory / "package" if (directory / "package").is_dir() else directory
    if not (folder / "datapackage.json").is_file():
        raise InputError(f"{directory} is no release directory: it holds no datapackage.json")
    return read_package(folder)


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("audit")
