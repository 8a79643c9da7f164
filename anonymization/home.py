"""The home folder: where each zone's files live, readable by its owner alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from anonymization.errors import InputError
from anonymization.files import PRIVATE_FOLDER

FOLDERS = (
    "landing",
    "events",
    "quarantine",
    "choices",
    "requests",
    "candidates",
    "releases",
    "microdata",
    "draws",
    "keys",
    "metrics",
    "temporary",
)
WILDCARDS = "*?[]{}\\"
LEDGER = "noren.db"
DEMO_OFFICERS = "demo-officers.json"
"""In a demo's home only: officers who do not stand in the policy folder."""


@dataclass(frozen=True)
class Home:
    """The folder tree under `NOREN_HOME`; every folder is 0700.

    Attributes:
        root: the home folder itself.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """Return the home that `NOREN_HOME` names (default `./noren-home`); it need not exist yet."""
        return cls(Path(os.environ.get("NOREN_HOME", "noren-home")).absolute())

    def create(self) -> Home:
        """Make every folder of the home, 0700; what exists stays.

        Raises:
            InputError: its path would mean something else to an engine.
        """
        if set(WILDCARDS) & set(str(self.root)):
            raise InputError(
                f"NOREN_HOME={self.root}: allowed is a path without {' '.join(WILDCARDS)}, wildcards to engines"
            )
        for folder in (self.root, *(self.root / name for name in FOLDERS)):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            folder.chmod(PRIVATE_FOLDER)
        return self

    def require(self) -> Home:
        """Return this home if `noren init` has made it.

        Raises:
            InputError: the home is not there.
        """
        if not (self.root / "keys" / "master.key").is_file():
            raise InputError(f"no Noren home at {self.root}: run `noren init`, or set NOREN_HOME to an existing home")
        return self

    @property
    def landing(self) -> Path:
        """Raw logs: `source=<name>/arrived=<YYYY-MM-DD>/<file>` (identified zone)."""
        return self.root / "landing"

    @property
    def quarantine(self) -> Path:
        """Rejected lines, same layout (identified zone)."""
        return self.root / "quarantine"

    @property
    def choices(self) -> Path:
        """People's choices, such as opt-outs (identified zone)."""
        return self.root / "choices"

    @property
    def requests(self) -> Path:
        """What people's requests brought, and what was disclosed: `<number>/` (identified zone)."""
        return self.root / "requests"

    @property
    def events(self) -> Path:
        """Pseudonymous events: `source=<name>/arrived=<YYYY-MM-DD>/<digest>.parquet`."""
        return self.root / "events"

    @property
    def candidates(self) -> Path:
        """Candidates: `<request>-<digest>/package/` and `evidence/`."""
        return self.root / "candidates"

    @property
    def releases(self) -> Path:
        """Published releases: `<name>/<period>/v<n>/package/` and `envelope/`."""
        return self.root / "releases"

    @property
    def microdata(self) -> Path:
        """k-anonymous rows: `<name>/<period>/`; personal in law, inside only."""
        return self.root / "microdata"

    @property
    def draws(self) -> Path:
        """Noise that was drawn, with its figures: `<digest>.json` (statistics zone)."""
        return self.root / "draws"

    @property
    def keys(self) -> Path:
        """Key material, 0600 a file."""
        return self.root / "keys"

    @property
    def metrics(self) -> Path:
        """One small JSON a run."""
        return self.root / "metrics"

    @property
    def temporary(self) -> Path:
        """Spill files of the engine; wiped on start."""
        return self.root / "temporary"

    @property
    def database_url(self) -> str:
        """The ledger's database: `NOREN_DATABASE_URL`, else a SQLite file in the home."""
        return os.environ.get("NOREN_DATABASE_URL", f"sqlite:///{self.root / LEDGER}")

    @property
    def ledger_file(self) -> Path | None:
        """The ledger's file; none where `NOREN_DATABASE_URL` names a database."""
        return None if "NOREN_DATABASE_URL" in os.environ else self.root / LEDGER


def policy_folder() -> Path:
    """Return the policy folder: `NOREN_POLICIES`, else `policies/` of the checkout."""
    named = os.environ.get("NOREN_POLICIES")
    return Path(named) if named is not None else Path(__file__).parents[1] / "policies"
