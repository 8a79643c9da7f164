"""The envelope of a release: what is said of its package, sealed by the publisher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import IntegrityError
from anonymization.files import canonical, indented, write_private
from anonymization.keys import sign, signature_holds

FOLDER, ENVELOPE, SIGNATURE = "envelope", "envelope.json", "SIGNATURE.json"


@dataclass(frozen=True)
class Envelope:
    """An envelope as it was read.

    Attributes:
        says: its content.
        sha256: its digest, which the ledger's entry of the publication has.
        seal: the publisher's signature, over the digests of package and envelope.
    """

    says: Mapping[str, Any]
    sha256: str
    seal: Mapping[str, Any]

    def require_sealed(self, digest: str, public_key: str) -> None:
        """Check that a publisher sealed exactly this envelope, for exactly this package.

        Raises:
            IntegrityError: what does not hold.
        """
        if self.says["digest"] != digest or self.seal["digest"] != digest:
            raise IntegrityError("the envelope is another package's")
        if self.seal["envelope_sha256"] != self.sha256:
            raise IntegrityError(f"{FOLDER}/{ENVELOPE} is not what was signed")
        if not signature_holds(public_key, str(self.seal["signature"]), _sealed(digest, self.sha256)):
            raise IntegrityError("the signature is not the publisher's over this package and envelope")


def read_envelope(release: Path) -> Envelope:
    """Read the envelope of a release directory.

    Raises:
        IntegrityError: it is incomplete or unreadable.
    """
    try:
        content = (release / FOLDER / ENVELOPE).read_bytes()
        says = json.loads(content)
        seal = json.loads((release / FOLDER / SIGNATURE).read_bytes())
        _ = (says["digest"], says["decision"]["outcome"], says["publisher_public_key"], says["ledger_head"])
        _ = (says["candidate"], seal["digest"], seal["envelope_sha256"], seal["signature"])
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError("the envelope is incomplete or unreadable") from None
    return Envelope(says, hashlib.sha256(content).hexdigest(), seal)


def write_envelope(release: Path, says: Mapping[str, Any]) -> str:
    """Write the content of an envelope into a release directory; return its digest."""
    text = indented(says)
    write_private(release / FOLDER / ENVELOPE, text)
    return hashlib.sha256(text.encode()).hexdigest()


def seal(release: Path, digest: str, envelope_sha256: str, key: Ed25519PrivateKey) -> None:
    """Sign package and envelope of a release directory with the publisher's key."""
    content = {"digest": digest, "envelope_sha256": envelope_sha256, "algorithm": "Ed25519"}
    signature = sign(key, _sealed(digest, envelope_sha256))
    write_private(release / FOLDER / SIGNATURE, indented({**content, "signature": signature}))


def _sealed(digest: str, envelope_sha256: str) -> bytes:
    return canonical({"digest": digest, "envelope_sha256": envelope_sha256}).encode()
