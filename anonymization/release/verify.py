"""Verify a release directory: from what is in it, and against the ledger where that is at hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymization.errors import InputError, IntegrityError
from anonymization.files import canonical
from anonymization.home import Home
from anonymization.keys import public_text, publisher_key, signature_holds
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.package import read_package
from anonymization.release.publish import ENVELOPE, SIGNATURE
from anonymization.release.withdraw import WITHDRAWAL


@dataclass(frozen=True)
class Verified:
    """What was checked, in words, and what the envelope says."""

    checks: tuple[str, ...]
    envelope: dict[str, Any]
    withdrawn: bool


def verify(folder: Path, home: Home | None) -> Verified:
    """Check a release directory.

    Args:
        folder: holds `package/` and `envelope/`.
        home: the publisher's home, for the ledger and the publisher's key; without it the key in the
            envelope is taken, and the result says so.

    Raises:
        InputError: the folder is no release.
        IntegrityError: what does not hold.
    """
    if not (folder / "package").is_dir() or not (folder / "envelope").is_dir():
        raise InputError(f"{folder} is no release directory: it holds no package/ and envelope/")
    package = read_package(folder / "package")
    content, envelope, seal = _envelope(folder)
    if envelope["digest"] != package.digest or seal["digest"] != package.digest:
        raise IntegrityError("the envelope is another package's")
    if seal["envelope_sha256"] != hashlib.sha256(content).hexdigest():
        raise IntegrityError(f"envelope/{ENVELOPE} is not what was signed")
    message = canonical({"digest": seal["digest"], "envelope_sha256": seal["envelope_sha256"]}).encode()
    key = public_text(publisher_key(home).public_key()) if home is not None else envelope["publisher_public_key"]
    if not signature_holds(key, seal["signature"], message):
        raise IntegrityError("the signature is not the publisher's over this package and envelope")
    checks = [
        f"package: every file is as its manifest says (digest {package.digest[:16]}...)",
        f"tables: {len(package.tables)} read back, CSV and Parquet equal, schema as described",
        "signature: the publisher's" if home is not None else "signature: holds for the key in the envelope",
        f"decision: {envelope['decision']['outcome']} by {envelope['decision']['officer']}",
    ]
    withdrawn = (folder / "envelope" / WITHDRAWAL).exists()
    if home is not None:
        withdrawn = _check_ledger(home, envelope, content) or withdrawn
        checks.append("ledger: the publication is recorded, and the chain holds")
    return Verified(tuple(checks), envelope, withdrawn)


def _envelope(folder: Path) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    try:
        content = (folder / "envelope" / ENVELOPE).read_bytes()
        envelope = json.loads(content)
        seal = json.loads((folder / "envelope" / SIGNATURE).read_bytes())
        _ = (envelope["digest"], envelope["decision"]["outcome"], envelope["publisher_public_key"], seal["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError("the envelope is incomplete or unreadable") from None
    return content, envelope, seal


def _check_ledger(home: Home, envelope: dict[str, Any], content: bytes) -> bool:
    """Check the ledger's record of a publication; return whether it was withdrawn."""
    ledger = Ledger.of(home)
    try:
        with ledger.transaction() as transaction:
            transaction.verify_chain()
            hashes = {entry.hash for entry in transaction.entries()}
            recorded = transaction.entries(kind=EntryKind.PUBLICATION, subject=envelope["candidate"])
            withdrawals = transaction.entries(kind=EntryKind.WITHDRAWAL, subject=envelope["candidate"])
    finally:
        ledger.close()
    if envelope["ledger_head"] not in hashes:
        raise IntegrityError("the ledger no longer holds the head that the envelope names: its tail was cut")
    digest = hashlib.sha256(content).hexdigest()
    if not recorded or recorded[-1].payload["envelope_sha256"] != digest:
        raise IntegrityError("the ledger has no publication with this envelope")
    return bool(withdrawals)
