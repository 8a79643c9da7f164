"""Erasure: what is over its time is gone from the home, what is not stays, and the ledger says so first."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import date

import pytest

import jobs.verbs.erase
from anonymization.deidentify.taken import known_files, logs_held
from anonymization.errors import ClockRefusal, Refusal
from anonymization.keys import PeriodKeys
from anonymization.release.erasure import due, kept_from, record_erasure
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.setting import Setting
from jobs.verbs.build import build
from jobs.verbs.erase import Erased
from jobs.verbs.erase import erase as erase_months
from jobs.verbs.intake import arrivals, run_intake
from jobs.verbs.microdata import write_microdata
from jobs.verbs.status import stages

TODAY = date(2026, 11, 27)
FIRST = date(2025, 10, 1)
"""With the shipped policy's 13 months, what is kept on that day begins here."""
CANARY = "canary-5b1e"


def erase(setting, today, **how):
    """Erase what is over its time, however many months of it there are."""
    return erase_months(setting, today, **({"months": 12} | how))


def click(day, person):
    return {
        "time": f"{day}T12:00:00+09:00", "cookie_id": person, "ip_address": "198.18.7.9", "user_agent": "x",
        "url": "https://news.example.jp/p/1", "referrer": None, "service": "news",
    }  # fmt: skip


def deliver(home, arrived, *lines):
    folder = home.landing / "source=clicks" / f"arrived={arrived}"
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (folder / "clicks.jsonl").write_text(text)


@pytest.fixture
def old(home, policies):
    """A home with clicks of three months; two of them are over their time, and a click of the second arrived late."""
    deliver(home, "2025-08-31", click("2025-08-31", f"{CANARY}-aug"), f"{CANARY}-broken")
    deliver(home, "2025-09-30", click("2025-09-30", f"{CANARY}-sep"))
    deliver(home, "2025-10-01", click("2025-09-30", "late"), click("2025-10-01", "oct"))
    run_intake(home, policies, arrivals(home, policies), optouts=[])
    for period in ("2025-08", "2025-W39", "2025-09-30", "2025-10", ".2025-08.0a1b2c3d"):
        rows = home.microdata / "members" / period
        rows.mkdir(parents=True)
        (rows / "rows.csv").write_text(f"age\n{CANARY if period < '2025-10' else 'kept'}\n")
    ledger = Ledger.of(home)
    yield Setting(home, policies, ledger)
    ledger.close()


def everything(home):
    return {
        str(path.relative_to(home.root)): path.read_bytes()
        for name in ("landing", "quarantine", "events", "microdata", "keys")
        for path in (home.root / name).rglob("*") if path.is_file()
    }  # fmt: skip


def erasures(setting):
    with setting.ledger.transaction() as transaction:
        transaction.verify_chain()
        return [entry.payload for entry in transaction.entries(kind=EntryKind.ERASURE)]


@pytest.mark.parametrize(
    ("months", "today", "first"),
    [
        pytest.param(13, "2026-11-01", "2025-10-01", id="the month that ended 13 months ago is over"),
        pytest.param(13, "2026-10-31", "2025-09-01", id="a day before, it is not"),
        pytest.param(1, "2026-01-31", "2025-12-01", id="over the turn of the year"),
        pytest.param(12, "2026-12-15", "2025-12-01", id="a year, in December"),
        pytest.param(12, "2026-01-15", "2025-01-01", id="a year, in January"),
    ],
)
def test_what_is_kept(months, today, first):
    assert due(months, date.fromisoformat(today)) == date.fromisoformat(first)


def test_what_is_over_its_time_is_gone_and_the_rest_is_as_it_was(old):
    before = everything(old.home)
    done = erase(old, TODAY)
    assert done.first == FIRST
    assert done.files == {"landing": 2, "quarantine": 1, "events": 4, "microdata": 4}
    assert (done.keys, done.awaited) == (("2025-08",), ("2025-09",))  # an event of September came in October
    assert not any(CANARY.encode() in path.read_bytes() for path in old.home.root.rglob("*") if path.is_file())
    after = everything(old.home)
    kept = {path: content for path, content in before.items() if "2025-10" in path or path.startswith("keys")}
    kept.pop("keys/periods/2025-08.json")
    assert after == kept | {"keys/periods/2025-08.destroyed": b"destroyed\n"}
    assert erasures(old) == [{"kept_from": "2025-10-01", "files": done.files, "keys": ["2025-08"]}]
    assert CANARY not in json.dumps(erasures(old))


def test_more_than_a_month_takes_a_word(old):
    before = everything(old.home)
    said = (
        r"2 months are over their time at once, 2025-08 to 2025-09 \(files: 2 in landing/, 1 in quarantine/, 4 in events/,"
        r" 4 in microdata/; keys: 2025-08\)\. If that is right: noren erase --yes 2"
    )
    with pytest.raises(Refusal, match=said):
        erase_months(old, TODAY)
    assert everything(old.home) == before
    assert erasures(old) == []
    assert erase_months(old, TODAY, rehearsed=True).files["landing"] == 2
    assert erase_months(old, TODAY, months=2).keys == ("2025-08",)
    assert erase_months(old, date(2026, 12, 1)).keys == ("2025-09", "2025-10"), "a month as every month"


def test_a_clock_far_ahead_erases_nothing(old, clock):
    before = everything(old.home)
    clock("2038-01-19T03:14:07+00:00")
    with pytest.raises(
        ClockRefusal, match=r"clock says 2038-01-19, \d+ days after the ledger's last entry: nothing was done"
    ):
        erase(old, date(2038, 1, 19), months=99)
    assert everything(old.home) == before


def test_the_status_says_so(old, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(old.home.root))
    assert "erased" not in "\n".join(stages())
    erase(old, TODAY)
    assert "logs are kept from 2025-10-01; those from before were erased" in list(stages())


def test_once_is_enough(old):
    erase(old, TODAY)
    before = everything(old.home)
    assert erase(old, TODAY) == Erased(FIRST, {}, (), ("2025-09",))
    assert everything(old.home) == before
    assert len(erasures(old)) == 1


def test_a_key_goes_with_the_last_event_that_needs_it(old):
    erase(old, TODAY)
    done = erase(old, date(2026, 12, 1))
    assert (done.keys, done.awaited) == (("2025-09", "2025-10"), ())
    assert list(known_files(old.home)) == []
    with pytest.raises(Refusal, match="the key of 2025-09 was destroyed"):
        PeriodKeys(old.home).pseudonym_pads("2025-09")


def test_what_arrived_before_its_time_stays_with_its_month(old, policies):
    """A clock a day ahead is forgiven: the month that is kept is still built with this event."""
    folder = old.home.landing / "source=clicks" / "arrived=2025-09-30"
    (folder / "ahead.jsonl").write_text(f"{json.dumps(click('2025-10-01', 'ahead'))}\n")
    run_intake(old.home, policies, arrivals(old.home, policies), optouts=[])
    done = erase(old, TODAY)
    assert done.files == {"landing": 1, "quarantine": 1, "events": 2, "microdata": 4}
    assert sorted(path.name for path in folder.iterdir()) == ["ahead.jsonl", "clicks.jsonl"]
    assert sum(taken.accepted for _, taken in known_files(old.home)) == 4
    erase(old, date(2026, 12, 1))
    assert list(known_files(old.home)) == []


def test_a_folder_of_no_day_stays(old):
    for name in ("arrived=2025-02-30", "arrived=soon", "mine"):
        (old.home.landing / "source=clicks" / name).mkdir()
    erase(old, TODAY)
    left = {path.name for path in (old.home.landing / "source=clicks").iterdir()}
    assert left == {"arrived=2025-02-30", "arrived=soon", "mine", "arrived=2025-10-01"}


def test_a_rehearsal_changes_nothing(old):
    before = everything(old.home)
    told = erase(old, TODAY, rehearsed=True)
    assert (told.keys, told.entry) == (("2025-08",), None)
    assert (everything(old.home), erasures(old)) == (before, [])
    done = erase(old, TODAY)
    assert (done.files, done.keys) == (told.files, told.keys)


def test_nothing_is_erased_where_the_policy_says_no_time(old, policies):
    rules = policies.policy.house_rules.model_copy(update={"erasure": None})
    policy = policies.policy.model_copy(update={"house_rules": rules})
    before = everything(old.home)
    assert erase(replace(old, policies=replace(policies, policy=policy)), TODAY) == Erased(None, {})
    assert everything(old.home) == before


def test_while_logs_are_taken_in_nothing_is_erased(old, monkeypatch):
    monkeypatch.setattr(jobs.verbs.erase, "PATIENCE", 0.2)
    before = everything(old.home)
    with logs_held(old.home) as one, logs_held(old.home) as two:  # intakes of different sources hold them together
        assert one
        assert two
        with pytest.raises(Refusal, match="logs are being taken in: nothing was erased"):
            erase(old, TODAY)
    assert (everything(old.home), erasures(old)) == (before, [])


def test_erasures_and_intakes_at_once_wait_for_each_other(old, policies):
    deliver(old.home, "2026-11-30", click("2026-11-30", "new"))
    done, runs = [], []

    def erasing():
        ledger = Ledger.of(old.home)
        done.append(erase(replace(old, ledger=ledger), TODAY))
        ledger.close()

    def taking_in():
        found = arrivals(old.home, policies, day=date(2026, 11, 30))
        runs.append(run_intake(old.home, policies, found, optouts=[]))

    with logs_held(old.home, alone=True) as held:
        assert held
        threads = [threading.Thread(target=one) for one in (erasing, erasing, taking_in)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert (done, runs) == ([], [])
    for thread in threads:
        thread.join()
    assert sorted(one.entry is None for one in done) == [False, True]
    assert [(run.failures, len(run.taken)) for run in runs] == [((), 1)]


def test_an_intake_that_waited_for_an_erasure_knows_of_it(old):
    """What it goes by, files and months, is of the time when it begins, not when it began to wait."""
    deliver(old.home, "2026-11-30", click("2025-08-31", "late"), click("2026-11-30", "new"))
    with logs_held(old.home, alone=True):
        command = [sys.executable, "-m", "jobs", "intake"]
        process = subprocess.Popen(command, env=os.environ | {"NOREN_HOME": str(old.home.root)}, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        time.sleep(5)
        assert process.poll() is None
        record_erasure(old.ledger, FIRST, {})
        PeriodKeys(old.home).destroy("2025-08")
        shutil.rmtree(old.home.landing / "source=clicks" / "arrived=2025-08-31")
    said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "of a month that was erased: 1" in said[0]


def test_logs_of_an_erased_month_are_dropped_whenever_they_come(old, policies):
    erase(old, date(2026, 12, 1))
    deliver(old.home, "2026-11-30", click("2025-09-15", "again"), click("2026-11-30", "new"), click("2018-01-01", "x"))
    run = run_intake(old.home, policies, arrivals(old.home, policies), optouts=[], kept_from=old.kept_from)
    (taken,) = run.taken
    assert taken.accepted == 1
    assert taken.dropped == {"before the policy's first version": 1, "of a month that was erased": 1}
    assert run.failures == ()


def test_a_file_without_an_event_needs_no_key_that_was_destroyed(old, policies):
    erase(old, date(2026, 12, 1))
    deliver(old.home, "2026-11-30", click("2018-01-01", "x"))
    run = run_intake(old.home, policies, arrivals(old.home, policies), optouts=[], kept_from=old.kept_from)
    assert [(taken.accepted, taken.read) for taken in run.taken] == [(0, 1)]
    assert PeriodKeys(old.home).periods() == ["2025-11"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda setting: build(setting, "service-usage", "2025-09"), id="a release"),
        pytest.param(lambda setting: write_microdata(setting, "subscriber-profile", "2025-09"), id="rows for inside"),
    ],
)
def test_nothing_is_made_of_what_is_left_of_an_erased_month(old, make):
    erase(old, TODAY)
    with pytest.raises(Refusal, match="the logs from before 2025-10-01 were erased: nothing about 2025-09"):
        make(old)


def test_of_a_link_the_link_goes(old, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.jsonl").write_text("mine")
    (old.home.landing / "source=clicks" / "arrived=2025-07-01").symlink_to(elsewhere)
    erase(old, TODAY)
    assert (elsewhere / "mine.jsonl").read_text() == "mine"
    assert not (old.home.landing / "source=clicks" / "arrived=2025-07-01").is_symlink()


@pytest.mark.parametrize("at", range(1, 8))
def test_ended_at_any_step_it_is_taken_up_by_the_next_run(old, monkeypatch, at):
    """The oracle: in the end all of it is gone, and every entry came before what it tells of."""
    steps = iter(range(1, 100))

    def ended(what):
        def run(*words, **more):
            if next(steps) == at:
                raise KeyboardInterrupt
            return what(*words, **more)

        return run

    monkeypatch.setattr(jobs.verbs.erase, "_remove", ended(jobs.verbs.erase._remove))
    monkeypatch.setattr(shutil, "rmtree", ended(shutil.rmtree))
    monkeypatch.setattr(PeriodKeys, "destroy", ended(PeriodKeys.destroy))
    with pytest.raises(KeyboardInterrupt):
        erase(old, TODAY)
    assert kept_from(old.ledger) == FIRST
    monkeypatch.undo()
    erase(old, TODAY)
    assert not any(CANARY.encode() in content for content in everything(old.home).values())
    assert PeriodKeys(old.home).periods() == ["2025-09", "2025-10"]
    assert erase(old, TODAY).entry is None


def test_the_verb(old):
    """It goes by the day of today; the months of the test are over for good from 2026-11 on."""

    def noren(*words):
        command = [sys.executable, "-m", "jobs", "erase", *words]
        around = os.environ | {"NOREN_HOME": str(old.home.root)}
        return subprocess.run(command, env=around, check=True, capture_output=True, text=True).stdout.splitlines()

    kept, keys, *_ = noren("--rehearse")
    assert re.fullmatch(r"kept from \d{4}-\d{2}-01; files would be erased: \d in landing/, 1 in quarantine/, .*", kept)
    assert keys.startswith("keys would be destroyed: 2025-08")
    assert everything(old.home).keys() >= {"keys/periods/2025-08.json"}
    said = noren("--yes", "12")
    assert said[:2] == [kept.replace("would be ", ""), keys.replace("would be ", "")]
    assert noren()[0].endswith("; files erased: none")
