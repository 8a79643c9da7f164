"""Make the analysts' mart equal to what is out: load what is missing, remove what was withdrawn."""

from __future__ import annotations

import click

from anonymization.release.mart.database import mart_place
from anonymization.release.mart.mart import sync
from anonymization.release.setting import opened


@click.command("mart", help=__doc__)
def command() -> None:
    with opened() as setting:
        new, gone = sync(setting.home, setting.ledger)
        place = mart_place(setting.home)
    for word, versions in (("loaded", new), ("removed", gone)):
        for p in versions:
            click.echo(f"{word}: {p}")
    click.echo(f"the mart holds what is out: {place}")
