"""What the attacks share: what the gate found, and every shipped release in one home."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from harness.homes import copied

from anonymization.home import Home
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.setting import Setting
from jobs.dossier import review
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.walk import RELEASES


@dataclass(frozen=True)
class Shipped:
    """A home in which every shipped release was built, gated and reviewed; by name its candidate and the gate's result."""

    home: Home
    candidates: dict
    results: dict


@pytest.fixture(scope="session")
def shipped(world, policies, once):
    def make(folder):
        home = copied(world.home, folder / "home", landing=True)
        ledger = Ledger.of(home)
        setting = Setting(home, policies, ledger)
        candidates = {name: build(setting, name, "2026-10") for name in RELEASES}
        results = {name: gate(setting, candidate.id) for name, candidate in candidates.items()}
        for name, candidate in candidates.items():
            (home.metrics / f"{name}.md").write_text(review(setting, candidate.id))
        ledger.close()
        return home, candidates, results

    return Shipped(*once("shipped", make))


@pytest.fixture(scope="session")
def failed():
    """Tells the suites that a gate's result failed."""
    return lambda result: {suite.name for suite in result.results if not suite.success}
