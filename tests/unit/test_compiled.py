"""Compiled kernels are kept on disk until a kernel changes, in whatever file."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from anonymization.compiled import PACKAGE, cache_folder

CALLED = "from anonymization.compiled import compiled\n\n\n@compiled\ndef called():\n    return {}\n"
CALLING = (
    "from anonymization.compiled import compiled\nfrom {} import called\n\n\n"
    "@compiled\ndef calling():\n    return called()\n"
)


@pytest.fixture
def package(tmp_path):
    """A package of two files with a kernel each, one of which calls the other's."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "called.py").write_text(CALLED.format(1), encoding="utf-8")
    (folder / "calling.py").write_text(CALLING.format("called"), encoding="utf-8")
    (folder / "other.py").write_text("NUMBER = 1\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "moved"),
    [pytest.param("called.py", True, id="a kernel"), pytest.param("other.py", False, id="a file without kernels")],
)
def test_the_folder_follows_the_kernels(package, name, moved):
    before = cache_folder(package)
    before.mkdir(parents=True)
    path = package / name
    path.write_text(path.read_text(encoding="utf-8").replace("1", "2"), encoding="utf-8")
    assert (cache_folder(package) != before) == moved
    assert before.exists() != moved


def test_a_changed_callee_is_compiled_again(package):
    code = (
        "import sys\nfrom pathlib import Path\nfrom numba import config\n"
        "from anonymization.compiled import cache_folder\n"
        "config.CACHE_DIR = str(cache_folder(Path(sys.argv[1])))\nsys.path.insert(0, sys.argv[1])\n"
        "from calling import calling\nprint(calling())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def answer():
        done = subprocess.run(
            [sys.executable, "-c", code, str(package)], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert answer() == "1"
    (package / "called.py").write_text(CALLED.format(22), encoding="utf-8")
    assert answer() == "22"


def test_kernels_of_this_package_are_kept_there():
    from numba import config

    assert os.environ.get("NUMBA_CACHE_DIR") or str(cache_folder(PACKAGE)) == config.CACHE_DIR
