"""In which order pytest-xdist's workers take tests: groups first, then what is slow, then the rest.

A group (`pytest.mark.xdist_group`) is run by one worker: its tests share what one process can have alone. What takes
long comes early, so that no worker waits for the other in the end.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest


def pytest_configure(config):  # the mark is known without pytest-xdist, too
    config.addinivalue_line("markers", "xdist_group(name): one worker runs what has the name")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: (not _groups(item), item.get_closest_marker("slow") is None))
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            if groups := _groups(item):
                _named_with(item, groups)


def _groups(item):
    return "_".join(sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}))


def _named_with(item, groups):
    """Add the groups to a test's id, from which they are read: pytest-xdist 3.8 writes them where pytest 9.2 does not look."""
    *above, name = item._id.names
    given = "" if item._id.params is None else f"[{item._id.params}]"
    item._id = replace(item._id, names=(*above, f"{name}{given}@{groups}"), params=None)
