"""`noren protect`: the documented session, dominance by contributions, and what the command refuses."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from anonymization.tables.methods.cell_key_noise import perturbation
from jobs.__main__ import main

DOCS = Path(__file__).parents[3] / "docs"


def run(arguments):
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


KEYED = ["--threshold", "5", "--cell-key", "key"]
SESSIONS = {
    "suppression": ("disclosure-control.md", "places.csv", {"north,news", "north,shop", "south,news", "south,shop"}),
    "cell keys": ("cell-key.md", "ages.csv", {"40-49"}),
}


@pytest.mark.parametrize(("page", "name", "hidden"), SESSIONS.values(), ids=SESSIONS)
def test_the_documented_session_runs_as_documented(tmp_path, monkeypatch, page, name, hidden):
    table, session = re.findall(r"```\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(table)
    command, _, expected = session.partition("\n")
    code, output = run(command.removeprefix("$ noren ").split())
    assert code == 0, output
    assert output.strip() == expected.strip()
    lines = (tmp_path / "safe.csv").read_text().splitlines()
    assert {line.removesuffix(",,C") for line in lines if line.endswith(",C")} == hidden


def protect(folder, content, *arguments):
    (folder / "t.csv").write_text(content)
    return run(["protect", str(folder / "t.csv"), "--out", str(folder / "o.csv"), "--count", "n", *arguments])


def test_the_same_persons_bring_the_same_noise_row_by_row_or_as_a_sum(tmp_path):
    """Rows of persons, or of cells with the sum of their keys: one result, no key in it, and the threshold on true counts."""
    keys = {"x": [4294967290 - 7919 * k for k in range(23)], "y": [104729 * k for k in range(15)], "z": [5, 6]}
    (tmp_path / "h.csv").write_text("x,up\ny,up\nz,down\n")
    given = ["--dimensions", "a", "--hierarchy", f"a={tmp_path / 'h.csv'}", "--threshold", "3", "--cell-key", "key"]
    persons = "a,n,key\n" + "".join(f"{a},1,{key}\n" for a, own in keys.items() for key in own)
    code, output = protect(tmp_path, persons, *given)
    assert code == 0, output
    first = (tmp_path / "o.csv").read_text()
    cells = "a,n,key\n" + "".join(f"{a},{len(own)},{sum(own)}\n" for a, own in keys.items())
    assert protect(tmp_path, cells, *given)[0] == 0
    assert (tmp_path / "o.csv").read_text() == first
    lines = first.splitlines()
    assert lines[0] == "a,n,n_status"
    assert {"z,,C", "down,,C"} < set(lines)
    noise = perturbation(5, Decimal(2))
    for code, of in {"x": "x", "y": "y", "up": "xy", "_T": "xyz"}.items():
        own = [key for a in of for key in keys[a]]
        assert f"{code},{noise.perturbed(np.array([len(own)]), np.array([sum(own)]))[0]},F" in lines


def test_a_dominated_total_is_hidden_with_others(tmp_path):
    more = "".join(f"{a},{b},{n}\n" for a in "xy" for b in "uv" for n in (40, 35, 30, 25) if (a, b) != ("x", "u"))
    rules = ("--p-percent", "10", "--dominance", "2,85")
    code, output = protect(tmp_path, "a,b,n\nx,u,900\nx,u,20\nx,u,10\n" + more, "--dimensions", "a,b", *rules)
    assert code == 0, output
    assert "x,u,,C" in (tmp_path / "o.csv").read_text().splitlines()
    assert "audit       0 findings" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "name a rule", id="no rule"),
        pytest.param(["--threshold", "5", "--hierarchy", "c=x.csv"], "no such dimension", id="a hierarchy of nothing"),
        pytest.param(["--threshold", "1"], "not in the range", id="a threshold of one"),
        pytest.param(["--cell-key", "key"], "goes with --threshold alone", id="cell keys without a threshold"),
        pytest.param([*KEYED, "--p-percent", "10"], "goes with --threshold alone", id="cell keys of magnitudes"),
        pytest.param(KEYED, "line 2: 'key' is no record key", id="a fraction as a key"),
        pytest.param(["--threshold", "5", "--cell-key", "b"], "a dimension or the count", id="a dimension as a key"),
        pytest.param(["--threshold", "5", "--cell-key", "k"], "no column 'k'", id="no such column"),
        pytest.param([*KEYED, "--variance", "50"], "`variance` is at most 10.00", id="too wide a noise"),
    ],
)
def test_wrong_requests_are_told(tmp_path, arguments, message):
    code, output = protect(tmp_path, "a,b,n,key\nx,u,9,2.5\n", "--dimensions", "a,b", *arguments)
    assert code == 2
    assert message in output
    assert not (tmp_path / "o.csv").exists()
