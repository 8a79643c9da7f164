"""What every job needs: the home, the policies, the ledger, and who may approve in this home."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from anonymization.home import Home
from anonymization.policy.load import Policies, load_policies
from anonymization.release.ledger import Ledger

DEMO_OFFICERS = "demo-officers.yaml"
"""In a demo's home only: officers who do not stand in the policy folder."""


@dataclass(frozen=True)
class Setting:
    """A home with its policies and its ledger."""

    home: Home
    policies: Policies
    ledger: Ledger

    @property
    def demo(self) -> bool:
        """Whether the home was made by `noren demo`."""
        return (self.home.root / DEMO_OFFICERS).exists()

    @property
    def officers(self) -> Mapping[str, str]:
        """Enrolled officers and their public keys."""
        enrolled = {name: officer.public_key for name, officer in self.policies.officers.items()}
        if self.demo:
            enrolled |= yaml.safe_load((self.home.root / DEMO_OFFICERS).read_text(encoding="utf-8"))
        return enrolled


def policy_folder() -> Path:
    """Return the policy folder: `NOREN_POLICIES`, else `policies/` of the checkout."""
    named = os.environ.get("NOREN_POLICIES")
    return Path(named) if named is not None else Path(__file__).parent.parent / "policies"


@contextmanager
def opened(home: Home | None = None) -> Iterator[Setting]:
    """Open a home that `noren init` has made."""
    place = (home or Home.from_environment()).require()
    ledger = Ledger.of(place)
    try:
        yield Setting(place, load_policies(policy_folder()), ledger)
    finally:
        ledger.close()
