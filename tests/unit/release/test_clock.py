"""The ledger's time: it only grows, a clock far ahead is refused, and what a wrong one did is countered by a signature."""

from __future__ import annotations

from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import ClockRefusal, DecisionRefusal, InputError
from anonymization.keys import public_text
from anonymization.release.clock import correct
from anonymization.release.erasure import kept_from, record_erasure
from anonymization.release.ledger.ledger import Ledger

FIRST, WRONG = date(2025, 10, 1), "2038-01-19T03:14:07+00:00"


@pytest.fixture
def ledger(home):
    ledger = Ledger.of(home)
    yield ledger
    ledger.close()


def test_what_a_wrong_clock_did_is_countered_by_an_officers_signature(ledger, clock, monkeypatch):
    key = Ed25519PrivateKey.generate()
    officers = {"kim": public_text(key.public_key())}
    clock(WRONG)
    monkeypatch.setenv("NOREN_CLOCK", "2038-01-19")
    record_erasure(ledger, date(2036, 12, 1), {})
    assert kept_from(ledger) == date(2036, 12, 1)
    monkeypatch.undo()
    record_erasure(ledger, FIRST, {})
    assert [entry.time for entry in times(ledger)][-2:] == [WRONG, WRONG], "times only grow"
    with pytest.raises(DecisionRefusal, match="not enrolled with this key"):
        correct(ledger, officer="kim", officers=officers, key=Ed25519PrivateKey.generate())
    entry = correct(ledger, officer="kim", officers=officers, key=key)
    assert entry.time < "2038"
    assert kept_from(ledger) is None, "its time had not come"
    record_erasure(ledger, FIRST, {})
    assert kept_from(ledger) == FIRST
    with pytest.raises(InputError, match="nothing to set back"):
        correct(ledger, officer="kim", officers=officers, key=key)


def times(ledger):
    with ledger.transaction() as transaction:
        transaction.verify_chain()
        return transaction.entries()


def test_a_clock_that_fell_back_sets_no_time_back(ledger, clock):
    clock("2001-01-01T00:00:00+00:00")
    record_erasure(ledger, FIRST, {})
    before, after = times(ledger)[-2:]
    assert after.time == before.time


def test_a_clock_is_confirmed_for_its_own_day_alone(ledger, clock, monkeypatch):
    clock(WRONG)
    monkeypatch.setenv("NOREN_CLOCK", "2038-01-18")
    with pytest.raises(ClockRefusal, match="NOREN_CLOCK=2038-01-19"):
        record_erasure(ledger, FIRST, {})
    monkeypatch.setenv("NOREN_CLOCK", "2038-01-19")
    record_erasure(ledger, FIRST, {})
    clock("2038-02-22T03:14:07+00:00")
    record_erasure(ledger, FIRST, {})  # 34 days later
