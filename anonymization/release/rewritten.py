"""Contents of logs that a person's request has changed: what took their places, by the ledger.

A file is known by the digest of its content. One from which rows were deleted, or in which a value was corrected, is
another content: the ledger says of each what it was before, in an entry that comes before the deed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from anonymization.release.ledger.ledger import EntryKind, Transaction

FILES = "rewritten"
"""In an entry: what was rewritten."""


class Rewritten(NamedTuple):
    """A content that another one took the place of.

    Attributes:
        before, after: digests; the second is empty where no record was left.
        taken: whether it had been taken in.
    """

    source: str
    before: str
    after: str
    taken: bool


def rewritten_by(transaction: Transaction, *, subject: str | None = None, after: int = 0) -> list[Rewritten]:
    """Return what was rewritten for a request, or for all, in order."""
    entries = transaction.entries(kind=EntryKind.PERSONS_REQUEST, subject=subject, after=after)
    return [Rewritten(*one) for entry in entries for one in entry.payload.get(FILES, ())]


def rewritten(transaction: Transaction) -> dict[str, str]:
    """Return by digest every content that was changed, and the digest of what is there now in its place."""
    now: dict[str, str] = {}
    for one in rewritten_by(transaction):
        now = {before: one.after if after == one.before else after for before, after in now.items()}
        now[one.before] = one.after
        now.pop(one.after, None)  # a correction that was corrected back
    return now


def as_now(digests: Iterable[str], changed: Mapping[str, str]) -> set[str]:
    """Return the digests of what is there now in the place of some contents."""
    return {changed.get(one, one) for one in digests} - {""}


def read_any(texts: Iterable[str], digests: Container[str]) -> bool:
    """Whether what was read of a source (`Inputs.read`, which begins with a digest) is one of some contents."""
    return any(text.partition(" ")[0] in digests for text in texts)
