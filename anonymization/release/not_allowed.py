"""Events that are there and are not read: the policy under which they were collected does not allow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anonymization.engine.base import Engine
from anonymization.policy.calendar import iso_day
from anonymization.policy.in_force import Barred
from anonymization.release.gaps import whole_days
from anonymization.release.inputs import Inputs, days_of, find_inputs, open_inputs
from anonymization.release.left_out import LEFT_OUT, rounded_down
from anonymization.release.setting import Setting


def count_not_allowed(
    engine: Engine, setting: Setting, inputs: Inputs, barred: Mapping[str, Barred], least: int
) -> dict[str, dict[str, Any]]:
    """Return what is not read, by source: for `Request.barred`.

    Args:
        engine: that `opened_events` yields.
        setting: the home.
        inputs: what is read.
        barred: the days that are not.
        least: by what numbers of persons are rounded down; whoever opted out is in none.
    """
    if not barred:
        return {}
    found = {}
    relations = open_inputs(engine, setting.policies, _events(setting, inputs), "not_allowed")
    period, chose = inputs.period, inputs.choices.made
    for source, one in sorted(barred.items()):
        rows = persons = 0
        if source in relations:
            counted = engine.fetch(
                f"SELECT count(*) AS n, count(DISTINCT e.p) AS persons FROM {relations[source]} AS e"
                + (f" ANTI JOIN {LEFT_OUT} AS o ON e.p = o.p" if chose else "")
                + f" WHERE e.day >= {period.first} AND e.day < {period.past}"
            )
            rows, persons = (int(counted.column(name)[0].as_py()) for name in ("n", "persons"))
        told = {"rows": rounded_down(rows, least), "persons": rounded_down(persons, least)}
        found[source] = {"days": sorted(one.days), "why": one.why, **told}
    return found


def told_of_not_allowed(barred: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line a source: which days are not read, how much that is, and why; what `count_not_allowed` says."""
    return [
        f"{source}, {whole_days(one['days'])}: {one['rows']} rows, {one['persons']} persons, {one['why']}"
        for source, one in sorted(barred.items())
    ]


def days_not_allowed(days: Mapping[str, Barred]) -> dict[str, list[str]]:
    """Return by source the days alone, written YYYY-MM-DD, as a package tells them."""
    return {source: [*map(iso_day, sorted(one.days))] for source, one in sorted(days.items())}


def _events(setting: Setting, inputs: Inputs) -> Inputs:
    """What is there of the days that are not allowed; of a source without any nothing."""
    every = find_inputs(setting.home, setting.policies, list(inputs.barred), inputs.period)
    others = {
        source: {one.digest: days_of(one, inputs.period) - inputs.barred[source] for one in taken}
        for source, taken in every.taken.items()
    }
    rest = every.without(others)
    files = {source: paths for source, paths in rest.files.items() if paths}
    return replace(rest, files=files, taken={source: rest.taken[source] for source in files})
