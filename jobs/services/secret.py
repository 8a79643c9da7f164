"""A secret that is made once and kept in a file that its owner alone reads."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from anonymization.home import private_folder, private_part


def kept_secret(path: Path, size: int = 18) -> str:
    """Return the secret in a file, 0600; where there is no file, a new one of so many random bytes is written."""
    if not path.exists():
        private_folder(path.parent)
        with (
            private_part(path, f"{secrets.token_urlsafe(size)}\n".encode()) as part,
            contextlib.suppress(FileExistsError),
        ):
            os.link(part, path)
    return path.read_text(encoding="utf-8").strip()
