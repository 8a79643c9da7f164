"""What a correction or an addition may say, as far as a look at it tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from anonymization.errors import InputError
from anonymization.policy.load import Policies
from anonymization.policy.requests import today
from anonymization.policy.sources import LARGEST, Treatment
from anonymization.release.choices import Person
from anonymization.release.person_papers import Change


def require_change(policies: Policies, change: Change, people: Sequence[Person]) -> None:
    """Check that a correction or an addition names what rows of the person have; see `deidentify/edited.py`.

    Raises:
        InputError: it does not, and what is allowed.
    """
    from anonymization.deidentify.edited import FORMATS, correctable  # noqa: PLC0415 - few requests are of this kind

    source = policies.sources.get(change.source)
    own = sorted({namespace for namespace, _ in people})
    known = sorted(
        name
        for name, one in policies.sources.items()
        if one.format in FORMATS and {person.namespace for person in one.persons} & set(own)
    )
    if source is None or change.source not in known:
        raise InputError(
            f"--source: no rows of {', '.join(own)} can be changed there; there are: {', '.join(known) or 'none'}"
        )
    if change.column not in (columns := correctable(source)):
        raise InputError(f"--column: {change.source} has no such column to change; there are: {', '.join(columns)}")
    fault = _fault_of(policies, change)
    if fault:
        raise InputError(f"--value: {fault}")


def _fault_of(policies: Policies, change: Change) -> str | None:
    """Return why a value could not stand in a column, as far as a look at it tells; it is never said itself."""
    declared = policies.sources[change.source].columns[change.column]
    if any(ord(one) < ord(" ") for one in change.value) or not change.value.strip():
        return "it is empty, or holds control characters such as a tab or a line's end"
    if (
        declared.codes is not None
        and declared.unlisted is None
        and change.value not in policies.codelists[declared.codes]
    ):
        return f"no code of codelists/{declared.codes}.csv"
    if declared.treatment is Treatment.INTEGER:
        most = LARGEST if declared.most is None else declared.most
        whole = re.fullmatch("[0-9]{1,13}", change.value) is not None
        return None if whole and int(change.value) <= most else f"a whole number from 0 to {most:,} is allowed"
    if declared.treatment is Treatment.AGE_BAND:
        day = _day(change.value)
        return None if day is not None and day <= today(policies) else "a day YYYY-MM-DD that is not to come is allowed"
    return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
