"""How rarely the tests look for garbage that refers to itself: as rarely as the command line does.

What pytest, its plugins and every test module import is looked through each time; by Python's own thresholds that
took a tenth of the run.
"""

from __future__ import annotations

import gc

import pytest

from jobs.__main__ import COLLECTED


def pytest_configure():
    gc.set_threshold(*COLLECTED)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # what is imported and collected by now stays to the end


def pytest_unconfigure():
    gc.unfreeze()  # libraries that count what is left of theirs at the end find it gone
