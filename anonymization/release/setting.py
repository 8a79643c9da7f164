"""What every job needs: the home, the policies, the ledger, and who may approve in this home."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from anonymization.files import write_private
from anonymization.home import Home
from anonymization.keys import public_text, publisher_key
from anonymization.policy.load import Policies, load_policies
from anonymization.policy.model import Officer, Officers
from anonymization.release.erasure import kept_from
from anonymization.release.ledger.ledger import EntryKind, Ledger

DEMO_OFFICERS = "demo-officers.json"
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
    def kept_from(self) -> date | None:
        """The first day of the earliest month that was not erased; None if none ever was."""
        return kept_from(self.ledger)

    @property
    def expected_persons(self) -> int | None:
        """How many persons are expected in a period, as was last declared; None if never: then every code stands."""
        with self.ledger.transaction() as transaction:
            declared = transaction.entries(kind=EntryKind.EXPECTED)
        return int(declared[-1].payload["persons"]) if declared else None

    def expected_in(self, release: str, period: str) -> int | None:
        """What a release's levels are chosen by: a further version of what is out keeps those of the one before."""
        with self.ledger.transaction() as transaction:
            out = [one for one in transaction.publications() if (one.release, one.period) == (release, period)]
            if out:
                built = transaction.entries(kind=EntryKind.REQUEST, subject=out[-1].candidate)[-1]
                expected = built.payload.get("expected_persons")
                return None if expected is None else int(expected)
        return self.expected_persons

    @property
    def officers(self) -> Mapping[str, str]:
        """Enrolled officers and the public keys that their decisions are signed with.

        For one who answers in Airflow the publisher signs, as the witness who has asked there.
        """
        signing = {name: one.public_key for name, one in self._enrolled.items() if one.public_key is not None}
        answering = self.airflow_officers
        witness = public_text(publisher_key(self.home).public_key()) if answering else ""
        return signing | dict.fromkeys(answering, witness)

    @property
    def airflow_officers(self) -> Mapping[str, str]:
        """Officers who answer in Airflow, and their logins."""
        return {name: one.airflow_user for name, one in self._enrolled.items() if one.airflow_user is not None}

    @property
    def _enrolled(self) -> Mapping[str, Officer]:
        if not self.demo:
            return self.policies.officers
        content = json.loads((self.home.root / DEMO_OFFICERS).read_text(encoding="utf-8"))
        demo = Officers.model_validate({"officers": {name: {"title": "Demo", **one} for name, one in content.items()}})
        return {**self.policies.officers, **demo.officers}


def enrol_in_demo(home: Home, name: str, **how: str) -> None:
    """Let one more officer decide in a demo's home.

    Args:
        home: a demo's home, or one that becomes it.
        name: the officer.
        how: `public_key` or `airflow_user`, as in `officers.yaml`.
    """
    path = home.root / DEMO_OFFICERS
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_private(path, json.dumps(known | {name: how}) + "\n")


def policy_folder() -> Path:
    """Return the policy folder: `NOREN_POLICIES`, else `policies/` of the checkout."""
    named = os.environ.get("NOREN_POLICIES")
    return Path(named) if named is not None else Path(__file__).parents[2] / "policies"


@contextmanager
def opened(home: Home | None = None) -> Iterator[Setting]:
    """Open a home that `noren init` has made."""
    place = (home or Home.from_environment()).require()
    ledger = Ledger.of(place)
    try:
        yield Setting(place, load_policies(policy_folder()), ledger)
    finally:
        ledger.close()
