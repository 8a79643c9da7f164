"""What people declared, as far as a schedule needs it: the releases, the sources, and the policy's clock.

Read here and not by `anonymization.policy`, whose import costs more than Airflow may spend on a file of DAGs.

A file that cannot be read this far stops no other: `wrong_declarations.py` shows it in Airflow's page. All of a
declaration is checked by the steps, which say what is wrong with it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

PERIODS = ("month", "week", "day")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SOURCE = re.compile(r"[a-z][a-z0-9_]{0,62}")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class WrongDeclarationError(ValueError):
    """A file of the policy folder from which no schedule can be made."""


@dataclass(frozen=True)
class Release:
    """A declared release.

    Attributes:
        name: it is also the file's.
        title: in English.
        period: month, week or day.
        owner: who requests it.
        recipient: who receives it.
        sources: whose events it counts.
    """

    name: str
    title: str
    period: str
    owner: str
    recipient: str
    sources: tuple[str, ...]


def policies() -> Path:
    """Return the policy folder that `NOREN_POLICIES` names, else the one beside this folder."""
    return Path(os.environ.get("NOREN_POLICIES") or Path(__file__).parent.parent / "policies")


def releases() -> tuple[list[Release], list[str]]:
    """Return the declared releases, and what is wrong with the files that declare none."""
    found, wrong = [], []
    for path in sorted((policies() / "releases").glob("*.yaml")):
        try:
            found.append(_release(path))
        except WrongDeclarationError as error:
            wrong.append(f"releases/{path.name}: {error}")
    return found, wrong


def sources() -> list[str]:
    """Return the names of the declared sources."""
    return sorted(path.stem for path in (policies() / "sources").glob("*.yaml") if SOURCE.fullmatch(path.stem))


def zone() -> str:
    """Return the time zone of days and periods: the one that most sources declare, the first by name among equals.

    Raises:
        WrongDeclarationError: no source declares one.
    """
    named: Counter[object] = Counter()
    for source in sources():
        try:
            named[_content(policies() / "sources" / f"{source}.yaml", "`zone`").get("zone")] += 1
        except WrongDeclarationError:
            continue  # the intake says what is wrong with it
    zones = sorted((str(one) for one in named if one), key=lambda one: (-named[one], one))
    if not zones:
        raise WrongDeclarationError(f"sources/*.yaml: no file declares a `zone`, in {policies()}")
    return zones[0]


def start() -> datetime:
    """Return the day from which on the policy holds: nothing is scheduled or made up for before it.

    Raises:
        WrongDeclarationError: the policy says of no version when it became effective.
    """
    versions = _content(policies() / "policy.yaml", "`versions`").get("versions")
    said = [one.get("effective") for one in versions if isinstance(one, dict)] if isinstance(versions, list) else []
    days = [day for day in said if isinstance(day, date) and not isinstance(day, datetime)]
    if not days:
        raise WrongDeclarationError("policy.yaml: `versions` must say from which day on each is `effective`")
    return datetime.combine(min(days), datetime.min.time(), UTC)


def _content(path: Path, such: str) -> dict[str, Any]:
    """Return what a file declares; a YAML error is not told, as it quotes the file over several lines."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WrongDeclarationError(f"no YAML ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise WrongDeclarationError(f"expected keys such as {such}")
    return content


def _release(path: Path) -> Release:
    content = _content(path, "`release`, `period`, `owner`")
    faults = list(_faults(content, path.stem))
    if faults:
        raise WrongDeclarationError("; ".join(faults))
    title = content.get("title")
    return Release(
        name=content["release"],
        title=str(title.get("en", "")) if isinstance(title, dict) else "",
        period=content["period"],
        owner=content["owner"],
        recipient=content["recipient"],
        sources=tuple(content["sources"]),
    )


def _faults(content: dict[str, Any], stem: str) -> Iterator[str]:
    name, names = content.get("release"), content.get("sources")
    if not isinstance(name, str) or NAME.fullmatch(name) is None or name != stem:
        yield f"`release` must be the file's name, {stem}, in small letters, digits and hyphens"
    if content.get("period") not in PERIODS:
        yield f"`period` must be one of {', '.join(PERIODS)}"
    for key in ("owner", "recipient"):
        if not isinstance(content.get(key), str) or not content[key]:
            yield f"`{key}` must be a name"
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(one, str) and SOURCE.fullmatch(one) for one in names)
    ):
        yield "`sources` must be a list of names of sources"
