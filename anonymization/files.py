"""Private files: readable by their owner alone, and whole or absent; locks; canonical JSON.

Whatever Noren writes for itself is written here: a process that is killed, or a machine that stops, leaves what stood
there before, or what was to stand there, never half of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
SHARED = 0o666
"""Of a file that the user asked for: what the umask lets others do with it is the user's affair."""


def canonical(content: object) -> str:
    """Return content as canonical JSON: keys sorted, no spaces."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def indented(content: object, *, as_given: bool = False) -> str:
    """Return content as JSON for people: a line an entry, keys sorted, or in the order in which they were given."""
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=not as_given) + "\n"


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file, 0600, whole or not at all; what stood there is replaced.

    Raises:
        OSError: it cannot be written.
    """
    with private_stream(path) as file:
        file.write(_bytes(content))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that the user asked for, whole or not at all, with the mode that the umask gives.

    Raises:
        OSError: it cannot be written.
    """
    with _part(path, SHARED) as (part, file):
        write_synced(file, content)
        part.replace(path)


def write_private_once(path: Path, content: str | bytes) -> None:
    """Write a file that was not there, 0600, whole; of two writers the first one's stands, for both to read.

    Raises:
        OSError: it cannot be written.
    """
    with _part(path) as (part, file):
        write_synced(file, content)
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        sync(path.parent)


@contextmanager
def private_stream(path: Path) -> Iterator[IO[bytes]]:
    """Yield an open file, 0600, that takes its place when what is done within has ended without an error.

    Raises:
        OSError: it cannot be written.
    """
    with _part(path) as (part, file):
        yield file
        _finish(file)
        part.replace(path)
        sync(path.parent)


def write_synced(file: IO[bytes], content: str | bytes) -> None:
    """Write to an open file and bring it to the disk at once: what follows may count on it.

    Raises:
        OSError: it cannot be written.
    """
    file.write(_bytes(content))
    _finish(file)


def sweep(path: Path) -> None:
    """Remove what writers of a file have left who were killed; nobody else may be writing it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        left.unlink()


@contextmanager
def _part(path: Path, mode: int = PRIVATE) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield a hidden file beside a path, and that file opened; in the end it is gone, or moved."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def private_folder(folder: Path) -> Path:
    """Make a folder and what it lies in, each 0700 whatever the umask; return it."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    return folder


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with its files to a new place, 0700 and 0600, all of it brought to the disk, or none of it.

    Raises:
        OSError: a file cannot be read or written.
    """
    try:
        private_folder(target)
        for path in sorted(source.rglob("*")):
            place = target / path.relative_to(source)
            if path.is_dir():
                private_folder(place)
                continue
            shutil.copyfile(path, place)
            place.chmod(PRIVATE)
            sync(place)
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            sync(folder)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        raise


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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
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


def sync(path: Path) -> None:
    """Bring a file, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
