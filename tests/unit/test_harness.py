"""What the tests stand on: long forms are found and counted, and who changes what all share is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from harness.forms import KINDS
from harness.room import ROOM, roomy

TESTS = Path(__file__).parent.parent
LONG = {
    "engines": ("unit/deidentify/test_formats.py", "test_a_byte_order_mark_is_no_content[spark-TSV]"),
    "faults": ("dags/test_runs.py", "test_a_release_is_not_published[nobody answers in time"),
    "fuzz": ("property/test_places_property.py", "test_the_decision_is_that_of_a_naive_merging"),
    "attacks": ("attacks/test_non_interference.py", "test_with_or_without_those_who_opted_out_the_packages_are_equal"),
}


EACH = "import sys, pytest\nfor run in sys.argv[1:]: print(f'ended with {pytest.main(run.split()):d}')"
"""Runs pytest for each of several lists of words: what all of them import is imported once."""
AFTER_EACH = re.compile(r"^ended with (\d+)$", re.MULTILINE)


def python(*words):
    """What a Python has said that knows these tests, and loads no plugin that nobody asks for."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    own |= {"PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, *words], env=own, cwd=TESTS.parent, check=False, capture_output=True, text=True, timeout=120
    )


def ran(folder, *words):
    """How a run of pytest ended, and what it said; its cache and its files are in a folder."""
    ended = python("-m", "pytest", "-o", f"cache_dir={folder}/cache", "--basetemp", folder / "files", *words)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """By long form how the collecting of its file ended, and what it found; of the short form by its empty name."""
    cache = f"cache_dir={tmp_path_factory.mktemp('collected')}"
    runs = {kind: f"{TESTS / file} --long {kind}" for kind, (file, _) in LONG.items()}
    runs |= {"": f"{TESTS / LONG['faults'][0]}"}
    ended = python("-c", EACH, *(f"{run} --collect-only -qv -o addopts= -o {cache}" for run in runs.values()))
    said = AFTER_EACH.split(ended.stdout)
    assert len(said) == 2 * len(runs) + 1, ended.stdout + ended.stderr
    return dict(zip(runs, zip(map(int, said[1::2]), said[0::2], strict=False), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_form_is_found(collected, kind):
    code, said = collected[kind]
    assert code == 0, said
    assert LONG[kind][1] in said


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
    code, said = ran(
        tmp_path, tmp_path, "-p", "_hypothesis_pytestplugin", "--rootdir", tmp_path, "--long", "fuzz", "--run", "7"
    )
    assert code == 0, said


def test_in_short_what_is_long_alone_is_told_to_be_left_out(collected):
    code, said = collected[""]
    assert (code, LONG["faults"][1] in said) == (0, False), said
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
    ended, said = ran(tmp_path, tmp_path, "--rootdir", tmp_path)
    assert ended == code, said
    assert ("kept.txt" in said) == bool(code)
    assert "failed" not in said


@pytest.mark.parametrize(
    ("writable", "flags", "free", "expected"),
    [
        pytest.param(True, 0, ROOM + 1, True, id="room"),
        pytest.param(False, 0, ROOM + 1, False, id="another's"),
        pytest.param(True, os.ST_NOEXEC, ROOM + 1, False, id="nothing is started there"),
        pytest.param(True, 0, ROOM, False, id="as small as a container's"),
    ],
)
def test_files_of_a_run_stand_in_memory_where_there_is_room(monkeypatch, tmp_path, writable, flags, free, expected):
    monkeypatch.setattr(os, "access", lambda *_: writable)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flags))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert roomy(tmp_path) is expected
