"""The manifest of a package: which files it holds, and what is in each; its digest is the package's name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from anonymization.errors import IntegrityError
from anonymization.files import indented

MANIFEST = "MANIFEST.json"


def check_manifest(folder: Path) -> str:
    """Return a package's digest if every file is as its manifest says, and none is more or less.

    Raises:
        IntegrityError: which file is missing, too many, or changed.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        listed = json.loads(content)["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError(f"{MANIFEST} is missing or is no manifest") from None
    if not isinstance(listed, dict) or indented({"files": listed}).encode() != content:
        raise IntegrityError(f"{MANIFEST} is not in its canonical form")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() or p.is_symlink()} - {
        MANIFEST
    }
    for name in sorted(found ^ set(listed)):
        raise IntegrityError(f"{name} is {'not in the manifest' if name in found else 'missing'}")
    for name, digest in listed.items():
        if (folder / name).is_symlink() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise IntegrityError(f"{name} is not what the manifest says")
    return hashlib.sha256(content).hexdigest()
