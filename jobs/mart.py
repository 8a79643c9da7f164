"""The mart after a publication or a withdrawal: what is out is what analysts query."""

from __future__ import annotations

from anonymization.errors import NorenError
from anonymization.release.mart.database import mart_place
from anonymization.release.mart.mart import sync
from anonymization.release.setting import Setting


def load_mart(setting: Setting) -> str:
    """Make the mart equal to what is out, and say what was done.

    A mart that cannot be reached takes nothing back: the ledger has the publication or the withdrawal, the line
    says what is missing, `noren doctor` finds it, and the next run loads it.
    """
    try:
        new, gone = sync(setting.home, setting.ledger)
    except NorenError as error:
        return f"WARNING: the mart is behind: {error}. Run `noren mart` when it is well again"
    changes = f"{len(new)} version(s) loaded, {len(gone)} removed" if new or gone else "as it was"
    return f"mart: {changes}: {mart_place(setting.home)}"
