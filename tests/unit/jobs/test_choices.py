"""Delivered lists of opt-outs: recorded once, whoever else records at the same time."""

from __future__ import annotations

import importlib
import time

from anonymization.release.choices import optouts
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.setting import Setting

VERB = importlib.import_module("jobs.verbs.choices")


def test_two_runs_at_once_record_a_list_once(home, policies, at_once, monkeypatch):
    """A scheduled run, and one that makes up for a day that was missed."""
    read = VERB.read_optouts

    def slowly(path):
        time.sleep(0.2)  # in which the other run would have found the list, too
        return read(path)

    monkeypatch.setattr(VERB, "read_optouts", slowly)
    (home.choices / "optouts-1.csv").write_text("namespace,id\ncookie,one\n")
    done = []

    def run():
        ledger = Ledger.of(home)
        try:
            done.append(VERB.record_delivered(Setting(home, policies, ledger)))
        finally:
            ledger.close()

    at_once(run, run)
    assert sorted((one.lists, one.new, one.failures) for one in done) == [(0, 0, ()), (1, 1, ())]
    assert optouts(home) == [("cookie", "one")]
    assert list(home.choices.glob("optouts-*")) == []
    ledger = Ledger.of(home)
    with ledger.transaction() as transaction:
        assert len(transaction.entries(kind=EntryKind.CHOICE)) == 1
    ledger.close()


def test_a_wrong_list_stops_no_other(home, policies):
    (home.choices / "optouts-1.csv").write_text("namespace,id\ncookie,one\n")
    (home.choices / "optouts-2.csv").write_text("name\nx\n")
    ledger = Ledger.of(home)
    done = VERB.record_delivered(Setting(home, policies, ledger))
    ledger.close()
    assert (done.lists, [name for name, _ in done.failures]) == (1, ["optouts-2.csv"])
    assert [path.name for path in home.choices.glob("optouts-*")] == ["optouts-2.csv"]
