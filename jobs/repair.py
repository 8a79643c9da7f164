"""What a killed step, a full disk, a restore or a hand can leave in a home: found, said with what it means, and mended.

Mended is what is safe: nothing that was released is ever deleted, and what cannot be told is left to a person.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from anonymization.deidentify.taken import copies_left, damaged_events, logs_held, wipe_copies
from anonymization.errors import NorenError, Refusal
from anonymization.files import copy_folder, private_folder, sync
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.release.candidate import IDENTITY, discard_unknown
from anonymization.release.delivered import damage, unknown, version_folder, whole_copy
from anonymization.release.ledger.ledger import EntryKind, Publication
from anonymization.release.mart.database import mart_place
from anonymization.release.setting import Setting

OVER = 24 * 3600
"""Seconds after which what is staged belongs to no living step."""
ASIDE = "_set-aside"


def check_known(setting: Setting) -> None:
    """Check that the ledger knows every version in `releases/`; see `delivered.require_known` for what mends it."""
    with setting.ledger.transaction() as transaction:
        found = unknown(setting.home, transaction)
    _none(
        setting.home, found,
        "the ledger does not know it: publish its candidate again if that was interrupted, or put back the ledger that"
        " knows it; if it never left the house, move it out of releases/. Until then nothing is published",
    )  # fmt: skip


def check_whole(setting: Setting) -> None:
    """Check that every published package is what the ledger names."""
    found = [f"{publication}: {fault}" for publication, fault in _damaged(setting)]
    if found:
        raise NorenError(f"{'; '.join(found)}. Its candidate's copy is used meanwhile, if that is whole")


def mend_whole(setting: Setting) -> list[str]:
    """Put damaged packages back from their candidates' copies; what lay there is set aside, not deleted."""
    done = []
    for publication, _ in _damaged(setting):
        folder = version_folder(setting.home, publication) / "package"
        copy = whole_copy(setting.home, publication)
        stage = setting.home.releases / "_tmp" / f"{publication.candidate}-package"
        shutil.rmtree(stage, ignore_errors=True)
        copy_folder(copy, stage)
        if folder.exists():
            folder.rename(_aside(setting.home, f"{publication.candidate}-package"))
        stage.rename(folder)
        sync(folder.parent)
        done.append(f"{publication} put back from its candidate")
    return done


def _damaged(setting: Setting) -> Iterator[tuple[Publication, str]]:
    with setting.ledger.transaction() as transaction:
        published = transaction.publications()
    for publication in published:
        if (fault := damage(setting.home, publication)) is not None:
            yield publication, fault


def check_candidates(setting: Setting) -> None:
    """Check that the ledger knows every candidate."""
    _none(setting.home, _unknown_candidates(setting), "left by a build that was killed; the next build takes its place")


def mend_candidates(setting: Setting) -> list[str]:
    """Remove candidates that the ledger never knew; one that was gated once is left, for it knew another ledger."""
    done = []
    for folder in _unknown_candidates(setting):
        discard_unknown(folder)
        done.append(f"candidates/{folder.name} removed")
    return done


def _unknown_candidates(setting: Setting) -> list[Path]:
    with setting.ledger.transaction() as transaction:
        known = {entry.subject for entry in transaction.entries(kind=EntryKind.REQUEST)}
        folders = [path for path in setting.home.candidates.glob("*") if IDENTITY.fullmatch(path.name)]
        return sorted(path for path in folders if path.name not in known)


def check_events(setting: Setting) -> None:
    """Check that events are as the intake left them."""
    found = [f"{path.relative_to(setting.home.root)}: {fault}" for path, fault in damaged_events(setting.home)]
    if found:
        raise NorenError(f"{'; '.join(found)}. No period of its source is built until its log was taken in again")


def mend_events(setting: Setting) -> list[str]:
    """Set aside what says of damaged events that they are whole: the next intake takes their logs in again."""
    done = []
    with logs_held(setting.home, alone=True, patience=0) as held:
        if not held:
            raise Refusal("logs are being taken in: repair again when that has ended")
        for path, _ in list(damaged_events(setting.home)):
            said = path if path.suffix == ".json" else path.with_suffix(".json")
            if said.exists():
                said.rename(said.with_suffix(".damaged"))
                done.append(f"{said.relative_to(setting.home.root)} set aside: run `noren intake`")
    return done


def check_left(setting: Setting) -> None:
    """Check that no killed step left anything behind: a copy of a raw log, or what it had staged."""
    _none(setting.home, [*_copies(setting.home), *_staged(setting.home)], "left by a step that was killed")


def mend_left(setting: Setting) -> list[str]:
    """Remove what killed steps left, and nothing of a living one."""
    done = [f"temporary/{name} removed" for name in wipe_copies(setting.home)]
    for path in _staged(setting.home):
        shutil.rmtree(path)
        done.append(f"{path.relative_to(setting.home.root)} removed")
    return done


def _copies(home: Home) -> list[Path]:
    with logs_held(home, alone=True, patience=0) as held:
        return copies_left(home) if held else []


def _staged(home: Home) -> list[Path]:
    staged = [*home.candidates.glob("_tmp/*"), *home.releases.glob("_tmp/*")]
    return sorted(path for path in staged if time.time() - path.stat().st_mtime > OVER)


def check_keys(setting: Setting) -> None:
    """Check that every period's key is there which was made and not destroyed."""
    if missing := PeriodKeys(setting.home).missing():
        raise NorenError(
            f"the keys of {', '.join(missing)} are missing: put keys/periods/ back from where they are kept. Without"
            " one, nothing more of its month can be taken in, and nobody is counted anew by another"
        )


def mend_mart(setting: Setting) -> list[str]:
    """Make the mart equal to what is out; a file that cannot be read is set aside, and the mart made anew."""
    from anonymization.release.mart.mart import sync as sync_mart  # noqa: PLC0415 - only where it is behind

    try:
        sync_mart(setting.home, setting.ledger)
    except NorenError:
        place = Path(mart_place(setting.home))
        if not place.is_file():
            raise
        place.rename(place.with_suffix(".damaged"))
        sync_mart(setting.home, setting.ledger)
    return ["the mart holds what is out"]


def _none(home: Home, found: list[Path], meaning: str) -> None:
    if found:
        raise NorenError(f"{', '.join(path.relative_to(home.root).as_posix() for path in found)}: {meaning}")


def _aside(home: Home, name: str) -> Path:
    """A place for what is set aside, in `releases/`, of no version's name."""
    folder = private_folder(home.releases / ASIDE)
    return folder / f"{name}-{time.time_ns()}"
