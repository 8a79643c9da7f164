"""DAGs run once, without a scheduler: `dag.test()`. Approvals that count need Airflow's API: tests/services/."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from unittest.mock import ANY

import pytest
import yaml
from harness.forms import is_long, long_only

from anonymization.home import Home
from anonymization.release.candidate import load_candidate
from anonymization.release.choices import optouts
from anonymization.release.ledger.ledger import EntryKind, Ledger
from jobs.synthetic.month import generate
from jobs.verbs.build import build
from jobs.walk import open_demo

pytestmark = pytest.mark.slow
DAY = "2026-10-05"


@pytest.fixture
def run(alone):
    def ran(dag, home, choice="", **more):
        words = {name: more.pop(name) for name in ("day", "period") if name in more}
        done = alone("run.py", dag, json.dumps(words), choice, NOREN_HOME=str(home.root), **more)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    return ran


def states(done):
    return {task: state for task, _, state in done["tasks"]}


def entries(home, kind):
    ledger = Ledger.of(home)
    with ledger.transaction() as transaction:
        found = transaction.entries(kind=kind)
    ledger.close()
    return found


POLICIES = Path(__file__).parents[2] / "policies"
FEW = {"analytics", "links", "searches", "inquiries"}


@pytest.fixture
def of_few_sources(policy_folder):
    """The policy folder with a few sources and what needs no other."""
    for path in (policy_folder / "sources").glob("*.yaml"):
        if path.stem not in FEW:
            path.unlink()
    for path in [*policy_folder.glob("releases/*.yaml"), *policy_folder.glob("microdata/*.yaml")]:
        if not FEW.issuperset(yaml.safe_load(path.read_text())["sources"]):
            path.unlink()
    policy = policy_folder / "policy.yaml"
    text = policy.read_text()
    others = "[member, attendee, inquirer, device, address]"
    assert others in text
    policy.write_text(text.replace(others, "[member, inquirer]"))  # a choice is of ids that some source has
    return policy_folder


@pytest.mark.both("faults")
def test_a_day_is_taken_in_source_by_source_and_each_tells_its_own(run, tmp_path, of_few_sources):
    home = Home(tmp_path / "home")
    open_demo(home, 5_000)
    generate(home, 3_000 if is_long("faults") else 1_000, 3)
    policies = POLICIES if is_long("faults") else of_few_sources
    declared = {path.stem for path in (policies / "sources").iterdir()} - {"inquiries"}
    for folder in home.landing.glob("source=*"):
        if folder.name.removeprefix("source=") not in declared:
            shutil.rmtree(folder)
    done = run("intake", home, day=DAY, NOREN_POLICIES=str(policies))
    arrived = sorted(path.parent.name.removeprefix("source=") for path in home.landing.glob(f"source=*/arrived={DAY}"))
    assert [state for _, _, state in done["tasks"]].count("success") == len(arrived) >= len(FEW) - 1
    assert {state for _, _, state in done["tasks"]} == {"success", "skipped"}
    assert [name for name, _ in done["events"]] == [f"events/{name}" for name in arrived]
    assert {extra["day"] for _, extra in done["events"]} == {DAY}
    taken = {path.parent.parent.name.removeprefix("source=") for path in home.events.glob("source=*/arrived=*/*.json")}
    assert taken == set(arrived)
    figures = {"day", "files", "taken", "read", "accepted", "quarantined", "dropped"}
    assert {key for _, extra in done["events"] for key in extra} == figures
    for _, _, key, value in done["passed"]:
        assert key == "return_value"
        assert set(value) == figures | {"source"}


def test_choices_are_recorded_and_a_wrong_list_stays_and_fails(run, tmp_path):
    home = Home(tmp_path / "home")
    open_demo(home, 5_000)
    for name, text in (("optouts-1.csv", "namespace,id\ncookie,canary-41\n"), ("optouts-2.csv", "name\ncanary-42\n")):
        (home.choices / name).write_text(text)
    done = run("choices", home)
    assert states(done) == {"record": "failed", "requests": "success", "erase": "success", "sweep": "success"}
    assert done["state"] == "failed"
    assert optouts(home) == [("cookie", "canary-41")]
    assert [path.name for path in home.choices.glob("optouts-*")] == ["optouts-2.csv"]
    assert "canary" not in json.dumps(done)
    logs = list((home.metrics / "verdicts").iterdir())
    assert logs
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in logs)
    (home.choices / "optouts-2.csv").unlink()
    again = run("choices", home)
    assert set(states(again).values()) == {"success"}
    assert {task: value for task, *_, value in again["passed"]} == {
        "record": {"lists": 0, "new": 0, "known": 0}, "erase": {"kept_from": ANY, "files": {}, "keys": []},
        "requests": {"completed": [], "failed": []}, "sweep": {"papers": [], "disclosures": []},
    }  # fmt: skip


def test_what_is_over_its_time_is_erased_every_day(run, tmp_path):
    home = Home(tmp_path / "home")
    open_demo(home, 5_000)
    old = home.landing / "source=clicks" / "arrived=2020-02-29"
    old.mkdir(parents=True)
    (old / "clicks.jsonl").write_text("canary-43\n")
    done = run("choices", home)
    (value,) = [value for task, *_, value in done["passed"] if task == "erase"]
    assert value["files"] == {"landing": 1}
    assert not old.exists()
    assert "canary" not in json.dumps(done)


FIRST = "an approval that is in Airflow's tables, with nobody to ask about it"
NOT_PUBLISHED = {
    FIRST: ("Approve", "answer", {}),
    "an approval, and an api-server that does not answer": (
        "Approve",
        "answer",
        {"NOREN_AIRFLOW_URL": "http://127.0.0.1:9", "NOREN_AIRFLOW_USER": "noren-publisher"},
    ),
    "nobody answers in time, though people are told": ("nothing", "approve", {"NOREN_LATE_HOURS": "0.5"}),
}


@pytest.mark.parametrize("case", [FIRST, *(long_only("faults", case) for case in NOT_PUBLISHED if case != FIRST)])
def test_a_release_is_not_published(run, setting, tmp_path, case):
    choice, fails, more = NOT_PUBLISHED[case]
    (tmp_path / "password").write_text("a password")
    told = tmp_path / "told"
    more = more | {"NOREN_AIRFLOW_PASSWORD_FILE": str(tmp_path / "password"), "NOREN_ALERT": f"tee -a {told}"}
    done = run("release__service-usage", setting.home, choice, period="2026-10", **more)
    found = states(done)
    assert done["state"] == "failed"
    assert (found["build"], found["gate"], found["review"]) == ("success", "success", "success")
    assert found[fails] == "failed"
    assert found["publish"] == "upstream_failed"
    assert not list(setting.home.releases.glob("*/*/v*"))
    refused = entries(setting.home, EntryKind.REFUSED)
    assert len(refused) == (1 if fails == "answer" else 0)
    said = told.read_text() if told.exists() else ""
    assert said.count("release__service-usage") == (1 if fails == "approve" else 0), said
    assert all(key == "return_value" or task == "approve" for task, _, key, _ in done["passed"])


def test_a_release_that_cannot_be_built_ends_at_once(run, setting):
    done = run("release__service-usage", setting.home, period="no-period")
    assert states(done)["build"] == "failed"
    assert not list(setting.home.candidates.iterdir())
    log = "".join(path.read_text() for path in (setting.home.metrics / "verdicts").glob("build-*.log"))
    assert "no-period" in log


@pytest.mark.spark
@pytest.mark.long("engines")  # in short, tests/parity submits a build
def test_on_spark_by_a_variable_the_package_is_the_same(run, setting):
    own = load_candidate(setting.home, setting.ledger, build(setting, "service-usage", "2026-10").id)
    done = run(
        "release__service-usage", setting.home, "Approve", period="2026-10",
        AIRFLOW_VAR_NOREN_ENGINE="spark", AIRFLOW_VAR_NOREN_MASTER="local[2]",
    )  # fmt: skip
    (built,) = [value for task, _, _, value in done["passed"] if task == "build"]
    assert built["digest"] == own.request.digest
    assert built["candidate"] != own.id
    log = "".join(path.read_text() for path in (setting.home.metrics / "verdicts").glob("build-*.log"))
    assert "spark" in log.lower()


def test_an_engine_that_there_is_not_fails_at_once(run, setting):
    done = run("release__service-usage", setting.home, period="2026-10", AIRFLOW_VAR_NOREN_ENGINE="dask")
    assert states(done)["build"] == "failed"
    assert not list(setting.home.candidates.iterdir())
