"""Each suite passes on a good frame and fails, by the right check, on each planted fault; no value ever shows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from anonymization.deidentify.frames import intake_frames
from expectations.gate import INTAKE_LIMITS, check_intake, reasons
from expectations.library import great_expectations
from expectations.run import SUITES, _quiet, load_suite, run_suite
from jobs.verbs.intake import intake_reasons

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
    ("candidate_policy", {"permitted": [False]}, "policy allows"),
    ("candidate_policy", {"one_key_period": [False]}, "key period"),
    ("candidate_policy", {"policy_unchanged": [False]}, "policy folder"),
]
IDENTIFIERS = [
    f"{CANARY}@example.com", "090-1234-5678", "03-1234-5678", "09012345678", "+81 90 1234 5678", "192.0.2.1",
    "2001:db8:0:0:0:0:0:1", "00:1a:2b:3c:4d:5e", "123e4567-e89b-42d3-a456-426614174000", "4111 1111 1111 1111",
    "123456789012", "490154203237518", "https://a.example/x?user=1", "c0123456789abcdef0",
]  # fmt: skip


def outcome(suite, **changes):
    frame = pd.DataFrame({**GOOD[suite], **changes})
    return run_suite(suite, frame, INTAKE_LIMITS if suite == "intake_days" else None)


def test_every_suite_is_tested():
    assert {path.stem for path in SUITES.glob("*.json")} == set(GOOD)


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
        pytest.param("no_such_suite", pd.DataFrame(), "cannot be read", id="no such suite"),
        pytest.param(
            "candidate_cells", pd.DataFrame({k: [] for k in GOOD["candidate_cells"]}), "", id="nothing to check"
        ),
    ],
)
def test_what_cannot_be_checked_is_closed(suite, frame, error):
    result = run_suite(suite, frame)
    assert not result.success
    assert error in result.error


def test_an_empty_suite_is_closed(monkeypatch):
    monkeypatch.setattr("expectations.run.load_suite", lambda name: {"name": name, "expectations": []})
    assert not run_suite("candidate_audit", pd.DataFrame({"cell": []})).success


def test_an_expectation_that_raises_closes(monkeypatch):
    def broken(*_):
        raise ValueError(CANARY)

    monkeypatch.setattr("expectations.run._validate", broken)
    result = run_suite("candidate_audit", pd.DataFrame({"cell": []}))
    assert not result.success
    assert result.error == "it raised ValueError"


@pytest.mark.parametrize("suite", GOOD)
def test_suites_round_trip(suite):
    with _quiet():  # importing it warns, and warnings are errors here
        gx, _ = great_expectations()
    declared = load_suite(suite)
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
    (found,) = intake_reasons(taken, policies)
    assert found == f"clicks, arrived {chosen.arrived}: intake_days: not so: few rows are rejected"


def test_a_code_of_no_list_is_told_with_its_source(world, policies):
    taken = list(world.run.taken)
    index = next(i for i, one in enumerate(taken) if one.source == "subscribers" and one.codes)
    column = next(iter(taken[index].codes))
    taken[index] = replace(taken[index], codes=taken[index].codes | {column: [*taken[index].codes[column], "no-code"]})
    (found,) = intake_reasons(taken, policies)
    assert found.startswith("subscribers: intake_domains: not so: ")


def test_one_of_a_days_few_stragglers_is_no_sign(world, policies):
    taken, chosen = rejecting(world.run.taken, of=min, share=0)
    assert chosen.read < 20
    assert intake_reasons(taken, policies) == []


def test_generated_logs_pass_the_intake_suites(world, policies):
    assert reasons(check_intake(*intake_frames(world.run.taken, policies))) == []


def test_importing_the_package_does_not_import_great_expectations():
    code = "import sys, expectations.gate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LIGHTLY = """
import sys
import pandas as pd
from expectations.run import run_suite

assert run_suite("candidate_levels", pd.DataFrame({"within_limit": [True]})).success
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
