"""The hierarchies of a folder: `<attribute>.csv`, or `<attribute>.rule`, one line that says how to make one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anonymization.engine.tabular import Tabular, TabularEngine
from anonymization.errors import InputError
from anonymization.microdata.criteria import Distance
from anonymization.microdata.hierarchy import MISSING, Hierarchy, read_hierarchy
from anonymization.microdata.rules import dates, intervals, mesh, networks, prefixes

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
        folder: of the hierarchy files.
        attributes: the quasi-identifiers.

    Raises:
        InputError: a missing file (named), a file that is no hierarchy, or a rule that does not fit the values.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; hierarchies are expected there, <attribute>.csv for each")
    ruled = [name for name in attributes if not (folder / f"{name}.csv").exists()]
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
        else read_hierarchy(folder / f"{name}.csv", name)
        for name in attributes
    )


def sensitive_hierarchy(folder: Path, attribute: str, distance: Distance | None) -> Hierarchy | None:
    """Return the sensitive attribute's hierarchy where the distance of t-closeness is asked to use one.

    The ordered distance takes the order of the file's rows where there is a file.

    Raises:
        InputError: the hierarchical distance without a file, or a file that is no hierarchy.
    """
    path = folder / f"{attribute}.csv"
    if distance is Distance.HIERARCHICAL or (distance is Distance.ORDERED and path.exists()):
        return read_hierarchy(path, attribute)
    return None


def default_distance(engine: TabularEngine, table: Tabular, column: str) -> Distance:
    """Return the ordered distance where a column's values are numbers, two different ones at least, else the equal."""
    values = [value for value in engine.distinct(table, [column])[0] if value != MISSING]
    try:
        return Distance.ORDERED if len({float(value) for value in values}) > 1 else Distance.EQUAL
    except ValueError:
        return Distance.EQUAL


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
