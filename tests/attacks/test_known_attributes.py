"""Who is of unknown attributes is left out of a measure: whatever counts them as well is solved together with it."""

from __future__ import annotations

from dataclasses import replace

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
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable, Table

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
USERS = Measure("users", TITLE, MeasureKind.PERSONS, "links", {})


def dimension(name, kind, codes):
    parents = dict.fromkeys(codes, TOTAL)
    return Dimension(name, TITLE, kind, (name,), parents, dict.fromkeys(parents, name), {}, complete=True, concept=name)


def issue(name, dims, figures, *, known=False):
    measure = replace(USERS, known=known)
    frame = pd.DataFrame(list(figures), columns=[d.name for d in dims], dtype=object)
    frame["users"] = pd.Series(list(figures.values()), dtype="Int64")
    frame["users_status"] = frame["users"].isna().map({True: "C", False: "F"})
    return Issue(name, MONTH, (SafeTable(name, TITLE, dims, (measure,), frame, 10, method=Method.SUPPRESSION),), 10)


REGION = dimension("region", DimensionKind.PERSON, ["kanto", "kinki", "unknown"])
SERVICE = dimension("service", DimensionKind.EVENT, ["mail", "maps"])
KNOWN = issue(
    "known", (REGION, SERVICE), known=True,
    figures={
        ("kanto", "mail"): 20, ("kanto", "maps"): 15, ("kanto", TOTAL): 25, ("kinki", "mail"): 30, ("kinki", "maps"): 12,
        ("kinki", TOTAL): 35, ("unknown", "mail"): 0, ("unknown", "maps"): 0, ("unknown", TOTAL): 0,
        (TOTAL, "mail"): 50, (TOTAL, "maps"): 27, (TOTAL, TOTAL): 60,
    },
)  # fmt: skip
BESIDE = {
    "alone": (None, 0),
    "everybody is known": ({("mail",): 50, ("maps",): 27, (TOTAL,): 60}, 0),
    "one is not": ({("mail",): 51, ("maps",): 27, (TOTAL,): 61}, 2),
    "nine are not": ({("mail",): 59, ("maps",): 27, (TOTAL,): 69}, 2),
    "ten are not": ({("mail",): 60, ("maps",): 27, (TOTAL,): 70}, 0),
    "one is not, and nobody says so": ({("mail",): None, ("maps",): 27, (TOTAL,): None}, 0),
}


@pytest.mark.parametrize(("figures", "findings"), BESIDE.values(), ids=BESIDE)
def test_a_count_of_everybody_beside_one_of_the_known_tells_of_the_others(figures, findings):
    beside = [] if figures is None else [issue("everybody", (SERVICE,), figures)]
    found = audit([KNOWN, *beside])
    assert len(found) == findings, found


def test_a_build_hides_what_would_tell_of_who_was_left_out():
    figures = {("mail",): 51, ("maps",): 27, (TOTAL,): 61}
    frame = pd.DataFrame(list(figures), columns=["service"], dtype=object).assign(users=list(figures.values()))
    true = Table("everybody", TITLE, (SERVICE,), (USERS,), frame)
    new = Issue("new", MONTH, (true,), 10)
    done = protect([true], new, Rules(10), [KNOWN])
    (safe,) = done.tables
    assert safe.frame.set_index("service")["users_status"].to_dict() == {"mail": "C", "maps": "F", TOTAL: "C"}
    assert audit([KNOWN, replace(new, tables=done.tables)]) == ()


@pytest.mark.parametrize(
    ("name", "measure", "told"),
    [
        pytest.param(
            "search-trends", "searchers", "`known` is for tables with a `person` dimension", id="nobody is known"
        ),
        pytest.param("service-usage", "uses", "of the same source, filter and `known` beside it", id="others' uses"),
    ],
)
def test_known_of_what_is_refused(policy_folder, name, measure, told):
    path = policy_folder / "releases" / f"{name}.yaml"
    content = yaml.safe_load(path.read_text())
    (table,) = content["tables"].values()
    table["measures"][measure]["known"] = not table["measures"][measure].get("known", False)
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    with pytest.raises(DeclarationError, match=told):
        load_policies(policy_folder).release(name)
