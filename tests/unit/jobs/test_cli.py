"""The command: verbs, exit codes, messages a person can act on."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from jobs.__main__ import main

FIXED = {
    "init", "generate", "demo", "intake", "build", "gate", "review", "approve", "reject", "publish", "withdraw",
    "releases", "verify", "audit", "explain", "optout", "status", "doctor", "anonymize", "risk", "plan",
}  # fmt: skip
"""Names that other programs call; more may stand beside them."""
VERBS = main.list_commands(click.Context(main))


@pytest.fixture
def noren(monkeypatch, tmp_path):
    monkeypatch.setenv("NOREN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NOREN_POLICIES", raising=False)
    monkeypatch.delenv("NOREN_OFFICER_KEY", raising=False)
    runner = CliRunner()
    return lambda *words: runner.invoke(main, list(words))


def test_names_that_others_call_are_there():
    assert set(VERBS) >= FIXED


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(noren, verb):
    result = noren(verb, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(["status"], 2, "run `noren init`", id="no home"),
        pytest.param(["build", "monthly-audience"], 2, "Missing option '--period'", id="no period"),
        pytest.param(["explain", "monthly-audence"], 2, "did you mean 'monthly-audience'", id="unknown release"),
        pytest.param(["explain", "monthly-audience", "--period", "2026"], 2, "written YYYY-MM", id="wrong period"),
        pytest.param(
            ["explain", "monthly-audience", "--period", "2017-12"],
            1,
            "before the policy's first version",
            id="before the policy",
        ),
        pytest.param(["approve", "1-0123456789abcdef", "--officer", "x"], 2, "NOREN_OFFICER_KEY", id="no officer key"),
        pytest.param(["verify", "."], 2, "is no release directory", id="no release"),
        pytest.param(["generate", "--month", "October"], 2, "written YYYY-MM", id="wrong month"),
        pytest.param(["frobnicate"], 2, "No such command", id="unknown verb"),
    ],
)
def test_errors(noren, words, code, message):
    result = noren(*words)
    assert result.exit_code == code
    assert message in result.output + result.stderr


def test_init_intake_status_and_doctor(noren, tmp_path):
    assert noren("init").exit_code == 0
    assert "there already" in noren("init").output
    assert "nothing to take in" in noren("intake").output
    assert noren("intake", "--source", "klicks").exit_code == 2
    assert noren("doctor").exit_code == 0, noren("doctor").output
    assert "0 log files" in noren("status").output
    assert noren("build", "monthly-audience", "--period", "2026-10").exit_code == 2
    assert noren("releases").output == "nothing was published yet\n"


def test_an_unknown_folder_in_landing_is_an_error(noren, tmp_path):
    noren("init")
    (tmp_path / "home" / "landing" / "source=other").mkdir()
    assert "a folder of no declared source" in noren("intake").stderr


def test_optouts(noren, tmp_path):
    noren("init")
    (tmp_path / "list.csv").write_text("namespace,id\ncookie,a\ncookie,b\n")
    assert "2 recorded" in noren("optout", "add", "--file", str(tmp_path / "list.csv")).output
    assert "1 known before" in noren("optout", "add", "--namespace", "cookie", "--id", "a").output
    assert noren("optout", "list").output == "cookie: 2\n"
    assert noren("optout", "add").exit_code == 2
    (tmp_path / "bad.csv").write_text("id\nx\n")
    assert "expected the columns" in noren("optout", "add", "--file", str(tmp_path / "bad.csv")).stderr


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
@pytest.mark.parametrize(
    ("release", "holds"),
    [
        ("web-audience", ("GROUPING SETS", "facts of analytics[]")),
        ("population-by-place", ("population: rests above",)),
    ],
)
def test_explain_prints_what_runs(noren, release, holds, dialect):
    output = noren("explain", release, "--engine", dialect).output
    assert all(text in output for text in holds)


def test_the_path_by_hand(noren, setting, monkeypatch, tmp_path):
    """Build, gate, review, approve, publish, verify, audit, withdraw, as a person types them."""
    monkeypatch.setenv("NOREN_HOME", str(setting.home.root))
    built = noren("build", "service-usage", "--period", "2026-10")
    identity = built.output.splitlines()[-1]
    assert noren("publish", identity).exit_code == 1
    gated = noren("gate", identity)
    assert gated.exit_code == 0, gated.output
    assert "FAILED" not in gated.output
    assert "for decision" in noren("review", identity).output
    monkeypatch.setenv("NOREN_OFFICER_KEY", str(setting.home.keys / "demo-officer.key"))
    assert noren("approve", identity, "--officer", "nobody").exit_code == 1
    assert noren("approve", identity, "--officer", "demo-officer").exit_code == 0
    published = noren("publish", identity)
    assert published.exit_code == 0, published.stderr
    folder = published.output.splitlines()[-1]
    assert "verified" in noren("verify", folder).output
    assert noren("audit", folder).exit_code == 0
    assert json.loads(noren("audit", folder, "--json").output) == []
    assert "v1  out" in noren("releases").output
    assert "published" in noren("status").output
    assert noren("withdraw", "service-usage", "1", "--reason", "test").exit_code == 0
    assert "WITHDRAWN" in noren("verify", folder).output
    assert noren("reject", identity, "--officer", "demo-officer", "--reason", "late").exit_code == 0


def test_enrol_never_overwrites(noren, tmp_path):
    path = tmp_path / "officer.key"
    assert "public_key:" in noren("enrol", "kim", "--key", str(path)).output
    assert path.stat().st_mode & 0o077 == 0
    assert noren("enrol", "kim", "--key", str(path)).exit_code == 2


def test_a_demo_does_not_write_into_a_real_home(noren):
    noren("init")
    result = noren("demo", "--events", "1000")
    assert result.exit_code == 1
    assert "in real use" in result.stderr
