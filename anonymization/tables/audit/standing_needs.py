"""The standing needs of a system's cells, and who is alone in them: of a release that is built, and of what is out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from anonymization.disclosure.system import Floats, Needs
from anonymization.errors import IntegrityError
from anonymization.tables.audit.standing import Standing
from anonymization.tables.audit.system_of import Linked


def standing_of(linked: Linked, name: str, needs: Needs, alone: Mapping[int, int]) -> tuple[Standing, ...]:
    """Return the needs of a release's cells, by the first sheet that lists each.

    Args:
        linked: a system that holds the release.
        name: of the release.
        needs: of cells, each once.
        alone: the figure of each cell to which one person alone contributes.
    """
    found: list[Standing] = []
    told = np.zeros(linked.cells, dtype=bool)
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue != name:
            continue
        at = np.searchsorted(needs.cell, places).clip(max=max(len(needs.cell) - 1, 0))
        rows = np.flatnonzero(~told[places] & (needs.cell[at] == places)) if len(needs.cell) else at[:0]
        told[places[rows]] = True
        found += [
            Standing(
                sheet.table,
                sheet.measure.name,
                int(row),
                float(needs.reach[n]),
                float(needs.width[n]),
                None if np.isinf(needs.floor[n]) else float(needs.floor[n]),
                alone.get(int(places[row])),
            )
            for row, n in zip(rows, at[rows], strict=True)
        ]
    return tuple(found)


def standing_needs(linked: Linked, names: Collection[str] | None = None) -> Needs:
    """Return the standing needs of releases of a system, of all if left out: a row a figure; a cell may have several.

    Raises:
        IntegrityError: a need is of a row that its table has not.
    """
    cells, reach, width, floor = [], [], [], []
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        for need in sheet.standing if names is None or sheet.issue in names else ():
            if not 0 <= need.row < len(places):
                raise IntegrityError(f"{sheet.issue}, {sheet.table}.{sheet.measure.name}: a standing need of no row")
            cells.append(int(places[need.row]))
            reach.append(need.reach)
            width.append(need.width)
            floor.append(np.inf if need.floor is None else need.floor)
    return Needs(np.array(cells, dtype=np.int64), *(np.array(n, dtype=float) for n in (reach, width, floor)))


def standing_alone(linked: Linked, names: Collection[str] | None = None) -> Floats:
    """Return of each cell the figure that its only contributor knows, by what releases keep of themselves; else NaN.

    Args:
        linked: the system.
        names: of the releases that are asked; all, if left out. Of two that say something else of a cell, which are of
            two states of the logs, the first one counts.
    """
    known = np.full(linked.cells, np.nan)
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        for need in sheet.standing if names is None or sheet.issue in names else ():
            if need.alone is not None and np.isnan(known[places[need.row]]):
                known[places[need.row]] = need.alone
    return known
