"""The second method is refused by build, and by publication where both were built before either was out."""

from __future__ import annotations

import pytest

from anonymization.errors import PolicyRefusal
from anonymization.release.decision import Outcome, decide
from anonymization.release.ledger import EntryKind
from anonymization.release.publish import publish
from anonymization.release.withdraw import withdraw
from jobs.build import build
from jobs.gate import gate

pytestmark = pytest.mark.xdist_group("world")
NAME, PERIOD = "audience-with-noise", "2026-10"
FIRST = "monthly-audience 2026-10 v1 has published persons of source 'subscribers' by suppression"


def release_it(setting, candidate, officer_key):
    assert gate(setting, candidate.id).opened
    decide(
        setting.ledger, candidate, outcome=Outcome.APPROVED, officer="demo-officer", officers=setting.officers,
        key=officer_key,
    )  # fmt: skip
    given = {"officers": setting.officers, "policy_digest": setting.policies.digest, "demo": True}
    return publish(setting.home, setting.ledger, candidate.id, **given)


def test_the_second_method_is_refused(declared, officer_key):
    setting = declared("monthly-audience", NAME, protection={"method": "cell_key", "minimum_count": 10})
    noisy = build(setting, NAME, PERIOD)
    done = release_it(setting, build(setting, "monthly-audience", PERIOD), officer_key)
    with setting.ledger.transaction() as transaction:
        payload = transaction.entries(kind=EntryKind.PUBLICATION)[-1].payload
    assert (payload["method"], payload["outside"]) == ("suppression", True)
    assert {"source": "clicks", "filter": {}} in payload["populations"]
    with pytest.raises(PolicyRefusal, match=FIRST):
        build(setting, NAME, PERIOD)
    # a candidate of before is refused by publication, in its transaction
    with pytest.raises(PolicyRefusal, match=FIRST):
        release_it(setting, noisy, officer_key)
    withdraw(setting.home, setting.ledger, "monthly-audience", 1, "a source was wrong", contact="desk@x.example")
    assert done.folder.exists()
    with pytest.raises(PolicyRefusal, match=FIRST):
        build(setting, NAME, PERIOD)
