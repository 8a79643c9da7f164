"""Shipped releases of the month at a stage, in a home made once a run: a test continues from there in its own home."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

from harness.homes import copied

from anonymization.keys import load_private_key
from anonymization.release.candidate import load_candidate
from anonymization.release.decision import Outcome, decide
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.setting import Setting
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.walk import OFFICER

STAGES = ("built", "gated", "approved")
PERIOD = "2026-10"
ADDED = ("candidates", "draws", "metrics")
"""Folders of a home that a candidate's way adds to."""


class Stages:
    """Homes by release and stage, each continued from the stage before it."""

    def __init__(self, once, world, policies):
        self._once, self._world, self._policies = once, world, policies

    def home(self, release, stage):
        """Return the home, which nobody may change, and the candidate's id."""

        def make(folder):
            before = STAGES.index(stage)
            home, identity = self.home(release, STAGES[before - 1]) if before else (self._world.home, None)
            place = copied(home, folder / "home")
            with contextlib.closing(Ledger.of(place)) as ledger:
                return place, brought(Setting(place, self._policies, ledger), release, stage, identity)

        return self._once(stage, make, release=release)

    def continued(self, setting, release, stage):
        """Put a release at a stage into the home of a setting that is a copy of the world's; return the candidate."""
        made, identity = self.home(release, stage)
        with setting.ledger.transaction() as transaction:
            assert not [entry for entry in transaction.entries() if entry.kind.value == "request"]
        for name in ADDED:
            shutil.copytree(made.root / name, setting.home.root / name, dirs_exist_ok=True)
        source = sqlite3.connect(f"file:{made.root / 'noren.db'}?mode=ro&immutable=1", uri=True)
        with contextlib.closing(source), contextlib.closing(sqlite3.connect(setting.home.root / "noren.db")) as own:
            source.backup(own)
        return load_candidate(setting.home, setting.ledger, identity)


def brought(setting, release, stage, identity):
    """Bring a release one stage further; return the candidate's id."""
    if stage == "built":
        return build(setting, release, PERIOD).id
    if stage == "gated":
        result = gate(setting, identity)
        assert result.opened, result.reasons
        return identity
    candidate = load_candidate(setting.home, setting.ledger, identity)
    key = load_private_key(setting.home.keys / f"{OFFICER}.key")
    decide(setting.ledger, candidate, outcome=Outcome.APPROVED, officer=OFFICER, officers=setting.officers, key=key)
    return identity
