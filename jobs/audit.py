"""Audit: attack anyone's release directories, from what was published alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from anonymization.errors import InputError
from anonymization.release.package import Package, read_package
from anonymization.tables.audit import audit, differences


def attack(directories: Sequence[Path]) -> list[dict[str, object]]:
    """Return the findings over release directories: each alone, and versions of one release against each other."""
    packages = [(directory, _package(directory)) for directory in directories]
    findings: list[dict[str, object]] = []
    for directory, package in packages:
        findings += [{"release": directory.as_posix(), **vars(finding)} for finding in audit(package.tables)]
    for (first, one), (second, other) in combinations(packages, 2):
        if _subject(one) == _subject(other):
            pair = f"{first.as_posix()} and {second.as_posix()}"
            rows = differences(one.tables, other.tables).to_dict("records")
            findings += [
                {"release": pair, **{str(k): v for k, v in row.items()}, "derived_from": "versions"} for row in rows
            ]
    return findings


def _package(directory: Path) -> Package:
    folder = directory / "package" if (directory / "package").is_dir() else directory
    if not (folder / "datapackage.json").is_file():
        raise InputError(f"{directory} is no release directory: it holds no datapackage.json")
    return read_package(folder)


def _subject(package: Package) -> tuple[str, str]:
    block = package.descriptor["noren"]
    return block["release"], block["period"]["name"]
