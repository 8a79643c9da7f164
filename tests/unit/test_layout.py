"""The tree itself: names of test modules, by which alone pytest tells them apart, and what a step loads."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


def test_names_of_test_modules_are_different():
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []


@pytest.mark.parametrize("job", ["verbs.intake", "verbs.choices", "verbs.erase", "console"])
def test_a_daily_step_loads_neither_solver_nor_compiler(job):
    """They take a second, of each source and day, and only the releases need them."""
    looked = f"import sys, jobs.{job}; sys.exit(' '.join({{'numba', 'highspy', 'scipy'}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", looked], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


LIGHT = ("approve", "choices", "doctor", "enrol", "erase", "init", "optout", "reject", "releases", "status", "verify")
HEAVY = ("alembic", "altair", "great_expectations", "highspy", "numba", "pyspark", "scipy.stats")


@pytest.mark.parametrize("verb", LIGHT)
def test_a_light_verb_loads_nothing_heavy(verb):
    looked = f"import sys, jobs.verbs.{verb}; sys.exit(' '.join(set({HEAVY}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", looked], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
