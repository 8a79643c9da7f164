"""Processes that run on after the command that started them, and are ended by their id, with all they started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anonymization.errors import NorenError
from anonymization.files import PRIVATE

LOCAL = "127.0.0.1"
ENDED = "Z"
TELLING = re.compile(
    # uvicorn.error is the name of a log, which also says that all is well
    r"(\b|[a-z])(?<!uvicorn\.)(error|exception)\b|\b(fatal|panic|refused|denied|cannot|could not)\b",
    re.IGNORECASE,
)
READ = 100_000
"""Characters at the end of a log in which the line is sought that tells why a process ended."""


class ServiceError(NorenError):
    """A service did not start, did not end, or is no longer there."""


def _boot() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


@dataclass(frozen=True)
class Process:
    """A process that was started, in a session of its own.

    Attributes:
        name: what it is.
        pid: its id, which is also that of its session.
        born: when the kernel started it, in ticks since boot: another process of the same id has another.
        log: what it writes.
        last: the signal that it ends well on.
        boot: the boot, and the container if any, in which both numbers mean something.
    """

    name: str
    pid: int
    born: int
    log: str
    last: int = signal.SIGTERM
    boot: str = field(default_factory=_boot)

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        found = _seen(self.pid) if self.boot == _boot() else None
        return found is not None and found.born == self.born and found.state != ENDED

    def why(self) -> str:
        """Return the last line of its log that tells something, and where the log is."""
        return f"{telling_line(Path(self.log))} (log: {self.log})"


@dataclass(frozen=True)
class _Seen:
    """What the kernel says of a process."""

    pid: int
    state: str
    parent: int
    session: int
    born: int


def start(
    name: str, words: Sequence[str], log: Path, environment: Mapping[str, str], *,
    account: tuple[int, int] | None = None, last: signal.Signals = signal.SIGTERM,
) -> Process:  # fmt: skip
    """Start a process in a session of its own; its output is appended to the log (0600).

    Args:
        name: what it is.
        words: the command.
        log: a file.
        environment: all of it.
        account: user and group that it runs as, if not this one.
        last: the signal that it ends well on.

    Raises:
        ServiceError: the command cannot be run.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE)
    try:
        started = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, env=dict(environment),
            start_new_session=True, cwd="/", umask=0o077, **as_account(account),
        )  # fmt: skip
    except OSError as error:
        raise ServiceError(f"{name}: {words[0]} cannot be run ({type(error).__name__})") from None
    finally:
        os.close(descriptor)
    started.returncode = 0  # it runs on after this command: no warning about that
    found = _seen(started.pid)
    return Process(name, started.pid, found.born if found is not None else 0, str(log), int(last))


def as_account(account: tuple[int, int] | None) -> dict[str, Any]:
    """Return `subprocess` arguments that run a command as user and group, with no other group."""
    return {} if account is None else {"user": account[0], "group": account[1], "extra_groups": []}


def end(processes: Sequence[Process], *, patience: float) -> None:
    """End processes and all that they started: asked first, then told, then killed.

    Args:
        processes: what `start` returned; any of them may have ended.
        patience: seconds in which they may end by themselves.

    Raises:
        ServiceError: one is still there.
    """
    members = _members(processes)
    alive = [process for process in processes if process.alive]
    abandoned = _members([process for process in processes if process not in alive])
    for process in alive:
        _signal(process.pid, process.last)
    for pid in abandoned:
        _signal(pid, signal.SIGTERM)
    if abandoned:  # an executor's workers wait for ever for the one that is gone, whatever they are asked
        for pid in abandoned.keys() & _waited(processes, members, min(patience, 5)).keys():
            _signal(pid, signal.SIGKILL)
    left = _waited(processes, members, patience)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if left:
            members |= left
            for pid in left:
                _signal(pid, number)
            left = _waited(processes, members, 10)
    if left:
        raise ServiceError(f"processes {', '.join(map(str, sorted(left)))} do not end: end them by hand")


def _waited(processes: Sequence[Process], known: dict[int, int], seconds: float) -> dict[int, int]:
    """Wait until none is left; return those that are."""
    deadline = time.monotonic() + seconds
    while True:
        _reap(processes)
        seen = {one.pid: one for one in _everything()}
        left = {pid: born for pid, born in known.items() if pid in seen and _same(seen[pid], born)}
        left |= _members(processes)
        known |= left
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def _reap(processes: Sequence[Process]) -> None:
    """Take note of the end of those that this very command started."""
    for process in processes:
        try:
            os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            continue


def _same(found: _Seen, born: int) -> bool:
    return found.born == born and found.state != ENDED


def _members(processes: Sequence[Process]) -> dict[int, int]:
    """Process ids, with when they were born: the processes, their sessions, and all that descend from either."""
    seen = _everything()
    everything = [one for one in seen if one.state != ENDED]
    first = {one.pid: one.born for one in seen}
    # A session outlives its first process, and its id is taken as long as it lasts. A first process that is another
    # than ours has a session of its own: after the end of ours, or of the boot, in which ids mean something else.
    sessions = {
        one.pid: one.born for one in processes if one.boot == _boot() and first.get(one.pid, one.born) == one.born
    }
    found = {one.pid: one.born for one in everything if one.session in sessions and one.born >= sessions[one.session]}
    grown = True
    while grown:
        more = {one.pid: one.born for one in everything if one.parent in found and one.pid not in found}
        found |= more
        grown = bool(more)
    found.pop(os.getpid(), None)
    return found


def _everything() -> list[_Seen]:
    numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [found for found in map(_seen, numbers) if found is not None]


def _seen(pid: int) -> _Seen | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended
        return None
    fields = text.rpartition(")")[2].split()  # a name may hold blanks and parentheses
    return _Seen(pid, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def telling_line(log: Path) -> str:
    """Return the last line of a log that names an error, else its last line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")[-READ:]
    except OSError:
        return "it wrote no log"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if TELLING.search(line)]
    return (telling or lines or ["it wrote nothing"])[-1][:300]


def free_port(wanted: int | None = None, *, only: bool = False) -> int:
    """Return a port of 127.0.0.1 that nobody listens on: the wanted one if it is free.

    Raises:
        ServiceError: `only` the wanted one would do, and it is taken.
    """
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOCAL, port))
            except OSError:
                if only:
                    message = f"port {port} of {LOCAL} is taken or may not be used; name a free one: PORT=..."
                    raise ServiceError(message) from None
                continue
            return int(probe.getsockname()[1])
    raise ServiceError(f"no port of {LOCAL} is free")
