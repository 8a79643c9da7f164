"""`noren protect`: the documented session, dominance by contributions, and what the command refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "disclosure-control.md"


def run(arguments):
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_the_documented_session_runs_as_documented(tmp_path, monkeypatch):
    table, session = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "places.csv").write_text(table)
    command, _, expected = session.partition("\n")
    code, output = run(command.removeprefix("$ noren ").split())
    assert code == 0
    assert output.strip() == expected.strip()
    hidden = {
        line.split(",")[:2][0] + " " + line.split(",")[1]
        for line in (tmp_path / "safe.csv").read_text().splitlines()
        if line.endswith(",C")
    }
    assert hidden == {"north news", "north shop", "south news", "south shop"}


def test_a_dominated_total_is_hidden_with_others(tmp_path):
    (tmp_path / "t.csv").write_text(
        "a,b,n\n"
        "x,u,900\nx,u,20\nx,u,10\n"
        + "".join(f"{a},{b},{n}\n" for a in "xy" for b in "uv" for n in (40, 35, 30, 25) if (a, b) != ("x", "u"))
    )
    code, output = run(
        [
            "protect",
            str(tmp_path / "t.csv"),
            "--dimensions",
            "a,b",
            "--count",
            "n",
            "--p-percent",
            "10",
            "--dominance",
            "2,85",
            "--out",
            str(tmp_path / "o.csv"),
        ]
    )
    assert code == 0, output
    assert "x,u,,C" in (tmp_path / "o.csv").read_text().splitlines()
    assert "audit       0 findings" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "name a rule", id="no rule"),
        pytest.param(["--threshold", "5", "--hierarchy", "c=x.csv"], "no such dimension", id="a hierarchy of nothing"),
        pytest.param(["--threshold", "1"], "not in the range", id="a threshold of one"),
    ],
)
def test_wrong_requests_are_told(tmp_path, arguments, message):
    (tmp_path / "t.csv").write_text("a,b,n\nx,u,9\n")
    code, output = run(
        [
            "protect",
            str(tmp_path / "t.csv"),
            "--dimensions",
            "a,b",
            "--count",
            "n",
            "--out",
            str(tmp_path / "o.csv"),
            *arguments,
        ]
    )
    assert code == 2
    assert message in output
    assert not (tmp_path / "o.csv").exists()
