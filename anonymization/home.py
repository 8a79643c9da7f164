"""The home folder: where each zone's files live, readable by its owner alone."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anonymization.errors import InputError

FOLDERS = (
    "landing",
    "events",
    "quarantine",
    "choices",
    "candidates",
    "releases",
    "microdata",
    "draws",
    "keys",
    "metrics",
    "temporary",
)
PRIVATE = 0o700


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
        """Make every folder of the home, 0700; what exists stays."""
        for folder in (self.root, *(self.root / name for name in FOLDERS)):
            folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            folder.chmod(PRIVATE)
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
        return os.environ.get("NOREN_DATABASE_URL", f"sqlite:///{self.root / 'noren.db'}")


def private_folder(folder: Path) -> Path:
    """Make a folder and what it lies in, each 0700 whatever the umask; return it."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(mode=PRIVATE, exist_ok=True)
    return folder


def files_of(path: Path, parts: int) -> tuple[Path, ...]:
    """Return the paths of what is written under one name, one a part: `a.parquet`, `a-1.parquet`, ..."""
    return (path, *(path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, parts)))


@contextmanager
def locked(path: Path, *, shared: bool = False, patience: float | None = None) -> Iterator[bool]:
    """Hold a lock file, 0600; yields whether it could be held. A process that ends lets go of it, however it ends.

    Args:
        path: the file; made if need be.
        shared: hold it with others who share it; else alone.
        patience: seconds to wait for those who hold it; None waits until they let go.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _locked(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int, patience: float | None) -> bool:
    if patience is None:
        fcntl.flock(descriptor, kind)
        return True
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        else:
            return True


@contextmanager
def private_part(path: Path, content: bytes) -> Iterator[Path]:
    """Yield a file beside `path` that holds the content, 0600 and on the disk, to be linked or moved into its place.

    So what stands there is whole or not at all. The part is gone in the end.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
