"""Set the ledger's time back to this machine's clock, after a wrong one: signed by an officer, and recorded."""

from __future__ import annotations

import click

from anonymization.release.clock import correct
from anonymization.release.setting import opened
from jobs.options import officer_option
from jobs.signing import officers_key, require_a_key


@click.command("clock", help=__doc__)
@officer_option
def command(officer: str) -> None:
    key = officers_key()
    with opened() as setting:
        require_a_key(setting, officer)
        entry = correct(setting.ledger, officer=officer, officers=setting.officers, key=key)
    click.echo(f"the ledger's time is {entry.time} again (entry {entry.seq}); erasures of a later time do not count")
