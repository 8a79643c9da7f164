"""The second method is refused by build, and by publication where both were built before either was out."""

from __future__ import annotations

import pytest

from anonymization.errors import PolicyRefusal
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.withdraw import withdraw
from jobs.verbs.build import build

NAME, PERIOD = "audience-with-noise", "2026-10"
FIRST = "monthly-audience 2026-10 v1 has published persons of source 'subscribers' by suppression"


def test_the_second_method_is_refused(declared, by_region, release_it):
    protection = {"method": "cell_key", "minimum_count": 10}
    setting = declared("monthly-audience", NAME, protection=protection, dimensions=by_region)
    noisy = build(setting, NAME, PERIOD)
    done = release_it(setting, build(setting, "monthly-audience", PERIOD))
    with setting.ledger.transaction() as transaction:
        payload = transaction.entries(kind=EntryKind.PUBLICATION)[-1].payload
    assert (payload["method"], payload["outside"]) == ("suppression", True)
    assert {"source": "clicks", "filter": {}} in payload["populations"]
    with pytest.raises(PolicyRefusal, match=FIRST):
        build(setting, NAME, PERIOD)
    # a candidate of before is refused by publication, in its transaction
    with pytest.raises(PolicyRefusal, match=FIRST):
        release_it(setting, noisy)
    withdraw(setting.home, setting.ledger, "monthly-audience", 1, "a source was wrong", contact="desk@x.example")
    assert done.folder.exists()
    with pytest.raises(PolicyRefusal, match=FIRST):
        build(setting, NAME, PERIOD)
