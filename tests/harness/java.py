"""Java as the tests start it, some thirty times a run: what is gained in long jobs only is left out.

A session of Spark loads some ten thousand classes before it does anything, which takes two thirds of its start. They are
archived once a run, by a session that takes logs in, and read from there by all that are started later with
the same class path; a process with another one loads them as ever.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.once import STORE, Store, run_folder

SHORT = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
"""Java's second compiler pays in long jobs only: without it, short ones take two thirds of the time. Its room for compiled
code would then be a fifth, and Java goes on without compiling, slowly, once that is full."""
QUIET = "-Xlog:cds=off -Xlog:cds+dynamic=off"
"""Java says nothing of an archive that it cannot use: it does without."""
OPTIONS = "SPARK_SUBMIT_OPTS"
WORK = Path(__file__).with_name("java_work.py")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.get_closest_marker("spark") and os.environ[OPTIONS] == SHORT:
        archive = Store(run_folder(item.config) / STORE).made("java", archived)
        os.environ[OPTIONS] += f" {QUIET} -XX:SharedArchiveFile={archive}"  # of a Java that makes none there is none


def archived(folder):
    """Archive the classes of a session of Spark that takes logs in; return the archive's path.

    A Java without an archive of its own classes, as a package carries one, makes none and says nothing.
    """
    archive = folder / "spark.jsa"
    options = f"{SHORT} {QUIET} -XX:ArchiveClassesAtExit={archive}"
    subprocess.run(
        [sys.executable, WORK, folder / "work"], env=os.environ | {OPTIONS: options}, check=True, capture_output=True
    )
    return archive


def pytest_configure():
    os.environ[OPTIONS] = SHORT
