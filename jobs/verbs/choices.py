"""Record and remove the opt-out lists that were delivered as choices/optouts-*.csv (columns namespace,id)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from anonymization.errors import InputError
from anonymization.files import locked
from anonymization.home import Home
from anonymization.release.choices import add_optouts, read_optouts
from anonymization.release.setting import Setting, opened
from jobs.stage import tell

DELIVERED = "optouts-*.csv"


@click.command("choices", help=__doc__)
def command() -> None:
    with opened() as setting:
        done = record_delivered(setting)
    tell(lists=done.lists, new=done.new, known=done.known)
    click.echo(f"{done.lists} list(s): {done.new} recorded, {done.known} known before")
    if done.failures:
        raise InputError("; ".join(f"choices/{name} stays as it is: {why}" for name, why in done.failures))


@dataclass(frozen=True)
class Recorded:
    """What one run recorded.

    Attributes:
        lists: recorded and removed.
        new: persons who had not opted out before.
        known: those who had.
        failures: lists that stay as they are: name and why.
    """

    lists: int
    new: int
    known: int
    failures: tuple[tuple[str, str], ...]


def delivered(home: Home) -> list[Path]:
    """Return the lists that lie in `choices/` as `optouts-*.csv`, with the columns `namespace,id`."""
    return sorted(path for path in home.choices.glob(DELIVERED) if path.is_file() and not path.is_symlink())


def record_delivered(setting: Setting) -> Recorded:
    """Record every delivered list of opt-outs, and remove it once it is recorded; a wrong one stops no other.

    A run that was ended is taken up by the next one: to record a person again changes nothing. Of two runs at once, a
    scheduled one and one that makes up for a day, the second waits and finds what is left.
    """
    with locked(setting.home.temporary / "choices.lock"):
        return _record_delivered(setting)


def _record_delivered(setting: Setting) -> Recorded:
    lists = new = known = 0
    failures: list[tuple[str, str]] = []
    for path in delivered(setting.home):
        try:
            people = read_optouts(path, namespaces=setting.policies.namespaces)
            if people:
                added = add_optouts(setting.home, setting.ledger, people, namespaces=setting.policies.namespaces)
                new, known = new + added.new, known + added.known
        except InputError as error:
            failures.append((path.name, str(error)))
            continue
        path.unlink()
        lists += 1
    return Recorded(lists, new, known, tuple(failures))
