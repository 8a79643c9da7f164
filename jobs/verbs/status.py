"""Say where each candidate stands, and what is out."""

from __future__ import annotations

from collections.abc import Iterator

import click

from anonymization.deidentify.taken import known_files
from anonymization.policy.requests import OPEN, today
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.person_requests import requests_of
from anonymization.release.pinned import known_policies
from anonymization.release.rewritten import read_any, rewritten
from anonymization.release.setting import Setting, opened

STAGES = {
    EntryKind.REQUEST: "built: waits for its gate",
    EntryKind.GATE: "gated",
    EntryKind.DECISION: "decided",
    EntryKind.PUBLICATION: "published",
    EntryKind.WITHDRAWAL: "withdrawn",
}


@click.command("status", help=__doc__)
def command() -> None:
    for line in stages():
        click.echo(line)


def stages() -> Iterator[str]:
    """Yield a line on the events, one a request that waits, one a candidate, one a release that cannot be built."""
    with opened() as setting:
        files = list(known_files(setting.home))
        yield f"{len(files):,} log files taken in, {sum(taken.accepted for _, taken in files):,} events"
        if (first := setting.kept_from) is not None:
            yield f"logs are kept from {first}; those from before were erased"
        with setting.ledger.transaction() as transaction:
            entries = transaction.entries()
        yield from _requests(setting)
        for name in sorted({entry.subject for entry in entries if entry.kind is EntryKind.REQUEST}):
            last = [entry for entry in entries if entry.subject == name and entry.kind in STAGES][-1]
            detail = (
                {True: ", open", False: ", closed"}.get(bool(last.payload.get("open")))
                if last.kind is EntryKind.GATE
                else ""
            )
            outcome = f", {last.payload['outcome']}" if "outcome" in last.payload else ""
            yield f"{name}: {STAGES[last.kind]}{detail}{outcome}"
        with setting.ledger.transaction() as transaction:
            known = known_policies(setting.home, transaction)
        if known is None or known.folder.digest != setting.policies.digest:
            yield "the policy folder is not the one that the ledger knows: see `noren policy show`"
        for name, error in setting.policies.release_errors.items():
            yield f"release {name} cannot be built: {error}"


def _requests(setting: Setting) -> Iterator[str]:
    """The requests that wait, and what is out beside which no version can be published because of one."""
    with setting.ledger.transaction() as transaction:
        requests = requests_of(transaction, setting.policies)
        out, changed = transaction.publications(), rewritten(transaction)
    day = today(setting.policies)
    for one in requests:
        if one.state in OPEN:
            yield one.told_on(day)
    if not changed:
        return
    from anonymization.release.candidate import load_candidate  # noqa: PLC0415 - NumPy, which nothing else here needs

    for publication in out:
        read = load_candidate(setting.home, setting.ledger, publication.candidate).request.inputs.values()
        if any(read_any(texts, changed) for texts in read):
            yield f"{publication}: no further version beside it: rows of persons were deleted or corrected since"
