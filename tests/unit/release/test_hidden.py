"""How much a candidate hides, by the recount: which cells count, and what is said of too much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anonymization.policy.periods import PeriodKind, parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.release.gate.hidden import hidden_headlines, hidden_shares, lost_headlines, too_much
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable
from anonymization.tables.plan import resolve
from anonymization.tables.utility import Utility

TITLE = {"en": "x", "ja": "x"}
SEEN = {TOTAL: 70, "a": 40, "b": 20, "c": 10, "few": 3}
HIDDEN = {
    "listed codes": ({}, {"b", "c"}, {}, (5, 2)),
    "nobody is hidden in a zero": ({}, {"b", "z"}, {"z": 0}, (5, 1)),
    "what is listed nowhere is hidden": ({}, {"b"}, {"d": 5}, (6, 2)),
    "of an open list the listed codes alone": ({"open": True}, {"b"}, {}, (4, 1)),
    "what is merged is in a rest": ({"merged": True}, set(), {"d": 5}, (5, 0)),
}


def table(codes, hidden, **kind):
    parents = dict.fromkeys(sorted(set(codes) - {TOTAL}), TOTAL)
    dimension = Dimension(
        "page",
        TITLE,
        DimensionKind.EVENT,
        ("page",),
        parents,
        dict.fromkeys(parents, "page"),
        {},
        complete=True,
        **kind,
    )
    frame = pd.DataFrame({"page": [*parents, TOTAL]})
    at = frame["page"].isin(hidden).to_numpy()
    frame["visitors"] = pd.Series(np.arange(len(frame)), dtype="Int64").mask(at)
    frame["visitors_status"] = np.where(at, "C", "F")
    visitors = Measure("visitors", TITLE, MeasureKind.PERSONS, "analytics", {})
    return SafeTable("visits", TITLE, (dimension,), (visitors,), frame, 10, method=Method.SUPPRESSION)


def recounted(counts):
    frame = pd.DataFrame({"page": list(counts), "recounted": list(counts.values())})
    return frame.assign(table="visits", measure="visitors", for_threshold=frame["recounted"])


@pytest.fixture
def plan(policies):
    def of(name="service-usage", **more):
        return resolve(policies, policies.release(name), parse_period(PeriodKind.MONTH, "2026-10"), **more)

    return of


@pytest.mark.parametrize(("kind", "hidden", "more", "found"), HIDDEN.values(), ids=HIDDEN)
def test_what_counts_as_hidden(plan, kind, hidden, more, found):
    codes = set(SEEN) - ({"few"} if kind.get("open") else set()) | (hidden & {"z"})
    shares = hidden_shares(plan(expected=0), [table(codes, hidden, **kind)], recounted({**SEEN, **more}))
    assert shares[["cells", "hidden"]].to_numpy().tolist() == [list(found)]


def test_what_neighbouring_months_alone_hide_counts_not(plan):
    noted = Utility("visits", "visitors", (1, 1), (2, 4), (2, 4), (2, 4), months=2)
    shares = hidden_shares(plan(expected=0), [table(set(SEEN), {"b", "c"})], recounted(SEEN), [noted])
    assert shares[["cells", "hidden"]].to_numpy().tolist() == [[5, 0]]


TOLD = {
    "levels can be planned": (
        "service-usage",
        {"expected": 5000},
        "`noren plan service-usage --period 2026-10` proposes",
    ),
    "no size was declared": ("service-usage", {}, "`noren init --expect PERSONS` chooses the release's pins"),
    "no codes to give up": ("search-trends", {"expected": 5000}, "none of its dimensions has codes to give up"),
}


@pytest.mark.parametrize(("name", "more", "told"), TOLD.values(), ids=TOLD)
def test_too_much_is_told_by_how_much_and_what_to_do(plan, name, more, told):
    made = plan(name, **more)
    protection = made.release.protection.model_copy(update={"suppression_limit": {0: 0.2}})
    made = replace(made, release=made.release.model_copy(update={"protection": protection}))
    within, over = (hidden_shares(made, [table(set(SEEN), of)], recounted(SEEN)) for of in ({"b"}, {"b", "c"}))
    assert within["within_limit"].tolist() == [True]
    assert too_much(made, within) == []
    (line,) = too_much(made, over)
    assert line.startswith("visits.visitors: 40.0% of the cells with somebody in are hidden (2 of 5), allowed 0.2: ")
    assert told in line


OTHERS, EARLIER = (
    "others that are unsafe would follow from it",
    "with what is out already it would tell of a few persons",
)
LOST = {
    "published": (set(), {}, False, {}),
    "unsafe itself": (
        {"few"},
        {},
        False,
        {"page=few": "as it is unsafe itself: let 'few' of page count with others; "},
    ),
    "unsafe itself, whatever the build says": (
        {"few"},
        {"page=few": EARLIER},
        False,
        {"page=few": "as it is unsafe itself"},
    ),
    "for others": ({"b"}, {"page=b": OTHERS}, False, {"page=b": f"as {OTHERS}: "}),
    "the grand total": ({TOTAL}, {"page=_T": OTHERS}, False, {"page=_T": f"as {OTHERS}: coarsen page; "}),
    "for what is out": ({"b"}, {"page=b": EARLIER}, False, {}),
    "of a further version": ({"b", "few"}, {"page=b": OTHERS}, True, {}),
}


@pytest.mark.parametrize(("hidden", "noted", "version", "told"), LOST.values(), ids=LOST)
def test_a_headline_that_is_hidden_is_told_with_why(plan, hidden, noted, version, told):
    made = plan(expected=5000)
    spec = next(iter(made.release.dimensions.values()))
    release = made.release.model_copy(update={"dimensions": {"page": spec}})
    margins = frozenset([frozenset(), frozenset(["page"])])
    made = replace(made, release=release, tables=(replace(made.tables[0], name="visits", headlines=margins),))
    one = Utility("visits", "visitors", (0, 0), (0, 0), (0, 0), (0, 0), tuple(noted.items()))
    frame = hidden_headlines(made, [table(set(SEEN), hidden)], recounted(SEEN), [one], version=version)
    assert sorted(frame["cell"]) == sorted(f"page={code}" for code in SEEN)
    lines = lost_headlines(made, frame)
    assert len(lines) == len(told)
    for cell, words in told.items():
        assert any(f"visits.visitors: the headline {cell} is hidden, {words}" in line for line in lines), lines
    assert all("`noren plan service-usage --period 2026-10` proposes" in line for line in lines)
