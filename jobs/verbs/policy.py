"""Print the policy clause by clause: how each is declared, what that does, and what may go to whom, for what.

`show` and `accept` are about the policy folder that this home is run under, and who let it be changed.
"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from anonymization.home import policy_folder
from anonymization.policy.load import load_policies
from anonymization.release import pinned
from anonymization.release.setting import opened
from jobs.policy_page import page
from jobs.signing import officers_key


@click.group("policy", help=__doc__, invoke_without_command=True)
@click.pass_context
def command(around: click.Context) -> None:
    if around.invoked_subcommand is None:
        click.echo(page(load_policies(policy_folder())), nl=False)


@command.command("show")
def show() -> None:
    """Say what the ledger knows of the policy folder, and what was changed since."""
    with opened() as setting, setting.ledger.transaction() as transaction:
        known = pinned.known_policies(setting.home, transaction)
    if known is None:
        click.echo("the ledger does not know a policy folder yet; run `noren init` once more")
        return
    by = f" by {known.entry.payload['officer']}" if "officer" in known.entry.payload else ""
    click.echo(f"entry {known.entry.seq}, {known.entry.time}: {known.entry.payload['how']}{by}")
    click.echo(f"digest {known.folder.digest}")
    for name, officer in known.folder.officers.items():
        click.echo(f"officer {name}: {'; '.join(f'{way} {value}' for way, value in officer.items())}")
    for time in known.overruled:
        click.echo(f"WITHOUT AN OFFICER: changed with the master key at {time}; every later envelope tells of it")
    now = pinned.Folder.of(setting.policies.folder)
    needing = set(pinned.changed_files(known.folder, now, signed=True))
    for path in pinned.changed_files(known.folder, now):
        then = "needs an officer's signature: noren policy accept" if path in needing else "recorded by the next build"
        click.echo(f"changed: {path} ({then})")


@command.command("accept")
@click.option("--officer", help="The enrolled officer who signs; the key is at NOREN_OFFICER_KEY.")
@click.option(
    "--without-an-officer", is_flag=True, help="All officers' keys are lost: every later envelope tells of it."
)
def accept(officer: str | None, *, without_an_officer: bool) -> None:
    """Let the policy folder be used as it is now.

    An officer who is enrolled already signs. While nobody is, whoever holds the master key lets the first one in.
    """
    key = officers_key() if officer is not None else None
    with opened() as setting:
        folder = setting.policy_digests()
        with setting.ledger.transaction() as transaction:
            known = pinned.accept(
                setting.home, transaction, folder,
                at=datetime.now(UTC), officer=officer, key=key, overrule=without_an_officer,
            )  # fmt: skip
    officers = ", ".join(known.folder.officers) or "nobody"
    click.echo(f"the ledger knows this folder by entry {known.entry.seq}; officers who may approve: {officers}")
    if known.overruled:
        click.echo("every later envelope tells that this home's policy was changed without an officer")
