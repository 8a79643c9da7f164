"""`make airflow`, as its command line shows it: what it starts, what it ends, and what it leaves alone."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
import requests
from harness.forms import long_only
from serving import ROOT, kept, services, surroundings, unused_port

from anonymization.home import Home
from jobs.services.local import Running, Services
from jobs.services.processes import LOCAL, ServiceError, end, free_port, start

PARTS = ["postgres", "api-server", "scheduler", "dag-processor"]


@pytest.fixture
def place(tmp_path):
    """A home of the test's own; whatever was started for it ends with the test."""
    home = tmp_path / "home"
    with kept(home, tmp_path / "users"):
        yield home


@pytest.fixture
def bystander(tmp_path):
    """Somebody else's process, the first of its session."""
    process = start("bystander", ("sleep", "600"), tmp_path / "bystander.log", os.environ)
    yield process
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)


def read(path):
    """A file of /proc; nothing if its process has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def running_for(home):
    """Ids of processes that name the home, or PostgreSQL's data for it, in their words or their environment."""
    names = [str(home).encode()]
    if (data := home / "airflow" / "postgres-data").exists():
        names.append(data.read_bytes().strip())
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            words = read(folder / "cmdline")
            if b"keeper.py" not in words and any(name in words + read(folder / "environ") for name in names):
                found.add(int(folder.name))
    return found


def family(pids):
    """Processes with all that descend from them."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (text := read(folder / "stat")):
            parents[int(folder.name)] = int(text.rpartition(b")")[2].split()[1])
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids):
    """Addresses and ports that processes listen on, as the kernel writes them."""
    sockets = set()
    for pid in pids:
        for one in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets |= set(re.findall(r"^socket:\[(\d+)\]$", str(one.readlink())))
            except OSError:  # it was closed
                continue
    found = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            waits = fields[3] == "0A" if name.startswith("tcp") else True
            if waits and fields[9] in sockets:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def started(home):
    return Running.read(home / "airflow" / "services.json")


def secrets(home):
    """Every secret that was made for a home, by its name."""
    folder = home / "airflow"
    paths = [p for name in ("passwords", "secrets") for p in (folder / name).iterdir() if p.suffix != ".pgpass"]
    assert {p.name for p in paths} >= {"admin", "officer", "engineer", "noren-publisher", "postgres", "fernet", "jwt"}
    return {path.name: path.read_text().strip() for path in paths}


def test_where_it_runs_it_is_not_started_again(airflow):
    before = (airflow.home / "airflow" / "services.json").read_bytes()
    again = services(airflow.home, "start", "--demo", "--port", str(unused_port()))
    assert again.returncode == 0, again.stderr
    assert f"Airflow runs already: {airflow.url}" in again.stdout
    assert (airflow.home / "airflow" / "services.json").read_bytes() == before
    said = services(airflow.home, "status")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith(f"Airflow is healthy: {airflow.url}\n")


def test_what_it_prints_is_true(airflow):
    said = services(airflow.home, "status").stdout
    logins = dict(re.findall(r"log in as (\S+) +password (.+)", said))
    assert set(logins) == {"admin", "officer", "engineer", "noren-publisher"}
    for name, shown in logins.items():
        password = Path(shown[3:]).read_text().strip() if shown.startswith("in /") else shown
        token = requests.post(f"{airflow.url}/auth/token", json={"username": name, "password": password}, timeout=60)
        assert token.status_code == 201, name
    (query,) = re.findall(r"psql '(.+)'", said)
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(query) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("analyst",)
    (path,) = re.findall(r"in a shell +\. (.+)", said)
    command = ["sh", "-c", f'. "{path}" && "{sys.executable}" -m jobs doctor']
    doctor = subprocess.run(
        command, env=surroundings(airflow.home), check=False, capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert "ledger" in doctor.stdout
    assert not [line for line in doctor.stdout.splitlines() if line.startswith("WRONG") and "ledger" in line]
    assert "postgresql+psycopg://noren@127.0.0.1" in airflow.environment["NOREN_DATABASE_URL"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"username": "admin", "password": "admin"}, id="a common password"),
        pytest.param({"username": "officer", "password": ""}, id="none"),
        pytest.param({"username": "airflow", "password": "airflow"}, id="a common login"),
    ],
)
def test_nobody_logs_in_without_the_password(airflow, given):
    assert requests.post(f"{airflow.url}/auth/token", json=given, timeout=60).status_code in {400, 401}


def test_everything_listens_on_this_machine_alone(airflow):
    running = started(airflow.home)
    assert [one.name for one in running.processes] == PARTS
    found = listening(family(one.pid for one in running.processes))
    assert {running.port, running.database_port} <= {port for _, port in found}
    assert {address for address, _ in found} == {"0100007F"}  # 127.0.0.1


def test_what_it_keeps_is_readable_by_its_owner_alone(airflow):
    data = Path((airflow.home / "airflow" / "postgres-data").read_text().strip())
    paths = [airflow.home, data, *airflow.home.rglob("*"), *data.rglob("*")]
    open_to_others = [str(p) for p in paths if p.exists() and not p.is_symlink() and p.stat().st_mode & 0o077]
    assert len(paths) > 100
    assert open_to_others == []


def test_no_secret_is_in_a_log_or_in_what_the_kernel_shows_of_processes(airflow):
    running = started(airflow.home)
    pids = family(one.pid for one in running.processes)
    shown = {f"{pid} {name}": read(Path(f"/proc/{pid}/{name}")) for pid in pids for name in ("cmdline", "environ")}
    logs = {str(path): path.read_bytes() for path in (airflow.home / "airflow" / "logs").rglob("*") if path.is_file()}
    assert {Path(path).name for path in logs} >= {f"{part}.log" for part in PARTS}
    places = shown | logs | {"environment": (airflow.home / "airflow" / "environment").read_bytes()}
    found = [
        (name, place) for name, secret in secrets(airflow.home).items() for place, content in places.items()
        if secret.encode() in content
    ]  # fmt: skip
    assert found == []


@pytest.mark.long("faults")
def test_it_starts_once_notices_what_died_mends_it_and_ends_all_of_it(place, bystander):
    port = str(unused_port())
    command = [sys.executable, "-m", "jobs.services", "start", "--demo", "--port", port]
    both = [
        subprocess.Popen(command, env=surroundings(place), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    said = sorted(process.communicate(timeout=400)[0].split("\n")[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    url = f"http://{LOCAL}:{port}"
    assert re.fullmatch(
        rf"Airflow runs already: {url}\nAirflow runs, after \d+ s: {url}", "\n".join(sorted(said, reverse=True)[::-1])
    )
    first = started(place)
    passwords = secrets(place)

    scheduler = next(one for one in first.processes if one.name == "scheduler")
    os.kill(scheduler.pid, signal.SIGKILL)
    wait_for(lambda: not scheduler.alive)
    status = services(place, "status")
    assert status.returncode == 1
    assert "scheduler has ended: " in status.stdout
    assert "make airflow" in status.stdout

    again = services(place, "start", "--demo", "--port", port)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("Airflow runs, after ")
    second = started(place)
    assert all(one.alive for one in second.processes)
    assert not any(one.alive for one in first.processes)
    assert secrets(place) == passwords
    ids = family(one.pid for one in second.processes)
    assert running_for(place) <= ids

    stopped = services(place, "stop")
    assert stopped.returncode == 0, stopped.stderr
    ended = ", ".join(f"{one.name} ({one.pid})" for one in reversed(second.processes))
    assert stopped.stdout == f"Ended: {ended}\n"
    assert [pid for pid in ids if read(Path(f"/proc/{pid}/cmdline"))] == []
    assert running_for(place) == set()
    assert bystander.alive
    assert services(place, "stop").stdout == services(place, "status").stdout == f"Nothing runs for {place}.\n"


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_taken_port_is_a_clear_error_and_nothing_is_started(place):
    with socket.socket() as taken:
        taken.bind((LOCAL, 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = services(place, "start", "--demo", "--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr == f"airflow: port {port} of {LOCAL} is taken or may not be used; name a free one: PORT=...\n"
    assert running_for(place) == set()
    assert not (place / "keys").exists()


@pytest.mark.parametrize(
    "how", [long_only("faults", "the port is taken meanwhile"), "asked to end", long_only("faults", "interrupted")]
)
def test_a_start_that_fails_halfway_leaves_nothing_running(place, how):
    port = unused_port()
    command = [sys.executable, "-m", "jobs.services", "start", "--demo", "--port", str(port)]
    with (
        subprocess.Popen(command, env=surroundings(place), cwd=ROOT, text=True, stderr=subprocess.PIPE) as process,
        socket.socket() as taken,
    ):
        wait_for((place / "airflow" / "services.json").exists)
        if how == "the port is taken meanwhile":
            taken.bind((LOCAL, port))
            taken.listen()
        else:
            time.sleep(1)
            process.send_signal(signal.SIGTERM if how == "asked to end" else signal.SIGINT)
        said = process.communicate(timeout=400)[1]
    assert process.returncode == {"the port is taken meanwhile": 2, "asked to end": 143, "interrupted": 1}[how], said
    if process.returncode == 2:
        assert said.startswith("airflow: api-server ended: ")
        assert "address already in use" in said
    assert "Traceback" not in said
    assert running_for(place) == set()
    assert services(place, "status").stdout == f"Nothing runs for {place}.\n"


def test_a_home_that_is_none_is_a_clear_error(place):
    ended = services(place, "start", "--port", str(unused_port()))
    assert (ended.returncode, running_for(place)) == (2, set())
    assert ended.stderr.startswith(f"airflow: no Noren home at {place}")
    ended = services(place, "start", "--demo", dags=place / "none")
    assert (ended.returncode, running_for(place)) == (2, set())
    assert ended.stderr.startswith("airflow: there is no folder of DAGs")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"born": 1}, id="before a restart of the machine, which counts time anew"),
        pytest.param({"born": 2**40}, id="before a restart of the machine, long after its start"),
        pytest.param({"boot": "another"}, id="before a restart, at the same time after it"),
    ],
)
@pytest.mark.parametrize("verb", ["stop", "start"])
def test_a_list_of_processes_that_are_others_by_now_harms_nobody(tmp_path, bystander, changes, verb):
    made = Services(Home(tmp_path / "home"), ROOT / "dags")
    made.folder.mkdir(parents=True, mode=0o700)
    Running(1, 2, tuple(replace(bystander, name=name, **changes) for name in PARTS)).write(made.record)
    assert [line.split(":")[0] for line in made.status()[1]] == [f"{part} has ended" for part in PARTS]
    if verb == "stop":
        made.stop()
    else:  # which ends what is left of an earlier start before its own
        with socket.socket() as taken:
            taken.bind((LOCAL, 0))
            taken.listen()
            with pytest.raises(ServiceError, match="is taken"):
                made.start(port=taken.getsockname()[1], demo=True)
    assert not made.record.exists()
    assert bystander.alive


def test_what_a_session_still_holds_ends_with_it_when_its_first_process_is_gone(tmp_path):
    words = ("sh", "-c", "sleep 600 & sleep 602")
    process = start("part", words, tmp_path / "part.log", os.environ)
    sleeps = {}

    def begun():
        sleeps.update({pid: read(Path(f"/proc/{pid}/cmdline")) for pid in family({process.pid}) - {process.pid}})
        return sorted(sleeps.values()) == [b"sleep\x00600\x00", b"sleep\x00602\x00"]

    wait_for(begun)
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    end([process], patience=1)
    assert [pid for pid in sleeps if read(Path(f"/proc/{pid}/cmdline"))] == []


def test_a_database_port_that_is_taken_meanwhile_is_no_fault(tmp_path, monkeypatch):
    made = Services(Home(tmp_path / "home"), ROOT / "dags")
    (made.folder / "logs").mkdir(parents=True, mode=0o700)
    ports = []
    with socket.socket() as taken:
        taken.bind((LOCAL, 0))
        taken.listen()

        def wanted(port=None):
            ports.append(taken.getsockname()[1] if port == 5433 else free_port(port))
            return ports[-1]

        monkeypatch.setattr("jobs.services.local.free_port", wanted)
        port, process = made._database()
    try:
        assert port == ports[1]
        assert made.postgres.answers(port)
    finally:
        end([process], patience=10)
        rmtree(made.postgres.data)
