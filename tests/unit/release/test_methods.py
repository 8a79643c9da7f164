"""One method per source, period and population: what is refused, what is not, and what the ledger tells."""

from __future__ import annotations

import pytest

from anonymization.errors import PolicyRefusal
from anonymization.keys import PeriodKeys
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import CellKey
from anonymization.release.claims import claim, require_one_method
from anonymization.release.ledger.ledger import EntryKind, Ledger

DAYS = {"first_day": 100, "past_day": 131}


def claimed(method="suppression", source="clicks", where=None, *, outside=True, parameters="", **days):
    population = {"source": source, "filter": where or {}}
    return {"method": method, "parameters": parameters, "populations": [population], "outside": outside, **DAYS, **days}


OUT = {"release": "first", "period": "2026-10", "version": 1, "sources": ["clicks"]}


@pytest.fixture
def ledger(home):
    opened = Ledger.of(home)
    yield opened
    opened.close()


def judge(ledger, mine, *others):
    with ledger.transaction() as transaction:
        for other in others:
            transaction.append(EntryKind.PUBLICATION, "1-x", OUT | other)
    with ledger.transaction() as transaction:
        require_one_method(mine, transaction)


SAME = {"service": ["mail", "news"]}


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        pytest.param(claimed("cell_key"), claimed(), id="noise after exact figures"),
        pytest.param(claimed(), claimed("cell_key"), id="exact figures after noise"),
        pytest.param(claimed(), claimed("differential_privacy"), id="exact figures after a draw"),
        pytest.param(claimed("cell_key", parameters="a"), claimed("cell_key", parameters="b"), id="other parameters"),
        pytest.param(claimed("cell_key", first_day=130, past_day=161), claimed(), id="one day in common"),
        pytest.param(claimed("cell_key", where=SAME), claimed(), id="a part of the events"),
        pytest.param(claimed("cell_key", where=SAME), claimed(where={"service": ["news"]}), id="filters with a common code"),
        pytest.param(claimed("cell_key", where=SAME), claimed(where={"device": ["pc"]}), id="filters of other columns"),
        pytest.param(claimed("cell_key"), DAYS, id="a publication from before methods were recorded"),
    ],
)  # fmt: skip
def test_a_second_method_is_refused(ledger, mine, other):
    with pytest.raises(PolicyRefusal, match="first 2026-10 v1 has published persons of source 'clicks' by"):
        judge(ledger, mine, other)


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        pytest.param(claimed("cell_key"), [], id="nothing is out"),
        pytest.param(claimed(), [claimed()], id="the same method"),
        pytest.param(claimed("cell_key", parameters="a"), [claimed("cell_key", parameters="a")], id="the same noise"),
        pytest.param(claimed("cell_key", source="links"), [claimed()], id="another source"),
        pytest.param(claimed("cell_key", first_day=131, past_day=161), [claimed()], id="the next month"),
        pytest.param(claimed("cell_key", where=SAME), [claimed(where={"service": ["search"]})], id="other events"),
        pytest.param(claimed("cell_key", outside=False), [claimed()], id="for inside"),
        pytest.param(claimed("cell_key"), [claimed(outside=False)], id="beside one for inside"),
    ],
)
def test_what_is_apart_or_alike_is_not(ledger, mine, others):
    judge(ledger, mine, *others)


def test_a_claim_tells_parameters_apart_and_nothing_of_them(home, policies):
    release, recipient = policies.release("monthly-audience"), policies.recipients["media-research"]
    period, keys = parse_period(release.period, "2026-10"), PeriodKeys(home)

    def parameters(**changes):
        protection = CellKey(method="cell_key", minimum_count=10, **changes)
        return claim(release.model_copy(update={"protection": protection}), period, recipient, keys)["parameters"]

    assert parameters() == parameters(variance="2.0", deviation=5) != parameters(deviation=6)
    assert len({parameters(), parameters(variance=1), parameters(forbidden=(1, 2))}) == 3
    assert claim(release, period, recipient, keys)["parameters"] == ""
    assert len(parameters()) == 64
    assert claim(release, period, recipient, keys)["populations"] == [
        {"source": source, "filter": {}} for source in ("subscribers", "links", "clicks")
    ]
    inside = policies.recipients["analysts"]
    assert [claim(release, period, one, keys)["outside"] for one in (recipient, inside)] == [True, False]
