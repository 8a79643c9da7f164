"""Ends what the tests started for a home once none of them uses it: at once, or when the last one that did is gone.

    keeper.py HOME [USERS]

Every process that uses it holds a shared lock of the file USERS; the kernel lets go of it however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SERVICES = "jobs.services"


def main(home: str, users: str | None = None) -> int:
    with contextlib.ExitStack() as stack:
        if users is not None:
            file = stack.enter_context(Path(users).open("w"))
            while not _locked(file):
                time.sleep(2)
        code = subprocess.run(
            [sys.executable, "-m", SERVICES, "stop"], check=False, env=os.environ | {"NOREN_HOME": home}
        ).returncode
        kept = Path(home) / "airflow" / "postgres-data"
        if code == 0 and kept.exists():  # outside the home, where root runs the tests
            shutil.rmtree(kept.read_text().strip(), ignore_errors=True)
    return code


def _locked(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
