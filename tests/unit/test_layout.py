"""The tree itself: names of test modules, by which alone pytest tells them apart, and what a step loads."""

from __future__ import annotations

import json
import os
import re
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


HEAVY = ("altair", "great_expectations", "highspy", "numba", "pyspark", "scipy")
RUN = """
import contextlib, json, sys
from jobs.__main__ import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
    main(sys.argv[1:], prog_name="noren")
print(json.dumps(sorted(sys.modules)))
"""
LIGHT = {
    "help": (["--help"], ("sqlalchemy", "pydantic", "yaml", "numpy", "rich")),
    "init": (["init"], ("alembic", "pydantic", "numpy", "rich")),
    "status": (["status"], ("alembic", "numpy", "rich")),
    "releases": (["releases"], ("alembic", "numpy", "rich")),
    "choices": (["choices"], ("alembic", "numpy", "rich")),
    "erase": (["erase", "--rehearse"], ("alembic", "numpy", "rich")),
    "optout list": (["optout", "list"], ("alembic", "numpy", "rich")),
    "approve": (["approve", "1-0123456789abcdef", "--officer", "kim"], ("alembic", "numpy", "rich")),
    "enrol": (["enrol", "kim", "--key", "kim.key"], ("sqlalchemy", "numpy", "rich")),
    "doctor": (["doctor"], ("alembic", "pandas", "psycopg", "rich")),
    "verify": (["verify", "."], ("alembic", "duckdb", "rich")),
    "publish": (["publish", "1-0123456789abcdef"], ("alembic", "psycopg", "requests", "rich")),
    "mart": (["mart"], ("alembic", "psycopg", "rich")),
    "withdraw": (["withdraw", "web-audience", "1", "--reason", "no"], ("alembic", "psycopg", "rich")),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("light") / "home"
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "init"], env=os.environ | {"NOREN_HOME": str(home)}, check=False
    )
    assert done.returncode == 0
    return home


@pytest.mark.parametrize(("words", "more"), LIGHT.values(), ids=LIGHT)
def test_a_light_verb_loads_nothing_heavy(words, more, home, tmp_path):
    """By itself, in a home that `init` has made: what it does not need it does not wait for."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], env=os.environ | {"NOREN_HOME": str(home), "NOREN_OFFICER_KEY": "none"}, cwd=tmp_path, check=True, capture_output=True, text=True
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & {*HEAVY, *more} == set()


@pytest.mark.parametrize("word", ["status", "stop"])
def test_who_looks_at_the_services_or_ends_them_waits_for_nothing_that_starts_them(word, tmp_path):
    run = RUN.replace("jobs.__main__", "jobs.services.__main__")
    done = subprocess.run(
        [sys.executable, "-c", run, word], env=os.environ | {"NOREN_HOME": str(tmp_path)}, check=True, capture_output=True, text=True
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & {*HEAVY, "sqlalchemy", "pydantic", "numpy", "pandas", "faker", "duckdb"} == set()


ROOT = TESTS.parent


def test_every_room_stands_in_the_layout():
    told = set(re.findall(r"^\| `([\w/]+/)` \|", (ROOT / "docs" / "layout.md").read_text(), re.MULTILINE))
    there = {
        f"{path.relative_to(ROOT)}/"
        for top in ("anonymization", "jobs", "expectations")
        for path in (ROOT / top).rglob("*")
        if path.is_dir() and (path / "__init__.py").exists() and "migrations" not in path.parts
    }
    assert there - told <= {"anonymization/"}  # whose rooms stand there instead
    assert {name for name in told if not (ROOT / name).is_dir()} == set()


@pytest.mark.parametrize("page", ["layout.md", "glossary.md"])
def test_what_a_page_of_the_house_names_is_there(page):
    named = re.findall(r"`([\w/]+(?:\.py|/))`", (ROOT / "docs" / page).read_text())
    bases = (
        ROOT,
        ROOT / "anonymization",
        ROOT / "tests",
        ROOT / "anonymization" / "tables",
        ROOT / "anonymization" / "microdata",
        ROOT / "anonymization" / "disclosure",
        ROOT / "anonymization" / "engine",
    )
    assert len(named) > 30
    assert [name for name in named if "NAME" not in name and not any((base / name).exists() for base in bases)] == []


GONE = {"jobs/build.py"}
"""What a decision tells of that is no more."""


def test_a_module_that_a_text_names_is_there():
    folders = ("anonymization", "benchmarks", "dags", "deploy", "docs", "expectations", "jobs", "tests")
    texts = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    modules = [f"/{path.relative_to(ROOT)}" for path in texts if path.suffix == ".py"]
    wrong = [
        (str(path.relative_to(ROOT)), name)
        for path in [*texts, *ROOT.glob("*.md")]
        for name in re.findall(r"`([\w/]+\.py)`", path.read_text(encoding="utf-8"))
        if name not in GONE and "NAME" not in name and not any(module.endswith(f"/{name}") for module in modules)
    ]
    assert len(modules) > 400
    assert wrong == []
