"""The privacy budget under faults: it is never overspent, never spent without a publication, and no cut goes unseen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import anonymization.release
from anonymization.errors import IntegrityError, PolicyRefusal, Refusal
from anonymization.home import Home
from anonymization.release.budget import account_lines, require_left, spend
from anonymization.release.ledger.ledger import EntryKind, Ledger
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize

TITLE = {"en": "x", "ja": "x"}
PERIOD = "2026-10"


def visits(dimension):
    measures = {"visitors_bounded": {"kind": "persons", "source": "analytics", "title": TITLE}}
    return {"visits": {"title": TITLE, "dimensions": [dimension], "measures": measures}}


def protection(rho):
    return {"method": "differential_privacy", "rho": rho, "max_cells": 4}


@pytest.fixture
def two(declared, approve):
    """Two approved candidates, of which the budget allows one."""
    declared("web-audience", "by-source", tables=visits("access_source"), protection=protection("0.6"))
    setting = declared("web-audience", "by-browser", tables=visits("browser"), protection=protection("0.6"))
    candidates = [build(setting, name, PERIOD) for name in ("by-source", "by-browser")]
    for candidate in candidates:
        result = gate(setting, candidate.id)
        assert result.opened, result.reasons
        approve(setting, candidate)
    return setting, candidates


def spent(setting):
    with setting.ledger.transaction() as transaction:
        return [(one.source, one.month, f"{one.rho:f}") for one in transaction.spent()]


def test_two_publishers_at_once_cannot_overspend(two, race_to_publish, monkeypatch):
    setting, candidates = two
    # a linked publication makes the second one stale; the budget holds without that
    monkeypatch.setattr("anonymization.release.publish.sharing", lambda *_: [])
    outcomes = race_to_publish(setting, *candidates)
    assert outcomes.count(1) == 1
    (refusal,) = (outcome for outcome in outcomes if outcome != 1)
    assert "source 'analytics' in 2026-10 does not allow it: rho 0.6 of 1 is spent" in refusal
    assert spent(setting) == [("analytics", PERIOD, "0.6")]
    with setting.ledger.transaction() as transaction:
        (first,) = transaction.publications()
    other = "by-browser" if first.release == "by-source" else "by-source"
    with pytest.raises(PolicyRefusal, match=r"rho 0\.6 of 1 is spent"):
        build(setting, other, PERIOD)


@pytest.mark.parametrize("at", ["adopt", "rename", "ledger", "commit"])
def test_a_crash_spends_nothing_and_the_next_run_spends_once(two, publish_it, at):
    setting, (candidate, _) = two

    def step(name):
        if name == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_it(setting, candidate, step=step)
    assert spent(setting) == []
    publish_it(setting, candidate)
    assert spent(setting) == [("analytics", PERIOD, "0.6")]
    with pytest.raises(Refusal, match="out already"):
        publish_it(setting, candidate)
    assert spent(setting) == [("analytics", PERIOD, "0.6")]


def test_a_changed_account_is_noticed_and_what_is_spent_stays(two, publish_it):
    setting, (candidate, other) = two
    publish_it(setting, candidate)
    database = sqlite3.connect(setting.home.root / "noren.db")
    for change in ("UPDATE privacy_spent SET rho = '0'", "DELETE FROM privacy_spent"):
        with pytest.raises(sqlite3.DatabaseError, match="stays spent"):
            database.execute(change)
    database.execute("DROP TRIGGER privacy_spent_no_delete")
    database.execute("DELETE FROM privacy_spent")
    database.commit()
    with setting.ledger.transaction() as transaction:
        with pytest.raises(IntegrityError, match="not what the ledger's chain says"):
            require_left(transaction, ["analytics"], other.request.privacy)
        with pytest.raises(IntegrityError, match="not what the ledger's chain says"):
            account_lines(transaction, setting.policies.policy.house_rules.privacy_budget)


PRIVACY = {
    "month": PERIOD,
    "draw": "d1",
    "rho": "0.4",
    "delta": "0.0000004",
    "budget_rho": "1",
    "budget_delta": "0.000001",
}


def publication(transaction, candidate, sources, privacy):
    require_left(transaction, sources, privacy)
    spend(transaction, candidate, sources, privacy)
    transaction.append(EntryKind.PUBLICATION, candidate, {"sources": sources, "privacy": privacy})


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        pytest.param({}, {"draw": "d2"}, None, id="enough is left"),
        pytest.param({}, {"draw": "d2", "rho": "0.6"}, None, id="to the last bit"),
        pytest.param({}, {"draw": "d2", "rho": "0.6000001"}, "rho 0.4 of 1 is spent", id="a bit too much"),
        pytest.param({}, {"draw": "d2", "delta": "0.0000007"}, "delta 0.0000004 of 0.000001 is spent", id="delta"),
        pytest.param({"rho": "1"}, {"rho": "1"}, None, id="the same draw again"),
        pytest.param({"rho": "1"}, {"draw": "d2", "month": "2026-11", "rho": "1"}, None, id="another month"),
        pytest.param({"rho": "1"}, {"draw": "d2", "rho": "0.0000001"}, "by 1-a", id="nothing is left"),
    ],
)
def test_the_account(home, first, second, message):
    ledger = Ledger.of(home)
    with ledger.transaction() as transaction:
        publication(transaction, "1-a", ["clicks", "links"], PRIVACY | first)
    with ledger.transaction() as transaction:
        if message is None:
            publication(transaction, "2-b", ["clicks"], PRIVACY | second)
        else:
            with pytest.raises(PolicyRefusal, match=message):
                require_left(transaction, ["clicks"], PRIVACY | second)
        require_left(transaction, ["displays"], PRIVACY | second)  # another source has its own account
    ledger.close()


def test_an_older_ledger_is_brought_up_and_keeps_its_entries(tmp_path):
    home = Home(tmp_path / "home").create()
    engine = sa.create_engine(home.database_url)
    config = Config()
    config.set_main_option(
        "script_location", str(Path(anonymization.release.__file__).parent / "ledger" / "migrations")
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    engine.dispose()
    ledger = Ledger.of(home)
    with ledger.transaction() as transaction:
        entry = transaction.append(EntryKind.INITIALIZED, "home", {})
        assert account_lines(transaction, None) == []
    ledger.close()
    assert initialize(home) is False
    ledger = Ledger.of(home)
    with ledger.transaction() as transaction:
        first, policy = transaction.entries()
        assert (first.hash, policy.kind, policy.previous) == (entry.hash, EntryKind.POLICY, entry.hash)
        assert transaction.spent() == []
    ledger.close()
