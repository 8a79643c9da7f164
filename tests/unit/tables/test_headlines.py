"""Headlines: which are declared, that none is given up for other cells, and what is said of one that is lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pandas as pd
import pytest
import yaml

from anonymization.errors import DeclarationError
from anonymization.policy.load import load_policies
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.headlines import Why, by_default, headline_rows
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable, Table
from anonymization.tables.plan import resolve
from anonymization.tables.utility import utilities

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
PERSONS = Measure("persons", TITLE, MeasureKind.PERSONS, "s", {})
RULES = Rules(10)


def dimension(name, codes, **more):
    parents = dict.fromkeys(codes, TOTAL)
    levels = dict.fromkeys(parents, "one")
    return Dimension(
        name, TITLE, DimensionKind.PERSON, ("one",), parents, levels, {}, complete=True, concept=name, **more
    )


def table(counts, headlines=None):
    """A table of persons by one or two dimensions, with its margins."""
    names = ["a", "b"][: len(next(iter(counts)))]
    dims = tuple(dimension(n, sorted({c[i] for c in counts})) for i, n in enumerate(names))
    sums = {}
    for codes, count in counts.items():
        for cell in product(*((code, TOTAL) for code in codes)):
            sums[cell] = sums.get(cell, 0) + count
    frame = pd.DataFrame(list(sums), columns=names, dtype=object).assign(persons=list(sums.values()))
    margins = by_default(dims) if headlines is None else frozenset(map(frozenset, headlines))
    return Table("t", TITLE, dims, (PERSONS,), frame, headlines=margins)


def out(counts, hidden, consists):
    """What is out: codes that consist of others, some of them hidden."""
    one = replace(dimension("a", sorted(set(counts) - {TOTAL}), consists=consists))
    frame = pd.DataFrame({"a": list(counts), "persons": pd.Series(list(counts.values()), dtype="Int64")})
    at = frame["a"].isin(hidden)
    frame["persons"] = frame["persons"].mask(at)
    frame["persons_status"] = at.map({True: "C", False: "F"})
    return Issue("out", MONTH, (SafeTable("old", TITLE, (one,), (PERSONS,), frame, 10, method=Method.SUPPRESSION),), 10)


FIGURES = dict(zip(product("xyz", "uvw"), (4, 30, 40, 25, 60, 11, 12, 35, 50), strict=True))
CHEAP = dict(zip(product("xyz", "uvw"), (30, 0, 6, 0, 12, 15, 12, 0, 50), strict=True))
"""Two margins by a cost less than the inner cells that do as well."""
LOST = {
    "none, where inner cells can be hidden": (table(FIGURES), (), {}),
    "none, where a margin would cost less": (table(CHEAP), (), {}),
    "unsafe itself, and what would tell of it": (
        table({("x",): 4, ("y",): 30, ("z",): 40}), (), {"a=x": Why.UNSAFE, "a=y": Why.OTHERS},
    ),
    "two unsafe hide each other": (table({("x",): 6, ("y",): 7, ("z",): 30}), (), {"a=x": Why.UNSAFE, "a=y": Why.UNSAFE}),
    "of no headline nothing is said": (table({("x",): 4, ("y",): 30, ("z",): 40}, [()]), (), {}),
    "what is out made it impossible": (
        table({("x",): 6, ("y",): 7, ("z",): 30}),
        [out({"xz": 36, "y": 7, TOTAL: 43}, {"y", TOTAL}, {"xz": ("x", "z")})],
        {"a=x": Why.UNSAFE, "a=y": Why.UNSAFE, "a=z": Why.EARLIER, "a=_T": Why.EARLIER},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "earlier", "lost"), LOST.values(), ids=LOST)
def test_which_headlines_are_lost_and_why(given, earlier, lost):
    issue = Issue("new", MONTH, (given,), 10)
    done = protect([given], issue, RULES, earlier)
    (one,) = utilities((given,), done.tables, done.lost)
    assert dict(one.missing) == {cell: why.value for cell, why in lost.items()}
    assert one.lost == len(lost)
    assert audit([replace(issue, tables=done.tables), *earlier]) == ()


def test_a_margin_that_costs_less_is_given_up_where_it_is_no_headline():
    given = table(CHEAP, [()])
    (safe,) = protect([given], Issue("new", MONTH, (given,), 10), RULES).tables
    margins = headline_rows(safe.frame, safe.keys, by_default(given.dimensions))
    assert (safe.frame.loc[margins, "persons_status"] == "C").any()


def declared(policy_folder, name, **changes):
    path = policy_folder / "releases" / f"{name}.yaml"
    content = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    return resolve(load_policies(policy_folder), load_policies(policy_folder).release(name), MONTH)


MARGINS = {
    "by default": ("service-usage", {}, {(), ("service",), ("status",), ("age_band",)}),
    "an open list is none by default": ("search-trends", {}, {(), ("week",)}),
    "as declared": ("service-usage", {"usage": [[], ["service", "age_band"]]}, {(), ("service", "age_band")}),
    "of an open list where declared": ("search-trends", {"trends": [["keyword"]]}, {("keyword",)}),
}


@pytest.mark.parametrize(("name", "headlines", "margins"), MARGINS.values(), ids=MARGINS)
def test_which_margins_are_headlines(policy_folder, name, headlines, margins):
    (made,) = declared(policy_folder, name, headlines=headlines).tables
    assert made.headlines == frozenset(map(frozenset, margins))


WITHHELD = {"method": "suppression", "minimum_count": 10, "zeros": "withheld", "suppression_limit": 0.5}
REFUSED = {
    "no table": ({"uses": [[]]}, {}, "name the unknown table 'uses'; known: ['usage']"),
    "no margin": ({"usage": []}, {}, "of table 'usage' name no margin: list some, such as `[]`, the grand total"),
    "no dimension": ({"usage": [["shop"]]}, {}, "name the unknown dimensions ['shop']; the table's: ['age_band', 'service'"),
    "a dimension twice": ({"usage": [["service", "service"]]}, {}, "['service', 'service'] is no margin"),
    "a margin twice": ({"usage": [["service", "status"], ["status", "service"]]}, {}, "name a margin twice"),
    "where nothing is hidden one by one": ({"usage": [[]]}, {"protection": WITHHELD}, "whatever covers a hidden one goes with it"),
}  # fmt: skip


@pytest.mark.parametrize(("headlines", "more", "told"), REFUSED.values(), ids=REFUSED)
def test_wrong_headlines_are_refused(policy_folder, headlines, more, told):
    with pytest.raises(DeclarationError) as refused:
        declared(policy_folder, "service-usage", headlines=headlines, **more)
    assert "releases/service-usage.yaml" in str(refused.value)
    assert told in str(refused.value)


def test_what_is_withheld_has_none(policy_folder):
    assert declared(policy_folder, "service-usage", protection=WITHHELD).tables[0].headlines == frozenset()
