"""What is checked where: the suites of the intake and of a candidate, over frames that the library computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import pandas as pd

from expectations.load import Suites
from expectations.run import Scope, Scopes, SuiteResult, run_suite

INTAKE_LIMITS = {"rejected_share": 0.05, "volume_low": 0.2, "volume_high": 5.0, "lag_days": 3.0}
"""Limits of the intake suite: share of rows rejected, volume against the median day, days from event to arrival."""
INTAKE_SCOPES = {
    "intake_days": Scope("days of sources"),
    "intake_days.volume_ratio": Scope("days of sources beside which others are known"),
    "intake_domains": Scope("codes"),
}


@dataclass(frozen=True)
class CandidateFrames:
    """What the gate looks at, one frame a suite; columns beside those named here are for people.

    Attributes:
        schema: table, column, as_described.
        cells: table, measure, status, empty_where_hidden, enough_persons, equals_recount.
        complete: table, measure, listed; one row a class that the events hold.
        margins: table, measure, relation, kind, consistent.
        audit: one row a finding by the candidate alone.
        together: one row a finding by the candidate with earlier releases that share persons.
        inside: one row an unsafe cell without the interval that it needs.
        covering: one row a published cell that covers one that is not listed because of too few persons.
        identifiers: file, text.
        labels: table, dimension, enough_persons; one row a code that no closed list has.
        levels: one row a table and measure of a release that limits what is hidden: within_limit.
        headlines: one row a headline with somebody in: kept, or hidden because of what is out already.
        policy: permitted, one_key_period, policy_unchanged.
        collected: source, complete_or_acknowledged, told; one row a source that was read.
    """

    schema: pd.DataFrame
    cells: pd.DataFrame
    complete: pd.DataFrame
    margins: pd.DataFrame
    audit: pd.DataFrame
    together: pd.DataFrame
    inside: pd.DataFrame
    covering: pd.DataFrame
    identifiers: pd.DataFrame
    labels: pd.DataFrame
    levels: pd.DataFrame
    headlines: pd.DataFrame
    policy: pd.DataFrame
    collected: pd.DataFrame


def check_candidate(frames: CandidateFrames, suites: Suites, scopes: Scopes | None = None) -> tuple[SuiteResult, ...]:
    """Run every candidate suite, a user's own beside the shipped ones; an exposed release fails at least one.

    A user's own suite that looks at no frame fails as well: whoever wrote it expects something of it.

    Args:
        frames: what is looked at.
        suites: what is expected.
        scopes: of the frames, what each is about in this candidate.
    """
    return (
        *(
            run_suite(suite, getattr(frames, frame.name), scopes=scopes)
            for frame in fields(frames)
            for suite in suites.of(f"candidate_{frame.name}")
        ),
        *(run_suite(suite, pd.DataFrame()) for suite in suites.unknown),
    )


def check_intake(days: pd.DataFrame, domains: pd.DataFrame, suites: Suites) -> tuple[SuiteResult, ...]:
    """Run the intake suites.

    Args:
        days: one row a source and day of arrival: balance, rejected_share, volume_ratio (null where no other
            day is known), lag_days.
        domains: one row a code seen in a coded column: in_domain.
        suites: what is expected.
    """
    return (*check_days(days, suites), *check_domains(domains, suites))


def check_days(days: pd.DataFrame, suites: Suites) -> tuple[SuiteResult, ...]:
    """Run the suites of days; see `check_intake`."""
    return tuple(run_suite(suite, days, INTAKE_LIMITS, INTAKE_SCOPES) for suite in suites.of("intake_days"))


def check_domains(domains: pd.DataFrame, suites: Suites) -> tuple[SuiteResult, ...]:
    """Run the suites of codes; see `check_intake`."""
    return tuple(run_suite(suite, domains, scopes=INTAKE_SCOPES) for suite in suites.of("intake_domains"))


def reasons(results: Sequence[SuiteResult]) -> list[str]:
    """Return why the gate is closed, a line a failed check."""
    found = []
    for result in results:
        if result.error:
            found.append(f"{result.name}: {result.error}")
        found += [
            f"{result.name}: not so: {check.meaning} ({check.looked_at})"
            for check in result.checks
            if not check.success
        ]
    return found
