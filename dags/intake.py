"""Every day, what arrived the day before becomes pseudonymous events: a task a source.

A source of which nothing arrived is *skipped*. **Failed**: a file is not as declared, or the intake's checks found
something; the log names the file of the home that says what. Files that were taken in stay, and are known again: mend
the others in `landing/source=NAME/arrived=DAY/` and clear the task. Rejected lines lie in `quarantine/`. **Late logs**
lie in the folder of the day they arrived on, and come with it; **backfill**: `airflow backfill create --dag-id intake
--from-date 2026-10-01 --to-date 2026-10-31`, one day by hand: start the DAG with `day`.

Each source that brought something gets an asset event `events/NAME`, with the day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    CronDataIntervalTimetable,
    Param,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException
from declared import sources
from steps import OWNER, RETRIES, run_step
from times import INTAKE, START, ZONE, period_of

EVENTS = AssetAlias("events")
SOURCES = sources()

with DAG(
    dag_id="intake",
    dag_display_name="Intake",
    description="Logs that arrived become events without identifiers",
    schedule=CronDataIntervalTimetable(INTAKE, timezone=ZONE),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["intake"],
    default_args={"owner": OWNER, **RETRIES},
    params={"day": Param(None, type=["null", "string"], format="date", description="The day; by default the last.")},
) as dag:

    @task(
        multiple_outputs=False,
        inlets=[Asset(f"events/{source}") for source in SOURCES],  # Airflow knows them before anything has arrived
        outlets=[EVENTS],
        map_index_template="{{ task.op_kwargs['source'] }}",
        max_active_tis_per_dag=1,  # each uses the whole machine, and two may not take the same source in
    )
    def take_in(source: str) -> dict[str, Any]:
        """Take in what arrived of one source on one day."""
        context = get_current_context()
        first = context.get("data_interval_start") or context["dag_run"].run_after - timedelta(days=1)
        day = context["params"]["day"] or period_of("day", first)
        done = run_step("intake", "--source", source, "--date", day)
        if not done["files"]:
            raise AirflowSkipException(f"nothing of {source} arrived on {day}")
        figures = {key: done[key] for key in ("files", "taken", "read", "accepted", "quarantined", "dropped")}
        context["outlet_events"][EVENTS].add(Asset(f"events/{source}"), extra={"day": day, **figures})
        return {"source": source, "day": day, **figures}

    take_in.expand(source=SOURCES)
