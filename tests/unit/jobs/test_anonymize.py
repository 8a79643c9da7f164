"""`noren anonymize` and `noren risk`, as a person types them; what is written is read again by other means."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from jobs.__main__ import main

pytestmark = pytest.mark.usefixtures("kernels")

AGES = [
    (str(a), f"{a // 10 * 10}-{a // 10 * 10 + 9}", f"{a // 20 * 20}-{a // 20 * 20 + 19}", "*") for a in range(20, 60)
]
CITIES = [("Osaka", "west", "*"), ("Kobe", "west", "*"), ("Tokyo", "east", "*"), ("Chiba", "east", "*")]
ROWS = 400
ROOT = Path(__file__).parents[3]


def frame():
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "name": [f"n{i}" for i in range(ROWS)],
            "age": rng.integers(20, 60, ROWS),
            "note": rng.choice(["a;b", 'say "x"', "", "plain"], ROWS),
            "city": rng.choice([row[0] for row in CITIES], ROWS, p=[0.6, 0.3, 0.08, 0.02]),
            "illness": rng.choice(["flu", "cold", "gout"], ROWS, p=[0.5, 0.4, 0.1]),
        }
    )


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a data file and hierarchies, which is where the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h").mkdir()
    hierarchy(tmp_path, "age", AGES)
    hierarchy(tmp_path, "city", CITIES, ",")
    frame().to_csv("in.csv", index=False)
    frame().to_parquet("in.parquet")
    return tmp_path


def hierarchy(folder, name, rows, mark=";"):
    (folder / "h" / f"{name}.csv").write_text("".join(mark.join(row) + "\n" for row in rows))


def noren(*words):
    return CliRunner().invoke(main, list(words))


def anonymize(*more, data="in.csv", q="age,city", k="5", out="out.csv"):
    return noren("anonymize", data, "--quasi-identifiers", q, "--hierarchies", "h", "--k", k, "--out", out, *more)


def read(path):
    if path.endswith(".parquet"):
        return pd.read_parquet(path).fillna("").astype(str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def levels_of(rows, hierarchies):
    """Each row's level by column, found by looking its text up; the rows are those of the input, in order."""
    found = {}
    for name, (tree, before) in hierarchies.items():
        row = {one[0]: one for one in tree}
        found[name] = {row[value].index(text) for value, text in zip(before, rows[name], strict=True)}
    return found


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("data", ["in.csv", "in.parquet"])
def test_end_to_end(work, data, out):
    result = anonymize("--suppression-limit", "0.05", "--report", "r.json", data=data, out=out)
    assert result.exit_code == 0, result.stderr
    before, after = frame().astype(str), read(out)
    assert list(after.columns) == list(before.columns)
    pd.testing.assert_frame_equal(
        after[["name", "note", "illness"]], before[["name", "note", "illness"]], check_dtype=False
    )
    gone = (after[["age", "city"]] == "*").all(axis=1)
    report = json.loads((work / "r.json").read_text())
    assert report["rows"] == ROWS
    assert 0 < report["suppressed"] == gone.sum() <= 0.05 * ROWS
    sizes = after[~gone].groupby(["age", "city"]).size()
    assert sizes.min() == report["min_class"] == report["achieved"]["k"] >= 5
    assert len(sizes) == report["classes"]
    kept = levels_of(after[~gone], {"age": (AGES, before[~gone]["age"]), "city": (CITIES, before[~gone]["city"])})
    assert {name: {level} for name, level in report["levels"].items()} == kept
    assert report["discernibility"] == (sizes**2).sum() + ROWS * gone.sum()
    share = {"age": [1 / 40, 10 / 40, 20 / 40, 1], "city": [1 / 4, 2 / 4, 1]}
    terms = []
    for name, level in report["levels"].items():
        least = ROWS / (40 if name == "age" else 4)
        terms.append(((ROWS - gone.sum()) * share[name][level] + gone.sum() - least) / (ROWS - least))
    assert report["loss"] == pytest.approx(np.prod([1 + x for x in terms]) ** 0.5 - 1, abs=1e-12)
    assert report["loss_arithmetic"] == pytest.approx(np.mean(terms), abs=1e-12)
    assert report["risk"]["prosecutor"]["average"] == pytest.approx(len(sizes) / (~gone).sum())
    assert set(report["seconds"]) == {"read", "search", "check", "write"}


def test_the_summary_says_what_an_officer_asks(work):
    output = anonymize("--suppression-limit", "0.05", "--sensitive", "illness", "--l", "2").output
    for said in (
        "5-anonymity, distinct 2-diversity", "at most 0.05 of the rows", "k = ", "l = ", "t = ", "(equal distance)",
        "suppressed ", "age: level", " -> ", "risk left", "cost        loss", "stay personal information", "minimality",
        "Columns written as they are: name, note, illness", "written     out.csv",
    ):  # fmt: skip
        assert said in output


def test_every_criterion_holds_in_what_is_written(work):
    asked = (
        "--sensitive",
        "illness",
        "--entropy-l",
        "1.8",
        "--t",
        "0.3",
        "--suppression-limit",
        "0.1",
        "--report",
        "r.json",
    )
    assert anonymize(*asked).exit_code == 0
    after = read("out.csv")
    kept = after[~(after[["age", "city"]] == "*").all(axis=1)]
    overall = after["illness"].value_counts(normalize=True)
    figures = {"l": [], "entropy_l": [], "t": []}
    for _, one in kept.groupby(["age", "city"]):
        own = one["illness"].value_counts(normalize=True)
        figures["l"].append(len(own))
        figures["entropy_l"].append(np.exp(-(own * np.log(own)).sum()))
        figures["t"].append(own.reindex(overall.index, fill_value=0).sub(overall).abs().sum() / 2)
    achieved = json.loads((work / "r.json").read_text())["achieved"]
    assert achieved["l"] == min(figures["l"])
    assert achieved["entropy_l"] == pytest.approx(min(figures["entropy_l"]))
    assert achieved["entropy_l"] >= 1.8
    assert achieved["t"] == pytest.approx(max(figures["t"]))
    assert achieved["t"] <= 0.3


def test_a_population_and_presence(work):
    pd.concat([frame()[["city", "age"]]] * 3).to_parquet("all.parquet")
    given = ("--population", "all.parquet", "--report", "r.json")
    assert anonymize(*given, "--k-map", "30", k="2").exit_code == 0
    report = json.loads((work / "r.json").read_text())
    assert report["min_class"] >= 10
    assert report["risk"]["journalist"]["highest"] == pytest.approx(1 / 3 / report["min_class"])
    assert anonymize(*given, "--delta-presence", "0.3,0.4", k="2").exit_code == 0
    assert anonymize(*given, "--delta-presence", "0,0.3", k="2").exit_code == 1


LOCALLY = {
    "k alone": (),
    "with suppression": ("--suppression-limit", "0.05"),
    "distinct l": ("--sensitive", "illness", "--l", "3"),
    "entropy l and t": ("--sensitive", "illness", "--entropy-l", "2", "--t", "0.25"),
}


@pytest.mark.parametrize("more", LOCALLY.values(), ids=LOCALLY)
def test_local_recoding(work, more):
    result = anonymize("--recoding", "local", "--report", "r.json", *more)
    assert result.exit_code == 0, result.stderr
    report = json.loads((work / "r.json").read_text())
    assert anonymize("--report", "g.json", "--suppression-limit", "0.05").exit_code == 0
    assert report["loss"] < json.loads((work / "g.json").read_text())["loss"] or "--sensitive" in more
    anonymize("--recoding", "local", *more)
    before, after = frame().astype(str), read("out.csv")
    assert list(after["name"]) == list(before["name"])
    gone = (after[["age", "city"]] == "*").all(axis=1)
    assert gone.sum() == report["suppressed"] <= (20 if "--suppression-limit" in more else 0)
    for name, tree in (("age", AGES), ("city", CITIES)):
        stands_for = {row[0]: row for row in tree}
        assert all(text in stands_for[value] for value, text in zip(before[name], after[name], strict=True))
        assert sum(report["levels"][name].values()) == ROWS - gone.sum()
    sizes = after[~gone].groupby(["age", "city"]).size()
    assert sizes.min() == report["min_class"] >= 5
    assert report["entropy"] is None
    if "--l" in more:
        assert after[~gone].groupby(["age", "city"])["illness"].nunique().min() >= 3
    if "--t" in more:
        assert report["achieved"]["entropy_l"] >= 2
        assert report["achieved"]["t"] <= 0.25


def test_local_recoding_that_would_hide_whole_rows_is_refused(work):
    hierarchy(work, "age", [(row[0],) for row in AGES])
    hierarchy(work, "city", [(row[0],) for row in CITIES])
    result = anonymize("--recoding", "local", k="200")
    assert result.exit_code == 1
    assert "rows would keep no quasi-identifier at all, 0 may" in result.stderr


def test_missing_values_are_named_and_stay(work):
    data = frame().astype({"age": "Int64"})
    data.loc[:9, "age"] = None
    data.to_csv("in.csv", index=False)
    result = anonymize(k="3")
    assert "Values are missing: age (10 rows)" in result.output
    after = read("out.csv")
    assert (after["age"][:10] == "").all()
    assert after.groupby(["age", "city"]).size().min() >= 3


RULES = {
    "intervals 5 10 20": ("age", range(20, 60), "20-24"),
    "intervals": ("age", range(20, 60), "20-24"),
    "dates": ("born", [f"19{y}-0{m}-1{d}" for y in range(70, 74) for m in range(1, 6) for d in (1, 2)], "1970-01"),
    "prefix 3 1": ("post", [f"15{i:02}" for i in range(40)], "150*"),
    "mesh": ("mesh", [f"{5330 + i // 8}{i % 8:02}" for i in range(40)], "5330"),
    "ip": ("address", [f"10.0.{i % 4}.{i}" for i in range(40)], "10.0.0.0/24"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_stands_instead_of_a_hierarchy(work, rule):
    name, values, label = RULES[rule]
    (work / "h" / f"{name}.csv").unlink(missing_ok=True)
    (work / "h" / f"{name}.rule").write_text(f"{rule}\n")
    pd.DataFrame({name: [value for value in values for _ in range(2)]}).to_csv("in.csv", index=False)
    result = anonymize(q=name, k="3", out="out.csv")
    assert result.exit_code == 0, result.stderr
    assert label in set(read("out.csv")[name])


def test_the_output_is_the_users_own_file(work):
    before = os.umask(0o022)
    try:
        anonymize("--report", "r.json")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((work / path).stat().st_mode) for path in ("out.csv", "r.json")} == {0o644}


def test_shuffle(work):
    assert anonymize("--shuffle").exit_code == 0
    assert list(read("out.csv")["name"]) != list(frame()["name"])
    assert sorted(read("out.csv")["name"]) == sorted(frame()["name"])


def test_work_ends_the_search_and_says_so(work):
    output = anonymize("--work", "1", "--report", "r.json").output
    assert "ended before its proof" in output
    report = json.loads((work / "r.json").read_text())
    assert not report["proven_optimal"]
    assert report["lower_bound"] < report["loss"]


def test_many_values_in_one_column(work):
    values = [f"{i:06}" for i in range(100_000)]
    hierarchy(work, "post", [(value, value[:2], "*") for value in values])
    pd.DataFrame({"post": values}).to_parquet("in.parquet")
    assert anonymize(data="in.parquet", q="post", out="out.parquet").exit_code == 0
    assert read("out.parquet")["post"].value_counts().min() == 10_000


def test_many_quasi_identifiers(work):
    rng = np.random.default_rng(4)
    names = [f"q{i}" for i in range(14)]
    for name in names:
        hierarchy(work, name, [(str(v), str(v // 2), str(v // 4), "*") for v in range(8)])
    pd.DataFrame({name: rng.integers(0, 8, 300) for name in names}).to_csv("in.csv", index=False)
    result = anonymize("--suppression-limit", "0.1", "--work", "200", q=",".join(names))
    assert result.exit_code == 0, result.stderr
    after = read("out.csv")
    gone = (after == "*").all(axis=1)
    assert gone.mean() <= 0.1
    assert after[~gone].groupby(names).size().min() >= 5


def test_a_name_with_a_comma(work):
    hierarchy(work, "age, years", AGES)
    frame().rename(columns={"age": "age, years"}).to_csv("in.csv", index=False)
    assert anonymize(q='"age, years",city').exit_code == 0


POPULATION = ("--population", "in.parquet")
BAD = {
    "an unknown quasi-identifier": ({"q": "age,town"}, (), 2, "no column 'town'; it has 'name', 'age'"),
    "a quasi-identifier twice": ({"q": "age,age"}, (), 2, "'age' stands twice"),
    "no quasi-identifier": ({"q": ""}, (), 2, "one column or more"),
    "k below 1": ({"k": "0"}, (), 2, "k is 0: 1 or more is allowed"),
    "k above the rows": ({"k": "401"}, (), 2, "k is 401, but the data holds 400 persons"),
    "k is no number": ({"k": "five"}, (), 2, "'five' is not a valid integer"),
    "a limit above 1": ({}, ("--suppression-limit", "2"), 2, "0 to 1 is allowed"),
    "no hierarchy": ({"q": "age,illness"}, (), 2, "h/illness.csv: no such file; the hierarchy of the quasi-identifier 'illness'"),
    "sensitive and quasi-identifier": ({}, ("--sensitive", "age"), 2, "'age' is a quasi-identifier too"),
    "an unknown sensitive column": ({}, ("--sensitive", "ilness"), 2, "no column 'ilness'"),
    "l without sensitive": ({}, ("--l", "2"), 2, "--l needs --sensitive"),
    "t without sensitive": ({}, ("--t", "0.2"), 2, "--t needs --sensitive"),
    "two kinds of l": ({}, ("--sensitive", "illness", "--l", "2", "--entropy-l", "2"), 2, "--l and --entropy-l: one of them"),
    "t above 1": ({}, ("--sensitive", "illness", "--t", "1.5"), 2, "t is 1.5: 0 to 1"),
    "l below 1": ({}, ("--sensitive", "illness", "--l", "0"), 2, "l is 0: 1 or more"),
    "no pair": ({}, ("--sensitive", "illness", "--recursive-cl", "2"), 2, "two numbers with a comma"),
    "a broken l of a pair": ({}, ("--sensitive", "illness", "--recursive-cl", "2,2.5"), 2, "a whole number"),
    "k-map without a population": ({}, ("--k-map", "5"), 2, "need --population"),
    "a population for nothing": ({}, POPULATION, 2, "needs one of --k-map and --delta-presence"),
    "presence the wrong way round": ({}, (*POPULATION, "--delta-presence", "0.5,0.2"), 2, "0 <= minimum <= maximum"),
    "a distance that the values lack": ({}, ("--sensitive", "illness", "--t", "0.2", "--t-distance", "hierarchical"), 2, "h/illness.csv: no such file"),
    "out is in": ({"out": "in.csv"}, (), 2, "in.csv: what is written must be another file"),
    "out is in by another name": ({"out": "h/../in.csv"}, (), 2, "what is written must be another file"),
    "out is the population": ({"out": "in.parquet"}, (*POPULATION, "--k-map", "5"), 2, "must be another file"),
    "the report is out": ({}, ("--report", "out.csv"), 2, "must be another file"),
    "a wrong suffix of out": ({"out": "out.xlsx"}, (), 2, "the output is CSV, TSV or Parquet"),
    "a wrong suffix of in": ({"data": "in.json"}, (), 2, "the data is CSV, TSV or Parquet"),
    "no folder of out": ({"out": "there/out.csv"}, (), 2, "a file in a folder that is there"),
    "no such data": ({"data": "on.csv"}, (), 2, "on.csv: no such file"),
    "local with a population": ({}, ("--recoding", "local", *POPULATION, "--k-map", "5"), 2, "knows no population"),
    "local with another metric": ({}, ("--recoding", "local", "--metric", "entropy"), 2, "minimizes loss or loss-arithmetic"),
    "local with k above the rows": ({"k": "401"}, ("--recoding", "local"), 2, "k is 401, but the data holds 400"),
    "local with l that no class can have": ({}, ("--recoding", "local", "--sensitive", "illness", "--l", "4"), 1, "refused: no local recoding gives 5-anonymity and distinct 4-diversity"),
    "an unknown metric": ({}, ("--metric", "cost"), 2, "'cost' is not one of"),
    "no work": ({}, ("--work", "0"), 2, "at least 1 evaluation"),
    "l that no class can have": ({}, ("--sensitive", "illness", "--l", "4"), 1, "refused: no generalization gives 5-anonymity and distinct 4-diversity"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "more", "code", "message"), BAD.values(), ids=BAD)
def test_bad_input(work, given, more, code, message):
    (work / "in.json").write_text("{}")
    result = anonymize(*more, **given)
    assert message in result.stderr
    assert result.exit_code == code
    assert not (work / "out.csv").exists()
    assert len(frame()) == len(read("in.csv"))


FILES = {
    "a hierarchy that lacks a value": ("h/city.csv", "Osaka,west,*\nKobe,west,*\nTokyo,east,*\n", "'city': 'Chiba' of in.csv is not in its hierarchy"),
    "a hierarchy that contradicts itself": ("h/city.csv", "Osaka,west,*\nKobe,west,Japan\n", "h/city.csv, line 2: 'west' on level 1 stands below 'Japan'"),
    "a ragged hierarchy": ("h/city.csv", "Osaka,west,*\nKobe,*\n", "h/city.csv, line 2: 'Kobe' has 2 fields, line 1 has 3"),
    "a value twice in a hierarchy": ("h/city.csv", "Osaka,west,*\nOsaka,west,*\n", "stands twice"),
    "an empty hierarchy": ("h/city.csv", "", "empty"),
    "empty data": ("in.csv", "", "in.csv: empty, or without a header"),
    "a header alone": ("in.csv", "age,city\n", "holds no rows"),
    "a broken line": ("in.csv", "age,city\n20,Osaka\n30,Kobe,3\n", "line 3 on: 3 fields"),
    "decimal numbers": ("in.csv", "age,city\n20.5,Osaka\n", "'age' holds decimal numbers"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "content", "message"), FILES.values(), ids=FILES)
def test_bad_files(work, path, content, message):
    (work / path).write_text(content)
    result = anonymize(k="1")
    assert message in result.stderr
    assert result.exit_code == 2
    assert not (work / "out.csv").exists()


def test_floats_of_parquet_are_refused_with_what_to_do(work):
    frame().astype({"age": float}).to_parquet("in.parquet")
    result = anonymize(data="in.parquet")
    assert result.exit_code == 2
    assert "'age' holds decimal numbers (DOUBLE): make intervals or whole numbers" in result.stderr


BAD_RULES = {
    "nothing": "",
    "an unknown word": "interval 5",
    "no number": "intervals five",
    "numbers for dates": "dates 5",
}


@pytest.mark.parametrize("rule", BAD_RULES.values(), ids=BAD_RULES)
def test_bad_rules(work, rule):
    (work / "h" / "age.csv").unlink()
    (work / "h" / "age.rule").write_text(rule)
    result = anonymize()
    assert result.exit_code == 2
    assert "is no rule: `intervals 5 10 20`" in result.stderr


def test_a_rule_that_does_not_fit_names_its_file_and_no_value(work):
    (work / "h" / "city.csv").unlink()
    (work / "h" / "city.rule").write_text("intervals 5")
    result = anonymize()
    assert result.exit_code == 2
    assert "h/city.rule: 'city': a value is no whole number" in result.stderr
    assert "Osaka" not in result.stderr


def test_risk(work):
    anonymize("--suppression-limit", "0.05")
    figures = json.loads(
        noren("risk", "out.csv", "--quasi-identifiers", "age,city", "--sensitive", "illness", "--json").output
    )
    after = read("out.csv")
    gone = (after[["age", "city"]] == "*").all(axis=1)
    sizes = after[~gone].groupby(["age", "city"]).size()
    assert (figures["rows"], figures["suppressed"], figures["k"]) == (ROWS, gone.sum(), sizes.min())
    assert figures["sensitive"]["distinct_l"] == after[~gone].groupby(["age", "city"])["illness"].nunique().min()
    text = noren("risk", "out.csv", "--quasi-identifiers", "age,city", "--sensitive", "illness").output
    for said in (f"k = {sizes.min()} rows", "'illness': distinct l =", "(equal distance)", "alone in their class"):
        assert said in text


RISKS = {
    "an unknown column": (("in.csv", "--quasi-identifiers", "town"), "no column 'town'"),
    "sensitive and quasi-identifier": (("in.csv", "--quasi-identifiers", "age", "--sensitive", "age"), "too"),
    "no file": (("on.csv", "--quasi-identifiers", "age"), "no such file"),
    "no rows": (("none.csv", "--quasi-identifiers", "age"), "holds no rows"),
}


@pytest.mark.parametrize(("words", "message"), RISKS.values(), ids=RISKS)
def test_bad_input_of_risk(work, words, message):
    (work / "none.csv").write_text("age\n")
    result = noren("risk", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_risk_takes_ordered_distance_for_numbers(work):
    figures = json.loads(noren("risk", "in.csv", "--quasi-identifiers", "city", "--sensitive", "age", "--json").output)
    assert figures["sensitive"]["distance"] == "ordered"


def test_the_documented_session_runs_as_documented(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "microdata.md").read_text(encoding="utf-8")
    people, city, sex, rule, session, safe, risk = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hierarchies").mkdir()
    for name, content in {
        "people.csv": people,
        "hierarchies/city.csv": city,
        "hierarchies/sex.csv": sex,
        "hierarchies/age.rule": rule,
    }.items():
        (tmp_path / name).write_text(content)
    for block in (session, risk):
        command, printed = block.split("\n", 1)
        assert noren(*command.removeprefix("$ noren ").split()).output == printed
    assert (tmp_path / "safe.csv").read_text().startswith(safe)
