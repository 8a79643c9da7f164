"""Search keywords: one spelling for what is one search, and none that holds personal data.

A keyword in which personal data is found is not mended but given up as a whole (`_X`): what stands beside a
mail address or a name tells of that person. Found are: mail addresses; telephone numbers (the numbering plans
of `phonenumbers`, Japan's by default, and three groups of digits without the leading 0); every other number of ten
digits or more, such as My Numbers and cards; postal codes and addresses of Japan; network addresses, device
identifiers and tokens; and names of persons: a family name beside a given name, by SudachiDict. Of names in kanji
some nine in ten are found, in katakana six; in Latin letters none, for want of a well-kept dictionary: what keeps a
rare one inside is the threshold of persons.
"""

from __future__ import annotations

import itertools
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pyarrow as pa
from phonenumbers import PhoneNumberMatcher

from anonymization.deidentify.distinct import Distinct
from anonymization.deidentify.ids import UNWRITTEN
from anonymization.policy.sources import NOT_SPECIFIED

LONGEST = 256
"""Longest keyword, in characters; a row with a longer one is quarantined."""
SCHEMA = pa.schema([("raw", pa.string()), ("keyword", pa.string()), ("removed", pa.string())])

HOST = re.compile(r"^(?:https?://)(?:[^/?#@]*@)?([^/?#:]+).*$", re.DOTALL)
OPERATORS = "=+-@'\"* \t"
"""What search boxes take for operators and spreadsheets for formulas; at a keyword's ends it is no part of it."""
DASHES = re.compile(r"(?<=\d)\s*[‐‑‒–—―ー−ｰ_~〜.・/ ()-]+\s*(?=\d)")
SPELT_OUT = re.compile(r"(?<!\S)\S(?: \S(?!\S)){3,}")
"""Four characters or more with a space between each: read without the spaces."""
KANJI = "〇零一二三四五六七八九"
KANJI_DIGITS = str.maketrans(KANJI, "00123456789")
DASH = "‐‑‒–—―ー−ｰ.・:-"
KANJI_RUN = re.compile(
    rf"[{KANJI}](?: ?[{KANJI}]){{6,}}|[{KANJI}]+(?=丁目|番|号|[{DASH}]|の[{KANJI}])|(?<=[{DASH}])[{KANJI}]+"
)

MAIL = re.compile(r"[^\s@]+\s?(?:@|\(at\)|\[at\])\s?[^\s@]+\.[a-z]{2,}")
PHONE = re.compile(r"(?<![\d-])(?:0\d{1,4}-?\d{1,4}-?\d{3,4}|(?!(?:\d-?){12})\d{1,4}-\d{1,4}-\d{4})(?![\d-])")
"""With its 0, however it is written, or without, in three groups."""
NUMBER = re.compile(r"\d(?:-?\d){9,}")
POSTAL_CODE = re.compile(r"(?<![\d-])\d{3}-\d{4}(?![\d-])")
ADDRESS = re.compile(
    r"[都道府県市区町村郡].{0,24}?\d+(?:丁目|番|号|-\d)|\d+丁目.{0,4}\d+|\d+番地?の?\d*号?.{0,2}\d*号|[^\x00-\x7f]\d+-\d+-\d+"
)
NETWORK = re.compile(
    r"(?<!\d)(?:\d{1,3}\.){3}\d{1,3}(?!\d)|(?<![0-9a-f:])(?:[0-9a-f]{1,4}:){5,7}[0-9a-f]{1,4}(?![0-9a-f:])"
)
DEVICE = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![0-9a-f])|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|(?<![0-9a-z])(?=[0-9a-z]*\d)[0-9a-f]{16,}(?![0-9a-z])|\+\d{1,3}[ -]?\d[\d -]{7,}"
)
FEWEST_PHONE_DIGITS = 9
BETWEEN_NAMES = frozenset((" ", "・", "=", "＝", ",", "、"))


def normalized(raw: str) -> str:
    """Return a keyword's one spelling: NFKC, case-folded, without control characters, single spaces; a URL's host."""
    return _spelled(raw).strip(OPERATORS)


def _spelled(raw: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", raw).casefold())
    text = "".join(c if unicodedata.category(c) not in UNWRITTEN else " " * c.isspace() for c in text)
    return HOST.sub(r"\1", " ".join(text.split()))


def personal_data(raw: str) -> str | None:
    """Return what kind of personal data a keyword holds, or none."""
    joined = SPELT_OUT.sub(lambda found: found.group().replace(" ", ""), _spelled(raw))
    digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in joined)
    digits = KANJI_RUN.sub(lambda found: found.group().translate(KANJI_DIGITS), digits)
    plain = DASHES.sub("-", digits)
    return next((kind for kind, holds in FINDERS.items() if holds(digits, plain)), None)


def _phone(text: str, plain: str) -> bool:
    if sum(c.isdigit() for c in plain) < FEWEST_PHONE_DIGITS:
        return False
    return PHONE.search(plain) is not None or PhoneNumberMatcher(text, "JP").has_next()


def _number(_: str, plain: str) -> bool:
    return NUMBER.search(plain) is not None


@cache
def _tokenizer() -> Any:
    from sudachipy import Dictionary  # noqa: PLC0415 - 40 MB of dictionary, only where keywords are read

    return Dictionary(dict="small").tokenizer()


_TOKENIZING = threading.Lock()


def _name(text: str, _: str) -> bool:
    """Whether a family name stands beside a given name, or two names of persons beside each other."""
    if text.isascii():
        return False
    with _TOKENIZING:  # a tokenizer serves one thread at a time
        kinds = [
            (token.part_of_speech()[2] == "人名")
            for token in _tokenizer().tokenize(text)
            if token.surface() not in BETWEEN_NAMES
        ]
    return any(one and following for one, following in itertools.pairwise(kinds))


FINDERS: dict[str, Callable[[str, str], bool]] = {
    "mail address": lambda text, _: MAIL.search(text) is not None,
    "device identifier": lambda text, _: DEVICE.search(text) is not None,
    "network address": lambda text, _: NETWORK.search(text) is not None,
    "telephone number": _phone,
    "long number": _number,
    "postal address": lambda text, plain: any(p.search(t) for p in (POSTAL_CODE, ADDRESS) for t in (text, plain)),
    "name of a person": _name,
}
"""Kinds of personal data, each with what finds it in a keyword's text and in its text with one dash between digits."""


def cleaned(raw: str) -> tuple[str, str | None]:
    """Return the keyword that an event keeps, and the kind of personal data that took it away, if any."""
    keyword, kind = normalized(raw), personal_data(raw)
    return (NOT_SPECIFIED, kind) if kind is not None or not keyword else (keyword, None)


class Keywords:
    """Keywords of a run, each cleaned once however many files hold it."""

    schema = SCHEMA

    def __init__(self) -> None:
        self._distinct = Distinct(cleaned)

    def relation(self, raw: Iterable[str]) -> pa.Table:
        """Return one row a distinct raw keyword, in the columns of `SCHEMA`."""
        texts = list(raw)
        results = self._distinct.of(texts)
        return pa.table([texts, [k for k, _ in results], [kind for _, kind in results]], schema=SCHEMA)
