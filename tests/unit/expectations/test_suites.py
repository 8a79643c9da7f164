"""Each suite passes on a good frame and fails, by the right check, on each planted fault; no value ever shows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import fields, replace

import pandas as pd
import pytest

from anonymization.deidentify.frames import intake_frames
from expectations.gate import INTAKE_LIMITS, CandidateFrames, check_candidate, check_intake, reasons
from expectations.library import great_expectations
from expectations.load import FOLDER, load_suites
from expectations.required import REQUIRED
from expectations.run import Scope, _quiet, run_suite
from jobs.verbs.intake import intake_checks

CANARY = "canary-7f3a"
GOOD = {
    "intake_days": {"balance": [0], "rejected_share": [0.01], "volume_ratio": [1.0], "lag_days": [0]},
    "intake_domains": {"in_domain": [True]},
    "candidate_schema": {"as_described": [True, True]},
    "candidate_cells": {"status": ["F", "C"], "empty_where_hidden": [True] * 2, "enough_persons": [True] * 2, "equals_recount": [True] * 2},
    "candidate_complete": {"listed": [True]},
    "candidate_margins": {"consistent": [True]},
    "candidate_audit": {"cell": []},
    "candidate_together": {"cell": []},
    "candidate_inside": {"cell": []},
    "candidate_covering": {"cell": []},
    "candidate_identifiers": {"text": ["1,234", "5339359912", "2018-02-01", "media-research", "東京都", "10-19"]},
    "candidate_labels": {"enough_persons": [True]},
    "candidate_levels": {"within_limit": [True]},
    "candidate_headlines": {"kept": [True]},
    "candidate_collected": {"complete_or_acknowledged": [True], "told": [True]},
    "candidate_policy": {"permitted": [True], "one_key_period": [True], "policy_unchanged": [True]},
}  # fmt: skip
FAULTS = [
    ("intake_days", {"balance": [1]}, "accounted for"),
    ("intake_days", {"rejected_share": [0.06]}, "few rows"),
    ("intake_days", {"volume_ratio": [0.1]}, "volume"),
    ("intake_days", {"volume_ratio": [6.0]}, "volume"),
    ("intake_days", {"lag_days": [4]}, "soon"),
    ("intake_domains", {"in_domain": [False]}, "codes"),
    ("candidate_schema", {"as_described": [True, False]}, "columns"),
    ("candidate_cells", {"status": ["F", "X"]}, "status"),
    ("candidate_cells", {"empty_where_hidden": [True, False]}, "empty"),
    ("candidate_cells", {"enough_persons": [True, False]}, "minimum publishable count"),
    ("candidate_cells", {"equals_recount": [True, False]}, "recount"),
    ("candidate_complete", {"listed": [False]}, "listed"),
    ("candidate_margins", {"consistent": [False]}, "margins"),
    ("candidate_audit", {"cell": [CANARY]}, "tells of a few persons"),
    ("candidate_together", {"cell": [CANARY]}, "earlier versions"),
    ("candidate_inside", {"cell": [CANARY]}, "interval that it needs"),
    ("candidate_covering", {"cell": [CANARY]}, "covers"),
    ("candidate_labels", {"enough_persons": [True, False]}, "codes that no closed list has"),
    ("candidate_levels", {"within_limit": [False]}, "levels"),
    ("candidate_headlines", {"kept": [True, False]}, "headline"),
    ("candidate_collected", {"complete_or_acknowledged": [False]}, "logs came of every day"),
    ("candidate_collected", {"told": [False]}, "the package says which days"),
    ("candidate_policy", {"permitted": [False]}, "policy allows"),
    ("candidate_policy", {"one_key_period": [False]}, "key period"),
    ("candidate_policy", {"policy_unchanged": [False]}, "policy folder"),
]
IDENTIFIERS = [
    f"{CANARY}@example.com", "090-1234-5678", "03-1234-5678", "09012345678", "+81 90 1234 5678", "192.0.2.1",
    "2001:db8:0:0:0:0:0:1", "00:1a:2b:3c:4d:5e", "123e4567-e89b-42d3-a456-426614174000", "4111 1111 1111 1111",
    "123456789012", "490154203237518", "https://a.example/x?user=1", "c0123456789abcdef0",
]  # fmt: skip


SHIPPED = load_suites().shipped


def outcome(name, suite=None, **changes):
    frame = pd.DataFrame({**GOOD[name], **changes})
    return run_suite(suite or SHIPPED[name], frame, INTAKE_LIMITS if name == "intake_days" else None)


def test_every_suite_is_tested():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(GOOD) == set(REQUIRED)
    assert {f"candidate_{field.name}" for field in fields(CandidateFrames)} == {n for n in GOOD if n[:6] != "intake"}


@pytest.mark.parametrize("suite", GOOD)
def test_a_good_frame_passes(suite):
    result = outcome(suite)
    assert result.success, reasons([result])
    assert result.checks


@pytest.mark.parametrize(("suite", "fault", "named"), FAULTS)
def test_a_fault_fails_its_check_alone(suite, fault, named):
    result = outcome(suite, **fault)
    failed = [check.meaning for check in result.checks if not check.success]
    assert len(failed) == 1
    assert named in failed[0]


@pytest.mark.parametrize("text", IDENTIFIERS)
def test_identifiers_are_recognized(text, capfd, caplog):
    result = outcome("candidate_identifiers", text=["fine", text])
    assert not result.success
    told = json.dumps(result.as_dict()) + "".join(reasons([result])) + caplog.text
    out, err = capfd.readouterr()
    assert text not in told + out + err


@pytest.mark.parametrize(
    ("suite", "frame", "error"),
    [
        pytest.param("candidate_margins", pd.DataFrame({"other": [1]}), "", id="a column is missing"),
        pytest.param(
            "candidate_cells", pd.DataFrame({k: [] for k in GOOD["candidate_cells"]}), "", id="nothing to check"
        ),
    ],
)
def test_what_cannot_be_checked_is_closed(suite, frame, error):
    result = run_suite(SHIPPED[suite], frame)
    assert not result.success
    assert error in result.error


# What an edit of a suite's file could do.


def kept(suite):
    return suite["expectations"]


def without_the_last(suite):
    kept(suite).pop()


def mostly(suite):
    kept(suite)[-1]["kwargs"]["mostly"] = 0.5


def on_some_rows(suite):
    kept(suite)[-1]["kwargs"] |= {"row_condition": "False", "condition_parser": "pandas"}


def of_another_type(suite):
    kept(suite)[-1]["type"] = "expect_column_to_exist"


def without_a_pattern(suite):
    kept(suite)[-1]["kwargs"]["regex_list"].pop()


def one_for_true(suite):
    kept(suite)[-1]["kwargs"]["value_set"] = [1]


def false_as_well(suite):
    kept(suite)[-1]["kwargs"]["value_set"] = [True, False]


def a_wider_limit(suite):
    kept(suite)[-1]["kwargs"]["max_value"] = 1000


def nothing_at_all(suite):
    kept(suite).clear()


def no_expectations(suite):
    del suite["expectations"]


def without_its_meaning(suite):
    kept(suite)[-1]["meta"] = {}


@pytest.fixture
def edited(tmp_path):
    """Edits a shipped suite, and loads the edited ones."""

    def edited(name, edit):
        shutil.copytree(FOLDER, tmp_path / "suites", dirs_exist_ok=True)
        path = tmp_path / "suites" / f"{name}.json"
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))
        return load_suites(folder=tmp_path / "suites")

    return edited


@pytest.mark.parametrize(
    ("name", "edit", "error"),
    [
        ("candidate_policy", without_the_last, "the suite lacks what it must hold: expect_column_values_to_be_in_set of 'policy_unchanged'"),
        ("candidate_cells", mostly, "lacks what it must hold"),
        ("candidate_cells", on_some_rows, "lacks what it must hold"),
        ("candidate_cells", of_another_type, "lacks what it must hold"),
        ("candidate_cells", one_for_true, "lacks what it must hold"),
        ("candidate_cells", false_as_well, "lacks what it must hold"),
        ("candidate_identifiers", without_a_pattern, "lacks what it must hold"),
        ("intake_days", a_wider_limit, "lacks what it must hold"),
        ("candidate_audit", nothing_at_all, "holds no expectation"),
        ("candidate_audit", no_expectations, "cannot be read"),
        ("candidate_audit", without_its_meaning, "cannot be read"),
    ],
)  # fmt: skip
def test_an_edit_that_weakens_a_suite_closes_the_gate(edited, name, edit, error):
    suites = edited(name, edit)
    result = outcome(name, suites.shipped[name])
    assert not result.success
    assert error in result.error
    assert suites.digest != load_suites().digest


def test_a_suite_whose_file_is_gone_closes_the_gate(tmp_path):
    result = outcome("candidate_audit", load_suites(folder=tmp_path).shipped["candidate_audit"])
    assert not result.success
    assert "cannot be read" in result.error


def test_a_second_expectation_of_a_type_and_column_masks_no_other(edited):
    """As whoever adds a pattern of an own kind writes it: the result of the last one was taken for both."""
    more = {"type": "expect_column_values_to_not_match_regex_list", "kwargs": {"column": "text", "regex_list": ["^X-"]}}
    suites = edited("candidate_identifiers", lambda suite: kept(suite).append(more | {"meta": {"notes": "no own id"}}))
    for text, meaning in (("taro@example.com", "no text looks like"), ("X-1", "no own id")):
        failed = [
            c
            for c in outcome("candidate_identifiers", suites.shipped["candidate_identifiers"], text=["a", text]).checks
            if not c.success
        ]
        assert [meaning in check.meaning for check in failed] == [True]
    assert outcome("candidate_identifiers", suites.shipped["candidate_identifiers"]).success


def expected_columns(name):
    return sorted({arguments["column"] for _, arguments in REQUIRED[name] if "column" in arguments})


@pytest.mark.parametrize("null", [None, float("nan"), pd.NA])
@pytest.mark.parametrize(("name", "column"), [(name, column) for name in GOOD for column in expected_columns(name)])
def test_null_does_not_pass(name, column, null):
    values = [*GOOD[name][column][:-1], null]
    assert outcome(name, **{column: values}).success == (column == "volume_ratio")


def test_what_is_not_true_has_not_passed(monkeypatch):
    for said in (None, 1, "true", False):
        monkeypatch.setattr(
            "expectations.run._validate", lambda suite, *_, said=said: [(said, None)] * len(suite.expectations)
        )
        assert not outcome("candidate_margins").success
    monkeypatch.setattr("expectations.run._validate", lambda suite, *_: [(True, 0)] * len(suite.expectations))
    assert outcome("candidate_margins").success


# What is told of a check: how much it looked at, and that it did not pass where it does not apply.

NO_ROWS = pd.DataFrame({"enough_persons": []})
SOME = pd.DataFrame({"enough_persons": [True, True, False]})
TOLD = {
    "passed": ("labels", SOME[:2], {}, "passed", "rows: 2, 0 at fault"),
    "failed": ("labels", SOME, {}, "FAILED", "rows: 3, 1 at fault"),
    "nothing to check": ("labels", NO_ROWS, {}, "nothing to check", "rows: 0"),
    "of what": ("labels", SOME[:2], {"labels": Scope("codes")}, "passed", "codes: 2, 0 at fault"),
    "how many": ("labels", SOME[:2], {"labels": Scope("codes", 7)}, "passed", "codes: 7, 0 at fault"),
    "of one column": (
        "labels", SOME[:2], {"labels": Scope("codes"), "labels.enough_persons": Scope("other", 0)},
        "nothing to check", "other: 0",
    ),
    "does not apply": ("labels", NO_ROWS, {"labels": Scope(why_not="no list is open")}, "not applicable", "no list is open"),
    "does not apply, and yet at fault": (
        "labels", SOME, {"labels": Scope("codes", why_not="no list is open")}, "FAILED", "codes: 3, 1 at fault",
    ),
    "findings": ("audit", pd.DataFrame({"cell": [CANARY]}), {"audit": Scope("figures", 9)}, "FAILED", "figures: 9, 1 at fault"),
    "no findings": ("audit", pd.DataFrame({"cell": []}), {"audit": Scope("figures", 9)}, "passed", "figures: 9, 0 at fault"),
    "no findings in nothing": ("audit", pd.DataFrame({"cell": []}), {"audit": Scope("figures", 0)}, "nothing to check", "figures: 0"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "frame", "scopes", "became", "looked_at"), TOLD.values(), ids=TOLD)
def test_what_is_told_of_a_check(name, frame, scopes, became, looked_at):
    result = run_suite(SHIPPED[f"candidate_{name}"], frame, scopes=scopes)
    (check,) = result.checks
    assert (check.outcome, check.looked_at, result.outcome) == (became, looked_at, became)
    (told,) = result.as_dict()["checks"]
    assert (told["outcome"], told["looked_at"], told["success"]) == (became, looked_at, became != "FAILED")
    assert CANARY not in json.dumps(told)


def test_a_day_beside_which_no_other_is_known_has_no_volume_that_passed():
    result = outcome("intake_days", volume_ratio=[None])
    found = {check.column: check.outcome for check in result.checks}
    assert found["volume_ratio"] == "nothing to check"
    assert {found[column] for column in ("balance", "rejected_share", "lag_days")} == {"passed"}


# A user's own suites.


@pytest.fixture
def own(tmp_path):
    """Loads the suites with a user's own beside them."""

    def own(name, *expectations):
        (tmp_path / f"{name}.json").write_text(json.dumps({"expectations": expectations}))
        return load_suites(tmp_path)

    return own


def expectation(kind, notes, **kwargs):
    return {"type": kind, "kwargs": kwargs, "meta": {"notes": notes}}


def candidate_results(suites, **changes):
    frames = {
        name.removeprefix("candidate_"): pd.DataFrame(GOOD[name] | changes.get(name, {}))
        for name in GOOD
        if name[:6] != "intake"
    }
    return check_candidate(CandidateFrames(**frames), suites)


def test_a_users_own_suite_closes_the_gate_further(own):
    few = expectation("expect_table_row_count_to_be_between", "at most one text", max_value=1)
    suites = own("candidate_identifiers", few)
    found = reasons(candidate_results(suites))
    assert found == ["own candidate_identifiers: not so: at most one text (rows: 6)"]
    assert suites.digest != load_suites().digest


def test_a_users_own_suite_opens_nothing(own):
    anything = expectation("expect_table_row_count_to_be_between", "anything", min_value=0)
    suites = own("candidate_audit", anything)
    (found,) = reasons(candidate_results(suites, candidate_audit={"cell": ["x"]}))
    assert found.startswith("candidate_audit: not so: ")
    assert reasons(candidate_results(suites)) == []


@pytest.mark.parametrize(
    ("name", "expectations", "error"),
    [
        ("candidate_cell", [expectation("expect_table_row_count_to_equal", "x", value=0)], "no frame has this name; there are: candidate_audit"),
        ("candidate_audit", [], "holds no expectation"),
        ("candidate_audit", [{"type": "x"}], "cannot be read"),
        ("candidate_audit", [expectation("expect_no_such_thing", "x")], "it raised"),
    ],
)  # fmt: skip
def test_a_users_own_suite_that_cannot_be_run_closes_the_gate(own, name, expectations, error):
    (found,) = reasons(candidate_results(own(name, *expectations)))
    assert found.startswith(f"own {name}: ")
    assert error in found


def test_an_expectation_that_raises_closes(monkeypatch):
    def broken(*_):
        raise ValueError(CANARY)

    monkeypatch.setattr("expectations.run._validate", broken)
    result = run_suite(SHIPPED["candidate_audit"], pd.DataFrame({"cell": []}))
    assert not result.success
    assert result.error == "it raised ValueError"


@pytest.mark.parametrize("suite", GOOD)
def test_suites_round_trip(suite):
    with _quiet():  # importing it warns, and warnings are errors here
        gx, _ = great_expectations()
    declared = json.loads((FOLDER / f"{suite}.json").read_text())
    read = gx.ExpectationSuite(**declared).to_json_dict()
    assert [e["type"] for e in read["expectations"]] == [e["type"] for e in declared["expectations"]]
    assert [e["kwargs"] for e in read["expectations"]] == [e["kwargs"] for e in declared["expectations"]]
    assert all(e["meta"]["notes"] for e in declared["expectations"])


def rejecting(taken, *, of, share):
    """What was taken in, but for the largest or smallest file of clicks, of which a share was rejected."""
    clicks = [one for one in taken if one.source == "clicks" and one.read and not one.again]
    chosen = of(clicks, key=lambda one: one.read)
    rejected = max(1, int(chosen.read * share))
    spoiled = replace(chosen, accepted=chosen.read - rejected, quarantined={"broken": rejected}, dropped={})
    return [spoiled if one is chosen else one for one in taken], chosen


def test_what_the_intake_finds_is_told_with_its_source_and_day(world, policies):
    taken, chosen = rejecting(world.run.taken, of=max, share=0.2)
    (found,) = intake_checks(taken, policies)[1]
    assert (
        found
        == f"clicks, arrived {chosen.arrived}: intake_days: not so: few rows are rejected (days of sources: 1, 1 at fault)"
    )


def test_a_code_of_no_list_is_told_with_its_source(world, policies):
    taken = list(world.run.taken)
    index = next(i for i, one in enumerate(taken) if one.source == "subscribers" and one.codes)
    column = next(iter(taken[index].codes))
    taken[index] = replace(taken[index], codes=taken[index].codes | {column: [*taken[index].codes[column], "no-code"]})
    (found,) = intake_checks(taken, policies)[1]
    assert found.startswith("subscribers: intake_domains: not so: ")


def test_one_of_a_days_few_stragglers_is_no_sign(world, policies):
    taken, chosen = rejecting(world.run.taken, of=min, share=0)
    assert chosen.read < 20
    assert intake_checks(taken, policies)[1] == []


def test_generated_logs_pass_the_intake_suites(world, policies):
    assert reasons(check_intake(*intake_frames(world.run.taken, policies), load_suites())) == []


def test_importing_the_package_does_not_import_great_expectations():
    code = "import sys, expectations.gate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LIGHTLY = """
import sys
import pandas as pd
from expectations.load import load_suites
from expectations.run import run_suite

assert run_suite(load_suites().shipped["candidate_levels"], pd.DataFrame({"within_limit": [True]})).success
loaded = {"altair.vegalite", "pyspark", "scipy.stats._stats_py"} & set(sys.modules)
assert not loaded, loaded
assert type(sys.meta_path[0]).__module__ != "expectations.library"

import altair
from scipy import stats

assert altair.Chart.__module__.startswith("altair.")
assert stats.norm.cdf(0) == 0.5
"""


def test_what_no_suite_needs_is_loaded_where_something_else_asks_for_it():
    subprocess.run([sys.executable, "-W", "ignore", "-c", LIGHTLY], check=True)


def test_spark_is_found_after_a_check():
    pytest.importorskip("pyspark")
    code = LIGHTLY.partition("import altair")[0] + "from pyspark.sql import SparkSession\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
