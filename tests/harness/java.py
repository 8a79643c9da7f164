"""Java as the tests start it, some twenty times a run: what is gained in long jobs only is left out.

A session of Spark loads some ten thousand classes before it does anything, which takes two thirds of its start. The one that
takes a whole month in archives them as it ends; they are read from there by all that are started later with the same class
path. A process with another one, and a run without that month, load them as ever.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
from harness.once import run_folder

SHORT = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
"""Java's second compiler pays in long jobs only: without it, short ones take two thirds of the time. Its room for compiled
code would then be a fifth, and Java goes on without compiling, slowly, once that is full."""
QUIET = "-Xlog:cds=off -Xlog:cds+dynamic=off"
"""Java says nothing of an archive that it cannot use or make: it does without."""
OPTIONS = "SPARK_SUBMIT_OPTS"
ARCHIVE = "spark.jsa"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    archive = run_folder(item.config) / ARCHIVE
    if os.environ[OPTIONS] == SHORT and archive.exists():
        os.environ[OPTIONS] += f" {QUIET} -XX:SharedArchiveFile={archive}"


@pytest.fixture(scope="session")
def archiving(shared):
    """Gives, for as long as a Spark runs and ends, the options with which it archives its classes.

    A Java without an archive of its own classes, as a package carries one, makes none and says nothing.
    """

    @contextmanager
    def archiving():
        part = shared / f"{ARCHIVE}.{os.getpid()}"
        yield {OPTIONS: f"{SHORT} {QUIET} -XX:ArchiveClassesAtExit={part}"}
        if part.exists():
            part.replace(shared / ARCHIVE)

    return archiving


def pytest_configure():
    os.environ[OPTIONS] = SHORT
