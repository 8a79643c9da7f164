"""What every job needs: the home, the policies, the ledger, and who may approve in this home."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from anonymization.errors import InputError, PolicyRefusal
from anonymization.files import write_private
from anonymization.home import DEMO_OFFICERS, Home, policy_folder
from anonymization.keys import public_text, publisher_key
from anonymization.policy.load import Policies, load_policies
from anonymization.policy.model import Officer, Officers
from anonymization.release.erasure import kept_from
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.pinned import Folder, Known, made_by_demo, require_known
from anonymization.release.rewritten import rewritten


@dataclass(frozen=True)
class Setting:
    """A home with its policies and its ledger."""

    home: Home
    policies: Policies
    ledger: Ledger

    @property
    def demo(self) -> bool:
        """Whether the home was made by `noren demo`: the ledger says so, and nothing can make a demo's of another."""
        if not (self.home.root / DEMO_OFFICERS).exists():
            return False
        with self.ledger.transaction() as transaction:
            return made_by_demo(transaction)

    def policy_digests(self) -> Folder:
        """Return the digests of the policy folder, which is still the one that was read.

        Raises:
            PolicyRefusal: it is being changed.
        """
        folder = Folder.of(self.policies.folder)
        if folder.digest != self.policies.digest:
            raise PolicyRefusal("the policy folder is being changed: try again")
        return folder

    def require_known_policies(self) -> Known:
        """Check that the ledger knows this policy folder; see `pinned.require_known`.

        Raises:
            PolicyRefusal: it does not.
        """
        demo, folder = self.demo, self.policy_digests()
        with self.ledger.transaction() as transaction:
            return require_known(self.home, transaction, folder, demo=demo)

    @property
    def kept_from(self) -> date | None:
        """The first day of the earliest month that was not erased; None if none ever was."""
        return kept_from(self.ledger)

    @property
    def rewritten(self) -> Mapping[str, str]:
        """By digest the contents of logs that persons' requests have changed: see `rewritten.rewritten`."""
        with self.ledger.transaction() as transaction:
            return rewritten(transaction)

    @property
    def expected_persons(self) -> int | None:
        """How many persons are expected in a period, as was last declared; None if never: then every code stands."""
        with self.ledger.transaction() as transaction:
            declared = transaction.entries(kind=EntryKind.EXPECTED)
        return int(declared[-1].payload["persons"]) if declared else None

    def expected_in(self, release: str, period: str) -> int | None:
        """What a release's levels are chosen by: a further version of what is out keeps those of the one before."""
        with self.ledger.transaction() as transaction:
            out = transaction.versions(release, period)
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
        content = demo_officers(self.home)
        demo = Officers.model_validate({"officers": {name: {"title": "Demo", **one} for name, one in content.items()}})
        return {**self.policies.officers, **demo.officers}


def demo_officers(home: Home) -> dict[str, dict[str, str]]:
    """Return who may decide in a demo's home beside the policy folder's officers; nobody in any other."""
    path = home.root / DEMO_OFFICERS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def enrol_in_demo(home: Home, name: str, **how: str) -> None:
    """Let one more officer decide in a demo's home.

    Args:
        home: a demo's home, or one that becomes it.
        name: the officer.
        how: `public_key` or `airflow_user`, as in `officers.yaml`.
    """
    path = home.root / DEMO_OFFICERS
    write_private(path, json.dumps(demo_officers(home) | {name: how}) + "\n")


@contextmanager
def opened(home: Home | None = None) -> Iterator[Setting]:
    """Open a home that `noren init` has made."""
    place = (home or Home.from_environment()).require()
    require_ledger(place)
    ledger = Ledger.of(place)
    try:
        yield Setting(place, load_policies(policy_folder()), ledger)
    finally:
        ledger.close()


def require_ledger(home: Home) -> None:
    """Check that a ledger in a file is there: one that is lost is not silently made new.

    Raises:
        InputError: it is not.
    """
    if home.ledger_file is not None and not home.ledger_file.exists():
        raise InputError(
            f"no ledger at {home.ledger_file}: put it back from a backup; a new home is made by `noren init`"
        )
