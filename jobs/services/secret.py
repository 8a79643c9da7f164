"""A secret that is made once and kept in a file that its owner alone reads."""

from __future__ import annotations

import secrets
from pathlib import Path

from anonymization.files import private_folder, write_private_once


def kept_secret(path: Path, size: int = 18) -> str:
    """Return the secret in a file, 0600; where there is no file, a new one of so many random bytes is written."""
    if not path.exists():
        private_folder(path.parent)
        write_private_once(path, f"{secrets.token_urlsafe(size)}\n")
    return path.read_text(encoding="utf-8").strip()
