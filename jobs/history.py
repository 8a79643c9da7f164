"""History: what is out already and shares persons with a release; it was published for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anonymization.release.ledger import EntryKind
from anonymization.release.package import Package, issue_of, read_package
from anonymization.release.publish import shares_persons
from anonymization.tables.sheets import Issue
from jobs.setting import Setting


def published_with(
    setting: Setting, sources: Sequence[str], first_day: int, past_day: int
) -> list[tuple[Mapping[str, Any], Package]]:
    """Return every publication that shares persons with a release: a source, and days; withdrawn ones as well.

    Raises:
        IntegrityError: a published package is not what its manifest says.
    """
    with setting.ledger.transaction() as transaction:
        payloads = [entry.payload for entry in transaction.entries(kind=EntryKind.PUBLICATION)]
    found = []
    for payload in payloads:
        if shares_persons(sources, first_day, past_day, payload):
            folder = setting.home.releases / payload["release"] / payload["period"] / f"v{payload['version']}"
            found.append((payload, read_package(folder / "package")))
    return found


def earlier_issues(setting: Setting, sources: Sequence[str], first_day: int, past_day: int) -> list[Issue]:
    """Return the exact figures that are out and share persons with a release."""
    return [
        issue_of(package, f"{payload['release']} {payload['period']} v{payload['version']}")
        for payload, package in published_with(setting, sources, first_day, past_day)
    ]
