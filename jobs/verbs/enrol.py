"""Make an officer's key and print the lines for policies/officers.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from anonymization.keys import generate_officer_key


@click.command("enrol", help=__doc__)
@click.argument("name")
@click.option(
    "--key", "path", type=click.Path(path_type=Path), required=True, help="Where the private key goes (0600)."
)
def command(name: str, path: Path) -> None:
    public = generate_officer_key(path)
    click.echo(f"officers:\n  {name}:\n    title: Privacy officer\n    public_key: {public}")
