"""Every day, before the intake, what people chose or requested takes effect, and what is over its time is erased.

**`record`**: lists lie in the home's folder `choices/` as `optouts-*.csv` with the columns `namespace,id`; deliver one
under another name and rename it, so that it is never read in part. A list that was recorded is removed. *Failed*: a
list is not as it should be; the others were recorded, it stays. Mend it and clear the task. A candidate whose gate came
before a choice is stale: `publish` refuses it, and its release is built again.

**`requests`**: what was verified (`noren request verify`) is carried out: disclosures are written for their handlers,
rows are corrected or deleted, whoever asks for it is left out. *Failed*: `noren request list` tells which wait, the
step's log why: a raw log that cannot be read, or logs that were just being taken in. The others were carried out; what
one had begun is taken up by the next run. Mend it and clear the task.

**`erase`**: logs, events and k-anonymous rows go after the time that the policy's house rule `erasure` says, and with a
month's last event its key. *Failed*, and nothing was erased: logs were just being taken in, so clear the task; or more
than a month is over its time at once, after a pause or by a wrong clock: see the log; if right, `noren erase --yes N`.

**`sweep`**: papers of requests, and what was disclosed, are removed once the policy keeps them no longer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, task
from steps import OWNER, RETRIES, run_step
from times import CHOICES, START, ZONE

with DAG(
    dag_id="choices",
    dag_display_name="People's choices and requests, and erasure",
    description="Opt-outs are recorded, requests carried out, and old logs erased, before the next intake",
    schedule=CronDataIntervalTimetable(CHOICES, timezone=ZONE),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["choices"],
    default_args={"owner": OWNER, **RETRIES, "execution_timeout": timedelta(hours=1)},
) as dag:

    @task(multiple_outputs=False)
    def record() -> dict[str, Any]:
        """Record the lists that were delivered."""
        return run_step("choices")

    @task(multiple_outputs=False)
    def requests() -> dict[str, Any]:
        """Carry out the requests that were verified."""
        return run_step("request", "complete")

    @task(multiple_outputs=False, trigger_rule="all_done")
    def erase() -> dict[str, Any]:
        """Erase what is over its time."""
        return run_step("erase")

    @task(multiple_outputs=False)
    def sweep() -> dict[str, Any]:
        """Remove papers that are over their time."""
        return run_step("request", "sweep")

    record()
    requests() >> erase()  # whatever became of them: both want the logs for themselves
    sweep()
