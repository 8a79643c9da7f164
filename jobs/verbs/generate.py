"""Write a month of realistic logs of every source into landing/."""

from __future__ import annotations

import click

from anonymization.errors import InputError
from anonymization.home import Home
from jobs.console import OUT, bar
from jobs.options import events_option
from jobs.synthetic.month import MONTH, generate
from jobs.synthetic.traffic import days_of


@click.command("generate", help=__doc__)
@events_option
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same bytes.")
@click.option("--month", default=MONTH, show_default=True, help="The month, YYYY-MM.")
def command(events: int, seed: int, month: str) -> None:
    try:
        days = days_of(month)
    except ValueError:
        raise InputError(f"--month {month!r}: a month is written YYYY-MM") from None
    home = Home.from_environment().create()
    with bar(OUT) as progress:
        step = progress.add_task("Generating logs", total=len(days))
        made = generate(home, events, seed, month=month, progress=lambda _: progress.advance(step))
    for source, rows in made.rows.items():
        OUT.print(f"{source}: {rows:,} rows", highlight=False)
    OUT.print(f"{made.files} files in {home.landing}; {made.persons:,} people who do not exist", highlight=False)
