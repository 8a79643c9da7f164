"""Print what each version of the policy allows of RELEASE, from which day on, and the exact SQL that a build runs."""

from __future__ import annotations

import click

from anonymization.engine.portable import render
from anonymization.home import policy_folder
from anonymization.policy.in_force import lines
from anonymization.policy.load import load_policies
from anonymization.release.gaps import whole_days
from anonymization.release.inputs import plan_release
from anonymization.tables.counting.tabulate import statements
from jobs.options import engine_option


@click.command("explain", help=__doc__)
@click.argument("release")
@click.option("--period", default="2026-10", show_default=True, help="The period whose days stand in the text.")
@engine_option
def command(release: str, period: str, engine: str) -> None:
    policies = load_policies(policy_folder())
    declared = policies.release(release)
    click.echo(f"-- {release}, for {declared.purpose!r}, to {declared.recipient}: by the versions of the policy")
    for line in lines(policies, declared):
        click.echo(f"--   {line}")
    plan, _ = plan_release(policies, release, period)
    for source, one in plan.barred.items():
        click.echo(f"-- of {period} not read: {source}, {whole_days(one.days)}")
    click.echo("")
    events = {source: f"events_{source}" for source in plan.release.sources}
    for statement in statements(plan, events):
        click.echo(f"-- {statement.name}\n{render(statement.sql, engine)};\n")
