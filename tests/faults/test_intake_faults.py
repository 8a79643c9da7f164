"""Intake killed, doubled, and beside a build: what was taken in is whole, once, and the same in the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest
from harness.homes import copied

import jobs.taking
from anonymization.deidentify.taken import known_files
from anonymization.errors import InputError
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from jobs.synthetic.month import generate
from jobs.verbs.build import build
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake

pytestmark = pytest.mark.xdist_group("intake")


SOURCES = ("clicks", "locations", "searches", "subscribers")
"""A format each."""


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """A home whose logs wait in landing/, its keys made."""
    home = Home(tmp_path_factory.mktemp("landed") / "home")
    initialize(home)
    generate(home, 3000, 5)
    for folder in home.landing.glob("source=*"):
        if folder.name.removeprefix("source=") not in SOURCES:
            shutil.rmtree(folder)
    for month in ("2026-09", "2026-10", "2026-11"):
        PeriodKeys(home).pseudonym_pads(month)
    return home


def contents(home):
    """What was taken in, by source and digest: the counts and every event."""
    found = {}
    for paths, taken in known_files(home):
        rows = sorted(str(row) for path in paths for row in pq.read_table(path).to_pylist())
        found[taken.source, taken.digest] = (taken.read, taken.accepted, taken.quarantined, taken.dropped, rows)
    return found


def intake_process(home):
    environment = {**os.environ, "NOREN_HOME": str(home.root)}
    return subprocess.Popen(
        [sys.executable, "-m", "jobs", "intake"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_killed_at_any_moment_and_taken_up_again(landed, policies, tmp_path):
    whole = copied(landed, tmp_path / "whole", landing=True)
    run_intake(whole, policies, arrivals(whole, policies), optouts=[])
    killed = copied(landed, tmp_path / "killed", landing=True)
    partly = set()
    for more in range(1, 40):
        process = intake_process(killed)
        known = len(list(killed.events.glob("*/*/*.json")))
        while process.poll() is None and len(list(killed.events.glob("*/*/*.json"))) < known + 7 * more:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        partly.add(len(contents(killed)))
        if len(partly) > 4 or process.returncode == 0:
            break
    assert len(partly) > 2
    run_intake(killed, policies, arrivals(killed, policies), optouts=[])
    assert contents(killed) == contents(whole)
    left = [p.name for p in [*killed.events.rglob("*"), *killed.temporary.rglob("*")] if p.is_file()]
    assert [name for name in left if not name.endswith((".json", ".parquet", ".lock"))] == []
    assert [p.name for p in killed.quarantine.rglob(".*")] == []


def test_a_source_in_other_hands_is_left_to_them(landed, policies, tmp_path):
    home = copied(landed, tmp_path / "two", landing=True)
    with jobs.taking._alone(home, "clicks") as held:
        assert held
        run = run_intake(home, policies, arrivals(home, policies), optouts=[])
    assert run.failures == (("clicks", "another intake is taking this source in; it was left to that one"),)
    assert {taken.source for taken in run.taken} == {a.source.source for a in arrivals(home, policies)} - {"clicks"}
    again = run_intake(home, policies, arrivals(home, policies, "clicks"), optouts=[])
    assert again.failures == ()
    assert all(not taken.again for taken in again.taken if taken.file.startswith("clicks"))


def test_two_intakes_at_once_take_each_file_once(landed, policies, tmp_path):
    one, two = copied(landed, tmp_path / "one", landing=True), copied(landed, tmp_path / "two", landing=True)
    run_intake(one, policies, arrivals(one, policies), optouts=[])
    processes = [intake_process(two), intake_process(two)]
    for process in processes:
        process.wait()
    run_intake(two, policies, arrivals(two, policies), optouts=[])
    assert contents(two) == contents(one)


def test_a_day_is_taken_in_while_another_is_built(setting, policies):
    """The built release is the one of before, to the byte: what arrives during the build is not half in it."""
    name, home = "web-audience", setting.home
    before = build(setting, name, "2026-10").request
    folder = home.landing / "source=analytics" / "arrived=2026-11-03"
    folder.mkdir(parents=True)
    header = "time amp_client_id page seconds_on_page referrer access_source browser browser_version os os_version"
    for n in range(12):
        row = f"{1_793_700_000 + n}\tlate-{n}\thttps://a.example/p\t3\t\tdirect\tChrome\t130\tWindows\t10"
        (folder / f"late-{n}.tsv").write_text(header.replace(" ", "\t") + "\n" + row + "\n", encoding="utf-8")
    files = arrivals(home, policies, "analytics")
    taking = threading.Thread(target=run_intake, args=(home, policies, files), kwargs={"optouts": []})
    taking.start()
    meanwhile = build(setting, name, "2026-10").request
    taking.join()
    assert meanwhile.digest == before.digest
    assert len([taken for _, taken in known_files(home, "analytics") if taken.arrived == "2026-11-03"]) == 12


@pytest.mark.parametrize("name", ["arrived=2026-02-30", "arrived=soon", "2026-10-01"])
def test_a_folder_that_names_no_day_is_a_clear_error(home, policies, name):
    (home.landing / "source=clicks" / name).mkdir(parents=True)
    with pytest.raises(InputError, match=r"landing/source=clicks: all in it are folders arrived=YYYY-MM-DD"):
        arrivals(home, policies)
