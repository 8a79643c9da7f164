"""Draws of noise: drawn once, stored in the statistics zone, and reused whenever the same figures are asked for.

A second draw of the same figures would halve the noise of their mean, and spend the budget again. What is stored is
figures with noise, never the noise: noise beside its figures is the true figures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from anonymization.errors import IntegrityError
from anonymization.files import canonical, private_folder, write_private_once
from anonymization.home import Home
from anonymization.tables.methods.differential_privacy import published
from anonymization.tables.model import SafeTable
from anonymization.tables.plan import Plan, TablePlan

SCHEME = 1
"""Raised whenever the way from events to true figures or to noise changes: an older draw is then another's."""


def draw_digest(plan: Plan, inputs: Mapping[str, Sequence[str]], left_out: str) -> str:
    """Return what a draw is known by: a digest of everything that decides which figures are asked for.

    Titles, recipients and the release's name are not among it, nor whether figures are made to fit each other after
    the noise: the same noisy figures are the same draw.

    Args:
        plan: the resolved release.
        inputs: source to what was read of its log files (`Inputs.read`).
        left_out: the state of who was left out of them by choice; empty where nobody was.
    """
    content = {
        "scheme": SCHEME,
        "protection": plan.release.protection.model_dump(mode="json", exclude={"consistent"}),
        "days": [plan.period.first, plan.period.past, list(plan.off)],
        "tables": [
            {
                "name": table.name,
                "dimensions": [
                    _without(asdict(dimension), "title", "labels", "rests") for dimension in table.dimensions
                ],
                "measures": [_without(asdict(measure), "title") for measure in table.measures],
            }
            for table in plan.tables
        ],
        "columns": dict(plan.columns),
        "attributes": {name: attribute.model_dump(mode="json") for name, attribute in plan.attributes.items()},
        "recodes": {name: dict(codes) for name, codes in plan.recodes.items()},
        "linking": [plan.linking, sorted(plan.linked)],
        "inputs": {source: sorted(digests) for source, digests in inputs.items()},
        **({"left_out": left_out} if left_out else {}),
    }
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def stored_draw(home: Home, plan: Plan, digest: str) -> tuple[SafeTable, ...] | None:
    """Return the tables of a draw, if there is one.

    Raises:
        IntegrityError: the file is no draw of these tables.
    """
    path = home.draws / f"{digest}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(published(table, _frame(table, content["tables"][table.name])) for table in plan.tables)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError(f"draws/{path.name} is missing figures or unreadable; restore it from a backup") from None


def store_draw(home: Home, plan: Plan, digest: str, tables: Sequence[SafeTable]) -> tuple[SafeTable, ...]:
    """Store a draw, 0600, whole or not at all, and return what stands: of two writers, the first one's.

    Raises:
        IntegrityError: what stands is no draw of these tables.
    """
    content = {"tables": {table.name: _columns(table.frame) for table in tables}}
    private_folder(home.draws)
    path = home.draws / f"{digest}.json"
    write_private_once(path, canonical(content) + "\n")
    standing = stored_draw(home, plan, digest)
    if standing is None:
        raise IntegrityError(f"draws/{digest}.json was removed while it was written")
    return standing


def _without(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    kept = {key: value for key, value in content.items() if key not in keys}
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in kept.items()}


def _columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame.columns}


def _frame(table: TablePlan, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """The frame with its columns in their order: codes as text, figures as nullable integers."""
    frame = {d.name: pd.Series(columns[d.name], dtype=object) for d in table.dimensions}
    for measure in table.measures:
        frame[measure.name] = pd.Series(columns[measure.name], dtype="Int64")
        frame[f"{measure.name}_status"] = pd.Series(columns[f"{measure.name}_status"], dtype=object)
    return pd.DataFrame(frame)
