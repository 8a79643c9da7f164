"""Record keys: 32 bits of each person that a count brings along, summed over the persons of a figure.

A person's record key is the last 32 bits of the person's pseudonym, an HMAC under the key of the calendar month:
it is uniform, the same in every table and on every engine within the month, and another in the next. Of whatever
period a release is, a day, a week or the month, it has these keys: so one set of persons has one noise in all of them.
"""

from __future__ import annotations

from anonymization.tables.model import Measure

KEYS = 2**32
"""Record keys, and cell keys, are whole numbers from 0 up to this."""
RECORD_KEYS = "cell_key"
"""The recount's column of cell keys."""


def record_key(person: str) -> str:
    """Return the SQL of a person's record key: below 2**32; sums of up to 2**31 persons fit a BIGINT."""
    return f"{person} % {KEYS}"


def contribution_key(person: str, amount: str) -> str:
    """Return the SQL of a person's record key in a figure to which the person contributes an amount.

    Of one that counts once it is the person's own, so that a total of ones is the number of its persons, with the same
    noise. Any other amount has a key of its own: a figure to which the same persons contribute something else has
    another noise, so that the difference of two tells of neither. Who contributes nothing changes nothing (the field's
    zero-contribution keys, left out as by default in cellKey).
    """
    of_amount = f"TEXT_HASH(CAST({person} AS VARCHAR) || ' ' || CAST({amount} AS VARCHAR)) % {KEYS}"
    return f"CASE WHEN {amount} = 1 THEN {record_key(person)} WHEN {amount} > 1 THEN {of_amount} ELSE 0 END"


def key_column(measure: Measure) -> str:
    """Return the column of a true table that holds a measure's sums of record keys; no declared name has a space."""
    return f"{measure.name} key"
