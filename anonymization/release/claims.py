"""One method per source, period and population, over all outside releases.

An exact table beside a noisy one of the same persons gives the noise away, and two noises of one figure narrow each
other. So whatever was published first for a population decides how it is protected in every overlapping period; for
cell keys, with which parameters too. What was withdrawn counts: it has been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anonymization.errors import PolicyRefusal
from anonymization.keys import PeriodKeys
from anonymization.policy.decide import OUTSIDE
from anonymization.policy.model import Recipient
from anonymization.policy.periods import Period
from anonymization.policy.protection import Method
from anonymization.policy.releases import Release
from anonymization.release.candidate import Request
from anonymization.release.ledger.ledger import EntryKind, Transaction
from anonymization.tables.method import method_of


def claim(release: Release, period: Period, recipient: Recipient, keys: PeriodKeys) -> dict[str, Any]:
    """Return how a release protects whom, as a request and the ledger hold it.

    Keys: `method`; `parameters`, equal exactly where cell keys have equal parameters, and telling nothing of them;
    `populations`, each a `source` and a `filter` of coded columns; `outside`, whether the recipient is.
    """
    protection = release.protection
    parameters = method_of(protection.method).parameters(protection)
    if parameters:
        parameters = keys.commitment(f"{period.first_date:%Y-%m}", parameters)
    found: list[dict[str, Any]] = []
    for table in release.tables.values():
        for measure in table.measures.values():
            where = {column: sorted(codes) for column, codes in sorted(measure.where.items())}
            population = {"source": measure.source, "filter": where}
            if population not in found:
                found.append(population)
    return {
        "method": str(protection.method),
        "parameters": parameters,
        "populations": found,
        "outside": recipient.recipient_class in OUTSIDE,
    }


def claim_of(request: Request) -> dict[str, Any]:
    """Return what a request claims, with its name and days: what a publication's entry holds."""
    return {
        "release": request.release, "period": request.period, "first_day": request.first_day,
        "past_day": request.past_day, "sources": list(request.sources), "method": request.method,
        "parameters": request.parameters, "populations": list(request.populations), "outside": request.outside,
    }  # fmt: skip


def require_one_method(mine: Mapping[str, Any], transaction: Transaction) -> None:
    """Refuse a second method for persons whom a release that is out has counted by another.

    Args:
        mine: a claim with `first_day` and `past_day` (see `claim_of`).
        transaction: of the ledger that knows what is out.

    Raises:
        PolicyRefusal: the release that took the first method, and for which source.
    """
    if not mine["outside"]:
        return
    for entry in transaction.entries(kind=EntryKind.PUBLICATION):
        other = entry.payload
        if not other.get("outside", True) or not _overlap(mine, other):
            continue
        source = _shared_source(mine["populations"], _populations(other))
        method = other.get("method", Method.SUPPRESSION.value)
        if source is None or (method, other.get("parameters", "")) == (mine["method"], mine["parameters"]):
            continue
        what = f"{other['release']} {other['period']} v{other['version']}"
        how = f"by {method}" if method != mine["method"] else f"by {method} with other parameters"
        raise PolicyRefusal(
            f"{what} has published persons of source {source!r} {how}: a second method beside it would give both away;"
            f" protect this release ({mine['method']}) in the same way, or choose a period apart from it"
        )


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["first_day"] < other["past_day"] and other["first_day"] < one["past_day"])


def _populations(payload: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The populations of a publication; one from before they were recorded counts for all of its sources."""
    every = [{"source": source, "filter": {}} for source in payload["sources"]]
    return list(payload.get("populations", every))


def _shared_source(mine: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]) -> str | None:
    """A source of which both count the same events, if there is one; filters without a common code are apart."""
    known = list(others)
    for one in mine:
        for other in known:
            if one["source"] == other["source"] and not _apart(one["filter"], other["filter"]):
                return str(one["source"])
    return None


def _apart(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> bool:
    """Whether two filters let no event through both."""
    return any(not set(one[column]) & set(other[column]) for column in set(one) & set(other))
