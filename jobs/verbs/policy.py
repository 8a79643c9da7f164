"""Print the policy clause by clause: how each is declared, what that does, and what may go to whom, for what."""

from __future__ import annotations

import click

from anonymization.policy.load import load_policies
from anonymization.release.setting import policy_folder
from jobs.policy_page import page


@click.command("policy", help=__doc__)
def command() -> None:
    click.echo(page(load_policies(policy_folder())), nl=False)
