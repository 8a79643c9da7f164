"""What each of the gate's suites is about in a candidate: of what it checks how many, or why it does not apply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anonymization.tables.audit.sheets import Issue, figures_solved
from anonymization.tables.method import method_of
from anonymization.tables.model import CONFIDENTIAL, FREE, SafeTable
from anonymization.tables.plan import Plan
from expectations.run import Scope

NOISY = "its figures carry noise and do not add up"


def scopes_of(plan: Plan, issue: Issue, tables: Sequence[SafeTable], earlier: Sequence[Issue]) -> dict[str, Scope]:
    """Return what the suites of a candidate are about.

    Args:
        plan: of the candidate.
        issue: the candidate as its recipients have it.
        tables: its tables.
        earlier: releases that share persons and are out, and those of the same stock in months beside.
    """
    free, hidden = (sum(_with_status(tables, status)) for status in (FREE, CONFIDENTIAL))
    solved = figures_solved(issue)
    return {
        "schema": Scope("columns"),
        "cells": Scope("figures"),
        "cells.enough_persons": Scope("published figures", free, _without_threshold(plan)),
        "cells.equals_recount": Scope("published figures", free),
        "complete": Scope("classes that the events hold"),
        "margins": Scope("relations of published figures", why_not="" if solved else NOISY),
        "audit": Scope("published figures", solved, "" if solved or not free else NOISY),
        "together": _together(earlier),
        "inside": _inside(plan, free, hidden),
        "covering": _covering(plan, tables, free),
        "identifiers": Scope("texts"),
        "labels": Scope("codes", why_not="" if _some(tables, "open") else "each dimension has a closed list of codes"),
        "levels": Scope("measures", why_not=_without_limit(plan)),
        "headlines": Scope("headlines with somebody in", why_not=_without_headlines(plan)),
        "policy": Scope("release"),
        "collected": Scope("sources"),
    }


def _with_status(tables: Sequence[SafeTable], status: str) -> Iterable[int]:
    return (int((t.frame[f"{m.name}_status"] == status).sum()) for t in tables for m in t.measures)


def _some(tables: Sequence[SafeTable], kind: str) -> bool:
    return any(getattr(dimension, kind) for table in tables for dimension in table.dimensions)


def _without_threshold(plan: Plan) -> str:
    return "drawn noise protects, and no rule on true counts" if method_of(plan.method).drawn else ""


def _without_limit(plan: Plan) -> str:
    if method_of(plan.method).drawn:
        return "drawn noise hides no cell"
    return "" if plan.release.protection.limit(plan.expected) is not None else "the release declares no limit"


def _without_headlines(plan: Plan) -> str:
    if plan.release.keeps_headlines:
        return ""
    return _without_limit(plan) or "whatever covers a class that is not listed is not listed either"


def _together(earlier: Sequence[Issue]) -> Scope:
    """Figures of what is out; whether they add up or not, who changed between two versions is counted."""
    number = sum(len(table.frame) * len(table.measures) for issue in earlier for table in issue.tables)
    return Scope("figures of earlier releases", number, "" if earlier else "nothing that shares persons is out")


def _inside(plan: Plan, free: int, hidden: int) -> Scope:
    """Hidden figures, the unsafe ones among them; with noise that is no draw, the published ones."""
    method = method_of(plan.method)
    if method.drawn:
        return Scope("hidden figures", 0, "drawn noise protects within a budget: no figure needs an interval")
    if plan.withheld:
        return Scope("hidden figures", 0, "nothing unsafe is listed")
    return Scope("noisy figures", free) if method.record_keys else Scope("hidden figures", hidden)


def _covering(plan: Plan, tables: Sequence[SafeTable], free: int) -> Scope:
    """Published figures, where a class that is not listed may be below one."""
    why_not = ""
    if not plan.withheld:
        why_not = "hidden classes are listed as confidential"
    elif _some(tables, "merged"):
        why_not = "what is not listed counts in a rest that is published"
    return Scope("published figures", free, why_not)
