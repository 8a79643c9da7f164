"""Log files as they arrived, and what one run of the intake works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from anonymization.deidentify import addresses
from anonymization.deidentify.addresses import Cleaned
from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.keywords import Keywords
from anonymization.deidentify.screening import Screened
from anonymization.deidentify.taken import NAME, spoken
from anonymization.engine.base import Engine
from anonymization.home import Home
from anonymization.keys import PeriodKeys, master_seal
from anonymization.policy.sources import PersonColumn, Source, Spelling


@dataclass(frozen=True)
class Arrival:
    """A log file as it arrived, and which of its folder it is, by name."""

    source: Source
    arrived: date
    path: Path
    number: int = 1

    @property
    def name(self) -> str:
        """Its name, as it may be told."""
        return spoken(self.path.name, self.source.source, self.number)

    def named(self, home: Home) -> str:
        """Return what is equal for files of one name on one day, to a home alone: a name may be a person's."""
        return master_seal(home, f"log {self.source.source} {self.arrived} {self.path.name}")

    def beside(self, zone: Path, digest: str, suffix: str) -> Path:
        """Return where a zone keeps something of its content."""
        day = f"arrived={self.arrived.isoformat()}"
        return zone / f"source={self.source.source}" / day / f"{digest[:NAME]}{suffix}"


@dataclass(frozen=True)
class Ready:
    """A file that was looked at, and can be read by an engine.

    Attributes:
        undeclared: how many columns of its header its source does not declare.
        named: see `Arrival.named`.
        size: about how many bytes an engine reads of it.
        seconds: that the look at it took.
    """

    arrival: Arrival
    screened: Screened
    undeclared: int
    named: str
    size: int
    seconds: float = 0.0


@dataclass(frozen=True)
class IntakeContext:
    """What one run of the intake works with.

    Attributes:
        codelists: code lists of the policy folder, by name.
        linked: for a source that proves links: the column and namespace of the linked person, else null.
        first_day: the day on which the policy's first version came into force.
        kept_from: the first day of the months that were not erased, if any was.
        optouts: opted-out persons, as (namespace, id).
        spellings: how ids of each namespace are spelt.
        covering: namespaces of choices that cover the ids, too, that a log of links names beside one of theirs.
        replacing: whether a file takes the place of another content that was delivered by its name on its day.
        rewritten: by digest, contents that a person's request has changed since, and the digest of what is there in
            their places: an empty text where nothing was left.
    """

    home: Home
    engine: Engine
    keys: PeriodKeys
    codelists: Mapping[str, Mapping[str, object]]
    linked: Mapping[str, PersonColumn]
    first_day: date
    optouts: Sequence[tuple[str, str]]
    devices: DeviceFamilies
    keywords: Keywords
    spellings: Mapping[str, Spelling]
    kept_from: date | None = None
    covering: frozenset[str] = frozenset()
    paths: Cleaned = field(default_factory=lambda: Cleaned(addresses.path))
    hosts: Cleaned = field(default_factory=lambda: Cleaned(addresses.host))
    replacing: bool = False
    rewritten: Mapping[str, str] = field(default_factory=dict)

    @property
    def earliest(self) -> date:
        """The first day whose events are taken in."""
        return max(self.first_day, self.kept_from or self.first_day)
