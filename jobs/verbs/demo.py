"""Walk the whole path with people who do not exist: logs in, six signed releases out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from anonymization.errors import AlreadyOut
from anonymization.home import Home
from anonymization.release.choices import add_optouts, read_optouts
from anonymization.release.publish import Published
from anonymization.release.setting import Setting, opened
from anonymization.release.verify import verify
from jobs.console import OUT, bar, print_intake
from jobs.mart import load_mart
from jobs.options import events_option
from jobs.synthetic.month import MONTH, generate
from jobs.walk import RELEASES, open_demo, release, take_logs_in

DAYS = 31


@click.command("demo", help=__doc__)
@events_option
@click.option("--seed", type=int, default=1, show_default=True)
def command(events: int, seed: int) -> None:
    demo(Home.from_environment(), events, seed, OUT)


def demo(home: Home, events: int, seed: int, console: Console) -> None:
    """Run the whole path and say what was released and where.

    Raises:
        Refusal: the home was not made by a demo.
    """
    started = time.perf_counter()
    open_demo(home)
    console.print(f"[bold]Noren demo[/] in {home.root}: about {events:,} events of {MONTH}, people who do not exist\n")
    with opened(home) as setting, bar(console) as progress:
        step = progress.add_task("Generating logs", total=DAYS)
        made = generate(home, events, seed, progress=lambda _: progress.advance(step))
        namespaces = setting.policies.namespaces
        chosen = read_optouts(home.landing / "optouts.csv", namespaces=namespaces)
        add_optouts(home, setting.ledger, chosen, namespaces=namespaces)
        run = take_logs_in(setting, progress)
        step = progress.add_task("Build, gate, approve, publish", total=len(RELEASES) * 4)
        released = [_released(setting, name, lambda: progress.advance(step)) for name in RELEASES]
        mart = load_mart(setting)
    print_intake(console, run)
    planted = f"{made.optouts} opted-out cookies, {made.crawlers:,} crawler requests, {made.broken.total()} broken rows"
    console.print(f"Planted: {planted}, {made.late:,} late events, {made.repeated} file delivered twice.\n")
    with opened(home) as setting:
        for name, outcome in zip(RELEASES, released, strict=True):
            _say(console, setting, name, outcome)
    console.print(f"\n{mart[0].upper()}{mart[1:]}: schema statistics, a table a release table.", highlight=False)
    console.print(
        f"Done in {time.perf_counter() - started:.0f} s. Check a release: noren verify DIR. Attack it: noren audit DIR."
    )


def _released(setting: Setting, name: str, advance: Callable[[], None]) -> Published | str:
    """What was published, or why not: a demo that is run again builds the same bytes, and they are out already."""
    try:
        return release(setting, name, MONTH, advance)
    except AlreadyOut as error:
        return str(error)
    finally:
        advance()


def _say(console: Console, setting: Setting, name: str, outcome: Published | str) -> None:
    title = setting.policies.release(name).title.en
    if isinstance(outcome, str):
        console.print(f"[bold]{title}[/]: {outcome}")
        return
    published = outcome.publication
    checked = ", ".join(check.partition(":")[0] for check in verify(outcome.folder, setting.home).checks)
    console.print(f"[bold]{title}[/] {published.period} v{published.version}, digest {published.digest[:16]}")
    console.print(f"  verified: {checked}", highlight=False)
    console.print(f"  {_relative(outcome.folder)}", highlight=False, soft_wrap=True)


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
