"""Withdraw a published version: recorded, signed, told to its recipient. Its files stay, and audits count it."""

from __future__ import annotations

from pathlib import Path

from anonymization.errors import InputError, Refusal
from anonymization.files import canonical, indented, write_private
from anonymization.home import Home
from anonymization.keys import publisher_key, sign
from anonymization.release.ledger.ledger import EntryKind, Ledger, now
from anonymization.release.publish import release_folder

WITHDRAWAL, NOTICE = "withdrawal.json", "NOTICE-OF-WITHDRAWAL.txt"


def withdraw(home: Home, ledger: Ledger, release: str, version: int, reason: str, *, contact: str) -> Path:
    """Withdraw a version and return the path of the notice to its recipient.

    Raises:
        InputError: no reason is given.
        Refusal: there is no such version, or it was withdrawn before.
    """
    if not reason.strip():
        raise InputError("a withdrawal says why: --reason TEXT")
    with ledger.transaction() as transaction:
        folder = release_folder(home, transaction, release, version)
        publication = next(
            p for p in transaction.publications() if (p.release, p.version) == (release, version)
            and folder.parent.name == p.period
        )  # fmt: skip
        if transaction.entries(kind=EntryKind.WITHDRAWAL, subject=publication.candidate):
            raise Refusal(f"{release} {publication.period} v{version} was withdrawn before")
        recorded = transaction.entries(kind=EntryKind.PUBLICATION, subject=publication.candidate)[-1].payload
        content = {**recorded, "withdrawn_at": now(), "reason": reason}
        transaction.append(EntryKind.WITHDRAWAL, publication.candidate, content)
        signed = {**content, "signature": sign(publisher_key(home), canonical(content).encode())}
        write_private(folder / "envelope" / WITHDRAWAL, indented(signed))
        notice = folder / "envelope" / NOTICE
        write_private(
            notice,
            f"To: {contact}\n\n{release}, {publication.period}, version {version} was withdrawn on"
            f" {content['withdrawn_at']}.\nReason: {reason}\n\nPlease stop using it, delete every copy, and confirm.\n"
            f"Package digest: {publication.digest}\n",
        )
    return notice
