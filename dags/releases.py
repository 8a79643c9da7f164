"""A release: built, checked, read by a privacy officer, and published only if the officer approves.

**Waiting at `approve`**: the officer reads the dossier under *Required Actions* and answers with a comment in 72 hours.
**`gate` failed**: the gate is closed, or the logs are wrong. Nothing gets out. Its log lies in the home; do not try
again before a person has looked. **`answer` failed**: what was answered does not count, such as an answer without a
comment, or by somebody who is no enrolled officer: clear `approve`, and it is asked anew. **`publish` failed**:
something came after the gate (another release, a person's choice, a new policy): clear `build`. **Backfill**: `airflow
backfill create --dag-id ... --from-date ... --to-date ...`; by hand, start the DAG with `period`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, get_current_context, task
from steps import run_step

POLICIES = Path(os.environ.get("NOREN_POLICIES", Path(__file__).parent.parent / "policies"))
ZONE = "Asia/Tokyo"
SCHEDULES = {
    "month": ("0 6 3 * *", "%Y-%m"),
    "week": ("0 6 * * 3", "%G-W%V"),
    "day": ("0 6 * * *", "%Y-%m-%d"),
}
"""When a period's release is begun, a few days after it so that late events are in; and how the period is written."""
ANSWER_WITHIN = timedelta(hours=72)
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(hours=6)}
SUBJECT = (
    "{release} {{{{ {built}['period'] }}}}: approve {{{{ {built}['candidate'] }}}} digest {{{{ {built}['digest'] }}}}"
)


class Dossier(ApprovalOperator):
    """Shows the officer the dossier; whatever is answered, the next task asks Airflow itself what it was."""

    def execute(self, context: Any) -> Any:
        """Ask for an answer."""
        shown = context["ti"].xcom_pull(task_ids="review")
        self.body = Path(shown["dossier"]).read_text(encoding="utf-8")
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        """Go on with whatever was answered."""
        HITLOperator.execute_complete(self, context, event)


def period_of(kind: str, first: datetime) -> str:
    """Return the name of the period that a data interval begins in."""
    return first.astimezone(ZoneInfo(ZONE)).strftime(SCHEDULES[kind][1])


def release_dag(spec: dict[str, Any]) -> DAG:
    """Return the DAG of a release."""
    name, kind = spec["release"], spec["period"]
    with DAG(
        dag_id=f"release__{name}",
        schedule=CronDataIntervalTimetable(SCHEDULES[kind][0], timezone=ZONE),
        start_date=datetime(2018, 2, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        doc_md=__doc__,
        tags=["release", spec["recipient"]],
        default_args={"owner": spec["owner"], **RETRIES},
        params={"period": Param(None, type=["null", "string"], description="The period; by default the last one.")},
    ) as dag:

        @task
        def build() -> dict[str, Any]:
            context = get_current_context()
            first = context.get("data_interval_start") or context["dag_run"].run_after
            period = context["params"]["period"] or period_of(kind, first)
            return run_step("build", name, "--period", period, release=name, period=period)

        @task
        def gate(built: dict[str, Any]) -> dict[str, Any]:
            return run_step("gate", built["candidate"], candidate=built["candidate"], digest=built["digest"])

        @task
        def review(built: dict[str, Any]) -> dict[str, Any]:
            return run_step("review", built["candidate"], candidate=built["candidate"], digest=built["digest"])

        approve = Dossier(
            task_id="approve",
            subject=SUBJECT.format(release=name, built="ti.xcom_pull(task_ids='build')"),
            params={"comment": Param("", type="string", description="Why; without a comment it does not count.")},
            response_timeout=ANSWER_WITHIN,
            execution_timeout=None,
        )

        @task.short_circuit
        def answer(built: dict[str, Any]) -> bool:
            run = get_current_context()["dag_run"]
            place = f"{run.dag_id}/{run.run_id}/approve"
            given = run_step("answer", built["candidate"], "--in", place, candidate=built["candidate"])
            return given["outcome"] == "approved"

        @task
        def publish(built: dict[str, Any]) -> dict[str, Any]:
            return run_step("publish", built["candidate"], candidate=built["candidate"], digest=built["digest"])

        built = build()
        gate(built) >> review(built) >> approve >> answer(built) >> publish(built)
    return dag


for path in sorted((POLICIES / "releases").glob("*.yaml")):
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    globals()[f"release__{declared['release']}"] = release_dag(declared)
