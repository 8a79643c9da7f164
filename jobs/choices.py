"""Choices: what people chose, delivered as lists, is recorded; from then on their events are dropped at intake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anonymization.errors import InputError
from anonymization.home import Home
from anonymization.release.choices import add_optouts, read_optouts
from jobs.setting import Setting

DELIVERED = "optouts-*.csv"


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

    A run that was ended is taken up by the next one: to record a person again changes nothing.
    """
    lists = new = known = 0
    failures: list[tuple[str, str]] = []
    for path in delivered(setting.home):
        try:
            people = read_optouts(path)
            if people:
                added = add_optouts(setting.home, setting.ledger, people)
                new, known = new + added.new, known + added.known
        except InputError as error:
            failures.append((path.name, str(error)))
            continue
        path.unlink()
        lists += 1
    return Recorded(lists, new, known, tuple(failures))


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("choices")
