"""A correction of the ledger's time, after a clock that was wrong: everything would have expired by it."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import InputError
from anonymization.files import canonical
from anonymization.keys import require_enrolled, sign
from anonymization.release.ledger.ledger import Entry, EntryKind, Ledger, now


def correct(ledger: Ledger, *, officer: str, officers: Mapping[str, str], key: Ed25519PrivateKey) -> Entry:
    """Set the ledger's time back to this machine's clock, and record who did.

    Args:
        ledger: the home's ledger.
        officer: who signs.
        officers: enrolled officers and their public keys.
        key: the officer's.

    Raises:
        DecisionRefusal: the officer is not enrolled, or has another key.
        InputError: the ledger's time is not ahead of the clock.
    """
    require_enrolled(officer, officers, key)
    with ledger.transaction() as transaction:
        last, time = transaction.entries()[-1], now()
        if last.time <= time:
            raise InputError(f"the ledger's last entry is of {last.time}: there is nothing to set back to {time}")
        content = {"from": last.time, "to": time, "entry": last.seq, "officer": officer}
        signature = sign(key, canonical(content).encode())
        return transaction.append(EntryKind.CLOCK, "clock", {**content, "signature": signature})
