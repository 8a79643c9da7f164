"""Paths and hosts of URLs: one spelling, without the parts that may be a person's.

A part goes (`*` stands for it) that holds a mail address, more than one digit, a session id or a long token, or in
which the finders of keywords find personal data. What is left are words; a name in Latin letters is a word like any
other, for want of a well-kept dictionary: what keeps a rare one inside is the threshold of persons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import pyarrow as pa

from anonymization.deidentify.distinct import Distinct
from anonymization.deidentify.ids import written
from anonymization.deidentify.keywords import personal_data

GONE = "*"
DECODED = 3
"""How often what is percent-encoded may be encoded again; beyond that it is nothing that one reads."""
LONGEST, LONGEST_WORD, DEEPEST = 64, 24, 12
DIGITS = 1
"""Digits that a part may hold, beside letters: `html5` stays, `m0001` goes."""
CHANGES = 3
"""Changes from small to capital letters within a word from which on it is a token: `getUserName` has two."""
CHANGE = re.compile(r"[a-z](?=[A-Z])")
OWN_LABELS = 2
"""Labels at the end of a host's name that are a site's, not a user's: `example.jp`; one more behind a short one."""
SHORT = 3
"""Letters of `co`, `ac` or `com` in `example.co.jp`."""


@lru_cache(maxsize=100_000)
def part(text: str) -> str:
    """Return a part of a path or a label of a host as an event keeps it."""
    digits = sum(c.isdigit() for c in text)
    words = re.split(r"[^\w]+|_+", text)
    kept = (
        len(text) <= LONGEST
        and digits <= DIGITS
        and not (digits and text.isdigit())
        and "@" not in text
        and not text.startswith("~")
        and max(map(len, words)) <= LONGEST_WORD
        and all(len(CHANGE.findall(word)) < CHANGES for word in words)
        and personal_data(text.replace("-", " ").replace("_", " ")) is None
    )
    return text if kept else GONE


def path(raw: str) -> str:
    """Return the path of a URL, decoded and in one spelling, without parameters and parts that may be a person's."""
    text = _decoded(raw)
    if text is None:
        return f"/{GONE}"
    parts = [one.split(";", 1)[0].strip() for one in text.split("/")[1:]]
    told = [part(one) if one else "" for one in parts[:DEEPEST]]
    return "/" + "/".join([*told, *([GONE] if len(parts) > DEEPEST else [])])


def host(raw: str) -> str:
    """Return a host's name without the labels that may be a user's; an address of a network is nobody's site."""
    labels = raw.casefold().rstrip(".").split(".")
    if ":" in raw or all(label.isdigit() for label in labels):
        return GONE
    own = OWN_LABELS + (len(labels) > OWN_LABELS and len(labels[-OWN_LABELS]) <= SHORT)
    return ".".join([*(part(label) for label in labels[:-own]), *labels[-own:]])


def _decoded(raw: str) -> str | None:
    for _ in range(DECODED):
        if "%" not in raw:
            break
        try:
            raw = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            return None
    return written(raw)


class Cleaned:
    """What a function makes of distinct texts of a run, each once however many files hold it."""

    schema = pa.schema([("raw", pa.string()), ("cleaned", pa.string())])

    def __init__(self, work: Callable[[str], str]) -> None:
        self._distinct = Distinct(work)

    def relation(self, raw: Iterable[str]) -> pa.Table:
        """Return one row a distinct text, in the columns of the schema."""
        texts = list(raw)
        return pa.table([texts, self._distinct.of(texts)], schema=self.schema)
