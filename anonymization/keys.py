"""Keys: a master key that wraps one random key a period, and the publisher's and officers' signing keys.

A period key is random, not derived, so that destroying it cuts the link between persons and pseudonyms for
good. Every file is 0600. Backups exclude `keys/periods/`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from anonymization.errors import DecisionRefusal, InputError, IntegrityError, Refusal
from anonymization.files import PRIVATE_FOLDER, private_folder, write_private_once
from anonymization.home import Home

KEY_BYTES = 32
BLOCK = 64
"""Block size of SHA-256, in bytes."""
MADE = "periods-made"
"""The folder of keys that says which periods ever had one; a backup has it, though not the keys themselves."""
PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def init_keys(home: Home) -> None:
    """Make the master key and the publisher's signing key, where they are not there yet."""
    (home.keys / "periods").mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if not (home.keys / "master.key").exists() and "NOREN_MASTER_KEY" not in os.environ:
        write_private_once(home.keys / "master.key", base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    elif not (home.keys / "master.key").exists():
        write_private_once(home.keys / "master.key", b"in the environment: NOREN_MASTER_KEY\n")
    if not (home.keys / "publisher.key").exists():
        write_private_once(home.keys / "publisher.key", private_bytes(Ed25519PrivateKey.generate()))


class PeriodKeys:
    """The random keys of the key periods (calendar months), made on first use."""

    def __init__(self, home: Home) -> None:
        self._folder = home.keys / "periods"
        self._master = _master_key(home)

    def pseudonym_pads(self, period: str) -> tuple[bytes, bytes]:
        """Return the inner and outer pad of HMAC-SHA-256 under the period's pseudonym key (RFC 2104), 64 bytes each.

        Raises:
            Refusal: the period's key was destroyed.
        """
        key = self._use(period, b"pseudonym").ljust(BLOCK, b"\0")
        return bytes(b ^ 0x36 for b in key), bytes(b ^ 0x5C for b in key)

    def commitment(self, period: str, text: str) -> str:
        """Return what is equal for equal texts of a period, and tells nothing of them to whoever lacks its key."""
        return hmac.new(self._use(period, b"commitment"), text.encode(), hashlib.sha256).hexdigest()

    def periods(self) -> list[str]:
        """Return the periods that have a key, in order."""
        return sorted(path.stem for path in self._folder.glob("*.json") if PERIOD.fullmatch(path.stem))

    def missing(self) -> list[str]:
        """Return the periods that had a key which is neither there nor destroyed, in order."""
        made = sorted(path.name for path in self._folder.with_name(MADE).glob("*") if PERIOD.fullmatch(path.name))
        return [p for p in made if not self._path(p).exists() and not self._path(p).with_suffix(".destroyed").exists()]

    def destroy(self, period: str) -> None:
        """Destroy a period's key for good; a tombstone keeps it from being made anew."""
        path = self._path(period)
        if path.exists():
            path.write_bytes(secrets.token_bytes(path.stat().st_size))
        tombstone = path.with_suffix(".destroyed")
        if not tombstone.exists():
            write_private_once(tombstone, b"destroyed\n")
        path.unlink(missing_ok=True)

    def _use(self, period: str, purpose: bytes) -> bytes:
        """HKDF-SHA-256 separates the uses of one period key (RFC 5869)."""
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=b"noren " + purpose).derive(
            self._key(period)
        )

    def _key(self, period: str) -> bytes:
        path = self._path(period)
        if path.with_suffix(".destroyed").exists():
            raise Refusal(f"the key of {period} was destroyed: its logs can no longer be taken in or released")
        made = self._folder.with_name(MADE) / period
        if not path.exists():
            if made.exists():
                raise IntegrityError(
                    f"the key of {period} is missing, and was made before: a new one would count everybody of that"
                    f" month anew. Put keys/periods/{path.name} back; without it, nothing more of it can be taken in"
                )
            wrapped = aes_key_wrap(self._master, secrets.token_bytes(KEY_BYTES))
            content = {"period": period, "wrapped": base64.b64encode(wrapped).decode()}
            write_private_once(path, (json.dumps(content) + "\n").encode())
        if not made.exists():
            private_folder(made.parent)
            write_private_once(made, b"made\n")
        _check_private(path)
        try:
            wrapped = base64.b64decode(json.loads(path.read_text(encoding="ascii"))["wrapped"])
            return aes_key_unwrap(self._master, wrapped)
        except (InvalidUnwrap, ValueError, KeyError):
            raise IntegrityError(f"keys/periods/{path.name} does not open with this master key") from None

    def _path(self, period: str) -> Path:
        if PERIOD.fullmatch(period) is None:
            raise InputError(f"a key period is a month YYYY-MM, not {period!r}")
        return self._folder / f"{period}.json"


def master_seal(home: Home, text: str) -> str:
    """Return what shows, to whoever holds the master key, that its holder said a text: HMAC-SHA-256 (RFC 2104)."""
    key = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=b"noren policy").derive(_master_key(home))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def publisher_key(home: Home) -> Ed25519PrivateKey:
    """Return the key that signs releases."""
    return load_private_key(home.keys / "publisher.key")


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Return an Ed25519 key from a PEM file.

    Raises:
        InputError: no such file, readable by others, or no Ed25519 key.
    """
    if not path.is_file():
        raise InputError(f"no key file at {path}")
    _check_private(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path.name} holds no unencrypted Ed25519 private key in PEM")
    return key


def generate_officer_key(path: Path) -> str:
    """Write a new officer's private key to `path` (0600) and return the public key for `officers.yaml`."""
    if path.exists():
        raise InputError(f"{path} exists; an officer's key is never overwritten")
    key = Ed25519PrivateKey.generate()
    write_private_once(path, private_bytes(key))
    return public_text(key.public_key())


def private_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as base64 of its 32 bytes."""
    return base64.b64encode(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)).decode()


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """Return the Ed25519 signature of a message, base64 (RFC 8032)."""
    return base64.b64encode(key.sign(message)).decode()


def signature_holds(public_key: str, signature: str, message: bytes) -> bool:
    """Whether a signature is the public key's, over exactly this message."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def require_enrolled(officer: str, officers: Mapping[str, str], key: Ed25519PrivateKey) -> None:
    """Check that an officer is enrolled with a key.

    Raises:
        DecisionRefusal: the officer is not, or has another key.
    """
    if officers.get(officer) != public_text(key.public_key()):
        raise DecisionRefusal(f"{officer!r} is not enrolled with this key; enrolled: {', '.join(sorted(officers))}")


def _master_key(home: Home) -> bytes:
    text = os.environ.get("NOREN_MASTER_KEY")
    if text is None:
        path = home.require().keys / "master.key"
        _check_private(path)
        text = path.read_text(encoding="ascii")
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError("the master key is not 32 bytes in base64; see keys/master.key or NOREN_MASTER_KEY")
    return key


def _check_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise InputError(f"{path.name} can be read by others; a key file is 0600")
