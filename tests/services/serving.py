"""What the tests of services start, ask and end."""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg
import requests

from jobs.services.databases import NOREN, OWNER
from jobs.services.postgres import Postgres
from jobs.services.processes import LOCAL

ROOT = Path(__file__).parent.parent.parent
KEEPER = Path(__file__).with_name("keeper.py")
STARTED_WITHIN = 400


def surroundings(home, **more):
    """The environment of whoever runs the tests, without another Noren or Airflow, for this home."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "NOREN_"))}
    return own | {"NOREN_HOME": str(home)} | more


def services(home, *words, dags=ROOT / "dags", **more):
    """Run `make airflow`'s command for a home; return how it ended and what it said."""
    command = [sys.executable, "-m", "jobs.services", "--dags", str(dags), *words]
    return subprocess.run(
        command, env=surroundings(home, **more), check=False, capture_output=True, text=True, timeout=STARTED_WITHIN,
        cwd=ROOT,
    )  # fmt: skip


def unused_port():
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return probe.getsockname()[1]


def end(home):
    """End what was started for a home, and remove what PostgreSQL kept outside it."""
    if not (home / "airflow").exists():
        return
    subprocess.run([sys.executable, KEEPER, home], check=True, capture_output=True, timeout=120, cwd=ROOT)


@contextmanager
def kept(home, users):
    """Use a home's services together with other processes: the last one to leave ends them, even if it is killed."""
    home.mkdir(parents=True, exist_ok=True)
    with users.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        subprocess.Popen(
            [sys.executable, KEEPER, home, users],
            start_new_session=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode = 0  # fmt: skip - it outlives this process: no warning about that
        yield
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another worker still uses it
            return
        end(home)


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server that runs.

    Attributes:
        server: what made it.
        port: its port.
    """

    server: Postgres
    port: int

    def url(self, role=NOREN):
        """What NOREN_DATABASE_URL may be set to."""
        return self.server.url(role, self.port)

    def connect(self, role=OWNER, database=NOREN, **more):
        """A connection of a role; each statement is a transaction."""
        given = {"password": self.server.password(role), "autocommit": True} | more
        return psycopg.connect(host=LOCAL, port=self.port, user=role, dbname=database, connect_timeout=5, **given)


@dataclass(frozen=True)
class Airflow:
    """Airflow that runs, with a demo's home, its roles and logins.

    Attributes:
        home: the home.
        url: Airflow's address.
    """

    home: Path
    url: str
    _tokens: dict = field(default_factory=dict)

    @cached_property
    def environment(self):
        """What `. $NOREN_HOME/airflow/environment` gives a shell, on top of what is there."""
        words = shlex.split((self.home / "airflow" / "environment").read_text())
        return dict(word.split("=", 1) for word in words if word != "export")

    def password(self, login):
        return (self.home / "airflow" / "passwords" / login).read_text().strip()

    def token(self, login):
        if login not in self._tokens:
            self.log_in(login, self.password(login))
        return self._tokens[login]

    def log_in(self, login, password):
        """Log in with a password that is not kept in the home."""
        said = requests.post(f"{self.url}/auth/token", json={"username": login, "password": password}, timeout=60)
        assert said.ok, said.text
        self._tokens[login] = said.json()["access_token"]

    def asked(self, login, method, path, json=None):
        """Ask Airflow something as a login, or as nobody; `path` begins with a slash, such as /api/v2/dags."""
        headers = {} if login is None else {"Authorization": f"Bearer {self.token(login)}"}
        return requests.request(method, self.url + path, json=json, headers=headers, timeout=60, allow_redirects=False)

    def noren(self, *words, **more):
        """Run a verb of Noren in this home, as a shell with its environment does."""
        command = [sys.executable, "-m", "jobs", *words]
        around = surroundings(self.home) | self.environment | more
        return subprocess.run(command, env=around, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)
