"""Copies of homes: what a home only ever adds to or removes is the same file on disk, so a copy costs next to nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from anonymization.home import Home

SAME = ("events", "quarantine", "landing")
"""Folders of a home whose files are never written a second time."""
AT_WORK = ("duckdb", "spark")
"""Folders in which an engine worked."""


def copied(home, target, *, landing=False):
    """Copy a home, without what engines left there; files that are never written again are linked, not copied."""
    same = {name for name in SAME if landing or name != "landing"}

    def but_those(folder, names):
        return {*SAME, *AT_WORK} & {*names} if Path(folder) == home.root else set()

    shutil.copytree(home.root, target, ignore=but_those)
    for name in same:
        shutil.copytree(home.root / name, target / name, copy_function=os.link)
    return Home(target).create()
