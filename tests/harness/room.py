"""Where the files of a run stand: in memory, where there is room.

Noren writes so that a loss of power loses nothing, which on a disk takes a tenth of the time of the tests, and tells them
nothing: what a file system in memory keeps is lost all the same.
"""

from __future__ import annotations

import os
import shutil

MEMORY, ROOM = "/dev/shm", 6 << 30  # noqa: S108 - pytest makes a folder of its own there, for its user alone
PLACE = "PYTEST_DEBUG_TEMPROOT"
"""Where pytest makes the folder of a run; whoever has set it knows why."""


def pytest_configure():
    if PLACE not in os.environ and roomy(MEMORY):
        os.environ[PLACE] = MEMORY


def roomy(folder):
    """Whether programs may be started in a folder, and much be written."""
    if not os.access(folder, os.W_OK):
        return False
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC and shutil.disk_usage(folder).free > ROOM
