"""What each role may in Airflow, asked of the server that runs: whatever is not named here is refused."""

from __future__ import annotations

import fcntl
import re
import secrets

import pytest
import requests

DAG, RUN, TASK = "release__search-trends", "rights", "approve"
AT = f"/api/v2/dags/{DAG}"
TASKS = f"{AT}/dagRuns/{RUN}/taskInstances"
REFUSED = {401, 403}
LOGOUT = "/api/v2/auth/logout"
"""Which ends the token that it is asked with."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def creating(**entity):
    return {"actions": [{"action": "create", "entities": [entity]}]}


def updating(**entity):
    return {"actions": [{"action": "update", "entities": [entity]}]}


BODIES = {
    ("POST", "/api/v2/dags/{dag_id}/clearDagRuns"): {"dry_run": True, "dag_runs": [{"dag_run_id": RUN}]},
    ("PATCH", "/api/v2/dags/{dag_id}/dagRuns"): updating(dag_run_id=RUN, note="x"),
    ("PATCH", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"): updating(task_id=TASK, note="x"),
    ("PATCH", "/api/v2/connections"): creating(connection_id="x", conn_type="http"),
    ("PATCH", "/api/v2/pools"): creating(name="x", slots=1),
    ("PATCH", "/api/v2/variables"): creating(key="noren_engine", value="spark"),
    ("POST", "/api/v2/connections/enqueue-test"): {"connection_id": "x", "conn_type": "http"},
}
"""Where an empty body would be refused before the right to it is."""

EVERYBODY = {
    "GET /api/v2/auth/login", "GET /api/v2/monitor/health", "GET /api/v2/version",
}  # fmt: skip
LOGGED_IN = EVERYBODY | {
    # of one's own, and what names nothing that one may not see
    "POST /api/v2/dags/{dag_id}/favorite", "POST /api/v2/dags/{dag_id}/unfavorite",
    "GET /api/v2/connections/enqueue-test", "GET /api/v2/dagStats", "GET /api/v2/dagTags",
}  # fmt: skip
PUBLISHER = LOGGED_IN | {
    "GET /api/v2/dags", "GET /api/v2/dags/{dag_id}", "GET /api/v2/dags/{dag_id}/details",
    "GET /api/v2/dags/{dag_id}/dagRuns", "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait", "POST /api/v2/dags/{dag_id}/dagRuns/list",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails/tries/{try_number}",
    "GET /api/v2/backfills", "GET /api/v2/backfills/{backfill_id}",
}  # fmt: skip
HIDDEN = re.compile(r"GET /api/v2/(config|connections|eventLogs|plugins|providers|variables)\b.*")
"""What a viewer may not read; everything else it may."""
LISTS = {
    "POST /api/v2/dags/{dag_id}/dagRuns/list",
    "POST /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list",
}
OFFICER = {
    "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails",
    # What Airflow joins to the right to answer: pause a release's DAG, and have its file read again.
    "PATCH /api/v2/dags/{dag_id}", "PUT /api/v2/parseDagFile/{file_token}",
}  # fmt: skip


@pytest.fixture(scope="session")
def reader(airflow):
    """A login with Airflow's own role Viewer, and no other."""
    given = {
        "username": f"reader-{secrets.token_hex(4)}", "password": secrets.token_urlsafe(18),
        "first_name": "x", "last_name": "x", "roles": [{"name": "Viewer"}],
    }  # fmt: skip
    said = airflow.asked("admin", "POST", "/auth/fab/v1/users", given | {"email": f"{given['username']}@localhost"})
    assert said.status_code == 200, said.text
    airflow.log_in(given["username"], given["password"])
    return given["username"]


@pytest.fixture
def alone(airflow):
    """No other worker's test asks about the same things."""
    with (airflow.home.parent / "roles.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def there(airflow, alone):
    """Things that are asked about: a run of a paused DAG, which waits for ever, a backfill, the DAG's file."""
    found = airflow.asked("engineer", "GET", AT).json()
    assert found["is_paused"]
    made = [
        airflow.asked("engineer", "POST", f"{AT}/dagRuns", {"dag_run_id": RUN, "logical_date": None}),
        airflow.asked(
            "engineer", "POST", "/api/v2/backfills",
            {"dag_id": DAG, "from_date": "2026-09-01T00:00:00Z", "to_date": "2026-09-05T00:00:00Z"},
        ),
    ]  # fmt: skip
    assert [one.status_code for one in made] == [200, 200], [one.text for one in made]
    backfill = made[1].json()["id"]
    yield {
        "dag_id": DAG, "dag_run_id": RUN, "task_id": TASK, "map_index": "-1", "try_number": "1",
        "task_try_number": "1", "backfill_id": str(backfill), "file_token": found["file_token"],
    }  # fmt: skip
    airflow.asked("engineer", "PUT", f"/api/v2/backfills/{backfill}/cancel")
    for one in airflow.asked("engineer", "GET", f"{AT}/dagRuns").json()["dag_runs"]:
        if one["dag_run_id"] in {RUN, "by-the-engineer"} or one["dag_run_id"].startswith("backfill__"):
            assert airflow.asked("engineer", "DELETE", f"{AT}/dagRuns/{one['dag_run_id']}").status_code == 204


def allowed_to(airflow, login, there):
    """Every request of Airflow's API that is not refused to a login, and every request that there is."""
    every, allowed = set(), set()
    for template, verbs in requests.get(f"{airflow.url}/openapi.json", timeout=60).json()["paths"].items():
        for method in (verb.upper() for verb in verbs if verb.upper() in METHODS):
            path = re.sub(r"\{(\w+)(:path)?\}", lambda m: there.get(m[1], "1"), template)
            path = path.replace(f"{AT}/dagRuns/list", "/api/v2/dags/~/dagRuns/list")
            if template == LOGOUT:
                continue
            body = BODIES.get((method, template), {}) if method != "GET" else None
            said = airflow.asked(login, method, path, body)
            every.add(f"{method} {template}")
            if said.status_code not in REFUSED:
                allowed.add(f"{method} {template}")
    return allowed, every


def test_without_a_login_nothing_is_shown_and_nothing_done(airflow, there):
    allowed, every = allowed_to(airflow, None, there)
    assert allowed == EVERYBODY
    assert len(every) > 100


def test_the_publisher_reads_answers_and_runs_of_releases_and_nothing_else(airflow, there):
    assert allowed_to(airflow, "noren-publisher", there)[0] == PUBLISHER


def test_a_viewer_reads_and_changes_nothing(airflow, there, reader):
    allowed, every = allowed_to(airflow, reader, there)
    reads = {one for one in every if one.startswith("GET ") and not HIDDEN.fullmatch(one)}
    assert allowed == reads | LOGGED_IN | LISTS


def test_an_officer_answers_and_else_does_what_a_viewer_does(airflow, there, reader):
    assert allowed_to(airflow, "officer", there)[0] - allowed_to(airflow, reader, there)[0] == OFFICER


def test_another_dag_than_a_releases_is_out_of_an_officers_reach(airflow):
    others = [
        one["dag_id"] for one in airflow.asked("officer", "GET", "/api/v2/dags?limit=100").json()["dags"]
        if not one["dag_id"].startswith("release__")
    ]  # fmt: skip
    assert others
    for dag in others:
        assert airflow.asked("officer", "PATCH", f"/api/v2/dags/{dag}", {"is_paused": True}).status_code == 403
        path = f"/api/v2/dags/{dag}/dagRuns/x/taskInstances/x/-1/hitlDetails"
        assert airflow.asked("officer", "PATCH", path, {"chosen_options": ["Approve"]}).status_code == 403
        assert airflow.asked("noren-publisher", "GET", f"/api/v2/dags/{dag}/dagRuns").status_code == 403


def test_an_officer_who_pauses_a_release_stands_in_the_audit_log(airflow):
    assert airflow.asked("officer", "PATCH", AT, {"is_paused": True}).status_code == 200
    rows = airflow.asked("admin", "GET", f"/api/v2/eventLogs?dag_id={DAG}&event=patch_dag&owner=officer").json()
    assert rows["total_entries"] >= 1


FORBIDDEN = {
    "mark a task": ("PATCH", f"{TASKS}/{TASK}", {"new_state": "success"}),
    "mark a task and what follows": ("PATCH", f"{TASKS}/{TASK}", {"new_state": "success", "include_downstream": True}),
    "mark a mapped task": ("PATCH", f"{TASKS}/{TASK}/-1", {"new_state": "success"}),
    "mark tasks at once": ("PATCH", TASKS, updating(task_id=TASK, new_state="success")),
    "mark tasks of all runs": ("PATCH", f"{AT}/dagRuns/~/taskInstances", updating(task_id=TASK, dag_run_id=RUN, new_state="success")),
    "mark a run": ("PATCH", f"{AT}/dagRuns/{RUN}", {"state": "success"}),
    "mark a run of any DAG": ("PATCH", "/api/v2/dags/~/dagRuns", updating(dag_id=DAG, dag_run_id=RUN, state="success")),
    "clear tasks": ("POST", f"{AT}/clearTaskInstances", {"dry_run": False, "task_ids": [TASK], "dag_run_id": RUN}),
    "clear a run": ("POST", f"{AT}/dagRuns/{RUN}/clear", {"dry_run": False}),
    "start a run": ("POST", f"{AT}/dagRuns", {"dag_run_id": "mine", "logical_date": None}),
    "start a run of any DAG": ("POST", "/api/v2/dags/~/dagRuns", {"dag_run_id": "mine", "logical_date": None}),
    "delete a run": ("DELETE", f"{AT}/dagRuns/{RUN}", {}),
    "delete the DAG": ("DELETE", AT, {}),
    "pause every DAG": ("PATCH", "/api/v2/dags?dag_id_pattern=~", {"is_paused": True}),
    "write a task's result": ("POST", f"{TASKS}/build/xcomEntries", {"key": "return_value", "value": {"candidate": "x"}}),
    "change a task's result": ("PATCH", f"{TASKS}/build/xcomEntries/return_value", {"value": "x"}),
    "start a backfill": ("POST", "/api/v2/backfills", {"dag_id": DAG, "from_date": "2026-09-01T00:00:00Z", "to_date": "2026-09-05T00:00:00Z"}),
    "set a variable": ("POST", "/api/v2/variables", {"key": "noren_engine", "value": "spark"}),
    "read variables": ("GET", "/api/v2/variables", None),
    "read connections": ("GET", "/api/v2/connections", None),
    "make a connection": ("POST", "/api/v2/connections", {"connection_id": "x", "conn_type": "http"}),
    "make an asset's event": ("POST", "/api/v2/assets/events", {"asset_id": 1}),
    "read the configuration": ("GET", "/api/v2/config", None),
    "read the audit log": ("GET", "/api/v2/eventLogs", None),
    "list users": ("GET", "/auth/fab/v1/users", None),
    "make a user": ("POST", "/auth/fab/v1/users", {"username": "x", "password": "x", "email": "x@x", "first_name": "x", "last_name": "x", "roles": [{"name": "Admin"}]}),
    "become an administrator": ("PATCH", "/auth/fab/v1/users/officer", {"roles": [{"name": "Admin"}]}),
    "change a role": ("PATCH", "/auth/fab/v1/roles/Noren officer", {"name": "Noren officer", "permissions": []}),
    "read a variable as a task": ("GET", "/execution/variables/noren_engine", None),
    "read a connection as a task": ("GET", "/execution/connections/x", None),
    "write a result as a task": ("POST", f"/execution/xcoms/{DAG}/{RUN}/build/return_value", "x"),
}  # fmt: skip


@pytest.mark.parametrize("login", ["officer", "noren-publisher"])
def test_what_would_forge_or_force_a_release_is_refused(airflow, there, login):
    said = {what: airflow.asked(login, *request).status_code for what, request in FORBIDDEN.items()}
    assert said == dict.fromkeys(FORBIDDEN, 403)
    states = {one["task_id"]: one["state"] for one in airflow.asked("engineer", "GET", TASKS).json()["task_instances"]}
    assert set(states.values()) == {None}


OPERATIONS = {
    "start a run": ("POST", f"{AT}/dagRuns", {"dag_run_id": "by-the-engineer", "logical_date": None}),
    "pause a DAG": ("PATCH", AT, {"is_paused": True}),
    "see the tasks": ("GET", TASKS, None),
    "clear a task": ("POST", f"{AT}/clearTaskInstances", {"dry_run": False, "task_ids": ["build"], "dag_run_id": RUN}),
    "mark a task failed": ("PATCH", f"{TASKS}/build", {"new_state": "failed"}),
    "mark a task a success": ("PATCH", f"{TASKS}/build", {"new_state": "success"}),
    "write a task's result": ("POST", f"{TASKS}/build/xcomEntries", {"key": "x", "value": "x"}),
    "end a run": ("PATCH", f"{AT}/dagRuns/{RUN}", {"state": "failed"}),
    "set a variable": ("POST", "/api/v2/variables", {"key": "by-the-engineer", "value": "x"}),
    "take a variable away": ("DELETE", "/api/v2/variables/by-the-engineer", {}),
    "read connections": ("GET", "/api/v2/connections", None),
}
ADMINISTRATION = (
    "list users",
    "make a user",
    "become an administrator",
    "change a role",
    "read the configuration",
    "read the audit log",
)


def test_an_engineer_runs_the_dags_and_administers_nobody(airflow, there):
    said = {what: airflow.asked("engineer", *request) for what, request in OPERATIONS.items()}
    assert {what: one.text for what, one in said.items() if not one.ok} == {}
    refused = {what: airflow.asked("engineer", *FORBIDDEN[what]).status_code for what in ADMINISTRATION}
    assert refused == dict.fromkeys(ADMINISTRATION, 403)


@pytest.mark.parametrize("login", ["admin", "engineer"])
def test_settings_and_what_tasks_alone_may_ask_are_closed_to_everybody(airflow, login):
    closed = {what: one for what, one in FORBIDDEN.items() if what.endswith("as a task") or "configuration" in what}
    closed["test a connection"] = ("POST", "/api/v2/connections/test", {"connection_id": "x", "conn_type": "http"})
    said = {what: airflow.asked(login, *request).status_code for what, request in closed.items()}
    assert len(said) == 5
    assert said == dict.fromkeys(closed, 403)
