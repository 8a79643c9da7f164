"""What outsiders typed, shown so that it does nothing: neither in Markdown, nor in HTML made of it, nor in a terminal.

A search keyword is a stranger's text. As a code span it is shown as it is, and nothing in it is a link, picture, row
of a table or instruction; what is not seen, or moves what is seen, is written out.
"""

from __future__ import annotations

import re
import unicodedata

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of what controls, formats or separates lines, and of what nobody can see."""


def visible(text: str, *, lines: bool = False) -> str:
    """Return a text with everything unseen written as an escape; line ends too, unless they are to stay."""
    return "".join(
        character
        if unicodedata.category(character) not in UNSEEN or (lines and character == "\n")
        else _escape(character)
        for character in text
    )


def inert(text: str) -> str:
    """Return a text as a code span of Markdown (CommonMark 6.1), which may stand in a table's cell.

    Its fence is longer than any run of backticks in it; a bar is escaped, which ends cells even within code (GFM 4.10).
    """
    shown = visible(text).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    room = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{room}{shown}{room}{fence}"


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - Python's two forms
