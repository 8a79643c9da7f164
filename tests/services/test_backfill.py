"""Days that were missed are made up for, in Airflow's own way."""

from __future__ import annotations

import pytest
from releasing import waited

pytestmark = pytest.mark.slow
PATH = "/api/v2/dags/choices"


def said_by(airflow):
    """What the steps have said, the last ones last."""
    logs = sorted((airflow.home / "metrics" / "verdicts").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return "".join(path.read_text() for path in logs[-4:])


def test_days_are_made_up_for_by_date(airflow):
    waited(lambda: airflow.asked("engineer", "GET", PATH).ok or None, "Airflow knows the DAG")
    given = {
        "dag_id": "choices", "from_date": "2026-03-01T00:00:00+09:00", "to_date": "2026-03-03T00:00:00+09:00",
        "max_active_runs": 1,
    }  # fmt: skip
    (airflow.home / "choices" / "optouts-late.csv").write_text("namespace,id\ncookie,one-of-many\n")
    assert airflow.asked("officer", "POST", "/api/v2/backfills", given).status_code == 403
    said = airflow.asked("engineer", "POST", "/api/v2/backfills", given)
    assert said.ok, said.text
    assert airflow.asked("engineer", "PATCH", PATH, {"is_paused": False}).ok

    def made_up():
        runs = airflow.asked("engineer", "GET", f"{PATH}/dagRuns?run_type=backfill").json()["dag_runs"]
        states = {one["data_interval_start"]: one["state"] for one in runs}
        assert "failed" not in states.values(), said_by(airflow)
        return sorted(states) if len(states) > 1 and set(states.values()) == {"success"} else None

    days = waited(made_up, "the days are made up for")
    assert days == ["2026-02-28T16:00:00Z", "2026-03-01T16:00:00Z"]
    assert not list(airflow.home.glob("choices/optouts-*.csv"))
    assert "cookie" in airflow.noren("optout", "list").stdout
