"""Writes .env, which docker-compose.yml reads: deploy/noren.env.example, with random secrets where it says none.

`python3 deploy/fill_env.py`, with any Python 3.8 or newer and nothing else. What .env says already stays; what a newer
example has more is added.
"""  # noqa: INP001 - started by its path, before anything is installed

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRET = ("_PASSWORD", "_KEY", "_SECRET")
"""How the names of secrets end."""
FERNET = "AIRFLOW_FERNET_KEY"
SIZE = 32
"""Random bytes of a secret; of the Fernet key, exactly so many."""


def values(text: str) -> dict[str, str]:
    """Return what the lines `NAME=value` of an env file say."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def new_secret(name: str) -> str:
    """Return a secret that stands in an address as it is; the Fernet key, in the form that Airflow asks for."""
    if name == FERNET:
        return base64.urlsafe_b64encode(secrets.token_bytes(SIZE)).decode()
    return secrets.token_urlsafe(SIZE)


def filled(example: str, kept: str) -> str:
    """Return the text of .env.

    Args:
        example: the example file's.
        kept: that of .env so far.
    """
    left = {name: value for name, value in values(kept).items() if value}
    lines = []
    for line in example.splitlines():
        for name, value in values(line).items():
            said = left.pop(name, value)
            lines.append(f"{name}={said or (new_secret(name) if name.endswith(SECRET) else '')}")
        if not values(line):
            lines.append(line)
    lines += [f"{name}={value}" for name, value in left.items()]
    return "\n".join(lines) + "\n"


def main(root: Path = ROOT) -> None:
    """Write .env as a whole, 0600; no secret is shown."""
    path = root / ".env"
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    text = filled((root / "deploy" / "noren.env.example").read_text(encoding="utf-8"), kept)
    part = path.with_name(f".env.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink()
        raise
    before = values(kept)
    new = [name for name, value in values(text).items() if before.get(name) != value]
    sys.stdout.write(f"{path}: {len(new)} of {len(values(text))} values are new\n")


if __name__ == "__main__":
    main()
