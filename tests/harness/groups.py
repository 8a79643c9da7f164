"""In which order pytest-xdist's workers take tests: groups first, then what is slow, then the rest.

A group (`pytest.mark.xdist_group`) is run by one worker: its tests share what one process can have alone. What takes
long comes early, so that no worker waits for another in the end; first of all what asks for Spark's session: one Java
for all of it, since each runs slowly until it has compiled what it runs often.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

SESSION = "spark"


def pytest_configure(config):  # the mark is known without pytest-xdist, too
    config.addinivalue_line("markers", "xdist_group(name): one worker runs what has the name")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=_place)
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            if groups := _groups(item):
                _named_with(item, groups)


def _place(item):
    """Where a test comes: what asks for the month that Spark takes in first, whose Java helps all that are started later."""
    session = _groups(item) == SESSION
    first = session and "taken_again" in getattr(item, "fixturenames", ())
    return not session, not first, not _groups(item), item.get_closest_marker("slow") is None


def _groups(item):
    """A test's groups; what runs on Spark and says nothing else runs in the one process that has a session."""
    groups = "_".join(sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}))
    return groups or (SESSION if item.get_closest_marker("spark") else "")


def _named_with(item, groups):
    """Add the groups to a test's id, from which they are read: pytest-xdist 3.8 writes them where pytest 9.2 does not look."""
    *above, name = item._id.names
    given = "" if item._id.params is None else f"[{item._id.params}]"
    item._id = replace(item._id, names=(*above, f"{name}{given}@{groups}"), params=None)
