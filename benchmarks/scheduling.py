"""What Airflow adds: how long its DAG files take to load, and how soon a release is out once it is approved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from anonymization.home import Home
from benchmarks.measure import ROOT
from jobs.services.local import Services

DAGS = ROOT / "dags"
RELEASE = "service-usage"
EVENTS = 150_000
WITHIN = 300
LOAD = """
import json, runpy, sys, time
sys.path.append({folder!r})
begun = time.perf_counter()
import airflow.sdk, airflow.providers.standard.operators.hitl
took = {{"Airflow itself": time.perf_counter() - begun}}
for name in ("choices", "intake", "releases", "wrong_declarations"):
    begun = time.perf_counter()
    runpy.run_path({folder!r} + "/" + name + ".py")
    took[name + ".py"] = time.perf_counter() - begun
print(json.dumps(took))
"""


def loading() -> dict[str, float]:
    """Return the seconds that importing Airflow takes, and then each DAG file, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        around = os.environ | {"AIRFLOW_HOME": folder, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        command = [sys.executable, "-c", LOAD.format(folder=str(DAGS))]
        said = subprocess.run(command, env=around, check=True, capture_output=True, text=True).stdout
    took: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return took


class _Asked:
    """Airflow's API, as one of its logins."""

    def __init__(self, url: str, home: Home, login: str) -> None:
        self.url = f"{url}/api/v2/dags/release__{RELEASE}"
        password = (home.root / "airflow" / "passwords" / login).read_text(encoding="utf-8").strip()
        said = requests.post(f"{url}/auth/token", json={"username": login, "password": password}, timeout=60)
        self.headers = {"Authorization": f"Bearer {said.json()['access_token']}"}

    def __call__(self, method: str, path: str, json: Any = None) -> Any:
        said = requests.request(method, self.url + path, json=json, headers=self.headers, timeout=60)
        said.raise_for_status()
        return said.json()


def _until(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.1)
    sys.exit("bench: Airflow did not come so far in time")


def approved_to_published(folder: Path) -> tuple[float, float]:
    """Return the seconds from an officer's answer to the publication, and those that Noren's own steps took of them.

    Args:
        folder: an empty one; Airflow and PostgreSQL run there, and are ended.
    """
    home = Home(folder / "home")
    os.environ["NOREN_HOME"] = str(home.root)
    services = Services(home, DAGS)
    running, _ = services.start(port=None, demo=True, events=EVENTS)
    try:
        engineer, officer = (_Asked(running.url, home, login) for login in ("engineer", "officer"))
        _until(lambda: requests.get(engineer.url, headers=engineer.headers, timeout=60).ok)
        engineer("PATCH", "", {"is_paused": False})
        run = _until(lambda: engineer("GET", "/dagRuns")["dag_runs"])[0]["dag_run_id"]
        tasks = f"/dagRuns/{run}/taskInstances"
        _until(lambda: engineer("GET", f"{tasks}/approve")["state"] == "awaiting_input")
        time.sleep(5)  # an officer reads
        content = {"chosen_options": ["Approve"], "params_input": {"comment": "measured"}}
        begun = time.perf_counter()
        officer("PATCH", f"{tasks}/approve/-1/hitlDetails", content)
        state = _until(
            lambda: s if (s := engineer("GET", f"{tasks}/publish")["state"]) in ("success", "failed") else ""
        )
        took = time.perf_counter() - begun
        if state != "success":
            sys.exit(f"bench: the publication ended as {state}")
        verdicts = home.metrics / "verdicts"
        said = [path for step in ("answer", "publish") for path in verdicts.glob(f"{step}-*.json")]
        own = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in said]
        return took, sum(own)
    finally:
        services.stop()


def run() -> None:
    """Measure both, and print them."""
    print(f"Airflow, a release of {EVENTS:,} events")
    took = loading()
    own = took.pop("Airflow itself")
    print(f"  importing Airflow itself: {own:.2f} s")
    for name, seconds in took.items():
        print(f"  loading {name}: {seconds:.3f} s, {seconds / own:.2f}x, target < 1 s")
    with tempfile.TemporaryDirectory() as folder:
        whole, steps = approved_to_published(Path(folder))
    print(f"  approved to published: {whole:.1f} s, {whole / steps:.2f}x of what Noren's steps took, target < 10 s")


if __name__ == "__main__":
    run()
