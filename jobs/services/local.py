"""Starts and stops, on one machine, PostgreSQL and Airflow for a home: `make airflow` and `make airflow-stop`.

All of it are processes of whoever starts it, on 127.0.0.1 alone. What they keep lies in the folder `airflow` of the
home: settings, passwords and logs, each 0600, and the list of processes that `stop` ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import requests

from anonymization.errors import InputError
from anonymization.files import locked, private_folder, write_private
from anonymization.home import DEMO_OFFICERS, Home, policy_folder
from jobs.airflow import PASSWORD_FILE, URL, USER
from jobs.services.databases import AIRFLOW, NOREN
from jobs.services.postgres import Postgres
from jobs.services.processes import LOCAL, Process, ServiceError, end, free_port, start, telling_line
from jobs.services.roles import SERVICE
from jobs.services.settings import airflow_settings

PORT, DATABASE_PORT = 8080, 5433
HEALTHY_WITHIN = 240.0
"""Seconds in which every part of Airflow must say that it is healthy."""
PATIENCE = 30.0
"""Seconds that running tasks have to end in."""
PARTS = {"api-server": ("--host", LOCAL, "--workers", "1"), "scheduler": ("--skip-serve-logs",), "dag-processor": ()}


@dataclass(frozen=True)
class Running:
    """What was started.

    Attributes:
        port: Airflow's.
        database_port: PostgreSQL's.
        processes: in the order in which they were started.
    """

    port: int
    database_port: int
    processes: tuple[Process, ...]

    @property
    def url(self) -> str:
        """Airflow's address."""
        return f"http://{LOCAL}:{self.port}"

    @classmethod
    def read(cls, path: Path) -> Running | None:
        """Read what `written` wrote, if anything."""
        if not path.exists():
            return None
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        processes = tuple(Process(**one) for one in content["processes"])
        return cls(content["port"], content["database_port"], processes)

    def write(self, path: Path) -> None:
        """Write what `read` reads, 0600."""
        write_private(path, json.dumps(asdict(self)))


@dataclass(frozen=True)
class Services:
    """PostgreSQL and Airflow of one home.

    Attributes:
        home: the home.
        dags: where Airflow finds DAGs.
    """

    home: Home
    dags: Path

    @property
    def folder(self) -> Path:
        """Airflow's own home."""
        return self.home.root / "airflow"

    @property
    def passwords(self) -> Path:
        """A file a login."""
        return self.folder / "passwords"

    @property
    def postgres(self) -> Postgres:
        """The server."""
        return Postgres(self.folder)

    @property
    def demo(self) -> bool:
        """Whether the home is a demo's."""
        return (self.home.root / DEMO_OFFICERS).exists()

    @property
    def own_ledger(self) -> bool:
        """Whether the ledger is a file of the home, because it was before PostgreSQL came."""
        return (self.home.root / "noren.db").exists()

    @property
    def record(self) -> Path:
        """Where it stands what runs."""
        return self.folder / "services.json"

    def start(self, *, port: int | None, demo: bool, events: int = 0) -> tuple[Running, bool]:
        """Start everything that does not run, and wait until it is healthy; return it, and whether it ran already.

        Args:
            port: Airflow's; by default 8080 if free.
            demo: make a home where there is none, with an officer and an engineer who may log in.
            events: in a demo's home without logs, those of the last month are made and taken in: so many rows, about.

        Raises:
            InputError: there is no home, or no DAG.
            ServiceError: something did not start; nothing is left running.
        """
        if not demo:
            self.home.require()
        if not self.dags.is_dir():
            raise InputError(f"there is no folder of DAGs at {self.dags}")
        with self._alone():
            running = Running.read(self.record)
            if running is not None and all(process.alive for process in running.processes):
                return running, True
            if running is not None:  # a part of it has ended: what is left ends too, and all starts again
                self._end(running.processes)
            port = free_port(PORT if port is None else port, only=port is not None)
            return self._started(port, demo=demo, events=events), False

    def stop(self) -> tuple[Process, ...]:
        """End what was started, PostgreSQL last; return it.

        Raises:
            ServiceError: something does not end.
        """
        if not self.folder.exists():
            return ()
        with self._alone():
            running = Running.read(self.record)
            if running is None:
                return ()
            self._end(running.processes)
            return running.processes

    def status(self) -> tuple[Running, list[str]] | None:
        """Return what was started, and what is wrong with it; None if nothing was."""
        running = Running.read(self.record)
        if running is None:
            return None
        wrong = [f"{one.name} has ended: {one.why()}" for one in running.processes if not one.alive]
        if not wrong and not self.postgres.answers(running.database_port):
            wrong.append(f"postgres does not answer: {telling_line(self.postgres.log)} (log: {self.postgres.log})")
        if not wrong:
            wrong = [f"{part} says {said}" for part, said in _health(running.url).items() if said != "healthy"]
        return running, wrong

    def environment(self, database_port: int, url: str) -> dict[str, str]:
        """Return what Noren's commands and Airflow's own need in their environment; no secret is in it."""
        own = {
            "AIRFLOW_HOME": str(self.folder), "NOREN_HOME": str(self.home.root),
            "NOREN_POLICIES": str(policy_folder().absolute()),
            URL: url, USER: SERVICE.name, PASSWORD_FILE: str(self.passwords / SERVICE.name),
        }  # fmt: skip
        if not self.own_ledger:
            own["NOREN_DATABASE_URL"] = self.postgres.url(NOREN, database_port)
        return own

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder; a second start or stop waits."""
        private_folder(self.folder / "logs")
        with locked(self.folder / "lock"):
            yield

    def _started(self, port: int, *, demo: bool, events: int) -> Running:
        from jobs.services.opening import open_home, scheduled_month  # noqa: PLC0415 - who looks or ends waits for none of it

        processes: list[Process] = []
        database_port = 0

        def keep(process: Process) -> None:
            processes.append(process)
            Running(port, database_port, tuple(processes)).write(self.record)

        try:
            with _ends_well():
                database_port, database = self._database()
                keep(database)
                url = f"http://{LOCAL}:{port}"
                own = self.environment(database_port, url)
                with mock.patch.dict(os.environ, own):
                    open_home(self.home, demo=demo, events=events)
                self._write_settings(port, database_port)
                around = _surroundings() | own
                self._write_environment(own)
                if events and self.demo and not any(self.home.landing.glob("source=*")):
                    month = ("--month", scheduled_month(datetime.now(UTC)))
                    self._run("logs", (*_NOREN, "generate", "--events", str(events), *month), around)
                    self._run("events", (*_NOREN, "intake"), around)
                self._run("tables", (*_AIRFLOW, "db", "migrate"), around)
                roles = ("--passwords", str(self.passwords), *(("--demo",) if self.demo else ()))
                self._run("roles", (sys.executable, "-m", "jobs.services.roles", *roles), around)
                for part, words in PARTS.items():
                    given = ("--port", str(port)) if part == "api-server" else ()
                    log = self.folder / "logs" / f"{part}.log"
                    keep(start(part, (*_AIRFLOW, part, *words, *given), log, around))
                running = Running(port, database_port, tuple(processes))
                _wait_until_healthy(running)
        except BaseException:
            self._end(processes)
            raise
        return running

    def _database(self) -> tuple[int, Process]:
        """Start PostgreSQL; where its port is taken by another home's start at the same moment, at another one."""
        for port in (free_port(DATABASE_PORT), free_port()):
            try:
                return port, self.postgres.start(port)
            except ServiceError:
                if free_port(port) == port:
                    raise
        raise ServiceError("postgres: its port was taken twice while it started; start again")

    def _run(self, name: str, words: tuple[str, ...], around: dict[str, str]) -> None:
        """Run one step to its end; its output goes to a log.

        Raises:
            ServiceError: it failed.
        """
        log = self.folder / "logs" / f"{name}.log"
        process = start(name, words, log, around)
        try:
            _, status = os.waitpid(process.pid, 0)
        except BaseException:
            end([process], patience=5)
            raise
        if os.waitstatus_to_exitcode(status) != 0:
            raise ServiceError(f"{name} were not made: {process.why()}")

    def _write_settings(self, port: int, database_port: int) -> None:
        url = f"http://{LOCAL}:{port}"
        database = f"{AIRFLOW}:{self.postgres.password(AIRFLOW)}@{LOCAL}:{database_port}/{AIRFLOW}"
        write_private(self.folder / "airflow.cfg", airflow_settings(self.folder, self.dags, url, database))

    def _write_environment(self, own: dict[str, str]) -> None:
        """Write what a shell reads to use `noren` and `airflow` by hand."""
        lines = [f"export {name}='{value}'" for name, value in own.items()]
        write_private(self.folder / "environment", "\n".join(lines) + "\n")

    def _end(self, processes: tuple[Process, ...] | list[Process]) -> None:
        """End Airflow, then PostgreSQL; the list goes once nothing is left."""
        database = [one for one in processes if one.name == "postgres"]
        end([one for one in processes if one not in database], patience=PATIENCE)
        end(database, patience=PATIENCE)
        self.record.unlink(missing_ok=True)


_AIRFLOW = (sys.executable, "-m", "airflow")
_NOREN = (sys.executable, "-m", "jobs")


def _surroundings() -> dict[str, str]:
    """This process's environment without settings of another Airflow; the environment's programs come first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "NOREN_OFFICER"))}
    path = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", "/usr/bin:/bin")))
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def _health(url: str) -> dict[str, str]:
    """What Airflow says of its parts; what says nothing is not healthy."""
    try:
        said = requests.get(f"{url}/api/v2/monitor/health", timeout=5)
        content: dict[str, dict[str, str | None]] = said.json() if said.ok else {}
    except (requests.RequestException, ValueError):
        content = {}
    names = ("metadatabase", "scheduler", "dag_processor")
    return {name: str(content.get(name, {}).get("status") or "nothing") for name in names}


def _wait_until_healthy(running: Running) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN
    said: dict[str, str] = {}
    while time.monotonic() < deadline:
        for process in running.processes:
            if not process.alive:
                raise ServiceError(f"{process.name} ended: {process.why()}")
        said = _health(running.url)
        if all(one == "healthy" for one in said.values()):
            return
        time.sleep(0.5)
    parts = ", ".join(f"{part} says {one}" for part, one in said.items())
    logs = Path(running.processes[-1].log).parent
    raise ServiceError(f"Airflow is not healthy after {HEALTHY_WITHIN:.0f} s: {parts} (logs: {logs})")


@contextlib.contextmanager
def _ends_well() -> Iterator[None]:
    """Turn the signal that asks a process to end into an exit, so that what was started is ended."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
