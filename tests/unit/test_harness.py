"""What the tests stand on: long forms are found and counted, and who changes what all share is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness.forms import KINDS

TESTS = Path(__file__).parent.parent
LONG = {
    "engines": ("unit/deidentify/test_formats.py", "test_a_byte_order_mark_is_no_content[spark-TSV]"),
    "faults": ("dags/test_runs.py", "test_a_release_is_not_published[nobody answers in time"),
    "fuzz": ("property/test_places_property.py", "test_the_decision_is_that_of_a_naive_merging"),
    "attacks": ("attacks/test_non_interference.py", "test_with_or_without_those_who_opted_out_the_packages_are_equal"),
}


def ran(folder, *words):
    """How a run of pytest ended, and what it said; its cache and its files are in a folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", f"cache_dir={folder}/cache", "--basetemp", folder / "files", *words],
        env=own | {"PYTHONPATH": str(TESTS)}, cwd=TESTS.parent, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_form_is_found(kind, tmp_path):
    file, name = LONG[kind]
    code, said = ran(tmp_path, TESTS / file, "--collect-only", "-qv", "-o", "addopts=", "--long", kind)
    assert code == 0, said
    assert name in said


def test_its_runs_count_up(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.forms"]\n')
    (tmp_path / "test_long.py").write_text(ALONE)
    for number in (1, 2):
        code, said = ran(tmp_path, tmp_path, "--rootdir", tmp_path, "--long", "faults")
        assert (code, f"run {number}, again with RUN={number}" in said) == (0, True), said
    code, said = ran(tmp_path, tmp_path, "--rootdir", tmp_path, "--long", "faults", "--run", "7")
    assert (code, "run 7, again with RUN=7" in said) == (0, True), said


ALONE = """
import pytest

@pytest.mark.long("faults")
def test_alone():
    pass
"""
SEEDED = """
from hypothesis import core, given, strategies as st

@given(st.integers())
def test_seeded(number):
    assert core.global_force_seed == 7
"""


def test_the_number_of_a_run_is_the_seed_of_properties(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.forms"]\n')
    (tmp_path / "test_seeded.py").write_text(SEEDED)
    code, said = ran(tmp_path, tmp_path, "--rootdir", tmp_path, "--long", "fuzz", "--run", "7")
    assert code == 0, said


def test_in_short_what_is_long_alone_is_told_to_be_left_out(tmp_path):
    file, name = LONG["faults"]
    code, said = ran(tmp_path, TESTS / file, "--collect-only", "-q")
    assert (code, name in said) == (0, False)
    assert re.search(r"\d+ deselected", said)


SHARED = """
def made(folder):
    (folder / "kept.txt").write_text("as it was made")
    return folder

def test_reads(once):
    assert (once("thing", made) / "kept.txt").read_text() == "as it was made"
"""
CHANGES = """
def test_changes(once):
    (once("thing", made) / "kept.txt").write_text("as somebody left it")
"""


@pytest.mark.parametrize(("more", "code"), [("", 0), (CHANGES, 1)], ids=["read", "changed"])
def test_a_test_that_changes_what_all_share_fails_the_run(more, code, tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.once"]\n')
    (tmp_path / "test_shared.py").write_text(SHARED + more)
    ended, said = ran(tmp_path, tmp_path, "--rootdir", tmp_path, "-p", "no:randomly")
    assert ended == code, said
    assert ("kept.txt" in said) == bool(code)
    assert "failed" not in said
