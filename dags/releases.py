"""A release: built, checked, read by a privacy officer, and published only if the officer approves.

**Waiting at `approve`**: the officer reads the dossier under *Required Actions* and answers, with a comment, in 72
hours.

| failed | why | what to do |
|---|---|---|
| `build` | the logs or the declaration are wrong; its log says what | mend that, clear `build` |
| `gate` | the gate is closed: something could be found out from the tables | a person looks; nothing gets out |
| `approve` | nobody answered in 72 hours | a new run with `period` |
| `answer` | the answer does not count: no comment, no officer, or none was given | clear `approve`: asked anew |
| `publish` | something came after the gate: a release, a person's choice, a new policy | a new run with `period` |

What a step said is in the file of the home that the task's log names. **Backfill**: `airflow backfill create --dag-id
release__NAME --from-date 2026-08-01 --to-date 2026-11-04 --max-active-runs 1`; one period by hand: start the DAG with
`period`. **On Spark**: Airflow's variables `noren_engine` (`spark`) and `noren_master`, one of `NOREN_SPARK_MASTERS`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput
from alerts import LATE, tell_of_late_answer
from asked import require_first
from declared import Release, releases
from steps import RETRIES, run_step
from times import ANSWER_WITHIN, RELEASES, START, ZONE, period_of

SUBJECT = (
    "{release} {{{{ {built}['period'] }}}}: approve {{{{ {built}['candidate'] }}}} digest {{{{ {built}['digest'] }}}}"
)


class Dossier(ApprovalOperator):
    """Shows the officer the dossier; whatever is answered, the next task asks Airflow itself what it was.

    It waits without a worker. People are told once that an answer is late; it is then waited for until the end.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given, response_timeout=LATE)

    def execute(self, context: Any) -> Any:
        """Ask for an answer."""
        shown = context["ti"].xcom_pull(task_ids="review")
        self.body = Path(shown["dossier"]).read_text(encoding="utf-8")
        run = context["dag_run"]
        require_first(f"{run.dag_id}/{run.run_id}", f"{self.subject}\n{self.body}", ANSWER_WITHIN)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any], *, late: bool = False) -> None:
        """Go on with whatever was answered; an answer that nobody gave in time is not asked for again."""
        if "error" not in event:
            HITLOperator.execute_complete(self, context, event)
            return
        if late:
            raise AirflowFailException("nobody answered in time: start a new run of the period")
        tell_of_late_answer(context["dag_run"].dag_id, context["dag_run"].run_id)
        raise TaskAwaitingInput(method_name="execute_complete", kwargs={"late": True}, timeout=ANSWER_WITHIN - LATE)


def release_dag(release: Release) -> DAG:
    """Return the DAG of a release."""
    name = release.name
    with DAG(
        dag_id=f"release__{name}",
        dag_display_name=release.title or name,
        description=f"Each {release.period}, for {release.recipient}; approved by a privacy officer",
        schedule=CronDataIntervalTimetable(RELEASES[release.period][0], timezone=ZONE),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        doc_md=__doc__,
        tags=["release", release.recipient],
        default_args={"owner": release.owner, **RETRIES},
        params={"period": Param(None, type=["null", "string"], description="The period; by default the last one.")},
    ) as dag:

        @task(multiple_outputs=False, inlets=[Asset(f"events/{source}") for source in release.sources])
        def build() -> dict[str, Any]:
            context = get_current_context()
            first = context.get("data_interval_start") or context["dag_run"].run_after
            period = context["params"]["period"] or period_of(release.period, first)
            return run_step("build", name, "--period", period, release=name, period=period)

        @task(multiple_outputs=False)
        def gate(built: dict[str, Any]) -> dict[str, Any]:
            return run_step("gate", built["candidate"], candidate=built["candidate"], digest=built["digest"])

        @task(multiple_outputs=False)
        def review(built: dict[str, Any]) -> dict[str, Any]:
            return run_step("review", built["candidate"], candidate=built["candidate"], digest=built["digest"])

        approve = Dossier(
            task_id="approve",
            subject=SUBJECT.format(release=name, built="ti.xcom_pull(task_ids='build')"),
            params={"comment": Param("", type="string", description="Why; without a comment it does not count.")},
            execution_timeout=None,
            retry_delay=timedelta(seconds=10),
        )

        @task.short_circuit
        def answer(built: dict[str, Any]) -> bool:
            run = get_current_context()["dag_run"]
            place = f"{run.dag_id}/{run.run_id}/approve"
            given = run_step("answer", built["candidate"], "--in", place, candidate=built["candidate"])
            return bool(given["outcome"] == "approved")

        @task(multiple_outputs=False, outlets=[Asset(f"releases/{name}")])
        def publish(built: dict[str, Any]) -> dict[str, Any]:
            identity = {"candidate": built["candidate"], "digest": built["digest"]}
            return run_step("publish", built["candidate"], once=True, **identity)

        built: Any = build()  # a dictionary once it has run
        gate(built) >> review(built) >> approve >> answer(built) >> publish(built)
    return dag


for declared in releases()[0]:
    globals()[f"release__{declared.name}"] = release_dag(declared)
