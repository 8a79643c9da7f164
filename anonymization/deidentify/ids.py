"""What an id can be, in a log and in a list of opt-outs; light to import."""

from __future__ import annotations

import re
import unicodedata

ID_LIMIT = 256
"""Longest raw id, in characters; a longer one is no id."""
ROUNDED = "^[0-9]([.,][0-9]+)?[eE][+][0-9]+$"
"""What a spreadsheet has rounded to six digits is many persons: the log is to be exported again, as text."""
TOO_LONG = f"longer than {ID_LIMIT} characters"
IN_SCIENTIFIC_NOTATION = "in scientific notation, as spreadsheets round numbers: it tells persons apart no more"


def id_fault(identity: str) -> str | None:
    """Return why no log's row that is taken in can name an id, in the words of the intake; None where one can."""
    if not identity:
        return "empty"
    if len(identity) > ID_LIMIT:
        return TOO_LONG
    if re.search(ROUNDED, identity):
        return IN_SCIENTIFIC_NOTATION
    if any(unicodedata.category(character) == "Cc" for character in identity):
        return "no id: a line break, a tab or another control character is in it"
    return None
