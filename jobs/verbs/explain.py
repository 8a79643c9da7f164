"""Print the exact SQL that a build of RELEASE runs."""

from __future__ import annotations

import click

from anonymization.engine.portable import render
from anonymization.home import policy_folder
from anonymization.policy.load import load_policies
from anonymization.release.inputs import plan_release
from anonymization.tables.counting.tabulate import statements
from jobs.options import engine_option


@click.command("explain", help=__doc__)
@click.argument("release")
@click.option("--period", default="2026-10", show_default=True, help="The period whose days stand in the text.")
@engine_option
def command(release: str, period: str, engine: str) -> None:
    plan, _ = plan_release(load_policies(policy_folder()), release, period)
    events = {source: f"events_{source}" for source in plan.release.sources}
    for statement in statements(plan, events):
        click.echo(f"-- {statement.name}\n{render(statement.sql, engine)};\n")
