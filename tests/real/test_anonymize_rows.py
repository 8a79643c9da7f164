"""Real rows by the command: a census sample with known optima, and a school's scores with figures of another tool."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from jobs.__main__ import main

pytestmark = pytest.mark.real
NINE = (
    "sex",
    "age",
    "race",
    "marital-status",
    "education",
    "native-country",
    "workclass",
    "occupation",
    "salary-class",
)


def noren(*words):
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.stderr
    return result.output


@pytest.fixture
def hierarchies(real_data, tmp_path):
    folder = tmp_path / "h"
    folder.mkdir()
    for name in NINE:
        shutil.copy(real_data / "adult" / f"adult_hierarchy_{name}.csv", folder / f"{name}.csv")
    return folder


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_the_census_sample(real_data, hierarchies, tmp_path, out):
    noren(
        "anonymize", real_data / "adult" / "adult.csv", "--quasi-identifiers", ",".join(NINE), "--hierarchies", hierarchies,
        "--k", 5, "--suppression-limit", 0.02, "--out", tmp_path / out, "--report", tmp_path / "r.json",
    )  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    known = json.loads((real_data / "adult" / "optimum.json").read_text())["records"]
    expected = [
        record["info_loss"]
        for record in known
        if sorted(record["qis"]) == sorted(NINE)
        and (record["k"], record["suppression_limit"], record["metric"]) == (5, 0.02, "loss")
    ]
    assert expected == [pytest.approx(report["loss"], abs=2e-9)]
    assert report["proven_optimal"]
    path = tmp_path / out
    after = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, sep=";", dtype=str)
    assert list(after.columns) == list(NINE)
    gone = (after == "*").all(axis=1)
    assert gone.sum() == report["suppressed"] <= 0.02 * len(after)
    sizes = after[~gone].groupby(list(NINE)).size()
    assert (len(after), sizes.min(), len(sizes)) == (30_162, report["min_class"], report["classes"])
    risk = json.loads(noren("risk", path, "--quasi-identifiers", ",".join(NINE), "--json"))
    assert (risk["k"], risk["suppressed"], risk["classes"]) == (sizes.min(), gone.sum(), len(sizes))


def test_the_census_sample_with_levels_for_each_class(real_data, hierarchies, tmp_path):
    noren(
        "anonymize", real_data / "adult" / "adult.csv", "--quasi-identifiers", ",".join(NINE), "--hierarchies", hierarchies,
        "--k", 5, "--recoding", "local", "--out", tmp_path / "out.csv", "--report", tmp_path / "r.json",
    )  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["loss"] < 0.0490
    after = pd.read_csv(tmp_path / "out.csv", sep=";", dtype=str)
    assert after.groupby(list(NINE)).size().min() == report["min_class"] >= 5


SCORES = {
    "raw": ("StudentsMath_Score.csv", {"k": 1}, {"distinct_l": 1, "basic_beta": 71.0, "enhanced_beta": 5.375278407684164, "delta": 4.276666119016055, "t": 0.4165919952210274}),
    "k = 5": ("StudentsMath_Score_k5.csv", {"k": 5}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("file", "found", "learnt"), SCORES.values(), ids=SCORES)
def test_the_scores_of_a_school(real_data, file, found, learnt):
    figures = json.loads(
        noren(
            "risk", real_data / "microdata" / file, "--quasi-identifiers", "Teacher,Gender,Ethnic,Freeredu,wesson",
            "--sensitive", "Score", "--json",
        )
    )  # fmt: skip
    assert {name: figures[name] for name in found} == found
    assert {name: figures["sensitive"][name] for name in learnt} == pytest.approx(learnt, rel=1e-12)
    assert figures["sensitive"]["distance"] == "ordered"
