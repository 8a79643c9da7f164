"""What is expensive is made once a run of the tests, for all its workers; whoever changes it makes the run fail.

A test that must write takes a copy: see `harness.homes`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import shutil

import pytest

STORE = "made-once"
FLEETING = ("temporary",)
"""Folders of a home in which whoever reads it may put locks."""


class Store:
    """A folder of things that were made once, each in a folder of its own, which nobody may change."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(exist_ok=True)

    def made(self, name, make, **of):
        """Return what `make(folder)` returns, which one process of the run is asked for; kept by name and `of`."""
        key = f"{name}-{hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:12]}"
        kept, folder = self.folder / f"{key}.pickle", self.folder / key
        with (self.folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                shutil.rmtree(folder, ignore_errors=True)  # another process failed at it
                folder.mkdir()
                made = pickle.dumps(make(folder))
                (self.folder / f"{key}.json").write_text(json.dumps(looked_at(folder)))
                kept.write_bytes(made)
        return pickle.loads(kept.read_bytes())

    def changed(self):
        """Return the files that are not as they were when they were made."""
        found = []
        for listing in sorted(self.folder.glob("*.json")):
            before, now = json.loads(listing.read_text()), looked_at(listing.with_suffix(""))
            found += [f"{listing.stem}/{path}" for path in sorted({*before, *now}) if before.get(path) != now.get(path)]
        return found


def looked_at(folder):
    """Size and time of each file below a folder."""
    found = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.is_file() and not {*FLEETING} & {*inside.parts}:
            seen = path.stat()
            found[str(inside)] = [seen.st_size, seen.st_mtime_ns]
    return found


def run_folder(config):
    """The folder of all processes of a run; a worker's own is inside it."""
    base = config._tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def shared(pytestconfig):
    """The folder of all processes of a test run."""
    return run_folder(pytestconfig)


@pytest.fixture(scope="session")
def once(shared):
    """Makes something, files of a new folder among it, once for all processes of a run: nobody may change it."""
    return Store(shared / STORE).made


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if "PYTEST_XDIST_WORKER" in os.environ or session.config.option.collectonly:
        return
    store = run_folder(session.config) / STORE
    session.config.stash[CHANGED] = found = Store(store).changed() if store.exists() else []
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


CHANGED = pytest.StashKey[list]()


def pytest_terminal_summary(terminalreporter, config):
    if found := config.stash.get(CHANGED, []):
        terminalreporter.section("changed by a test, though all share it", red=True)
        for name in found:
            terminalreporter.write_line(name)
