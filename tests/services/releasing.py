"""What the tests of releases in Airflow start, ask and wait for."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from anonymization.release.ledger.ledger import EntryKind, Ledger

WITHIN = 400
"""Patience with Airflow on a busy machine, seconds: 60 are usual on a slow one where nothing else runs."""
ENDED = ("success", "failed")


def waited(ask, what):
    """Ask until something is said."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        if (said := ask()) is not None:
            return said
        time.sleep(0.5)
    raise AssertionError(f"{what}: not in {WITHIN} s")


@dataclass(frozen=True)
class Run:
    """A run of a release's DAG."""

    airflow: object
    dag: str
    id: str

    @property
    def path(self):
        return f"/api/v2/dags/{self.dag}/dagRuns/{self.id}"

    @property
    def place(self):
        return f"{self.dag}/{self.id}/approve"

    def get(self, path, login="engineer"):
        said = self.airflow.asked(login, "GET", self.path + path)
        assert said.ok, (said.status_code, said.text)
        return said.json()

    def states(self):
        return {one["task_id"]: one["state"] for one in self.get("/taskInstances")["task_instances"]}

    def until(self, task, *states):
        """Wait until a task is in one of the states; return it."""

        def looked():
            found = self.states()
            assert found.get(task) in (None, *states) or found[task] not in ("failed", "upstream_failed"), found
            return found[task] if found.get(task) in states else None

        return waited(looked, f"{task} is {' or '.join(states)}")

    def asked_for(self):
        """Wait until an answer is asked for; return the candidate."""
        self.until("approve", "awaiting_input")
        return self.xcom("build")["candidate"]

    def ended(self):
        return waited(lambda: state if (state := self.get("")["state"]) in ENDED else None, "the run has ended")

    def xcom(self, task):
        said = self.get(f"/taskInstances/{task}/xcomEntries/return_value?deserialize=true")["value"]
        return said if isinstance(said, dict) else json.loads(said)

    def answer(self, login, choice="Approve", comment="read and in order"):
        time.sleep(3)  # Airflow 3.3 asks anew if it hears of an answer before it hears that the task began to wait
        content = {"chosen_options": [choice], "params_input": {"comment": comment}}
        return self.airflow.asked(login, "PATCH", f"{self.path}/taskInstances/approve/-1/hitlDetails", content)

    def mark(self, login, task, state="success"):
        return self.airflow.asked(login, "PATCH", f"{self.path}/taskInstances/{task}", {"new_state": state})

    def clear(self, login, *tasks):
        """Clear tasks of a run that has ended: one that is just ending would end in spite of it."""
        self.ended()
        content = {
            "dry_run": False, "dag_run_id": self.id, "task_ids": list(tasks), "include_downstream": True,
            "only_failed": False,
        }  # fmt: skip
        return self.airflow.asked(login, "POST", f"/api/v2/dags/{self.dag}/clearTaskInstances", content)


@dataclass(frozen=True)
class Release:
    """A release on a scheduler, in a home with a month of logs."""

    airflow: object
    name: str
    month: str

    @property
    def dag(self):
        return f"release__{self.name}"

    @property
    def out(self):
        return sorted(path.name for path in (self.airflow.home / "releases").glob(f"{self.name}/*/v*"))

    def runs(self):
        said = self.airflow.asked("engineer", "GET", f"/api/v2/dags/{self.dag}/dagRuns")
        assert said.ok, said.text
        return [
            Run(self.airflow, self.dag, one["dag_run_id"])
            for one in said.json()["dag_runs"]
            if one["state"] not in ENDED
        ]

    def start(self, login="engineer"):
        """Start a run, once those of other tests are ended."""

        def none_left():
            for run in self.runs():  # Airflow may be at one itself just now: again, until none is left
                self.airflow.asked("engineer", "PATCH", run.path, {"state": "failed"})
            return None if self.runs() else True

        waited(none_left, "runs of other tests are ended")
        return self.start_another(login)

    def start_another(self, login="engineer"):
        content = {"logical_date": None, "conf": {"period": self.month}}
        said = self.airflow.asked(login, "POST", f"/api/v2/dags/{self.dag}/dagRuns", content)
        assert said.ok, (said.status_code, said.text)
        return Run(self.airflow, self.dag, said.json()["dag_run_id"])

    def entries(self, kind):
        """The ledger's entries of a kind, as the home's own user reads them."""
        ledger = Ledger(self.airflow.environment["NOREN_DATABASE_URL"])
        try:
            with ledger.transaction() as transaction:
                return transaction.entries(kind=kind)
        finally:
            ledger.close()

    @property
    def published(self):
        """What the ledger says is out."""
        return [entry.subject for entry in self.entries(EntryKind.PUBLICATION) if entry.payload["release"] == self.name]

    def refused(self, candidate):
        return [entry.payload["refusal"] for entry in self.entries(EntryKind.REFUSED) if entry.subject == candidate]
