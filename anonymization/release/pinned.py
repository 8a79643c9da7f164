"""Which policy folder a home is run under: the ledger knows it by its digest, not its path, and who let it be changed.

`noren init` records the folder and its officers. A build records edits of releases, sources, hierarchies and the like.
Who may approve, the policy with its house rules, who receives, and own suites need an entry that an officer has
signed who is enrolled already; without one nothing is built or erased. While nobody is enrolled, whoever holds the
master key lets the first officer in. Where every officer's key is lost, that way is open too, and each later envelope
tells of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import DecisionRefusal, IntegrityError, PolicyRefusal
from anonymization.files import canonical
from anonymization.home import Home
from anonymization.keys import master_seal, public_text, sign, signature_holds
from anonymization.policy.digests import digest_of, file_digests, folder_digest
from anonymization.release.ledger.ledger import Entry, EntryKind, Transaction

SUBJECT = "policies"
SIGNED = ("policy.yaml", "officers.yaml", "recipients.yaml", "expectations/")
"""What needs an officer's signature to be changed: files, and folders with a stroke at their end."""


class How(StrEnum):
    """How the ledger came to know a folder."""

    INITIALIZED = "initialized"
    RECORDED = "recorded"
    SIGNED = "signed"
    MASTER_KEY = "master key"
    DEMO = "demo"


@dataclass(frozen=True)
class Folder:
    """A policy folder by its digests.

    Attributes:
        digest: of the whole folder (`Policies.digest`).
        files: the SHA-256 of each file, by its path.
        officers: by name: `public_key`, or `airflow_user` of one who answers in Airflow.
    """

    digest: str
    files: Mapping[str, str]
    officers: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, folder: Path) -> Folder:
        """Return the digests of a policy folder, and its officers.

        Raises:
            DeclarationError: there is none, or its officers cannot be read.
        """
        from anonymization.policy.load import parse  # noqa: PLC0415 - see `noren init`
        from anonymization.policy.model import Officers  # noqa: PLC0415

        enrolled = parse(folder, "officers.yaml", Officers).officers
        officers = {
            name: {"public_key": one.public_key}
            if one.public_key is not None
            else {"airflow_user": str(one.airflow_user)}
            for name, one in enrolled.items()
        }
        return cls(folder_digest(folder), file_digests(folder), officers)

    def digest_of(self, release: str) -> str:
        """Return the digest of what a release may depend on; see `Policies.digest_of`."""
        return digest_of(self.files, release)

    @property
    def signed(self) -> dict[str, str]:
        """The files that need an officer's signature to be changed."""
        return {path: digest for path, digest in self.files.items() if _needs_signature(path)}

    def payload(self) -> dict[str, Any]:
        """Return what an entry says of it."""
        return {
            "digest": self.digest,
            "files": dict(self.files),
            "officers": {n: dict(o) for n, o in self.officers.items()},
        }


@dataclass(frozen=True)
class Known:
    """What the ledger knows of the policy folder.

    Attributes:
        entry: the last one about it.
        overruled: when the master key replaced what enrolled officers would have had to sign.
    """

    folder: Folder
    entry: Entry
    overruled: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """Return what an envelope says of it."""
        how = {name: self.entry.payload[name] for name in ("how", "officer") if name in self.entry.payload}
        return {"entry": self.entry.seq, **how, "without_an_officer": list(self.overruled)}


def known_policies(home: Home, transaction: Transaction, *, before: int | None = None) -> Known | None:
    """Return what the ledger knows of the policy folder, after checking who let it be changed; None if nothing.

    Args:
        home: the home.
        transaction: of its ledger.
        before: an entry's number; what the ledger knew then.

    Raises:
        IntegrityError: an entry changes what needs a signature, and has none that holds.
    """
    demo = made_by_demo(transaction)
    known: Known | None = None
    for entry in transaction.entries(kind=EntryKind.POLICY, subject=SUBJECT):
        if before is not None and entry.seq >= before:
            break
        folder = Folder(*(entry.payload[name] for name in ("digest", "files", "officers")))
        overruled = () if known is None else known.overruled
        if known is not None:
            _check(home, known.folder, folder, entry, demo=demo)
            if entry.payload["how"] == How.MASTER_KEY and known.folder.officers:
                overruled = (*overruled, entry.time)
        known = Known(folder, entry, overruled)
    return known


def last_known(home: Home, transaction: Transaction) -> Known:
    """Return what the ledger knows of the policy folder; see `known_policies`.

    Raises:
        PolicyRefusal: it knows none: the home was made before it did.
        IntegrityError: an entry changes what needs a signature, and has none that holds.
    """
    known = known_policies(home, transaction)
    if known is None:
        raise PolicyRefusal("the ledger does not know this home's policy folder yet; run `noren init` once more")
    return known


def _check(home: Home, known: Folder, folder: Folder, entry: Entry, *, demo: bool) -> None:
    payload, how = entry.payload, How(entry.payload["how"])
    if how in (How.RECORDED, How.INITIALIZED):
        allowed = known.signed == folder.signed and known.officers == folder.officers
    elif how is How.SIGNED:
        key = known.officers.get(payload["officer"], {}).get("public_key")
        text = _text(known, folder, str(payload["at"]), str(payload["officer"]))
        allowed = key is not None and signature_holds(key, payload["signature"], text.encode())
    elif how is How.MASTER_KEY:
        allowed = hmac.compare_digest(
            str(payload["seal"]), master_seal(home, _text(known, folder, str(payload["at"]), ""))
        )
    else:
        allowed = demo
    if not allowed:
        raise IntegrityError(
            f"the ledger's entry {entry.seq} changes what needs an officer's signature, and has none that holds"
        )


def made_by_demo(transaction: Transaction) -> bool:
    """Whether the ledger says so of its home; one of an earlier Noren does not say, and has its officers beside it."""
    made = transaction.entries(kind=EntryKind.INITIALIZED)
    return bool(made) and bool(made[0].payload.get("demo", True))


def pin(transaction: Transaction, folder: Folder) -> None:
    """Record the folder of a new home, or of one that was made before folders were known."""
    transaction.append(EntryKind.POLICY, SUBJECT, folder.payload() | {"how": How.INITIALIZED.value})


def require_known(home: Home, transaction: Transaction, folder: Folder, *, demo: bool) -> Known:
    """Return what the ledger knows of the policy folder; edits that need no signature are recorded.

    Args:
        home: the home.
        transaction: of its ledger.
        folder: the policy folder as it is now.
        demo: whether the home is a demo's: whoever opens it holds its officer's key.

    Raises:
        PolicyRefusal: what was changed needs an officer's signature.
        IntegrityError: an earlier change had needed one.
    """
    known = last_known(home, transaction)
    if known.folder.digest == folder.digest:
        return known
    changed = changed_files(known.folder, folder, signed=True)
    if changed and not demo:
        raise PolicyRefusal(
            f"the ledger does not know this policy folder: {', '.join(changed)} changed, which needs the signature of"
            f" an officer who is enrolled already ({', '.join(sorted(known.folder.officers)) or 'nobody is yet'}):"
            " see `noren policy accept --help`"
        )
    how = How.DEMO if changed else How.RECORDED
    entry = transaction.append(EntryKind.POLICY, SUBJECT, folder.payload() | {"how": how.value})
    return Known(folder, entry, known.overruled)


def changed_files(known: Folder, folder: Folder, *, signed: bool = False) -> list[str]:
    """Return the files that differ; of those that need a signature alone, if asked so."""
    mine, theirs = (known.signed, folder.signed) if signed else (known.files, folder.files)
    return sorted(path for path in {*mine, *theirs} if mine.get(path) != theirs.get(path))


def accept(
    home: Home,
    transaction: Transaction,
    folder: Folder,
    *,
    at: datetime,
    officer: str | None = None,
    key: Ed25519PrivateKey | None = None,
    overrule: bool = False,
) -> Known:
    """Record a policy folder, signed by an officer who is enrolled already, or sealed with the master key.

    Nothing is to be recorded of a folder that the ledger knows.

    Args:
        home: the home.
        transaction: of its ledger.
        folder: the policy folder as it is now.
        at: the time.
        officer: who signs.
        key: the officer's.
        overrule: nobody signs, though officers are enrolled: every later envelope tells of it.

    Raises:
        PolicyRefusal: the ledger does not know any folder yet, or an officer has to sign.
        DecisionRefusal: the officer is not enrolled, answers in Airflow, or has another key.
    """
    known = last_known(home, transaction)
    if known.folder == folder:
        return known
    time = at.isoformat(timespec="seconds")
    if officer is not None and key is not None:
        _check_officer(known.folder, officer, key)
        signature = sign(key, _text(known.folder, folder, time, officer).encode())
        how = {"how": How.SIGNED.value, "officer": officer, "at": time, "signature": signature}
    elif overrule or not known.folder.officers:
        how = {
            "how": How.MASTER_KEY.value,
            "at": time,
            "seal": master_seal(home, _text(known.folder, folder, time, "")),
        }
    else:
        enrolled = ", ".join(sorted(known.folder.officers))
        raise PolicyRefusal(f"an officer who is enrolled has to sign (--officer): {enrolled}")
    transaction.append(EntryKind.POLICY, SUBJECT, folder.payload() | how)
    return last_known(home, transaction)


def _check_officer(known: Folder, officer: str, key: Ed25519PrivateKey) -> None:
    enrolled = known.officers.get(officer)
    if enrolled is None:
        names = ", ".join(sorted(known.officers)) or "nobody"
        raise DecisionRefusal(f"the ledger does not know an officer {officer!r}; enrolled: {names}")
    if enrolled.get("public_key") != public_text(key.public_key()):
        raise DecisionRefusal(f"the key is not the one that {officer!r} is enrolled with")


def _text(known: Folder, folder: Folder, at: str, officer: str) -> str:
    """What is signed: from which folder to which, when, and by whom."""
    parts = [hashlib.sha256(canonical(one.payload()).encode()).hexdigest() for one in (known, folder)]
    return canonical({"policy_from": parts[0], "policy_to": parts[1], "at": at, "officer": officer})


def _needs_signature(path: str) -> bool:
    return any(path.startswith(one) if one.endswith("/") else path == one for one in SIGNED)
