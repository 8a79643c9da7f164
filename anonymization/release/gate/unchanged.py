"""What is out beside a candidate, and was built of logs that a person's request has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from anonymization.errors import GateRefusal
from anonymization.release.rewritten import read_any
from anonymization.tables.audit.sheets import Issue


def require_unchanged(earlier: Iterable[Issue], sources: Iterable[str], changed: Mapping[str, str]) -> None:
    """Refuse a candidate beside what was built of contents that a request has changed since.

    Whoever was deleted cannot be counted any more, so that what a further version would tell of her is not known.

    Raises:
        GateRefusal: the publications, and of which logs.
    """
    read = set(sources)
    found = {
        issue.name: sorted(of for of, texts in issue.inputs.items() if of in read and read_any(texts, changed))
        for issue in earlier
    }
    told = [f"{name} ({', '.join(of)})" for name, of in found.items() if of]
    if told:
        raise GateRefusal(
            f"since {', '.join(told)} came out, rows of persons were deleted or corrected at their request in logs that"
            " it was built of: what a further version would tell of them cannot be counted, and counts as unsafe"
        )
