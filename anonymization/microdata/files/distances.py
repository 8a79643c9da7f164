"""Which distance t-closeness takes between sensitive values, where nobody has said or a hierarchy is needed for it."""

from __future__ import annotations

from pathlib import Path

from anonymization.engine.files import Tabular, TabularEngine
from anonymization.hierarchies.file import MISSING
from anonymization.hierarchies.folder import file_of
from anonymization.hierarchies.hierarchy import Hierarchy, read_hierarchy
from anonymization.microdata.criteria import Distance


def sensitive_hierarchy(folder: Path, attribute: str, distance: Distance | None) -> Hierarchy | None:
    """Return the sensitive attribute's hierarchy where the distance of t-closeness is asked to use one.

    The ordered distance takes the order of the file's rows where there is a file.

    Raises:
        InputError: the hierarchical distance without a file, or a file that is no hierarchy.
    """
    path = file_of(folder, attribute)
    if distance is Distance.HIERARCHICAL or (distance is Distance.ORDERED and path is not None):
        return read_hierarchy(path or folder / f"{attribute}.csv", attribute)
    return None


def default_distance(engine: TabularEngine, table: Tabular, column: str) -> Distance:
    """Return the ordered distance where a column's values are numbers, two different ones at least, else the equal."""
    values = [value for value in engine.distinct(table, [column])[0] if value != MISSING]
    try:
        return Distance.ORDERED if len({float(value) for value in values}) > 1 else Distance.EQUAL
    except ValueError:
        return Distance.EQUAL
