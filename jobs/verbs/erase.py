"""Erase logs, events and k-anonymous rows that are over the policy's time, and destroy their months' keys.

Raw logs, their rejected lines and their events go by the month in which they arrived, k-anonymous rows by the month
that they are about. What is noted of a month (`deidentify/noting.py`) goes with it, and its key once nothing that is
left holds an event of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import click

from anonymization.deidentify.notes import notes_about
from anonymization.deidentify.taken import Taken, day_of, known_files, logs_held, touches, wipe_copies
from anonymization.errors import Refusal
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.periods import EPOCH, parse_period, period_named
from anonymization.policy.releases import PeriodKind
from anonymization.release.erasure import due, record_erasure
from anonymization.release.removed_numbers import numbers_before
from anonymization.release.setting import Setting, opened
from jobs.stage import tell

PATIENCE = 60.0
"""Seconds that an intake may take to end; another erasure takes moments."""
COMMIT = "*.json"
"""The files that say that events are whole: they go first, so that events in part are never read."""


@click.command("erase", help=__doc__)
@click.option("--rehearse", "rehearsed", is_flag=True, help="Only say what would be erased.")
@click.option(
    "--yes", "months", type=int, default=1, show_default=True, metavar="N", help="Erase up to N months at once."
)
def command(*, rehearsed: bool, months: int) -> None:
    with opened() as setting:
        done = erase(setting, datetime.now(UTC).date(), rehearsed=rehearsed, months=months)
    tell(kept_from=done.first and done.first.isoformat(), files=dict(done.files), keys=list(done.keys))
    if done.first is None:
        click.echo("the policy names no time after which logs are erased (house_rules.erasure): all of it stays")
        return
    files = ", ".join(f"{number:,} in {zone}/" for zone, number in done.files.items()) or "none"
    would = "would be " if rehearsed else ""
    click.echo(f"kept from {done.first}; files {would}erased: {files}")
    click.echo(f"keys {would}destroyed: {', '.join(done.keys) or 'none'}")
    if done.awaited:
        click.echo(f"keys that events need which arrived later: {', '.join(done.awaited)}")


@dataclass(frozen=True)
class Erased:
    """What was erased, or is to be.

    Attributes:
        first: the first day of the earliest month that is kept; None where the policy has no such rule.
        files: their number by the folder of the home that they lay in.
        keys: months whose keys were destroyed.
        awaited: months over their time whose keys events need that arrived later.
        entry: of the ledger; None if there was nothing to erase.
    """

    first: date | None
    files: Mapping[str, int]
    keys: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    entry: int | None = None


def erase(setting: Setting, today: date, *, rehearsed: bool = False, months: int = 1) -> Erased:
    """Erase what is over its time; a run that was ended at any moment is taken up by the next one.

    Args:
        setting: the home, its policies and its ledger.
        today: the day on which it is done.
        rehearsed: only say what would be erased.
        months: how many may go at once; every month one comes over its time.

    Raises:
        Refusal: logs are being taken in, or the ledger does not know the policy folder; nothing was erased.
    """
    rule = setting.policies.policy.house_rules.erasure
    if rule is None:
        return Erased(None, {})
    if not rehearsed:
        setting.require_known_policies()
    first = due(rule.after_months, today)
    with logs_held(setting.home, alone=True, patience=PATIENCE) as held:
        if not held:
            raise Refusal("logs are being taken in: nothing was erased; erase again when that has ended")
        if not rehearsed:
            wipe_copies(setting.home, held=True)
        folders = dict(_folders(setting.home, first))
        files = {zone: sum(_count(folder) for folder in found) for zone, found in folders.items() if found}
        gone = {folder for found in folders.values() for folder in found}
        told = _told(setting.home, first, gone)
        for zone, paths in told.items():
            files[zone] = files.get(zone, 0) + len(paths)
        keys, awaited = _keys(setting.home, first)
        erased = Erased(first, files, keys, awaited)
        if rehearsed or not (files or keys):
            return erased
        _require_few(folders, keys, months, erased)
        entry = record_erasure(setting.ledger, first, {"files": files, "keys": list(keys)})
        for folder in [folder for found in folders.values() for folder in found]:
            _remove(folder)
        for path in (path for paths in told.values() for path in paths):
            path.unlink(missing_ok=True)
        periods = PeriodKeys(setting.home)
        for month in keys:
            periods.destroy(month)
        return replace(erased, entry=entry)


def _require_few(folders: Mapping[str, Sequence[Path]], keys: Sequence[str], most: int, erased: Erased) -> None:
    """Refuse to erase more months at once than was said: a wrong clock or rule would take all of them, for ever.

    Raises:
        Refusal: what would be erased, and the word that it takes.
    """
    every = [folder for found in folders.values() for folder in found]
    over = sorted({_month(folder) for folder in every}) or list(keys)
    if len(over) > most:
        files = ", ".join(f"{number:,} in {zone}/" for zone, number in erased.files.items()) or "none"
        raise Refusal(
            f"nothing was erased: {len(over)} months are over their time at once, {over[0]} to {over[-1]} (files:"
            f" {files}; keys: {', '.join(keys) or 'none'}). If that is right: noren erase --yes {len(over)}"
        )


def _month(folder: Path) -> str:
    """The month that a folder is of: of its day of arrival, or of the period of its rows."""
    if (day := day_of(folder)) is not None:
        return f"{day:%Y-%m}"
    period = period_named(folder.name.removeprefix(".").partition(".")[0])
    return f"{period.first_date:%Y-%m}" if period else ""


def _folders(home: Home, first: date) -> Iterator[tuple[str, Sequence[Path]]]:
    """The folders that are over their time, by the folder of the home that they lie in."""
    kept = {(f"source={one.source}", f"arrived={one.arrived}") for one in _left(home, first)}
    for zone in (home.landing, home.quarantine, home.events):
        found = [(day_of(folder), folder) for folder in sorted(zone.glob("source=*/arrived=*"))]
        over = [folder for day, folder in found if day is not None and day < first]
        yield zone.name, [folder for folder in over if (folder.parent.name, folder.name) not in kept]
    # what was being written when its process was killed is named as the period, after a dot
    written = sorted(home.microdata.glob("*/*"))
    rows = [(period_named(folder.name.removeprefix(".").partition(".")[0]), folder) for folder in written]
    yield home.microdata.name, [folder for period, folder in rows if period and period.last_date < first]


def _told(home: Home, first: date, gone: Collection[Path]) -> dict[str, list[Path]]:
    """What is told of months over their time beside their logs: notes of stocks, and numbers of who was deleted."""
    notes = [path for path in notes_about(home, first) if path.parent not in gone]
    found = {home.events.name: notes, home.requests.name: numbers_before(home, first)}
    return {zone: paths for zone, paths in found.items() if paths}


def _keys(home: Home, first: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The months over their time that have a key: those whose key may go, and those of which events are left."""
    left = _left(home, first)
    months = [parse_period(PeriodKind.MONTH, month) for month in PeriodKeys(home).periods()]
    over = [month for month in months if month.last_date < first]
    needed = [month for month in over if any(touches(taken, month) for taken in left)]
    return tuple(month.name for month in over if month not in needed), tuple(month.name for month in needed)


def _left(home: Home, first: date) -> list[Taken]:
    """The files whose events stay: they arrived in a month that is kept, or a clock ahead has put an event there."""
    day = (first - EPOCH).days
    return [
        taken for _, taken in known_files(home)
        if date.fromisoformat(taken.arrived) >= first or (taken.last_day is not None and taken.last_day >= day)
    ]  # fmt: skip


def _count(folder: Path) -> int:
    return 1 if folder.is_symlink() else sum(path.is_file() for path in folder.rglob("*"))


def _remove(folder: Path) -> None:
    """Remove a folder of the home with everything in it; of a link, the link alone."""
    if folder.is_symlink():
        folder.unlink()
        return
    for path in folder.glob(COMMIT):
        path.unlink()
    shutil.rmtree(folder)
