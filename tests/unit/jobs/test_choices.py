"""Delivered lists of opt-outs: recorded once, whoever else records at the same time."""

from __future__ import annotations

import importlib
import time

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from anonymization.errors import InputError
from anonymization.release.choices import add_optouts, optouts, read_optouts
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from jobs.__main__ import main
from jobs.dossier import review
from jobs.verbs.build import build

VERB = importlib.import_module("jobs.verbs.choices")


def test_two_runs_at_once_record_a_list_once(home, policies, at_once, monkeypatch):
    """A scheduled run, and one that makes up for a day that was missed."""
    read = VERB.read_optouts

    def slowly(path, **how):
        time.sleep(0.2)  # in which the other run would have found the list, too
        return read(path, **how)

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


HEADER = b"namespace,id\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "line 1: expected the columns namespace,id; the file is empty", id="empty"),
        pytest.param(b"id,namespace\n", "line 1: expected the columns namespace,id", id="columns in another order"),
        pytest.param(HEADER + b'cookie,a\ncookie,"b\ncookie,c\n', "line 3: not CSV: a quote is open", id="an open quote"),
        pytest.param(HEADER + b'cookie,a\n"cookie,b"\ncookie,c\n', "line 3: 1 fields; expected 2", id="a row in quotes"),
        pytest.param(HEADER + b'cookie,"b\ncookie,c"\n', "line 2: a field over several lines", id="two rows in quotes"),
        pytest.param(HEADER + b'cookie,"b"c\n', "line 2: not CSV", id="text after a quote"),
        pytest.param(HEADER + b"cookie,a,b\n", "line 2: 3 fields; expected 2", id="a field more"),
        pytest.param(HEADER + b"cookie,a\n\ncookie,b\n", "line 3: 0 fields; expected 2", id="an empty line"),
        pytest.param(HEADER + b"cookies,a\n", "line 2: no source has ids of this namespace; there are: address, a", id="unknown"),
        pytest.param(HEADER + b"cookie,\n", "line 2: the id is empty", id="no id"),
        pytest.param(HEADER + b"cookie,N/A\n", "line 2: the id is empty, or what stands for none", id="a placeholder"),
        pytest.param(HEADER + b"cookie," + b"x" * 257, "line 2: the id is longer than 256 characters", id="long"),
        pytest.param(HEADER + b"member,1.23E+08\n", "line 2: the id is in scientific notation", id="rounded"),
        pytest.param(HEADER + b"cookie,a\ncookie,\xff\n", "line 3: not UTF-8", id="not UTF-8"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read_whole_is_left_where_it_is(home, policies, content, said):
    path = home.choices / "optouts-1.csv"
    path.write_bytes(content)
    ledger = Ledger.of(home)
    done = VERB.record_delivered(Setting(home, policies, ledger))
    ledger.close()
    ((name, why),) = done.failures
    assert (done.lists, name, optouts(home), path.read_bytes()) == (0, "optouts-1.csv", [], content)
    assert why.startswith(f"optouts-1.csv, {said}"), why


def test_a_list_is_read_as_spreadsheets_write_it(home, policies):
    path = home.choices / "list.csv"
    path.write_bytes(
        '\ufeffnamespace,id\r\ncookie,"a,""b"\r\nmember, ｍ0005 \r\naddress,::ffff:198.18.0.1\r\n'.encode()
    )
    spelt = [("cookie", 'a,"b'), ("member", "m0005"), ("address", "198.18.0.1")]
    assert read_optouts(path, namespaces=policies.namespaces) == spelt


def test_nobody_is_recorded_whom_no_log_can_name(home, policies):
    ledger = Ledger.of(home)
    with pytest.raises(InputError, match="no source has ids of this namespace"):
        add_optouts(home, ledger, [("cookie", "a"), ("canary-41", "b")], namespaces=policies.namespaces)
    ledger.close()
    assert optouts(home) == []


TITLE = {"en": "x", "ja": "x"}
USERS = {"users": {"kind": "persons", "source": "service_usage", "title": TITLE}}
BY_SERVICE = {"usage": {"title": TITLE, "dimensions": ["service"], "measures": USERS}}


def users(candidate):
    (one,) = read_package(candidate.package).tables
    return one.frame.set_index("service")["users"]["_T"]


def test_a_choice_after_the_intake_takes_effect_in_what_is_built_next(declared, world, monkeypatch):
    setting = declared("service-usage", "by-service", tables=BY_SERVICE)
    log = next((world.home.landing / "source=service_usage").rglob("*.parquet"))
    members = sorted({one for one in pq.read_table(log).column("member_id").to_pylist() if one})[:27]
    before = build(setting, "by-service", "2026-10")
    people = [("member", one) for one in [*members, "nobody-of-the-logs"]]
    add_optouts(setting.home, setting.ledger, people, namespaces=setting.policies.namespaces)
    after = build(setting, "by-service", "2026-10")
    assert users(before) - users(after) == 27
    assert "left out by people's choices, beside what the intake dropped: " in review(setting, after.id).lower()
    assert before.request.choices["persons"] == "fewer than 10"
    assert after.request.choices["persons"] == "20"
    monkeypatch.setenv("NOREN_HOME", str(setting.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(setting.policies.folder))
    told = CliRunner().invoke(main, ["build", "by-service", "--period", "2026-10"]).output
    assert "left out by choice: " in told
    assert " rows, 20 persons" in told
    assert after.request.digest in told
