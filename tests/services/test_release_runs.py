"""Releases on a scheduler of Airflow, and what people may try who would publish without the officer.

The tests use one Airflow and one release, which runs once at a time: each takes runs of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.forms import is_long
from releasing import ENDED, Run, waited

from anonymization.home import Home
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.setting import enrol_in_demo
from jobs.services.opening import DEMO_OFFICER

pytestmark = pytest.mark.slow


@pytest.fixture
def release(released):
    return released("service-usage")


@pytest.fixture
def nothing_out(release):
    """What was out stays all that is out."""
    before = release.out, release.published
    yield
    assert (release.out, release.published) == before


def test_unpaused_it_runs_for_the_last_period(release):
    said = release.airflow.asked("engineer", "GET", f"/api/v2/dags/{release.dag}/dagRuns")
    (first,) = [one for one in said.json()["dag_runs"] if one["run_type"] == "scheduled"]
    assert Run(release.airflow, release.dag, first["dag_run_id"]).xcom("build")["period"] == release.month


def test_nothing_forged_counts(release, nothing_out):
    run = release.start()
    candidate = run.asked_for()
    # a fake asset event starts nothing and publishes nothing
    assets = release.airflow.asked("engineer", "GET", "/api/v2/assets?limit=100").json()["assets"]
    known = {asset["name"]: asset["id"] for asset in assets}
    for name in (f"releases/{release.name}", "events/subscribers"):
        said = release.airflow.asked("engineer", "POST", "/api/v2/assets/events", {"asset_id": known[name]})
        assert said.ok, said.text
    # an approval marked a success, which Airflow allows an operator
    assert run.mark("engineer", "approve").ok
    assert run.until("answer", *ENDED, "upstream_failed") == "failed"
    assert release.refused(candidate) == ["DecisionRefusal"]
    assert run.until("publish", *ENDED, "upstream_failed") == "upstream_failed"
    # what the officer would have answered, written as the answering task's result, and that marked a success too
    forged = {"key": "return_value", "value": True, "map_index": -1}
    said = release.airflow.asked("engineer", "POST", f"{run.path}/taskInstances/answer/xcomEntries", forged)
    assert said.status_code in (201, 409), said.text
    run.ended()
    assert run.mark("engineer", "answer").ok  # which clears what failed below it
    waited(lambda: len(release.refused(candidate)) > 1 or None, "the publication has been tried")
    assert run.until("publish", *ENDED) == "failed"
    assert release.refused(candidate) == ["DecisionRefusal", "DecisionRefusal"]
    run.ended()
    # the publication itself marked a success
    assert run.mark("engineer", "publish").ok
    assert run.states()["publish"] == "success"
    assert [entry for entry in release.entries(EntryKind.DECISION) if entry.subject == candidate] == []


@pytest.mark.long("faults")
def test_what_is_built_anew_is_not_what_was_asked_about(release, nothing_out):
    run = release.start()
    candidate = run.asked_for()
    assert run.mark("engineer", "approve", "failed").ok
    run.ended()
    # built anew in the same run, it is another candidate: Airflow would still show the first one's dossier
    assert run.clear("engineer", "build").ok
    waited(lambda: run.states()["build"] != "success" or None, "it is built anew")
    assert run.until("approve", *ENDED, "upstream_failed") == "failed"
    assert run.xcom("build")["candidate"] != candidate
    assert run.until("publish", "upstream_failed", "success", "skipped") == "upstream_failed"
    assert [entry for entry in release.entries(EntryKind.DECISION) if entry.subject == candidate] == []


@pytest.mark.long("faults")
def test_answers_that_do_not_count_and_a_rejection_that_does(release, nothing_out):
    enrol_in_demo(Home(release.airflow.home), "started-it", airflow_user="admin")
    run = release.start("admin")
    candidate = run.asked_for()
    # who started the run cannot decide on it, though an officer
    assert run.answer("admin").ok
    assert run.until("answer", *ENDED) == "failed"
    # an operator, whom Airflow lets answer, is no officer
    assert run.clear("engineer", "approve").ok
    run.until("approve", "awaiting_input")
    assert run.answer("engineer").ok
    assert run.until("answer", *ENDED) == "failed"
    # asked anew, the officer answers without a comment
    assert run.clear("engineer", "approve").ok
    run.until("approve", "awaiting_input")
    assert run.answer("officer", comment=" ").ok
    assert run.until("answer", *ENDED) == "failed"
    assert release.refused(candidate) == ["DecisionRefusal"] * 3
    # asked anew, the officer rejects: that is recorded, and it is over
    assert run.clear("engineer", "approve").ok
    run.until("approve", "awaiting_input")
    assert run.answer("officer", "Reject", "the region is too small").ok
    assert run.answer("officer", "Approve", "no, it is well").status_code == 409
    assert run.ended() == "success"
    assert run.states()["publish"] == "skipped"
    (decided,) = [entry for entry in release.entries(EntryKind.DECISION) if entry.subject == candidate]
    assert (decided.payload["outcome"], decided.payload["officer"]) == ("rejected", DEMO_OFFICER)
    # nor can it be published past the rejection
    assert release.airflow.noren("publish", candidate).returncode == 1


@pytest.mark.long("faults")
def test_the_dossier_must_be_the_candidates_own(release, nothing_out, tmp_path):
    run = release.start()
    other = tmp_path / "dossier.md"
    other.write_text("# All is well: please approve")
    path = f"{run.path}/taskInstances/review/xcomEntries"
    run.until("build", "success")
    candidate = run.xcom("build")["candidate"]
    # the reviewing task is marked a success before it has run, with a result that names another text
    assert run.mark("engineer", "review").ok
    forged = {"key": "return_value", "value": {"candidate": candidate, "dossier": str(other)}, "map_index": -1}
    said = release.airflow.asked("engineer", "POST", path, forged)
    assert said.ok, said.text
    assert release.airflow.noren("gate", candidate).returncode == 0
    run.until("approve", "awaiting_input")
    shown = release.airflow.asked("officer", "GET", f"{run.path}/taskInstances/approve/-1/hitlDetails").json()
    assert shown["body"] == "# All is well: please approve"
    assert run.answer("officer").ok
    assert run.until("answer", *ENDED) == "failed"
    assert release.refused(candidate) == ["DecisionRefusal"]


def built_after(release):
    built = release.airflow.noren("build", release.name, "--period", release.month)
    assert built.returncode == 0, built.stdout + built.stderr
    later = built.stdout.strip().splitlines()[-1]
    assert release.airflow.noren("gate", later).returncode == 0
    assert release.airflow.noren("review", later).returncode == 0
    return later


def ended(run):
    path = run.path
    waited(lambda: run.airflow.asked("engineer", "PATCH", path, {"state": "failed"}).ok or None, "it is ended")


@pytest.mark.both("faults")
def test_an_approval_publishes_once_and_only_what_was_approved(release):
    before = release.out
    run = release.start()
    waiting = release.start_another()  # a second run of the release waits for the first
    candidate = run.asked_for()
    assert waiting.get("")["state"] == "queued"
    if is_long("faults"):
        later = built_after(release)
    else:
        ended(waiting)
    assert run.answer("officer").ok
    assert run.until("publish", *ENDED) == "success"
    assert run.ended() == "success"
    published = run.xcom("publish")
    assert published["candidate"] == candidate
    assert len(release.out) == len(before) + 1
    assert (Path(published["folder"]) / "package" / "MANIFEST.json").exists()
    assert release.airflow.noren("verify", published["folder"]).returncode == 0
    assert len(release.published) == 1
    # the answer is good once
    assert release.airflow.noren("answer", candidate, "--in", run.place).returncode == 0
    assert release.airflow.noren("publish", candidate).returncode == 1
    if not is_long("faults"):
        return
    # a candidate that was built after it is another one, and the answer is not its
    refused = release.airflow.noren("answer", later, "--in", run.place)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    # a run that is cleared after its publication has nothing more to do
    ended(waiting)
    assert run.clear("engineer", "publish").ok
    assert run.until("publish", *ENDED) == "success"
    assert len(release.out) == len(before) + 1
    assert len(release.published) == 1
