"""Dossiers of tables that a test makes up: the shipped policies, a candidate that nobody built, a gate that was open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.release.candidate import Candidate, Request
from anonymization.release.inputs import plan_release
from anonymization.release.ledger.ledger import Publication
from anonymization.release.package import Package
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable
from anonymization.tables.utility import noted
from jobs.dossier.facts import Facts
from jobs.dossier.history import Compared, History, Out

PASSED = {
    "expectation": "expect_table_row_count_to_equal",
    "column": "",
    "meaning": "nothing follows",
    "success": True,
    "checked": 9,
    "of": "figures",
    "found": 0,
    "why_not": "",
    "outcome": "passed",
    "looked_at": "figures: 9, 0 at fault",
}
PERSONS = Measure("persons", {"en": "Persons", "ja": "人"}, MeasureKind.PERSONS, "clicks", {})


def dimension(name, codes, *, kind=DimensionKind.EVENT, **more):
    """A dimension of one level, of codes with their labels."""
    labels = codes if isinstance(codes, dict) else {code: (code, code) for code in codes}
    return Dimension(
        name=name,
        title={"en": name.title(), "ja": name},
        kind=kind,
        levels=(name,),
        parents=dict.fromkeys(labels, TOTAL),
        level_of=dict.fromkeys(labels, name),
        labels=labels,
        complete=True,
        **more,
    )


def table(dimensions, cells, *, least=10, withheld=False):
    """A table; `cells` has a figure a tuple of codes, null where it is hidden."""
    frame = pd.DataFrame(list(cells), columns=[d.name for d in dimensions], dtype="str")
    frame["persons"] = pd.array(list(cells.values()), dtype="Int64")
    frame["persons_status"] = ["C" if figure is None else "F" for figure in cells.values()]
    return SafeTable(
        "cells",
        {"en": "Cells", "ja": "表"},
        tuple(dimensions),
        (PERSONS,),
        frame,
        least,
        withheld=withheld,
        method=Method.SUPPRESSION,
    )


def facts(
    policies,
    *tables,
    release="monthly-audience",
    verdict=None,
    closed="",
    findings=(),
    columns=None,
    expected=None,
    **request,
):
    """Facts of a candidate of a shipped release that has these tables."""
    plan, clauses = plan_release(policies, release, "2026-10", expected=expected)
    declared = policies.release(release)
    asked = Request(
        number=1, candidate="1-0123456789abcdef", release=release, period="2026-10", first_day=20727, past_day=20758, sources=list(declared.sources), recipient=declared.recipient, purpose=declared.purpose, requester=declared.owner, digest="0" * 64, policy_digest="0" * 64, engine="duckdb", inputs={}, **{"figures": {}, "seconds": 1.0, **request}
    )  # fmt: skip
    said = {
        "checked_at": "2026-11-30T16:00:00+00:00",
        "suites": [{"checks": [PASSED]}],
        "attack": {"earlier": [], "shown": 9, "unknowns": 3},
    }
    return Facts(
        candidate=Candidate(asked, Path("nowhere")), plan=replace(plan, columns=columns or plan.columns), package=Package("0" * 64, {}, tables), release=declared, recipient=policies.recipients[declared.recipient], purpose=policies.policy.purposes[declared.purpose].text, clauses=clauses, joined=(), verdict=None if closed else {**said, **(verdict or {})}, closed=closed, findings=findings, kept=tuple(noted(asked.utility)), taken={}, zones=("Asia/Tokyo",)
    )  # fmt: skip


def nothing_out():
    """A history without anything."""
    return History((), (), (Compared("the last version", "", why_not="there is none"),))


def months_out(number, recipient="Media research institute"):
    """A history of so many months of one release, the newest of them compared with."""
    names = [f"{2023 + month // 12}-{month % 12 + 1:02}" for month in range(number)]
    out = tuple(
        Out(
            Publication(f"{n}-0123456789abcdef", "monthly-audience", name, 1, "0" * 64),
            "Monthly audience",
            "media-research",
            recipient,
            n,
            f"{name}-28T00:00:00+00:00",
            withdrawn=n == 1,
        )
        for n, name in enumerate(names)
    )
    return History(out, out[::-1], ())
