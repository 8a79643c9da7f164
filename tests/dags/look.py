"""Loads the DAGs as Airflow does, in a process of its own, and prints what they are; run by the tests beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: str) -> None:
    """Print, as JSON, the DAGs of a folder, the files that give none, and what loading them imported."""
    from airflow.dag_processing.dagbag import DagBag

    sys.path.append(folder)  # as Airflow's processor of a bundle does
    bag = DagBag(dag_folder=folder, bundle_path=Path(folder), bundle_name="dags", load_op_links=False)
    found = {
        dag_id: {
            "file": Path(dag.fileloc).name,
            "schedule": f"{dag.timetable.expression} {dag.timetable.timezone}",
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "tags": sorted(dag.tags),
            "runbook": dag.doc_md,
            "tasks": {
                task.task_id: {
                    "after": sorted(task.upstream_task_ids),
                    "owner": task.owner,
                    "retries": task.retries,
                    "ends_within": task.execution_timeout and task.execution_timeout.total_seconds(),
                    "answer_within": getattr(task, "response_timeout", None) and task.response_timeout.total_seconds(),
                    "mapped": task.is_mapped,
                }
                for task in dag.tasks
            },
        }
        for dag_id, dag in bag.dags.items()
    }
    errors = {Path(path).name: said.strip().splitlines()[-1] for path, said in bag.import_errors.items()}
    json.dump({"dags": found, "errors": errors, "modules": sorted(sys.modules)}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
