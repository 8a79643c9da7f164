"""What a package tells of its period, as the audit reads it."""

from __future__ import annotations

from datetime import date

from anonymization.errors import IntegrityError
from anonymization.policy.periods import EPOCH, Period
from anonymization.policy.releases import PeriodKind
from anonymization.release.package import Package, minimum_count
from anonymization.tables.audit.sheets import Issue


def issue_of(package: Package, name: str) -> Issue:
    """Return what a package tells of its period, as the audit reads it.

    Args:
        package: the package.
        name: what messages call it: release, period and version.

    Raises:
        IntegrityError: its description does not say of which days it is.
    """
    block = package.descriptor["noren"]
    try:
        first, last = (date.fromisoformat(block["period"][key]) for key in ("first_day", "last_day"))
    except (KeyError, ValueError):
        raise IntegrityError(f"{name}: the description does not name the first and last day") from None
    kind = {1: PeriodKind.DAY, 7: PeriodKind.WEEK}.get((last - first).days + 1, PeriodKind.MONTH)
    period = Period(kind, block["period"]["name"], (first - EPOCH).days, (last - EPOCH).days + 1)
    return Issue(name, period, package.tables, minimum_count(block))
