"""Walk the whole path with people who do not exist: logs in, six signed releases out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from anonymization.deidentify.events import OPTED_OUT
from anonymization.deidentify.taken import IntakeRun
from anonymization.errors import AlreadyOut
from anonymization.home import Home
from anonymization.release.candidate import load_candidate
from anonymization.release.choices import add_optouts, read_optouts
from anonymization.release.left_out import told_of_choices
from anonymization.release.publish import Published
from anonymization.release.setting import Setting, opened
from anonymization.release.verify import verify
from anonymization.tables.utility import noted
from jobs.console import OUT, bar, print_intake
from jobs.mart import load_mart
from jobs.options import events_option
from jobs.synthetic.choosers import BEFORE, LATER
from jobs.synthetic.month import MONTH, generate
from jobs.synthetic.people import persons_of
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
    open_demo(home, persons_of(events))
    console.print(f"[bold]Noren demo[/] in {home.root}: about {events:,} events of {MONTH}, people who do not exist\n")
    with opened(home) as setting, bar(console) as progress:
        step = progress.add_task("Generating logs", total=DAYS)
        made = generate(home, events, seed, progress=lambda _: progress.advance(step))
        before = _choose(setting, BEFORE)
        run = take_logs_in(setting, progress)
        later = _choose(setting, LATER)
        step = progress.add_task("Build, gate, approve, publish", total=len(RELEASES) * 4)
        released = [_released(setting, name, lambda: progress.advance(step)) for name in RELEASES]
        mart = load_mart(setting)
    print_intake(console, run)
    planted = f"{made.optouts} opted-out cookies, {made.crawlers:,} crawler requests, {made.broken.total()} broken rows"
    console.print(f"Planted: {planted}, {made.late:,} late events, {made.repeated} file delivered twice.\n")
    with opened(home) as setting:
        _say_choices(console, setting, run, before, later)
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


def _choose(setting: Setting, name: str) -> Counter[str]:
    """Record a list of opt-outs; return how many it has of each namespace."""
    namespaces = setting.policies.namespaces
    chosen = read_optouts(setting.home.landing / name, namespaces=namespaces)
    add_optouts(setting.home, setting.ledger, chosen, namespaces=namespaces)
    return Counter(namespace for namespace, _ in chosen)


def _say_choices(console: Console, setting: Setting, run: IntakeRun, before: Counter[str], later: Counter[str]) -> None:
    """Say who opted out, by the clause on which each choice stands, and what became of their rows."""
    dropped = Counter[str]()
    for taken in run.taken:
        dropped[setting.policies.sources[taken.source].persons[0].namespace] += taken.dropped.get(OPTED_OUT, 0)
    console.print("[bold]People's choices[/], by the clause that each stands on:")
    for choice in sorted(setting.policies.policy.choices.values(), key=lambda one: one.clause):
        console.print(f"  {choice.clause}: “{choice.text.strip()}”", highlight=False)
        for namespace in choice.namespaces:
            told = f"{before[namespace]} before the intake, which dropped {dropped[namespace]:,} rows; "
            told = (told if before[namespace] else "") + f"{later[namespace]} after it"
            covers = ", with every id that a log links to them" if choice.covers_linked else ""
            console.print(f"     {namespace}: {told}{covers}", highlight=False)
    console.print("  Releases are built without them, whenever they chose.\n", highlight=False)


def _say(console: Console, setting: Setting, name: str, outcome: Published | str) -> None:
    title = setting.policies.release(name).title.en
    if isinstance(outcome, str):
        console.print(f"[bold]{title}[/]: {outcome}")
        return
    published = outcome.publication
    built = load_candidate(setting.home, setting.ledger, published.candidate)
    checked = ", ".join(check.partition(":")[0] for check in verify(outcome.folder, setting.home).checks)
    console.print(f"[bold]{title}[/] {published.period} v{published.version}, digest {published.digest[:16]}")
    console.print(f"  verified: {checked}", highlight=False)
    for one in noted(built.request.utility):
        console.print(f"  {one.measure}: {one}", highlight=False)
    console.print(f"  left out by choice: {told_of_choices(built.request.choices)}", highlight=False)
    console.print(f"  {_relative(outcome.folder)}", highlight=False, soft_wrap=True)


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
