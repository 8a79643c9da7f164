"""Withdraw a published version: recorded, signed, told to its recipient. Its files stay, and audits count it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from anonymization.errors import InputError, Refusal
from anonymization.files import canonical, indented, private_stream, write_synced
from anonymization.home import Home
from anonymization.keys import publisher_key, sign
from anonymization.release.delivered import version_folder
from anonymization.release.envelope import FOLDER
from anonymization.release.ledger.ledger import EntryKind, Ledger, now
from anonymization.release.publish import find_publication

WITHDRAWAL, NOTICE = "withdrawal.json", "NOTICE-OF-WITHDRAWAL.txt"


def withdraw(
    home: Home, ledger: Ledger, release: str, version: int, reason: str, *, contact: str, period: str | None = None
) -> Path:
    """Withdraw a version and return the path of the notice to its recipient; both are there once it is recorded.

    Args:
        home: the home.
        ledger: its ledger.
        release: the release.
        version: its version.
        reason: why; the recipient reads it.
        contact: the recipient's.
        period: of the version; it may be left out where one period alone has such a version.

    Raises:
        InputError: no reason is given, or no period where several have such a version.
        Refusal: there is no such version, or it was withdrawn before.
    """
    if not reason.strip():
        raise InputError("a withdrawal says why: --reason TEXT")
    with contextlib.ExitStack() as after, ledger.transaction() as transaction:
        publication = find_publication(transaction, release, version, period)
        folder = version_folder(home, publication)
        if transaction.entries(kind=EntryKind.WITHDRAWAL, subject=publication.candidate):
            raise Refusal(f"{release} {publication.period} v{version} was withdrawn before")
        recorded = transaction.entries(kind=EntryKind.PUBLICATION, subject=publication.candidate)[-1].payload
        content = {**recorded, "withdrawn_at": now(), "reason": reason}
        transaction.append(EntryKind.WITHDRAWAL, publication.candidate, content)
        signed = {**content, "signature": sign(publisher_key(home), canonical(content).encode())}
        told = after.enter_context(private_stream(folder / FOLDER / WITHDRAWAL))
        write_synced(told, indented(signed))
        notice = folder / FOLDER / NOTICE
        write_synced(
            after.enter_context(private_stream(notice)),
            f"To: {contact}\n\n{release}, {publication.period}, version {version} was withdrawn on"
            f" {content['withdrawn_at']}.\nReason: {reason}\n\nPlease stop using it, delete every copy, and confirm.\n"
            f"Package digest: {publication.digest}\n",
        )
    return notice
