"""What Airflow sees of the shipped policies."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from anonymization.release.decision import VALID

ROOT = Path(__file__).parent.parent.parent
SPECS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "policies" / "releases").glob("*.yaml")}
CRON = {"month": "0 6 3 * *", "week": "0 6 * * 3", "day": "0 6 * * *"}
HEAVY = ("great_expectations", "pyspark", "pandas", "duckdb", "numpy", "sqlglot", "numba", "scipy")
PATH = [
    ("build", []),
    ("gate", ["build"]),
    ("review", ["build", "gate"]),
    ("approve", ["review"]),
    ("answer", ["approve", "build"]),
    ("publish", ["answer", "build"]),
]


def test_there_is_a_dag_a_release_and_one_for_intake_and_choices(shipped):
    assert sorted(shipped["dags"]) == sorted(["choices", "intake", *(f"release__{name}" for name in SPECS)])
    assert shipped["errors"] == {}


def test_loading_them_imports_nothing_heavy(shipped):
    assert "airflow.sdk" in shipped["modules"]
    assert not {name.split(".")[0] for name in shipped["modules"]} & set(HEAVY)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_release_is_built_checked_read_approved_and_then_published(shipped, name):
    dag, spec = shipped["dags"][f"release__{name}"], SPECS[name]
    assert {task: found["after"] for task, found in dag["tasks"].items()} == dict(PATH)
    assert {found["owner"] for found in dag["tasks"].values()} == {spec["owner"]}
    assert dag["schedule"] == f"{CRON[spec['period']]} Asia/Tokyo"
    assert dag["tags"] == sorted(["release", spec["recipient"]])
    assert dag["max_active_runs"] == 1


@pytest.mark.parametrize(
    ("hours", "good"), [(None, True), ("0.5", True), ("0", False), ("72", False), ("nan", False), ("soon", False)]
)
def test_people_are_told_of_a_late_answer_before_its_time_is_over(look, hours, good):
    seen = look(**({} if hours is None else {"NOREN_LATE_HOURS": hours}))
    if not good:
        assert list(seen["errors"]) == ["releases.py"]
        return
    asked = seen["dags"]["release__service-usage"]["tasks"]["approve"]["answer_within"]
    assert asked == float(hours or 48) * 3600 < VALID.total_seconds()


def test_an_answer_is_waited_for_as_long_as_a_decision_is_good_for(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "dags")
    from times import ANSWER_WITHIN

    assert ANSWER_WITHIN == VALID


def test_every_step_has_an_end_a_retry_and_a_runbook(shipped):
    for name, dag in shipped["dags"].items():
        assert len(dag["runbook"]) > 200, name
        assert dag["catchup"] is False, name
        for task, found in dag["tasks"].items():
            assert found["retries"] > 0, (name, task)
            assert (found["ends_within"] is None) == (task == "approve"), (name, task)


def test_the_intake_is_mapped_over_sources(shipped):
    assert shipped["dags"]["intake"]["tasks"]["take_in"]["mapped"] is True


def test_choices_come_before_the_intake_of_the_day(shipped):
    minute = {name: shipped["dags"][name]["schedule"].split()[1] for name in ("choices", "intake")}
    assert timedelta(hours=int(minute["choices"])) < timedelta(hours=int(minute["intake"]))


WRONG = {
    "no YAML": ("release: [", "no YAML"),
    "a list": ("- release", "expected keys"),
    "empty": ("", "expected keys"),
    "another name than the file's": ("release: other", "`release` must be the file's name"),
    "a name of two lines": ('release: "spoiled\\nx"', "`release` must be the file's name"),
    "an unknown period": ("release: spoiled\nperiod: year", "`period` must be one of month, week, day"),
    "no owner": ("release: spoiled\nperiod: day\nrecipient: r\nsources: [clicks]", "`owner` must be a name"),
    "sources of another kind": (
        "release: spoiled\nperiod: day\nowner: o\nrecipient: r\nsources: clicks",
        "`sources` must be a list",
    ),
    "no UTF-8": (b"\xff\xfe", "no YAML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_declaration_stops_no_other_and_is_shown(look, policy_folder, case):
    text, why = WRONG[case]
    path = policy_folder / "releases" / "spoiled.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    seen = look(NOREN_POLICIES=str(policy_folder))
    assert sorted(name for name in seen["dags"] if name.startswith("release__")) == sorted(
        f"release__{n}" for n in SPECS
    )
    assert list(seen["errors"]) == ["wrong_declarations.py"]
    assert "releases/spoiled.yaml" in seen["errors"]["wrong_declarations.py"]
    assert why in seen["errors"]["wrong_declarations.py"]


def test_a_new_declaration_is_a_new_dag(look, policy_folder):
    spec = (policy_folder / "releases" / "service-usage.yaml").read_text()
    (policy_folder / "releases" / "another.yaml").write_text(spec.replace("release: service-usage", "release: another"))
    assert "release__another" in look(NOREN_POLICIES=str(policy_folder))["dags"]


def test_schedules_go_by_the_clock_of_the_sources_from_the_policys_first_day_on(look, policy_folder, monkeypatch):
    for path in (policy_folder / "sources").glob("*.yaml"):
        path.write_text(path.read_text().replace("zone: Asia/Tokyo", "zone: Europe/Berlin"))
    (policy_folder / "sources" / "clicks.yaml").write_text("zone: [")
    seen = look(NOREN_POLICIES=str(policy_folder))
    assert seen["dags"]["intake"]["schedule"].endswith(" Europe/Berlin")
    monkeypatch.syspath_prepend(ROOT / "dags")
    import declared

    from anonymization.policy.load import load_policies

    policies = load_policies(ROOT / "policies")
    assert declared.zone() == policies.zone == "Asia/Tokyo"
    assert declared.start().date() == min(version.effective for version in policies.policy.versions)


CLOCKLESS = {
    "no source": ("sources", None, "no file declares a `zone`"),
    "no version": ("policy.yaml", "versions: []", "`versions` must say"),
    "no policy": ("policy.yaml", "- x", "expected keys such as `versions`"),
}


@pytest.mark.parametrize("case", CLOCKLESS)
def test_without_a_clock_nothing_is_scheduled_and_it_is_told(look, policy_folder, case):
    place, text, why = CLOCKLESS[case]
    if text is None:
        shutil.rmtree(policy_folder / place)
    else:
        (policy_folder / place).write_text(text)
    seen = look(NOREN_POLICIES=str(policy_folder))
    assert seen["dags"] == {}
    assert why in seen["errors"]["intake.py"]


PERIODS = {
    "the first day of a month, in Tokyo": ("month", "2026-09-30T21:00:00+00:00", "2026-10"),
    "the run of the third": ("month", "2026-10-02T21:00:00+00:00", "2026-10"),
    "the week that a Wednesday's interval begins in": ("week", "2026-11-17T21:00:00+00:00", "2026-W47"),
    "a year's last days in the next one's first week": ("week", "2025-12-30T21:00:00+00:00", "2026-W01"),
    "a day of Tokyo is another one's evening": ("day", "2026-11-25T21:00:00+00:00", "2026-11-26"),
}


@pytest.mark.parametrize("case", PERIODS)
def test_a_period_is_named_in_the_policys_zone(case, monkeypatch):
    from datetime import datetime

    monkeypatch.syspath_prepend(ROOT / "dags")
    from times import period_of

    kind, first, name = PERIODS[case]
    assert period_of(kind, datetime.fromisoformat(first)) == name


STEP = """
import sys
sys.path.append(sys.argv[1])
import steps
from airflow.sdk.exceptions import AirflowFailException
steps._command = lambda verb, *words: ([sys.executable, "-c", sys.argv[2]], {})
try:
    steps.run_step("gate", candidate="1-a")
except AirflowFailException as error:
    print("a person looks:", error)
except RuntimeError as error:
    print("again:", error)
"""
ENDINGS = {
    "refused": ("raise SystemExit(1)", "a person looks: gate ended with exit code 1"),
    "wrong input": ("raise SystemExit(2)", "a person looks: gate ended with exit code 2"),
    "a fault": ("raise SystemExit(3)", "a person looks: gate ended with exit code 3"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "again: gate ended with exit code -9"),
    "ended as a scheduler ends it": ("raise SystemExit(143)", "again: gate ended with exit code 143"),
    "status 0 without a verdict": ("print('well')", "no verdict"),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_a_step_is_tried_again_only_where_that_may_help(alone, tmp_path, case):
    code, said = ENDINGS[case]
    script = tmp_path / "step.py"
    script.write_text(STEP)
    done = alone(script, ROOT / "dags", code, NOREN_HOME=str(tmp_path / "home"))
    assert said in done.stdout, (done.stdout, done.stderr[-500:])
