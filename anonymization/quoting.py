"""Names and texts as SQL writes them."""

from __future__ import annotations

from anonymization.errors import SqlError


def literal(text: str) -> str:
    """Return a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return an identifier in quotes, as every engine and database reads it.

    Raises:
        SqlError: the name holds a quote or a NUL.
    """
    if '"' in name or "\0" in name:
        raise SqlError("an identifier holds no quote and no NUL")
    return f'"{name}"'
