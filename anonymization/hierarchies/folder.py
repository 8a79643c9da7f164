"""The hierarchies of a folder: a file an attribute, `<attribute>.csv`, `.tsv` or `.parquet`, or a rule.

A rule is `<attribute>.rule`, one line that says how to make a hierarchy of the values that the data holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anonymization.engine.files import SUFFIXES, Tabular, TabularEngine
from anonymization.errors import InputError
from anonymization.hierarchies.by_rule import dates, intervals, mesh, networks, prefixes
from anonymization.hierarchies.hierarchy import Hierarchy, read_hierarchy

_NUMBERS: dict[str, Callable[[str, Sequence[str], Sequence[int] | None], Hierarchy]] = {
    "intervals": intervals,
    "prefix": prefixes,
}
_PLAIN: dict[str, Callable[[str, Sequence[str]], Hierarchy]] = {"dates": dates, "mesh": mesh, "ip": networks}
_ALLOWED = "`intervals 5 10 20`, `prefix 5 3` (both also without numbers), `dates`, `mesh` and `ip` are allowed"


def load_hierarchies(
    engine: TabularEngine, tables: Sequence[Tabular], folder: Path, attributes: Sequence[str]
) -> tuple[Hierarchy, ...]:
    """Return the hierarchy of every attribute.

    Args:
        engine: may read the tables.
        tables: the data, and the population if there is one: a rule makes a hierarchy of the values they hold.
        folder: of the hierarchy files; a file stands before a rule.
        attributes: the quasi-identifiers.

    Raises:
        InputError: a missing file (named), two of one attribute, a file that is no hierarchy, or a rule that does not
            fit the values.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; hierarchies are expected there, <attribute>.csv for each")
    files = {name: file for name in attributes if (file := file_of(folder, name)) is not None}
    ruled = [name for name in attributes if name not in files]
    for name in ruled:
        if not (folder / f"{name}.rule").exists():
            there = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "nothing"
            raise InputError(
                f"{folder / name}.csv: no such file; the hierarchy of the quasi-identifier {name!r} is expected there "
                f"(or a rule, {name}.rule); the folder holds {there}"
            )
    values: dict[str, set[str]] = {name: set() for name in ruled}
    for table in tables if ruled else ():
        for name, found in zip(ruled, engine.distinct(table, ruled), strict=True):
            values[name] |= set(found)
    return tuple(
        _by_rule(folder / f"{name}.rule", name, sorted(values[name]))
        if name in values
        else read_hierarchy(files[name], name)
        for name in attributes
    )


def file_of(folder: Path, attribute: str) -> Path | None:
    """Return the hierarchy file of an attribute in a folder, if it holds one.

    Raises:
        InputError: it holds two.
    """
    found = [path for suffix in SUFFIXES if (path := folder / f"{attribute}{suffix}").exists()]
    if len(found) > 1:
        raise InputError(
            f"{folder}: {found[0].name} and {found[1].name} are both a hierarchy of {attribute!r}; keep one"
        )
    return found[0] if found else None


def _by_rule(path: Path, attribute: str, values: Sequence[str]) -> Hierarchy:
    try:
        words = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read as a line of text; {_ALLOWED}") from None
    name, numbers = (words[0] if words else ""), words[1:]
    if (name not in _NUMBERS and (name not in _PLAIN or numbers)) or not all(word.isdecimal() for word in numbers):
        raise InputError(f"{path}: {' '.join(words)!r} is no rule: {_ALLOWED}")
    try:
        if name in _PLAIN:
            return _PLAIN[name](attribute, values)
        return _NUMBERS[name](attribute, values, [int(word) for word in numbers] or None)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
