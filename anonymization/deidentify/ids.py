"""One person, one id: how an id is spelt, wherever it comes from.

Logs, links, opt-outs and requests spell ids through the one function here, so that a person who wrote it in full width,
or whose export put a blank behind it, is not two; and what stands for "no id" in spreadsheets and programs is nobody's.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from anonymization.engine.intrinsics import IPV4
from anonymization.policy.sources import Case, IdForm, Spelling

LIMIT = 256
"""Longest id, in characters; a longer one is no id."""
UNWRITTEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
"""Unicode categories of what is not written: control and format characters, surrogates, private and unassigned ones."""
PLACEHOLDERS = frozenset(
    (
        "null", "(null)", "<null>", "[null]", "\\n", "nil", "none", "(none)", "undefined", "unknown", "(unknown)",
        "n/a", "na", "#n/a", "not available", "(not set)", "not set", "(blank)", "empty", "missing", "nan", "nat",
        "inf", "-inf", "infinity", "-infinity", "#ref!", "#name?", "#value!", "#div/0!", "#num!", "#null!", "#error!",
        "#n/a n/a", "#spill!", "#calc!", "#getting_data", "true", "false", "-", "--", "---", "_", ".", "?", "??", "???",
        "*", "anonymous", "optout", "opt-out", "deleted", "redacted", "[object object]", "不明", "なし", "無し",
        "未設定", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    )
)  # fmt: skip
"""What spreadsheets, programs and people write where there is no id, case-folded."""
ZEROS = re.compile(r"[0.:{}-]+")
STRUCTURE = re.compile(r"\{[\s\"}].*|\[.*", re.DOTALL)
"""What a JSON object or list looks like; `{` alone begins many a GUID."""
ROUNDED = re.compile(r"[+-]?\d+([.,]\d*)?e[+-]\d+|[+-]?\d+[.,]\d*e\d+|[+-]?\d+[.,]0*", re.IGNORECASE)
"""A number as spreadsheets and floats write it: with a signed exponent, a point before one, or one before nothing."""
DIGITS = re.compile(r"[0-9]+")
HOST = re.compile(r"(?![0-9.]+$)[^\s:/@\[\]()<>\"']+")
"""What stands for an address where a server looks names up: no port, no path; numbers alone are a broken address."""

TOO_LONG = f"longer than {LIMIT} characters"
AS_A_NUMBER = "in scientific notation or with a decimal point, as spreadsheets and floats write numbers"
NO_DIGITS = "not digits alone, as its form is declared"
NO_ADDRESS = "neither an address nor a host's name, as its form is declared"

AS_IT_IS = {
    IdForm.TEXT: "^[A-Za-z0-9_-]{6,256}$",
    IdForm.DIGITS: "^[0-9]{1,256}$",
    IdForm.ADDRESS: IPV4,
}
"""Of each form, what most ids are: of these nothing but the case is changed, and few are looked at again (`plain`)."""


class Spelt(NamedTuple):
    """An id in its one spelling, or null where there is none; or why a row with it is refused."""

    id: str | None
    fault: str | None = None


def spelt(raw: str, spelling: Spelling) -> Spelt:
    """Return the one spelling of an id: NFKC, trimmed, without what is not written, in the form declared.

    Addresses are written by RFC 5952, those of IPv4 within IPv6 (`::ffff:0:0/96`) as IPv4. What is spelt stays so.
    """
    text = unicodedata.normalize("NFKC", written(raw[: LIMIT + 1])).strip()
    if len(raw) > LIMIT or len(text) > LIMIT:
        return Spelt(None, TOO_LONG)
    if not text or text.casefold() in PLACEHOLDERS:
        return Spelt(None)
    return _address(text) if spelling.form is IdForm.ADDRESS else _named(text, spelling)


def written(raw: str) -> str:
    """Return a text in NFKC, without what is not written; blanks of any kind stay blanks."""
    text = unicodedata.normalize("NFKC", raw)
    return "".join(c if unicodedata.category(c) not in UNWRITTEN else " " * c.isspace() for c in text)


def _named(text: str, spelling: Spelling) -> Spelt:
    if ZEROS.fullmatch(text) is not None or STRUCTURE.fullmatch(text) is not None:
        return Spelt(None)
    if ROUNDED.fullmatch(text) is not None:
        return Spelt(None, AS_A_NUMBER)
    if spelling.form is IdForm.DIGITS and DIGITS.fullmatch(text) is None:
        return Spelt(None, AS_A_NUMBER if re.fullmatch(r"\d+e\d+", text, re.IGNORECASE) else NO_DIGITS)
    if spelling.case is Case.FOLD:
        text = unicodedata.normalize("NFKC", text.casefold())
    return Spelt(text) if len(text) <= LIMIT else Spelt(None, TOO_LONG)


def _address(text: str) -> Spelt:
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        name = text.casefold().rstrip(".")
        return Spelt(name) if HOST.fullmatch(name) is not None else Spelt(None, NO_ADDRESS)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return Spelt(None, NO_ADDRESS)
        address = address.ipv4_mapped or address
    return Spelt(None) if address.is_unspecified else Spelt(str(address))


def plain(raw: str, spelling: Spelling) -> str:
    """Return the SQL of an id that is spelt as it is or in lower case; null of one that `spelt` is to look at."""
    value = f"lower({raw})" if spelling.case is Case.FOLD else raw
    shape = f"regexp_matches({raw}, '{AS_IT_IS[spelling.form]}')"
    if spelling.form is IdForm.ADDRESS:
        return f"CASE WHEN {shape} AND {raw} <> '0.0.0.0' THEN {raw} END"
    again = f"regexp_matches({raw}, '^[0-]+$|^[0-9]+[eE]-[0-9]+$')"
    if spelling.form is IdForm.TEXT:
        longest = max(map(len, PLACEHOLDERS))
        named = ", ".join(f"'{one}'" for one in sorted(PLACEHOLDERS) if re.fullmatch("[a-z0-9_-]{6,}", one))
        again += f" OR (length({raw}) <= {longest} AND lower({raw}) IN ({named}))"
    return f"CASE WHEN {shape} AND NOT ({again}) THEN {value} END"


class Spellings:
    """The ids of one column that are to be looked at, each distinct one once."""

    schema = pa.schema([("raw", pa.string()), ("person", pa.string()), ("fault", pa.string())])

    def __init__(self, column: str, prefix: str, spelling: Spelling) -> None:
        self._column, self._prefix, self._spelling = column, prefix, spelling

    def relation(self, raw: Iterable[str]) -> pa.Table:
        """Return one row a distinct raw id: the person, with the prefix, or why a row with it is refused."""
        texts = list(raw)
        found = [spelt(text, self._spelling) for text in texts]
        persons = [None if one.id is None else self._prefix + one.id for one in found]
        faults = [None if one.fault is None else f"{self._column}: {one.fault}" for one in found]
        return pa.table([texts, persons, faults], schema=self.schema)
