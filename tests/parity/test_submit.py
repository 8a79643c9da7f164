"""A stage under `spark-submit` ends as it does as a module: same package, same exit codes, same verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.forms import long_only

from jobs.outcome import read_verdict

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("apart")]  # a Java of its own each
DOOR = Path(__file__).parents[2] / "jobs" / "__main__.py"
SUBMIT = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[1]", str(DOOR), "build"]
NO_THREADS = ["local[0]" if word == "local[1]" else word for word in SUBMIT]
TOLD = """
import pathlib, sys
from anonymization.engine import open_engine
with open_engine("spark", temporary=pathlib.Path(sys.argv[1])) as engine:
    session = engine._session
    print(session.conf.get("spark.sql.shuffle.partitions"), session.conf.get("spark.driver.memory"))
"""
MODULE = [sys.executable, "-m", "jobs", "build"]


@pytest.fixture
def started(setting, tmp_path):
    """Runs the build as a process of its own; gives its exit code, its last line and its verdict file."""
    from anonymization.engine.spark.java import java_home

    python = dict.fromkeys(("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"), sys.executable)
    java = {"JAVA_HOME": str(java_home(tmp_path / "java")), "SPARK_LOCAL_IP": "127.0.0.1"}
    named = (
        os.environ
        | python
        | java
        | {"NOREN_HOME": str(setting.home.root), "NOREN_POLICIES": str(setting.policies.folder)}
    )

    def started(command, *words):
        path = tmp_path / f"{len(list(tmp_path.glob('*.json')))}.json"
        ended = subprocess.run(
            [*command, *words, "--verdict", str(path)], env=named, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )  # fmt: skip
        return ended, path

    return started


def test_equal_packages_and_verdicts(started, setting):
    words = ("service-usage", "--period", "2026-10")
    submitted, its = started(SUBMIT, *words, "--engine", "spark")
    assert submitted.returncode == 0, submitted.stderr
    alone, own = started(MODULE, *words)
    assert alone.returncode == 0, alone.stderr
    verdicts = [read_verdict(path, stage="build", release=words[0], period=words[2]) for path in (its, own)]
    for verdict, ended in zip(verdicts, (submitted, alone), strict=True):
        assert ended.stdout.splitlines()[-1] == verdict.result["candidate"]
        assert verdict.policy_digest == setting.policies.digest
    assert verdicts[0].result["digest"] == verdicts[1].result["digest"]
    engines = [json.loads((setting.home.candidates / v.result["candidate"] / "evidence" / "request.json").read_text())["engine"] for v in verdicts]  # fmt: skip
    assert engines == ["spark", "duckdb"]


@pytest.mark.parametrize(
    ("words", "code", "outcome"),
    [
        pytest.param(("monthly-audience", "--period", "2017-12", "--engine", "spark"), 1, "refused", id="refused"),
        long_only(
            "faults", ("monthly-audience", "--period", "2026-11", "--engine", "spark"), 2, "failed", id="no events"
        ),
    ],
)
def test_equal_ends(started, words, code, outcome):
    written = []
    for command in (SUBMIT, MODULE):
        ended, path = started(command, *words)
        assert ended.returncode == code, ended.stderr
        content = json.loads(path.read_text())
        assert (content["exit_code"], content["outcome"]) == (code, outcome)
        written.append({name: value for name, value in content.items() if name != "seconds"})
    assert written[0] == written[1]


def test_the_submitted_master_is_the_one_that_is_used(started):
    ended, path = started(NO_THREADS, "monthly-audience", "--period", "2026-10", "--engine", "spark")
    assert ended.returncode == 2, ended.stderr
    assert "Spark did not start" in json.loads(path.read_text())["reasons"][0]


def test_a_submitted_setting_stands(started, tmp_path):
    script = tmp_path / "told.py"
    script.write_text(TOLD)
    own = ["--conf", "spark.sql.shuffle.partitions=5", str(script)]
    ended, _ = started([*SUBMIT[:-2], *own], str(tmp_path / "temporary"))
    assert ended.stdout.split() == ["5", "2g"], ended.stderr
