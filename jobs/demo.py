"""Demo: a month of realistic logs becomes signed releases, in a home of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from anonymization.errors import AlreadyOut, Refusal
from anonymization.home import Home
from anonymization.keys import generate_officer_key, load_private_key
from anonymization.release.candidate import load_candidate
from anonymization.release.choices import add_optouts, read_optouts
from anonymization.release.choices import optouts as all_optouts
from anonymization.release.decision import Outcome, decide
from anonymization.release.publish import Published, publish
from anonymization.release.verify import verify
from jobs.build import build
from jobs.console import bar, print_intake
from jobs.gate import gate
from jobs.generate import MONTH, generate
from jobs.init import initialize
from jobs.intake import arrivals, run_intake
from jobs.mart import load_mart
from jobs.review import review
from jobs.setting import DEMO_OFFICERS, Setting, enrol_in_demo, opened

OFFICER = "demo-officer"
RELEASES = (
    "monthly-audience",
    "media-and-ads",
    "search-trends",
    "service-usage",
    "web-audience",
    "population-by-place",
)
DAYS = 31


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
        add_optouts(home, setting.ledger, read_optouts(home.landing / "optouts.csv"))
        files = arrivals(home, setting.policies)
        step = progress.add_task("Taking logs in", total=len(files))
        run = run_intake(
            home, setting.policies, files, optouts=all_optouts(home), kept_from=setting.kept_from,
            progress=lambda _: progress.advance(step),
        )  # fmt: skip
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


def open_demo(home: Home) -> None:
    """Make a home whose officer's key lies in it, or take one that was made so.

    Raises:
        Refusal: the home is in real use.
    """
    marker = home.root / DEMO_OFFICERS
    if initialize(home):
        public = generate_officer_key(home.keys / f"{OFFICER}.key")
        enrol_in_demo(home, OFFICER, public_key=public)
    elif not marker.exists():
        raise Refusal(f"{home.root} is in real use: a demo does not write there; set NOREN_HOME to another folder")


def release(setting: Setting, name: str, month: str, advance: Callable[[], None] = lambda: None) -> Published:
    """Build, gate, review, approve and publish a release as the demo's officer, who reads nothing.

    Raises:
        Refusal: the gate is closed, or what was built is out already.
    """
    candidate = build(setting, name, month)
    advance()
    result = gate(setting, candidate.id)
    advance()
    if not result.opened:
        raise Refusal(f"{name} {month}: the gate is closed: " + "; ".join(result.reasons))
    review(setting, candidate.id)
    key = load_private_key(setting.home.keys / f"{OFFICER}.key")
    decide(
        setting.ledger, load_candidate(setting.home, setting.ledger, candidate.id), outcome=Outcome.APPROVED,
        officer=OFFICER, officers=setting.officers, key=key, reason="demo",
    )  # fmt: skip
    advance()
    return publish(
        setting.home, setting.ledger, candidate.id,
        officers=setting.officers, policy_digest=setting.policies.digest, demo=True,
    )  # fmt: skip


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
