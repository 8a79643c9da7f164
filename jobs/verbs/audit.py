"""Attack release DIRECTORIES together, from what was published alone; exit 1 if anything is found.

All of them are one system of figures: margins, hierarchies, filters, overlapping periods and versions. Each
suppressed figure, and each population that a difference implies, is bounded exactly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from anonymization.errors import InputError
from anonymization.release.issues import issue_of
from anonymization.release.package import Package, read_package
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.findings import Finding
from jobs.options import DIRECTORY


@click.command("audit", help=__doc__)
@click.argument("directories", nargs=-1, required=True, type=DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(directories: tuple[Path, ...], *, as_json: bool) -> None:
    findings = attack(directories)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(f"{len(findings)} finding(s)")
    sys.exit(1 if findings else 0)


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
