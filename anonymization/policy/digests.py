"""The policy folder by its content: of all of it, of each file, and of what one release may depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from anonymization.files import canonical


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over the relative path and content of every file of the folder, in order."""
    digest = hashlib.sha256()
    for path in _files(folder):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def file_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the folder, by its relative path."""
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in _files(folder)}


def digest_of(files: Mapping[str, str], release: str) -> str:
    """Return the SHA-256 over the digests of all files that a release may depend on; see `Policies.digest_of`."""
    own = f"releases/{release}.yaml"
    concerned = {
        path: digest
        for path, digest in files.items()
        if path == own or not path.startswith(("releases/", "microdata/"))
    }
    return hashlib.sha256(canonical(concerned).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
