"""Attack release DIRECTORIES together, from what was published alone; exit 1 if anything is found.

All of them are one system of figures: margins, hierarchies, filters, overlapping periods and versions. Each
suppressed figure, and each population that a difference implies, is bounded exactly. What a package of an earlier
Noren does not say of its codes is told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from anonymization.errors import InputError
from anonymization.release.issues import issue_of
from anonymization.release.package import Package, read_package
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import figures_solved
from jobs.options import DIRECTORY

OLDER = "does not say what its codes consist of: its groupings and filters are related to others by their codes alone"


@click.command("audit", help=__doc__)
@click.argument("directories", nargs=-1, required=True, type=DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(directories: tuple[Path, ...], *, as_json: bool) -> None:
    packages = {directory: _package(directory) for directory in directories}
    for directory, package in packages.items():
        if not package.says_what_codes_are:
            click.echo(f"{directory}: {OLDER}", err=True)
    findings = attack_packages(packages)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(str(finding))
        for directory, package in packages.items():
            click.echo(f"{directory}: {_looked_at(directory, package)}")
        click.echo(f"{len(findings)} finding(s)")
    sys.exit(1 if findings else 0)


def attack(directories: Sequence[Path]) -> tuple[Finding, ...]:
    """Return what release directories give away together, from what was published alone.

    Raises:
        InputError: a directory is no release directory.
        GateRefusal: the audit did not come to an end, or figures contradict each other.
    """
    return attack_packages({directory: _package(directory) for directory in directories})


def attack_packages(packages: Mapping[Path, Package]) -> tuple[Finding, ...]:
    """Return what packages give away together; see `attack`."""
    return audit([issue_of(package, directory.as_posix()) for directory, package in packages.items()])


def _looked_at(directory: Path, package: Package) -> str:
    """How much of a package is attacked: figures with noise do not add up, and nothing follows from them alone."""
    solved = figures_solved(issue_of(package, directory.as_posix()))
    return f"{solved:,} published figures" if solved else "not applicable: its figures carry noise and do not add up"


def _package(directory: Path) -> Package:
    folder = directory / "package" if (directory / "package").is_dir() else directory
    if not (folder / "datapackage.json").is_file():
        raise InputError(f"{directory} is no release directory: it holds no datapackage.json")
    return read_package(folder)
