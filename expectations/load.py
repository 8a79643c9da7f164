"""The suites: the shipped ones, each with what it must hold, and a user's own, which can only close a gate further.

A user's own suite is `expectations/NAME.json` in the policy folder, beside the shipped one of its name: it looks at the
same frame, and both must hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymization.files import canonical
from expectations.required import REQUIRED, lacking

FOLDER = Path(__file__).parent / "suites"
OWN = "own "
"""Before the name of a user's own suite, in what is told of it."""


@dataclass(frozen=True)
class Suite:
    """A suite as its file says.

    Attributes:
        name: of the shipped suite, whose frame it looks at.
        own: whether it is a user's.
        expectations: type, arguments (`kwargs`) and meaning for the officer (`notes`) of each.
        error: why it cannot be run; a gate that needs it is closed.
    """

    name: str
    own: bool = False
    expectations: tuple[Mapping[str, Any], ...] = ()
    error: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{OWN if self.own else ''}{self.name}"


@dataclass(frozen=True)
class Suites:
    """What a gate runs.

    Attributes:
        digest: SHA-256 over every suite, its name and content, and over what is required of the shipped ones.
    """

    shipped: Mapping[str, Suite]
    own: tuple[Suite, ...]
    digest: str

    def of(self, name: str) -> tuple[Suite, ...]:
        """Return the suites that look at a frame: the shipped one, and a user's own."""
        shipped = self.shipped.get(name, Suite(name, error="the suite cannot be read"))
        return (shipped, *(suite for suite in self.own if suite.name == name))

    @property
    def unknown(self) -> tuple[Suite, ...]:
        """A user's own suites that look at no frame."""
        known = ", ".join(sorted(REQUIRED))
        return tuple(
            Suite(suite.name, own=True, error=f"no frame has this name; there are: {known}")
            for suite in self.own
            if suite.name not in REQUIRED
        )


def load_suites(own: Path | None = None, *, folder: Path = FOLDER) -> Suites:
    """Return the suites, each file read once.

    Args:
        own: a user's folder of suites; it need not exist.
        folder: of the shipped suites.
    """
    contents = {name: _content(folder / f"{name}.json") for name in REQUIRED}
    mine = {path.stem: _content(path) for path in sorted(own.glob("*.json"))} if own is not None else {}
    shipped = {name: _checked(_parsed(name, content)) for name, content in contents.items()}
    everything = [
        {name: hashlib.sha256(content).hexdigest() for name, content in part.items()} for part in (contents, mine)
    ]
    digest = hashlib.sha256(canonical([*everything, REQUIRED]).encode()).hexdigest()
    return Suites(shipped, tuple(_parsed(name, content, own=True) for name, content in mine.items()), digest)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parsed(name: str, content: bytes, *, own: bool = False) -> Suite:
    try:
        found = tuple(
            {"type": str(one["type"]), "kwargs": dict(one["kwargs"]), "notes": str(one["meta"]["notes"])}
            for one in json.loads(content)["expectations"]
        )
    except (ValueError, KeyError, TypeError):
        return Suite(name, own, error="the suite cannot be read: expectations, each with type, kwargs and meta.notes")
    return Suite(name, own, found, "" if found else "the suite holds no expectation")


def _checked(suite: Suite) -> Suite:
    """A shipped suite; in error where it lacks what it must hold."""
    missing = lacking(suite.name, suite.expectations)
    if suite.error or not missing:
        return suite
    return Suite(suite.name, error=f"the suite lacks what it must hold: {', '.join(missing)}")
