"""Runs a DAG once, without a scheduler, in a process of its own, and prints what became of it; run by the tests here."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path


def answer(choice: str) -> None:
    """Answer what is asked, as if somebody had, but not through Airflow's API; "nothing" lets the time pass twice."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import handle_event_submit
    from airflow.triggers.base import TriggerEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    while True:
        time.sleep(0.5)
        with create_session() as session:
            asked = session.scalar(select(TaskInstance).where(TaskInstance.state == "awaiting_input"))
            if asked is None:
                continue
            event = {"error": "nobody answered", "error_type": "timeout"}
            if choice != "nothing":
                detail = session.get(HITLDetail, asked.id)
                detail.chosen_options, detail.params_input = [choice], {"comment": "read"}
                detail.responded_at, detail.responded_by = datetime.now(UTC), {"id": "1", "name": "officer"}
                event = detail.as_resume_event_payload()
            handle_event_submit(TriggerEvent(event), task_instance=asked, session=session)
        if choice != "nothing":
            return


def main(dag_id: str, configuration: str, choice: str) -> None:
    """Run a DAG and print the states of its tasks, what they passed on, and asset events."""
    from airflow.utils.db import initdb

    initdb()
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.asset import AssetEvent
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    sys.path.append(folder)
    dag = DagBag(dag_folder=folder, bundle_path=Path(folder), bundle_name="dags-folder").dags[dag_id]
    if choice:
        threading.Thread(target=answer, args=(choice,), daemon=True).start()
    run = dag.test(run_conf=json.loads(configuration))
    with create_session() as session:
        tasks = [(one.task_id, one.map_index, str(one.state)) for one in run.get_task_instances(session=session)]
        passed = [
            (one.task_id, one.map_index, one.key, XComModel.deserialize_value(one))
            for one in session.scalars(select(XComModel).where(XComModel.run_id == run.run_id))
        ]
        events = [(one.asset.name, one.extra) for one in session.scalars(select(AssetEvent))]
        state = str(run.state)
    found = {"state": state, "tasks": sorted(tasks), "passed": passed, "events": sorted(events, key=str)}
    sys.stdout.write(f"\n{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
